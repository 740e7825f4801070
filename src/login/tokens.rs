//! What a code is exchanged for, and what of it holds (OpenID Connect Core 1.0 section 3.1.3.7).

use oauth2::basic::BasicClient;
use oauth2::{AuthType, TokenResponse as _};
use openidconnect::core::{
    CoreClient, CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJwsSigningAlgorithm,
    CoreTokenResponse, CoreUserInfoClaims,
};
use openidconnect::{
    AccessToken, AccessTokenHash, AuthorizationCode, AuthorizationCodeHash,
    ClaimsVerificationError as Fault, ClientId, ClientSecret, IssuerUrl, Nonce, PkceCodeVerifier,
    RedirectUrl, SubjectIdentifier, TokenResponse as _, TokenUrl, UserInfoUrl,
};
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use super::checks::{self, Checks};
use super::claims;
use super::connections::{self, Connection};
use super::provider::{self, Provider};
use super::refused::Refused;
use super::settings::{Claims, ClientAuth, Settings};
use crate::app::App;
use crate::error::Result;

/// The client of a provider that speaks OpenID Connect, without endpoints.
pub(super) type OidcClient = CoreClient;

/// An exchange of a code for what the provider says of a person.
pub(super) struct Exchange<'a> {
    pub(super) app: &'a App,
    pub(super) connection: &'a Connection,
    pub(super) settings: &'a Settings,
    pub(super) provider: &'a Provider,
    pub(super) code: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
}

