//! People who signed in for the first time and are nobody whom the workspace has: where a connection
//! says so, an admin decides about each. Until then there is a request, and no member.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::first_login::{self, Newcomer, Visitor, Why};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{JoinRequestId, MemberId, WorkspaceId};
use crate::store::identities::Identity;
use crate::store::join_requests::{self as rows, JoinRequest};
use crate::store::tx::Tx;
use crate::store::workspaces;
use crate::workspace::keys::Scopes;
use crate::workspace::manual::Right;

/// How many requests a workspace may have, declined ones among them.
pub const MOST: i64 = 1_000;
/// How long one is kept that nobody decides, after it was made last.
pub const KEPT: Duration = Duration::from_hours(30 * 24);
/// For what they are sealed.
const PURPOSE: &str = "join requests";
/// How many are forgotten at a time.
const BATCH: i64 = 500;

/// What a provider says of somebody who asks.
#[derive(Serialize, Deserialize)]
struct Said {
    email: Option<String>,
    is_vouched: bool,
    display_name: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
    rights: Vec<Right>,
}

/// A request as admins see it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "JoinRequest")]
pub struct Shown {
    /// Its id.
    pub id: JoinRequestId,
    /// The name of the connection by which the person signed in.
    pub connection: String,
    /// Who the person is at the provider.
    pub subject: String,
    /// The address that the provider names; none once it was declined.
    pub email: Option<String>,
    /// Whether the provider says that the address is the person's own.
    pub email_verified: bool,
    /// The name for people.
    pub display_name: Option<String>,
    /// When the person asked first.
    pub created_at: Timestamp,
    /// When the person asked last.
    pub asked_at: Timestamp,
    /// When it was declined; the person is refused from then on.
    pub declined_at: Option<Timestamp>,
}

/// Who was let in.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[schemars(rename = "JoinRequestApproved")]
pub struct Approved {
    /// The member.
    pub member: MemberId,
}

/// Notes that somebody asks, in the workspace that the caller locked.
pub(super) async fn note(tx: &mut Tx, app: &App, act: &Act, visitor: &Visitor) -> Result<Why> {
    let (workspace, identity) = (act.workspace, &visitor.identity);
    let said = Said {
        email: visitor.email.clone(),
        is_vouched: visitor.is_vouched,
        display_name: visitor.display_name.clone(),
        given_name: visitor.given_name.clone(),
        family_name: visitor.family_name.clone(),
        rights: visitor.rights.clone(),
    };
    let plain = serde_json::to_vec(&said).map_err(Error::internal)?;
    let key = app.keys.of_workspace(workspace, PURPOSE)?;
    if let Some(request) = rows::find(tx, workspace, identity).await? {
        if request.declined_at.is_some() {
            return Ok(Why::Declined);
        }
        let sealed = key.seal(&binding(request.id), &plain)?;
        rows::update_asked(tx, workspace, request.id, sealed, act.at).await?;
        return Ok(Why::Asked);
    }
    if rows::count(tx, workspace).await? >= MOST {
        return Ok(Why::Unknown);
    }
    let id = JoinRequestId::new();
    let sealed = key.seal(&binding(id), &plain)?;
    rows::insert(tx, workspace, (id, identity), sealed, act.at).await?;
    let detail = json!({"connection": identity.connection});
    tell(tx, act, "join_request.made", id, &detail).await?;
    Ok(Why::Asked)
}

/// The requests of a workspace, oldest first.
pub async fn list(app: &App, workspace: WorkspaceId) -> Result<Vec<Shown>> {
    let mut tx = app.db.one().await?;
    let all = rows::list(&mut tx, workspace).await?;
    drop(tx);
    let key = app.keys.of_workspace(workspace, PURPOSE)?;
    let shown = all.into_iter().map(|request| {
        let said = match &request.sealed {
            None => None,
            Some(sealed) => {
                let plain = key.open(&binding(request.id), sealed)?;
                let said: Said = serde_json::from_slice(&plain).map_err(Error::internal)?;
                Some(said)
            }
        };
        Ok(Shown {
            id: request.id,
            connection: request.connection_name,
            subject: request.subject,
            email_verified: said.as_ref().is_some_and(|said| said.is_vouched),
            email: said.as_ref().and_then(|said| said.email.clone()),
            display_name: said.and_then(|said| said.display_name),
            created_at: request.created_at,
            asked_at: request.asked_at,
            declined_at: request.declined_at,
        })
    });
    shown.collect()
}

