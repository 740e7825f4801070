//! What providers publish of themselves: where things are (discovery) and by which keys they sign.

use std::time::Duration;

use futures_util::future::BoxFuture;
use openidconnect::core::{
    CoreJsonWebKeySet, CoreJwsSigningAlgorithm as Algorithm, CoreProviderMetadata,
};
use openidconnect::{HttpRequest, HttpResponse};
use serde_json::Value;

use super::presets::TEMPLATE;
use super::refused::Refused;
use super::settings::Settings;
use crate::app::App;
use crate::app::providers::Away;
use crate::error::{Error, Result};
use crate::store::connections::ConnectionKind;

/// How long what a provider publishes is trusted before it is asked again.
const AGE: Duration = Duration::from_mins(10);
/// From when on it may be asked again where a key is missing.
const MISSED: Duration = Duration::from_secs(30);
/// Where a provider says how it is set up (OpenID Connect Discovery 1.0 section 4).
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// A provider as it is now.
pub(super) struct Provider {
    /// Who it is; for several tenants with [`TEMPLATE`] where the tenant belongs.
    pub(super) issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) userinfo_endpoint: Option<String>,
    /// Where its keys are, and what it may sign with; none for OAuth 2.0.
    pub(super) keys: Option<(String, Vec<Algorithm>)>,
    /// Whether its answers name it (RFC 9207).
    pub(super) names_itself: bool,
    /// Where people sign out (OpenID Connect RP-Initiated Logout 1.0).
    pub(super) end_session_endpoint: Option<String>,
}

/// Refuses a provider that cannot be read, or is another than the settings say. What a network inside
/// answers is nothing that a customer learns: the reason is in the log.
pub(super) async fn check(app: &App, kind: ConnectionKind, settings: &Settings) -> Result<()> {
    let Some(issuer) = &settings.issuer else {
        return Ok(());
    };
    let url = discovery(issuer);
    // What is kept for logins is what was good for them: this is looked at beside it.
    let read = app.providers.look(&url).await;
    let body = read.and_then(|body| {
        let is_one = serde_json::from_slice::<CoreProviderMetadata>(&body).is_ok();
        is_one
            .then_some(body)
            .ok_or_else(|| Away("it is none".to_owned()))
    });
    let body = body.map_err(|away| {
        tracing::info!(url, %away, "a provider could not be read");
        Error::value("issuer: no OpenID Connect provider could be read there")
    })?;
    if metadata(kind, issuer, &body).is_some() {
        Ok(())
    } else {
        Err(Error::value(
            "issuer_mismatch: the provider there says that it is another one, or how it is set up \
             cannot be read",
        ))
    }
}

/// The provider of a connection. One that is away is as it last was; one that never was there is
/// [`Refused::Away`].
pub(super) async fn find(
    app: &App,
    kind: ConnectionKind,
    settings: &Settings,
) -> Result<Provider, Refused> {
    let Some(issuer) = &settings.issuer else {
        let endpoint = |url: &Option<String>| url.clone().ok_or(Refused::Away);
        return Ok(Provider {
            issuer: String::new(),
            authorization_endpoint: endpoint(&settings.authorization_endpoint)?,
            token_endpoint: endpoint(&settings.token_endpoint)?,
            userinfo_endpoint: settings.userinfo_endpoint.clone(),
            keys: None,
            names_itself: false,
            end_session_endpoint: None,
        });
    };
    let url = discovery(issuer);
    let is_good = |body: &[u8]| metadata(kind, issuer, body).is_some();
    let now = app.clock.now();
    let read = app.providers.document(&url, (now, AGE), is_good).await;
    let body = read.map_err(|away| told(&url, &away))?;
    metadata(kind, issuer, &body).ok_or(Refused::Away)
}

