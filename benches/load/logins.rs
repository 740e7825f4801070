//! Logins (`--logins`) with a provider in this process, and what SCIM feels of them. A login is two requests
//! of a browser and one of the gateway: to begin, to come back with a code, and to exchange it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use data_encoding::BASE64URL_NOPAD;
use gatehouse::clock::{Clock, Timestamp};
use gatehouse::virtual_idp::Request;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use crate::api::text;
use crate::measure::{Figures, drive, measure};
use crate::scenarios::{Target, external_ids};

/// Look-ups of the directory while people sign in.
const LOOK_UPS: usize = 2_000;
/// How long an ID token is good.
const LIFE: Duration = Duration::from_mins(5);

/// A provider: whoever comes with a code is the person that the code names.
struct Provider {
    base: String,
    key: EcdsaKeyPair,
}

impl Provider {
    /// Serves until the process ends.
    async fn start() -> Result<Arc<Self>> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new())?;
        let provider = Arc::new(Self {
            base: format!("http://{}", listener.local_addr()?),
            key: EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref())?,
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(Arc::clone(&provider));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(provider)
    }

    fn token(&self, subject: &str, nonce: &str) -> Result<String> {
        let now = Clock::system().now();
        let seconds = |at: Timestamp| at.0 / 1_000_000;
        let claims = json!({
            "iss": self.base, "aud": "bench", "sub": subject, "nonce": nonce, "iat": seconds(now),
            "exp": seconds(now.after(LIFE)), "name": subject,
        });
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let signed = format!(
            "{}.{}",
            part(&json!({"alg": "ES256", "kid": "one"})),
            part(&claims)
        );
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes())?;
        Ok(format!(
            "{signed}.{}",
            BASE64URL_NOPAD.encode(signature.as_ref())
        ))
    }
}

async fn discovery(State(provider): State<Arc<Provider>>) -> Json<Value> {
    let base = &provider.base;
    Json(json!({
        "issuer": base, "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"), "jwks_uri": format!("{base}/keys"),
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }))
}

async fn keys(State(provider): State<Arc<Provider>>) -> Json<Value> {
    // An uncompressed point: a byte, then x and y.
    let point = provider.key.public_key().as_ref();
    let (x, y) = point[1..].split_at(32);
    let (x, y) = (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y));
    Json(json!({"keys": [
        {"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "one", "x": x, "y": y},
    ]}))
}

async fn token(State(provider): State<Arc<Provider>>, body: Bytes) -> Result<Json<Value>, String> {
    let mut form = form_urlencoded::parse(&body);
    let code = form.find(|(name, _)| name == "code").map(|(_, code)| code);
    let code = code.unwrap_or_default();
    let (subject, nonce) = code.split_once(' ').ok_or("no code")?;
    let token = provider
        .token(subject, nonce)
        .map_err(|error| error.to_string())?;
    Ok(Json(json!({
        "access_token": "bench", "token_type": "Bearer", "expires_in": 300, "id_token": token,
    })))
}

/// A browser in front of the gateway.
struct Browser {
    http: reqwest::Client,
    url: String,
}

impl Browser {
    /// Sends a request with these cookies; the status, where it leads, and the cookies that it sets.
    async fn send(
        &self,
        method: Method,
        path: &str,
        cookies: &str,
    ) -> Result<(StatusCode, String, String)> {
        let request = self.http.request(method, format!("{}{path}", self.url));
        let answer = request.header(COOKIE, cookies).send().await?;
        let (status, headers) = (answer.status(), answer.headers());
        let location = headers.get(LOCATION).map(|it| it.to_str()).transpose()?;
        let location = location.unwrap_or_default().to_owned();
        let set = headers.get_all(SET_COOKIE).iter();
        let set = set.filter_map(|it| it.to_str().ok()?.split(';').next());
        let set = set.collect::<Vec<_>>().join("; ");
        answer.bytes().await?;
        Ok((status, location, set))
    }

    /// A login from that path on, by that person, to whatever it ends with; the cookies that it set.
    async fn login(
        &self,
        path: &str,
        subject: &str,
        cookies: &str,
        end: StatusCode,
    ) -> Result<String> {
        let (status, to, set) = self.send(Method::GET, path, cookies).await?;
        ensure!(status == StatusCode::SEE_OTHER, "{path} answered {status}");
        let asked = Url::parse(&to)?;
        let given = |name: &str| -> Result<String> {
            let mut pairs = asked.query_pairs();
            let found = pairs.find(|(given, _)| given == name);
            found
                .map(|(_, value)| value.into_owned())
                .context("it is asked for")
        };
        let code = format!("{subject} {}", given("nonce")?);
        let back = Url::parse(&given("redirect_uri")?)?;
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("code", &code)
            .append_pair("state", &given("state")?)
            .finish();
        let cookies = [cookies, &set].join("; ");
        let back = format!("{}?{query}", back.path());
        let (status, _, set) = self.send(Method::GET, &back, &cookies).await?;
        ensure!(status == end, "the login ended with {status}");
        Ok(set)
    }
}

