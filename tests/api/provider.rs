//! A provider where people sign in: a good one, that does whatever a bad one would when it is told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use gatehouse::clock::Clock;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

/// Who we are there.
pub(crate) const CLIENT: &str = "gate house";
/// With which secret.
pub(crate) const SECRET: &str = "s3cret/+ :ä";

/// The status of an answer that does not end.
pub(crate) const HANGS: u16 = 0;
/// The status of one that comes drop by drop, for ever.
pub(crate) const DRIPS: u16 = 1;

/// A provider; it ends with the test's runtime.
pub(crate) struct Provider {
    /// Where it is, without a slash at its end.
    pub(crate) base: String,
    inner: Shared,
}

type Shared = Arc<Mutex<Inner>>;

/// An ID token before it is signed.
pub(crate) struct Token {
    pub(crate) header: Value,
    pub(crate) claims: Value,
    pub(crate) signed: Signed,
}

/// How it is signed.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Signed {
    Well,
    /// By a key that nobody knows.
    Elsewhere,
    /// By the key of before the last rotation.
    Formerly,
    /// Not at all.
    Not,
    /// With a key that everybody knows.
    Shared,
}

type Twist = Arc<dyn Fn(&mut Token) + Send + Sync>;

pub(crate) struct Inner {
    /// What it says of whoever signs in.
    pub(crate) person: Value,
    /// What `userinfo` says, if not the same.
    pub(crate) userinfo: Option<Value>,
    /// What its discovery document says beside the usual.
    pub(crate) says: BTreeMap<String, Value>,
    /// What a path answers instead.
    pub(crate) instead: BTreeMap<String, (u16, &'static str, Vec<u8>)>,
    /// Whether its answers name it.
    pub(crate) names_itself: bool,
    twist: Twist,
    issuer: String,
    keys: Vec<(String, EcdsaKeyPair)>,
    former: Option<(String, EcdsaKeyPair)>,
    codes: BTreeMap<String, BTreeMap<String, String>>,
    asked: BTreeMap<String, usize>,
    clock: Clock,
}

fn key() -> EcdsaKeyPair {
    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    let document = document.expect("a key");
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).expect("a key")
}

fn lock(inner: &Shared) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Provider {
    /// One that goes by that clock.
    pub(crate) async fn new(clock: &Clock) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Mutex::new(Inner {
            person: json!({"sub": "00u1"}),
            userinfo: None,
            says: BTreeMap::new(),
            instead: BTreeMap::new(),
            names_itself: true,
            twist: Arc::new(|_| {}),
            issuer: base.clone(),
            keys: vec![("one".to_owned(), key())],
            former: None,
            codes: BTreeMap::new(),
            asked: BTreeMap::new(),
            clock: clock.clone(),
        }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route(
                "/{tenant}/v2.0/.well-known/openid-configuration",
                get(discovery_of_tenant),
            )
            .route("/keys", get(keys))
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base, inner }
    }

    /// Its insides.
    pub(crate) fn set(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// Whoever signs in from now on.
    pub(crate) fn person(&self, person: Value) {
        self.set().person = person;
    }

    /// What is done to each ID token from now on.
    pub(crate) fn twist(&self, twist: impl Fn(&mut Token) + Send + Sync + 'static) {
        self.set().twist = Arc::new(twist);
    }

    /// A token that it signs, as `make` makes it.
    pub(crate) fn sign(&self, make: impl Fn(&mut Token)) -> String {
        self.set().signed(make)
    }

    /// Signs by another key from now on; the former ones go.
    pub(crate) fn rotate(&self, kid: &str) {
        let mut inner = self.set();
        let mut before = std::mem::replace(&mut inner.keys, vec![(kid.to_owned(), key())]);
        inner.former = Some(before.swap_remove(0));
    }

    /// Publishes so many keys besides its own.
    pub(crate) fn others(&self, count: usize) {
        let mut inner = self.set();
        inner.keys.truncate(1);
        inner
            .keys
            .extend((0..count).map(|at| (format!("other-{at}"), key())));
    }

    /// How often a path was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.set().asked.get(path).copied().unwrap_or_default()
    }

    /// What a browser does there that was sent to `url`: it signs in and is sent back, to this path.
    pub(crate) fn sign_in(&self, url: &str) -> String {
        let url = Url::parse(url).expect("a URL");
        assert_eq!(url.path(), "/authorize");
        let asked: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["client_id"], CLIENT);
        assert_eq!(asked["code_challenge_method"], "S256");
        let mut inner = self.set();
        let code = format!("code-{}", inner.codes.len());
        let mut back = Url::parse(&asked["redirect_uri"]).expect("a URL");
        back.query_pairs_mut()
            .append_pair("code", &code)
            .append_pair("state", &asked["state"]);
        if inner.names_itself {
            let issuer = inner.issuer.clone();
            back.query_pairs_mut().append_pair("iss", &issuer);
        }
        inner.codes.insert(code, asked);
        format!("{}?{}", back.path(), back.query().unwrap_or_default())
    }
}