/// Lets in who asked, linked to who it is at the provider: a new member with the connection's teams
/// and roles, or whom the workspace has by now. What `scopes` do not cover is [`Error::Forbidden`];
/// whoever cannot be let in, or was declined, is [`Error::Conflict`].
pub async fn approve(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    workspace: WorkspaceId,
    id: JoinRequestId,
) -> Result<Approved> {
    let act = Act::of(app, origin, workspace);
    let (app_, scopes) = (app.clone(), scopes.clone());
    app.write(move |tx| {
        let (app, act, scopes) = (app_.clone(), act.clone(), scopes.clone());
        Box::pin(async move {
            let mark = workspaces::lock_whole(tx, workspace).await?;
            let request = lock(tx, workspace, id).await?;
            let visitor = visitor(&app, workspace, &request)?;
            let by = (&act, &scopes);
            let admitted = first_login::welcome(tx, &app, by, mark.rules_version, &visitor).await?;
            let member = admitted.map_err(|why| {
                Error::Conflict(format!("the person cannot be let in: {}", why.code()))
            })?;
            rows::delete(tx, workspace, id).await?;
            let detail = json!({"member": member.id, "connection": request.connection});
            tell(tx, &act, "join_request.approved", id, &detail).await?;
            Ok(Approved { member: member.id })
        })
    })
    .await
}

/// Declines a request: the person is refused from now on, until the request is forgotten.
pub async fn decline(
    app: &App,
    origin: &Origin,
    workspace: WorkspaceId,
    id: JoinRequestId,
) -> Result<()> {
    let act = Act::of(app, origin, workspace);
    app.write(move |tx| {
        let act = act.clone();
        Box::pin(async move {
            let request = lock(tx, workspace, id).await?;
            if rows::update_declined(tx, workspace, id, act.at).await? {
                let detail = json!({"connection": request.connection});
                tell(tx, &act, "join_request.declined", id, &detail).await?;
            }
            Ok(())
        })
    })
    .await
}

/// Forgets a request, declined or not: whoever made it may ask again.
pub async fn remove(
    app: &App,
    origin: &Origin,
    workspace: WorkspaceId,
    id: JoinRequestId,
) -> Result<()> {
    let act = Act::of(app, origin, workspace);
    app.write(move |tx| {
        let act = act.clone();
        Box::pin(async move {
            let request = lock(tx, workspace, id).await?;
            rows::delete(tx, workspace, id).await?;
            let detail = json!({"connection": request.connection});
            tell(tx, &act, "join_request.removed", id, &detail).await
        })
    })
    .await
}

/// Forgets a batch of requests that nobody decided; tells how many.
pub async fn forget(app: &App) -> Result<usize> {
    let before = app.clock.now().before(KEPT);
    let forgotten = app
        .write(move |tx| Box::pin(async move { Ok(rows::delete_old(tx, before, BATCH).await?) }));
    Ok(usize::try_from(forgotten.await?).unwrap_or(usize::MAX))
}

async fn lock(tx: &mut Tx, workspace: WorkspaceId, id: JoinRequestId) -> Result<JoinRequest> {
    let found = rows::lock(tx, workspace, id).await?;
    found.ok_or(Error::NotFound("join request"))
}

/// Who asked, as the provider said it then.
fn visitor(app: &App, workspace: WorkspaceId, request: &JoinRequest) -> Result<Visitor> {
    let Some(sealed) = &request.sealed else {
        return Err(Error::Conflict("this request was declined".to_owned()));
    };
    let key = app.keys.of_workspace(workspace, PURPOSE)?;
    let plain = key.open(&binding(request.id), sealed)?;
    let said: Said = serde_json::from_slice(&plain).map_err(Error::internal)?;
    Ok(Visitor {
        identity: Identity {
            connection: request.connection,
            issuer: request.issuer.clone(),
            subject: request.subject.clone(),
        },
        known_as: None,
        email: said.email,
        is_vouched: said.is_vouched,
        display_name: said.display_name,
        given_name: said.given_name,
        family_name: said.family_name,
        newcomer: Newcomer::Welcome,
        rights: said.rights,
    })
}

/// Binds what was said to its row.
fn binding(id: JoinRequestId) -> Vec<u8> {
    let mut aad = b"join_requests.sealed".to_vec();
    aad.extend_from_slice(id.0.as_bytes());
    aad
}

async fn tell(
    tx: &mut Tx,
    act: &Act,
    kind: &str,
    id: JoinRequestId,
    detail: &serde_json::Value,
) -> Result<()> {
    let change = act.change(kind, ("join_request", id.0), None, detail);
    changes::record(tx, act.workspace, &[change]).await
}