impl Exchange<'_> {
    /// The claims of the person: those of the ID token, and those of `userinfo` that it does not have.
    pub(super) async fn claims(&self) -> Result<Value, Refused> {
        match &self.provider.keys {
            Some((url, algorithms)) => self.oidc(url, algorithms).await,
            None => self.oauth2().await,
        }
    }

    async fn oidc(
        &self,
        keys: &str,
        algorithms: &[CoreJwsSigningAlgorithm],
    ) -> Result<Value, Refused> {
        let issuer = issuer(&self.provider.issuer)?;
        let none = CoreJsonWebKeySet::new(Vec::new());
        let mut client = CoreClient::new(self.client_id(), issuer, none)
            .set_token_uri(token_url(&self.provider.token_endpoint)?)
            .set_redirect_uri(self.redirect_uri().await?)
            .set_auth_type(self.auth_type());
        if let Some(secret) = self.secret()? {
            client = client.set_client_secret(secret);
        }
        let way = provider::way(self.app);
        let answer: CoreTokenResponse = client
            .exchange_code(AuthorizationCode::new(self.code.clone()))
            .set_pkce_verifier(PkceCodeVerifier::new(self.verifier.clone()))
            .request_async(&way)
            .await
            .map_err(|error| not_exchanged(self.connection, &error))?;
        let token = answer.id_token().ok_or(Refused::Token("id_token"))?;
        let mut claims = self
            .checked(token, answer.access_token(), (keys, algorithms))
            .await?;
        if self.settings.userinfo
            && let Some(endpoint) = &self.provider.userinfo_endpoint
        {
            let more = self
                .userinfo(endpoint, answer.access_token(), &claims)
                .await?;
            add(&mut claims, more, &self.settings.claims);
        }
        Ok(claims)
    }

    /// The claims of an ID token that holds.
    async fn checked(
        &self,
        token: &CoreIdToken,
        access: &AccessToken,
        (keys, algorithms): (&str, &[CoreJwsSigningAlgorithm]),
    ) -> Result<Value, Refused> {
        let raw = checks::payload(token)?;
        let checks = Checks {
            app: self.app,
            client_id: &self.settings.client_id,
            issuer: claims::issuer(self.provider, self.settings, &raw)?,
            keys,
            algorithms,
        };
        checks
            .hold(|verifier| self.belongs(token, access, &verifier))
            .await?;
        checks.check_raw(&raw)?;
        Ok(raw)
    }

    /// Whether a token belongs to this exchange, whatever else it says.
    fn belongs(
        &self,
        token: &CoreIdToken,
        access: &AccessToken,
        verifier: &CoreIdTokenVerifier<'_>,
    ) -> Result<(), Fault> {
        let nonce = Nonce::new(self.nonce.clone());
        let claims = token.claims(verifier, &nonce)?;
        let (algorithm, key) = match (token.signing_alg(), token.signing_key(verifier)) {
            (Ok(algorithm), Ok(key)) => (algorithm, key),
            (Err(error), _) | (_, Err(error)) => return Err(Fault::SignatureVerification(error)),
        };
        if let Some(hash) = claims.access_token_hash() {
            let actual = AccessTokenHash::from_token(access, algorithm, key);
            let actual = actual.map_err(|error| Fault::Other(error.to_string()))?;
            if actual != *hash {
                return Err(Fault::Other("at_hash".to_owned()));
            }
        }
        if let Some(hash) = claims.code_hash() {
            let code = AuthorizationCode::new(self.code.clone());
            let actual = AuthorizationCodeHash::from_code(&code, algorithm, key);
            let actual = actual.map_err(|error| Fault::Other(error.to_string()))?;
            if actual != *hash {
                return Err(Fault::Other("c_hash".to_owned()));
            }
        }
        Ok(())
    }

    /// What `userinfo` says about the same person (OpenID Connect Core 1.0 section 5.3.2).
    async fn userinfo(
        &self,
        endpoint: &str,
        access: &AccessToken,
        claims: &Value,
    ) -> Result<Value, Refused> {
        let subject = claims["sub"].as_str().unwrap_or_default().to_owned();
        let url = UserInfoUrl::new(endpoint.to_owned()).map_err(|_| Refused::UserInfo)?;
        let request = http::Request::get(url.as_str())
            .header("authorization", format!("Bearer {}", access.secret()))
            .header("accept", "application/json")
            .body(Vec::new())
            .map_err(|_| Refused::UserInfo)?;
        let answer = self.ask(request).await?;
        let subject = SubjectIdentifier::new(subject);
        let read =
            CoreUserInfoClaims::from_json::<crate::app::providers::Away>(&answer, Some(&subject));
        read.map_err(|error| {
            tracing::info!(connection = %self.connection.id, %error, "userinfo was refused");
            Refused::UserInfo
        })?;
        serde_json::from_slice(&answer).map_err(|_| Refused::UserInfo)
    }

    /// The same at a provider that speaks OAuth 2.0 alone.
    async fn oauth2(&self) -> Result<Value, Refused> {
        let mut client = BasicClient::new(self.client_id())
            .set_token_uri(token_url(&self.provider.token_endpoint)?)
            .set_redirect_uri(self.redirect_uri().await?)
            .set_auth_type(self.auth_type());
        if let Some(secret) = self.secret()? {
            client = client.set_client_secret(secret);
        }
        let way = provider::way(self.app);
        let answer = client
            .exchange_code(AuthorizationCode::new(self.code.clone()))
            .set_pkce_verifier(PkceCodeVerifier::new(self.verifier.clone()))
            .request_async(&way)
            .await
            .map_err(|error| not_exchanged(self.connection, &error))?;
        let endpoint = self.provider.userinfo_endpoint.as_ref();
        let request = http::Request::get(endpoint.ok_or(Refused::UserInfo)?)
            .header(
                "authorization",
                format!("Bearer {}", answer.access_token().secret()),
            )
            .header("accept", "application/json")
            .header("user-agent", "gatehouse")
            .body(Vec::new())
            .map_err(|_| Refused::UserInfo)?;
        let answer = self.ask(request).await?;
        let claims: Map<String, Value> =
            serde_json::from_slice(&answer).map_err(|_| Refused::UserInfo)?;
        Ok(Value::Object(claims))
    }

    async fn ask(&self, request: http::Request<Vec<u8>>) -> Result<Vec<u8>, Refused> {
        let answer = self.app.providers.ask(request).await.map_err(|away| {
            tracing::warn!(connection = %self.connection.id, %away, "userinfo cannot be asked");
            Refused::Away
        })?;
        let media = answer.headers().get("content-type");
        let media = media
            .and_then(|it| it.to_str().ok())
            .unwrap_or("application/json");
        let essence = media.split(';').next().unwrap_or_default().trim();
        // A signed answer would have to be checked by its signature: none was asked for.
        let is_json =
            essence.eq_ignore_ascii_case("application/json") || essence.ends_with("+json");
        if answer.status() == 200 && is_json {
            Ok(answer.into_body())
        } else {
            Err(Refused::UserInfo)
        }
    }

    fn client_id(&self) -> ClientId {
        ClientId::new(self.settings.client_id.clone())
    }

    fn secret(&self) -> Result<Option<ClientSecret>> {
        let secret = connections::secret(self.app, self.connection)?;
        Ok(secret.map(|secret| ClientSecret::new(secret.expose_secret().to_owned())))
    }

    fn auth_type(&self) -> AuthType {
        match self.settings.client_auth {
            ClientAuth::Basic => AuthType::BasicAuth,
            ClientAuth::Post => AuthType::RequestBody,
        }
    }

    async fn redirect_uri(&self) -> Result<RedirectUrl, Refused> {
        let uri = connections::redirect_uri(self.app, self.connection.id).await?;
        RedirectUrl::new(uri).map_err(|_| Refused::Away)
    }
}