impl Inner {
    fn ask(&mut self, path: &str) -> Option<Response> {
        *self.asked.entry(path.to_owned()).or_default() += 1;
        let (status, media, body) = self.instead.get(path)?.clone();
        if status == HANGS {
            let never = futures_util::stream::pending::<Result<Bytes, std::convert::Infallible>>();
            return Some(axum::body::Body::from_stream(never).into_response());
        }
        if status == DRIPS {
            let beat = tokio::time::interval(Duration::from_millis(20));
            let drops = futures_util::stream::unfold(beat, async |mut beat| {
                beat.tick().await;
                let drop = Bytes::from_static(b" ");
                Some((Ok::<_, std::convert::Infallible>(drop), beat))
            });
            return Some(axum::body::Body::from_stream(Box::pin(drops)).into_response());
        }
        let status = StatusCode::from_u16(status).unwrap();
        let location = format!("{}{path}", self.issuer);
        let headers = [("content-type", media.to_owned()), ("location", location)];
        Some((status, headers, body).into_response())
    }

    fn id_token(&self, asked: &BTreeMap<String, String>, access: &str) -> String {
        let hash = gatehouse::secrets::sha256(access.as_bytes());
        self.signed(|token| {
            let claims = &mut token.claims;
            claims["at_hash"] = BASE64URL_NOPAD.encode(&hash[..16]).into();
            if let Some(nonce) = asked.get("nonce") {
                claims["nonce"] = nonce.clone().into();
            }
            for (name, value) in self.person.as_object().unwrap() {
                claims[name] = value.clone();
            }
            (self.twist)(token);
        })
    }

