//! The provider says that a person is to be out everywhere: Okta's Universal Logout, which is
//! draft-parecki-oauth-global-token-revocation.

use serde::Deserialize;
use serde_json::json;

use super::checks::{self, Checks};
use super::claims;
use super::connections;
use super::logout::REMEMBERED;
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

/// The type that the token must say it is of, so that no other token of the provider passes for one.
const TYPES: [&str; 1] = ["global-token-revocation+jwt"];
/// The longest token, in bytes.
const LONGEST: usize = 16 * 1_024;

/// Who is to be out.
#[derive(Debug, Clone, Deserialize)]
pub struct Asked {
    /// The person; `subject` is what earlier drafts call it.
    #[serde(alias = "subject")]
    sub_id: Subject,
}

/// A person as RFC 9493 names one. Of its formats this one alone is taken: an address is nobody's name.
#[derive(Debug, Clone, Deserialize)]
struct Subject {
    format: String,
    #[serde(default)]
    iss: String,
    #[serde(default)]
    sub: String,
}

/// Ends all sessions in the workspace of whom a connection knows as the provider asks; tells how many.
/// A token that does not hold, or that came before, ends none; nor does one about somebody else's.
pub async fn by_provider(
    app: &App,
    origin: &Origin,
    connection: ConnectionId,
    token: &str,
    asked: &Asked,
) -> Result<u64, Refused> {
    check_clock(app)?;
    let mut tx = app.db.one().await?;
    let found = rows::find_anywhere(&mut tx, connection).await?;
    drop(tx);
    let found = found.ok_or(Error::NotFound("connection"))?;
    let malformed = || Refused::Token("revocation_token");
    if token.len() > LONGEST {
        return Err(malformed());
    }
    let token: openidconnect::core::CoreIdToken = token.parse().map_err(|_| malformed())?;
    let settings = connections::settings(&found)?;
    let provider = provider::find(app, found.kind, &settings).await?;
    let Some((keys, algorithms)) = &provider.keys else {
        return Err(malformed());
    };
    // The crate takes a token without a type for one of any.
    if !checks::header(&token)?["typ"].is_string() {
        return Err(malformed());
    }
    let raw = checks::payload(&token)?;
    let audience = connections::revocation_uri(app, found.id).await?;
    let issuer = claims::issuer(&provider, &settings, &raw)?;
    let checks = Checks {
        app,
        client_id: &audience,
        issuer: issuer.clone(),
        keys,
        algorithms,
    };
    checks
        .hold(|verifier| checks::is_of_type(&token, verifier, &TYPES))
        .await?;
    checks.check_raw(&raw)?;
    let soonest = app.clock.now().after(REMEMBERED);
    let expires = raw["exp"]
        .as_i64()
        .and_then(|exp| exp.checked_mul(1_000_000));
    let jti = raw["jti"].as_str().filter(|jti| !jti.is_empty());
    let jti = sha256(jti.ok_or_else(malformed)?.as_bytes());
    if expires.is_none_or(|exp| Timestamp(exp) > soonest) {
        return Err(malformed());
    }
    let subject = &asked.sub_id;
    if subject.format != "iss_sub" || subject.iss != issuer || subject.sub.is_empty() {
        return Err(Refused::Claim("sub_id"));
    }
    let identity = Identity {
        connection: found.id,
        issuer,
        subject: subject.sub.clone(),
    };
    let act = Act::of(app, origin, found.workspace);
    let ended = app
        .write(move |tx| {
            let (mut act, identity) = (act.clone(), identity.clone());
            Box::pin(async move {
                let connection = identity.connection;
                act.origin.actor = Some(format!("connection {connection}"));
                let until = act.at.after(REMEMBERED);
                if !spent_tokens::insert(tx, act.workspace, (connection, &jti), until).await? {
                    return Ok(None);
                }
                let Some(member) = identities::find(tx, act.workspace, &identity).await? else {
                    return Ok(Some(None));
                };
                let whose = (act.workspace, member);
                let count = sessions::end_of_member(tx, whose, (0, None)).await?;
                let detail = json!({"connection": connection, "count": count});
                let (kind, subject) = ("session.revoked_by_provider", ("member", member.0));
                let change = act.change(kind, subject, None, &detail);
                changes::record(tx, act.workspace, &[change]).await?;
                Ok(Some(Some(count)))
            })
        })
        .await?;
    match ended {
        None => Err(Refused::Token("jti")),
        Some(None) => Err(Error::NotFound("person").into()),
        Some(Some(count)) => Ok(count),
    }
}