/// All of it. `run` runs a command on the database.
pub(crate) async fn logins(
    target: &Target,
    url: &str,
    run: impl Fn(&[&str]) -> Result<Value>,
) -> Result<Vec<Figures>> {
    let provider = Provider::start().await?;
    let policy = reqwest::redirect::Policy::none();
    let browser = Arc::new(Browser {
        http: reqwest::Client::builder().redirect(policy).build()?,
        url: url.to_owned(),
    });
    let path = connect(&provider, &browser, run).await?;
    let people = Arc::new(external_ids(target));
    let mut figures = Vec::new();
    let sign_in = {
        let people = Arc::clone(&people);
        move |index: usize| {
            let (browser, people, path) = (Arc::clone(&browser), Arc::clone(&people), path.clone());
            async move {
                let person = &people[index % people.len()];
                let end = StatusCode::SEE_OTHER;
                browser.login(&path, person, "", end).await.map(drop)
            }
        }
    };
    let total = target.requests.min(people.len());
    for scenario in ["a first login", "a login"] {
        let work = drive(target.clients, total, sign_in.clone());
        figures.push(
            measure(&target.watch, scenario, target.clients, work)
                .await?
                .0,
        );
    }
    figures.push(look_ups(target, &people, "look-ups alone", async {}).await?);
    let stop = Arc::new(AtomicBool::new(false));
    let mut others = tokio::task::JoinSet::new();
    for client in 0..target.clients {
        let (stop, sign_in, clients) = (Arc::clone(&stop), sign_in.clone(), target.clients);
        others.spawn(async move {
            let mut index = client;
            while !stop.load(Ordering::Relaxed) {
                sign_in(index).await?;
                index += clients;
            }
            anyhow::Ok(())
        });
    }
    let end = async {
        stop.store(true, Ordering::Relaxed);
    };
    figures.push(look_ups(target, &people, "look-ups beside logins", end).await?);
    while let Some(ended) = others.join_next().await {
        ended??;
    }
    Ok(figures)
}

/// Makes a connection, tests it as an admin, and switches it on; where people begin.
async fn connect(
    provider: &Provider,
    browser: &Browser,
    run: impl Fn(&[&str]) -> Result<Value>,
) -> Result<String> {
    let which = ["--workspace", "bench", "--connection", "OP"];
    let add = [
        "workspace",
        "connection",
        "add",
        "--kind",
        "oidc",
        "--client-id",
        "bench",
    ];
    let of = ["--issuer", &provider.base, "--directory", "idp"];
    let made = run(&[&add[..], &which[..], &of[..]].concat())?;
    let connection = text(&made, "id")?;
    let admin = [
        "workspace",
        "admin-link",
        "bench",
        "--email",
        "root@bench.example",
    ];
    let link = Url::parse(&text(&run(&admin)?, "url")?)?;
    let (status, _, session) = browser.send(Method::POST, link.path(), "").await?;
    ensure!(
        status == StatusCode::SEE_OTHER,
        "the link answered {status}"
    );
    let workspaces = run(&["workspace", "list"])?;
    let mut workspaces = workspaces.as_array().into_iter().flatten();
    let workspace = workspaces.find(|it| it["slug"] == "bench");
    let workspace = text(workspace.context("the workspace is there")?, "id")?;
    let test = format!("/connections/{workspace}/{connection}/test");
    browser
        .login(&test, "nobody", &session, StatusCode::OK)
        .await?;
    run(&[&["workspace", "connection", "enable"][..], &which[..]].concat())?;
    Ok(format!("/w/bench/sign-in/{connection}"))
}

/// Look-ups of users by one client, and the `end` of what went on beside them.
async fn look_ups(
    target: &Target,
    people: &Arc<Vec<String>>,
    scenario: &str,
    end: impl Future<Output = ()>,
) -> Result<Figures> {
    let (client, people) = (Arc::clone(&target.client), Arc::clone(people));
    let work = drive(1, LOOK_UPS, move |index| {
        let (client, people) = (Arc::clone(&client), Arc::clone(&people));
        async move {
            let id = &people[index % people.len()];
            let path = format!("/Users?filter=externalId+eq+%22{id}%22");
            let answer = client.exchange(&Request::get(path)).await?;
            ensure!(answer.status.is_success(), "answered {}", answer.status);
            Ok(())
        }
    });
    let work = async {
        let taken = work.await;
        end.await;
        taken
    };
    Ok(measure(&target.watch, scenario, 1, work).await?.0)
}