    fn signed(&self, make: impl Fn(&mut Token)) -> String {
        let now = self.clock.now().0 / 1_000_000;
        let (kid, key) = &self.keys[0];
        let mut token = Token {
            header: json!({"alg": "ES256", "kid": kid}),
            claims: json!({"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300}),
            signed: Signed::Well,
        };
        make(&mut token);
        let mut key = key;
        if let (Signed::Formerly, Some((kid, former))) = (token.signed, &self.former) {
            token.header["kid"] = kid.clone().into();
            key = former;
        }
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let text = format!("{}.{}", part(&token.header), part(&token.claims));
        let random = SystemRandom::new();
        let signature = match token.signed {
            Signed::Well | Signed::Formerly => key
                .sign(&random, text.as_bytes())
                .unwrap()
                .as_ref()
                .to_vec(),
            Signed::Elsewhere => {
                let other = self::key();
                other
                    .sign(&random, text.as_bytes())
                    .unwrap()
                    .as_ref()
                    .to_vec()
            }
            Signed::Not => Vec::new(),
            Signed::Shared => {
                let shared = hmac::Key::new(hmac::HMAC_SHA256, key.public_key().as_ref());
                hmac::sign(&shared, text.as_bytes()).as_ref().to_vec()
            }
        };
        format!("{text}.{}", BASE64URL_NOPAD.encode(&signature))
    }
}

async fn discovery(State(inner): State<Shared>, uri: Uri) -> Response {
    let mut inner = lock(&inner);
    if let Some(instead) = inner.ask(uri.path()) {
        return instead;
    }
    document(&inner, &inner.issuer.clone())
}

async fn discovery_of_tenant(
    State(inner): State<Shared>,
    Path(_): Path<String>,
    uri: Uri,
) -> Response {
    let mut inner = lock(&inner);
    if let Some(instead) = inner.ask(uri.path()) {
        return instead;
    }
    let issuer = format!("{}/{{tenantid}}/v2.0", inner.issuer);
    document(&inner, &issuer)
}

fn document(inner: &Inner, issuer: &str) -> Response {
    let base = &inner.issuer;
    let mut document = json!({
        "issuer": issuer, "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"), "userinfo_endpoint": format!("{base}/userinfo"),
        "jwks_uri": format!("{base}/keys"), "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        // One that says so is not believed.
        "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
        "authorization_response_iss_parameter_supported": inner.names_itself,
    });
    for (name, value) in &inner.says {
        document[name] = value.clone();
    }
    axum::Json(document).into_response()
}

async fn keys(State(inner): State<Shared>, uri: Uri) -> Response {
    let mut inner = lock(&inner);
    if let Some(instead) = inner.ask(uri.path()) {
        return instead;
    }
    let keys: Vec<Value> = inner
        .keys
        .iter()
        .map(|(kid, key)| {
            let point = key.public_key().as_ref();
            json!({
                "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid,
                "x": BASE64URL_NOPAD.encode(&point[1..33]),
                "y": BASE64URL_NOPAD.encode(&point[33..65]),
            })
        })
        .collect();
    axum::Json(json!({"keys": keys})).into_response()
}

/// Exchanges a code once, for whoever has its verifier and the client's secret.
async fn token(State(inner): State<Shared>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut inner = lock(&inner);
    if let Some(instead) = inner.ask(uri.path()) {
        return instead;
    }
    let form: BTreeMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
    let refused = |error: &str| {
        (StatusCode::BAD_REQUEST, axum::Json(json!({"error": error}))).into_response()
    };
    // RFC 6749 section 2.3.1: both are encoded as in forms before they are joined.
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let basic = format!("{}:{}", encoded(CLIENT), encoded(SECRET));
    let basic = format!("Basic {}", BASE64.encode(basic.as_bytes()));
    let shown = headers.get("authorization").and_then(|it| it.to_str().ok());
    let posted = form.get("client_secret").map(String::as_str) == Some(SECRET)
        && form.get("client_id").map(String::as_str) == Some(CLIENT);
    if shown != Some(basic.as_str()) && !posted {
        return refused("invalid_client");
    }
    let code = form.get("code").cloned().unwrap_or_default();
    let Some(asked) = inner.codes.get(&code).cloned() else {
        return refused("invalid_grant");
    };
    inner.codes.insert(code, BTreeMap::new());
    let verifier = form.get("code_verifier").cloned().unwrap_or_default();
    let challenge = gatehouse::secrets::sha256(verifier.as_bytes());
    let challenge = BASE64URL_NOPAD.encode(&challenge);
    if asked.get("code_challenge") != Some(&challenge)
        || asked.get("redirect_uri") != form.get("redirect_uri")
    {
        return refused("invalid_grant");
    }
    let access = format!("access-{}", inner.codes.len());
    let id_token = inner.id_token(&asked, &access);
    let answer = json!({"access_token": access, "token_type": "Bearer", "id_token": id_token});
    axum::Json(answer).into_response()
}

async fn userinfo(State(inner): State<Shared>, uri: Uri, headers: HeaderMap) -> Response {
    let mut inner = lock(&inner);
    if let Some(instead) = inner.ask(uri.path()) {
        return instead;
    }
    let shown = headers.get("authorization").and_then(|it| it.to_str().ok());
    if !shown.is_some_and(|shown| shown.starts_with("Bearer access-")) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let person = inner
        .userinfo
        .clone()
        .unwrap_or_else(|| inner.person.clone());
    axum::Json(person).into_response()
}