/// What the ID token says counts; `userinfo` fills in. That an address is the person's own it says of
/// the address that it names itself.
fn add(claims: &mut Value, more: Value, names: &Claims) {
    let is_other = claims.pointer(&names.email).is_some()
        && claims.pointer(&names.email) != more.pointer(&names.email);
    let (Some(claims), Value::Object(mut more)) = (claims.as_object_mut(), more) else {
        return;
    };
    if is_other {
        let verified = names.email_verified.split('/').nth(1).unwrap_or_default();
        more.remove(&verified.replace("~1", "/").replace("~0", "~"));
    }
    for (name, value) in more {
        claims.entry(name).or_insert(value);
    }
}

fn issuer(text: &str) -> Result<IssuerUrl, Refused> {
    IssuerUrl::new(text.to_owned()).map_err(|_| Refused::Issuer)
}

fn token_url(text: &str) -> Result<TokenUrl, Refused> {
    TokenUrl::new(text.to_owned()).map_err(|_| Refused::Away)
}

/// Why no tokens came: what the provider says of it is in the log, without tokens.
fn not_exchanged<E, T>(connection: &Connection, error: &oauth2::RequestTokenError<E, T>) -> Refused
where
    E: std::error::Error + 'static,
    T: oauth2::ErrorResponse + 'static,
{
    use oauth2::RequestTokenError::{Other, Parse, Request, ServerResponse};
    let id = connection.id;
    match error {
        Request(away) => {
            tracing::warn!(connection = %id, %away, "a provider could not be asked for tokens");
            Refused::Away
        }
        ServerResponse(said) => {
            tracing::info!(connection = %id, said = %said, "a provider exchanged no code");
            Refused::Exchange(code(&said.to_string()))
        }
        Parse(error, body) => {
            tracing::info!(connection = %id, at = %error.path(), "tokens could not be read");
            let answer: Option<Value> = serde_json::from_slice(body).ok();
            if answer.is_some_and(|answer| answer.get("id_token").is_some()) {
                Refused::Token("id_token")
            } else {
                Refused::Exchange(None)
            }
        }
        Other(_) => Refused::Exchange(None),
    }
}

/// The code that a provider's error begins with, if that is one.
fn code(said: &str) -> Option<String> {
    let code = said.split(':').next().unwrap_or_default();
    let is_code = |c: char| c.is_ascii_lowercase() || c == '_';
    let is_one = (1..=64).contains(&code.len()) && code.chars().all(is_code);
    is_one.then(|| code.to_owned())
}
