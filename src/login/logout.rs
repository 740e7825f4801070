//! The provider says that somebody is out (OpenID Connect Back-Channel Logout 1.0), or is told.

use openidconnect::core::CoreIdToken;
use openidconnect::{ClientId, EndSessionUrl, LogoutRequest};
use serde_json::json;

use super::checks::{self, Checks};
use super::claims;
use super::connections::{self, Connection};
use super::provider;
use super::refused::Refused;
use crate::app::App;
use crate::app::credentials::check_clock;
use crate::changes::{self, Act, Origin};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::ids::ConnectionId;
use crate::secrets::sha256;
use crate::store::connections as rows;
use crate::store::identities::{self, Identity};
use crate::store::sessions;
use crate::store::spent_tokens;

/// What makes a token one that ends sessions.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// The types that such a token may say it is of.
const TYPES: [&str; 2] = ["jwt", "logout+jwt"];
/// The longest token, in bytes.
const LONGEST: usize = 16 * 1_024;
/// How long a token that was spent is remembered, at least: none is taken whose time is further off.
pub(super) const REMEMBERED: std::time::Duration = std::time::Duration::from_hours(1);

/// Whose sessions end.
struct Out {
    identity: Identity,
    /// The one session at the provider, where it names one.
    provider_session: Option<String>,
    /// The token, which counts once.
    jti: String,
}

/// Ends the sessions that began by a connection and that a logout token names; tells how many. A token
/// that does not hold, or that came before, ends none.
pub async fn by_provider(
    app: &App,
    origin: &Origin,
    connection: ConnectionId,
    token: &str,
) -> Result<u64, Refused> {
    check_clock(app)?;
    let mut tx = app.db.one().await?;
    let found = rows::find_anywhere(&mut tx, connection).await?;
    drop(tx);
    let found = found.ok_or(Error::NotFound("connection"))?;
    let out = read(app, &found, token).await?;
    let act = Act::of(app, origin, found.workspace);
    let ended = app
        .write(move |tx| {
            let mut act = act.clone();
            let (identity, found) = (out.identity.clone(), found.clone());
            let (provider_session, jti) = (out.provider_session.clone(), out.jti.clone());
            Box::pin(async move {
                act.origin.actor = Some(format!("connection {}", found.id));
                let hash = sha256(jti.as_bytes());
                let until = act.at.after(REMEMBERED);
                if !spent_tokens::insert(tx, act.workspace, (found.id, &hash), until).await? {
                    return Ok(None);
                }
                let member = identities::find(tx, act.workspace, &identity).await?;
                let Some(member) = member else {
                    return Ok(Some(0));
                };
                let of = (act.workspace, member, found.id);
                let only = provider_session.as_deref();
                let count = sessions::end_by_connection(tx, of, only).await?;
                if count > 0 {
                    let subject = ("member", member.0);
                    let detail = json!({"connection": found.id, "count": count});
                    let kind = "session.ended_by_provider";
                    let change = act.change(kind, subject, None, &detail);
                    changes::record(tx, act.workspace, &[change]).await?;
                }
                Ok(Some(count))
            })
        })
        .await?;
    ended.ok_or(Refused::Token("jti"))
}

/// Where somebody signs out at the provider too, who came in by a connection; none where the provider
/// has no such place (OpenID Connect RP-Initiated Logout 1.0).
pub async fn at_provider(app: &App, connection: ConnectionId) -> Option<String> {
    let mut tx = app.db.one().await.ok()?;
    let found = rows::find_anywhere(&mut tx, connection).await.ok()??;
    drop(tx);
    let settings = connections::settings(&found).ok()?;
    let provider = provider::find(app, found.kind, &settings).await.ok()?;
    let endpoint = provider.end_session_endpoint?;
    let url = EndSessionUrl::new(endpoint).ok()?;
    if !matches!(url.url().scheme(), "https" | "http") {
        return None;
    }
    let request = LogoutRequest::from(url).set_client_id(ClientId::new(settings.client_id));
    Some(request.http_get_url().into())
}

/// What a token says that holds (section 2.6).
async fn read(app: &App, connection: &Connection, text: &str) -> Result<Out, Refused> {
    let malformed = || Refused::Token("logout_token");
    if text.len() > LONGEST {
        return Err(malformed());
    }
    let token: CoreIdToken = text.parse().map_err(|_| malformed())?;
    let settings = connections::settings(connection)?;
    let provider = provider::find(app, connection.kind, &settings).await?;
    let Some((keys, algorithms)) = &provider.keys else {
        return Err(malformed());
    };
    let raw = checks::payload(&token)?;
    let checks = Checks {
        app,
        client_id: &settings.client_id,
        issuer: claims::issuer(&provider, &settings, &raw)?,
        keys,
        algorithms,
    };
    checks
        .hold(|verifier| checks::is_of_type(&token, verifier, &TYPES))
        .await?;
    checks.check_raw(&raw)?;
    let is_event = raw["events"][EVENT].is_object();
    let soonest = app.clock.now().after(REMEMBERED);
    let expires = raw["exp"]
        .as_i64()
        .and_then(|exp| exp.checked_mul(1_000_000));
    let is_short = expires.is_some_and(|exp| Timestamp(exp) <= soonest);
    let jti = raw["jti"].as_str().filter(|jti| !jti.is_empty());
    if !is_event || !is_short || raw.get("nonce").is_some() {
        return Err(malformed());
    }
    // A person is known here by the claim that the connection says, which need not be `sub`.
    let subject = claims::subject(&settings, &raw).ok_or(Refused::Claim("subject"))?;
    Ok(Out {
        identity: Identity {
            connection: connection.id,
            issuer: raw["iss"].as_str().unwrap_or_default().to_owned(),
            subject,
        },
        provider_session: raw["sid"].as_str().map(str::to_owned),
        jti: jti.ok_or_else(malformed)?.to_owned(),
    })
}
