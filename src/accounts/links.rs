//! One-time links. Whoever follows one within its time has a session; nobody has it a second time.
//! To look at one changes nothing: mail scanners follow links, people press a button.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::sessions::{self, Begun, Browser, Way};
use crate::app::App;
use crate::app::credentials::check_clock;
use crate::changes::{self, Act, Origin};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{LinkId, MemberId, WorkspaceId};
use crate::secrets::tokens::{self, Door};
use crate::store::members;
use crate::store::one_time_links::{self as rows, NewLink};
use crate::store::tx::Tx;

pub use crate::store::one_time_links::Link;

/// How long a link is good.
pub const LIFE: Duration = Duration::from_mins(30);

/// How a person is known who followed a link (RFC 8176: somebody has seen to it by other means).
const AMR: &str = "otp";

/// A link that was just made; its text is not to be had again.
#[derive(Clone)]
pub struct Made {
    /// Its id.
    pub id: LinkId,
    /// Where it leads.
    pub url: SecretString,
    /// From when it opens nothing any more.
    pub expires_at: Timestamp,
}

/// A link's secret before it is kept.
#[derive(Clone)]
pub struct Minted {
    text: SecretString,
    hash: [u8; 32],
    base: String,
}

/// Makes the secret of a link below the deployment's own URL.
pub async fn mint(app: &App) -> Result<Minted> {
    check_clock(app)?;
    let base = app.public_url().await?;
    let (text, hash) = tokens::mint(Door::Link)?;
    Ok(Minted { text, hash, base })
}

/// Keeps a link for a member who is in, or for an operator.
pub async fn keep(
    tx: &mut Tx,
    minted: &Minted,
    member: Option<(WorkspaceId, MemberId)>,
    at: Timestamp,
) -> Result<Made> {
    let link = NewLink {
        id: LinkId::new(),
        hash: minted.hash,
        member,
        at,
        expires_at: at.after(LIFE),
    };
    if !rows::insert(tx, &link).await? {
        return Err(Error::NotFound("active member"));
    }
    let base = minted.base.trim_end_matches('/');
    let url = format!("{base}/link/{}", minted.text.expose_secret());
    Ok(Made {
        id: link.id,
        url: url.into(),
        expires_at: link.expires_at,
    })
}

/// What a link would open, without opening it. One that was spent, whose time is over, whose member
/// was shut out since, or that never was is [`Error::Unauthenticated`]: all the same.
pub async fn look(app: &App, text: &str) -> Result<Link> {
    let hash = hash(app, text)?;
    let mut tx = app.db.one().await?;
    let found = rows::find(&mut tx, &hash, app.clock.now()).await?;
    found.ok_or(Error::Unauthenticated)
}

/// Spends a link and begins the session that it opens. Of two who follow it at once one is refused.
pub async fn follow(
    app: &App,
    origin: &Origin,
    text: &str,
    browser: Browser,
    former: Option<&str>,
) -> Result<Begun> {
    let (hash, at) = (hash(app, text)?, app.clock.now());
    let minted = sessions::mint(app, browser)?;
    let former = former.and_then(sessions::hash);
    let (minted_, origin) = (minted.clone(), origin.clone());
    app.write(move |tx| {
        let (minted, origin) = (minted_.clone(), origin.clone());
        Box::pin(async move {
            let link = rows::find(tx, &hash, at).await?;
            let link = link.ok_or(Error::Unauthenticated)?;
            let member = link.workspace.zip(link.member);
            if let Some((workspace, member)) = member {
                // Whoever is shut out at this moment is so before the session, or it hangs on an
                // epoch that rises.
                members::lock(tx, workspace, &[member]).await?;
                let still = rows::find(tx, &hash, at).await?;
                still.ok_or(Error::Unauthenticated)?;
            }
            if !rows::spend(tx, link.id, at).await? {
                return Err(Error::Unauthenticated);
            }
            let way = Way {
                auth_time: at,
                amr: AMR.to_owned(),
                connection: None,
                provider_session: None,
            };
            sessions::begin(tx, &minted, member.map(|whose| (whose, way)), at).await?;
            if let Some(former) = former {
                sessions::follow(tx, &minted, &former, link.workspace, at).await?;
            }
            if let Some((workspace, member)) = member {
                let act = Act {
                    origin,
                    workspace,
                    directory: None,
                    at,
                };
                let detail = json!({"session": minted.id, "link": link.id, "amr": AMR});
                let change = act.change("session.started", ("member", member.0), None, &detail);
                changes::record(tx, workspace, &[change]).await?;
            }
            Ok(())
        })
    })
    .await?;
    Ok(minted.begun())
}

fn hash(app: &App, text: &str) -> Result<[u8; 32]> {
    check_clock(app)?;
    match tokens::parse(text) {
        Some((Door::Link, hash)) => Ok(hash),
        _ => Err(Error::Unauthenticated),
    }
}