/// The keys by which a provider signs. `missed` where one was not among those that are at hand.
pub(super) async fn keys(app: &App, url: &str, missed: bool) -> Result<CoreJsonWebKeySet, Refused> {
    let age = if missed { MISSED } else { AGE };
    let parse = |body: &[u8]| {
        let keys: Option<CoreJsonWebKeySet> = serde_json::from_slice(body).ok();
        keys.filter(|keys| !keys.keys().is_empty())
    };
    let is_good = |body: &[u8]| parse(body).is_some();
    let now = app.clock.now();
    let read = app.providers.document(url, (now, age), is_good).await;
    let body = read.map_err(|away| told(url, &away))?;
    parse(&body).ok_or(Refused::Away)
}

/// Whether what a provider publishes was not to be had the last time.
pub(super) fn is_troubled(app: &App, settings: &Settings, provider: &Provider) -> bool {
    let issuer = settings.issuer.as_deref();
    let keys = provider.keys.as_ref();
    issuer.is_some_and(|issuer| app.providers.is_troubled(&discovery(issuer)))
        || keys.is_some_and(|(url, _)| app.providers.is_troubled(url))
}

/// How the protocol's crates reach a provider.
pub(super) fn way(
    app: &App,
) -> impl Fn(HttpRequest) -> BoxFuture<'static, Result<HttpResponse, Away>> + Send + Sync {
    let app = app.clone();
    move |request| {
        let app = app.clone();
        Box::pin(async move { app.providers.ask(request).await })
    }
}

fn told(url: &str, away: &Away) -> Refused {
    tracing::warn!(url, %away, "a provider could not be read");
    Refused::Away
}

fn discovery(issuer: &str) -> String {
    format!("{}{DISCOVERY}", issuer.trim_end_matches('/'))
}

/// What a document says, if it is the issuer's own.
fn metadata(kind: ConnectionKind, issuer: &str, body: &[u8]) -> Option<Provider> {
    let metadata: CoreProviderMetadata = serde_json::from_slice(body).ok()?;
    let all: Value = serde_json::from_slice(body).ok()?;
    let says = metadata.issuer().as_str();
    let is_own = if kind == ConnectionKind::EntraMultiTenant {
        is_template(says, issuer)
    } else {
        says == issuer
    };
    // People are sent to where it says with what they know: never in clear, unless it is so itself.
    let is_safe = |url: &str| url.starts_with("https://") || issuer.starts_with("http://");
    if !is_own || !is_safe(metadata.authorization_endpoint().as_str()) {
        return None;
    }
    let algorithms = metadata.id_token_signing_alg_values_supported();
    let algorithms = algorithms.iter().filter(|it| is_asymmetric(it));
    Some(Provider {
        issuer: says.to_owned(),
        authorization_endpoint: metadata.authorization_endpoint().to_string(),
        token_endpoint: metadata.token_endpoint()?.to_string(),
        userinfo_endpoint: metadata.userinfo_endpoint().map(ToString::to_string),
        keys: Some((
            metadata.jwks_uri().to_string(),
            algorithms.cloned().collect(),
        )),
        names_itself: all["authorization_response_iss_parameter_supported"] == true,
        end_session_endpoint: all["end_session_endpoint"]
            .as_str()
            .filter(|url| is_safe(url))
            .map(str::to_owned),
    })
}

/// Whether an issuer for several tenants is that of the same provider, tenant left out.
fn is_template(says: &str, issuer: &str) -> bool {
    let Some((before, after)) = says.split_once(TEMPLATE) else {
        return false;
    };
    let tenant = issuer.strip_prefix(before);
    let tenant = tenant.and_then(|rest| rest.strip_suffix(after));
    tenant.is_some_and(|tenant| !tenant.is_empty() && !tenant.contains('/'))
}

/// A signature by a key that we have as well says nothing.
fn is_asymmetric(algorithm: &Algorithm) -> bool {
    !matches!(
        algorithm,
        Algorithm::HmacSha256 | Algorithm::HmacSha384 | Algorithm::HmacSha512 | Algorithm::None
    )
}
