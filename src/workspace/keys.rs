//! Keys of the management API: of a workspace, of a person in one, or of the operators. Stored as
//! hashes, shown once, and never without an end.
//!
//! A key of a workspace is the workspace's own: it outlives whoever made it. A person's own key may
//! do what its scopes and the person's roles both allow, and ends with the person's access. What is
//! done with operators' keys is told in no workspace's log: it has a list of its own, written in the
//! same transaction, in which nothing is changed.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::json;

use crate::app::App;
use crate::app::credentials::{Stored, check_clock};
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::ids::{ApiKeyId, MemberId, WorkspaceId};
use crate::scim::fold;
use crate::secrets::tokens::{self, Door};
use crate::store::api_keys as rows;
use crate::store::api_keys::Found;
use crate::store::operator_acts;
use crate::store::tx::Tx;

pub use crate::store::api_keys::{ApiKey, Opened};
pub use crate::store::operator_acts::OperatorAct;
pub use crate::store::permissions::{Permission, Scopes};

/// How many live keys a workspace may have at once, and the operators.
pub const MOST: i64 = 20;
/// How long a key is good if nobody says.
pub const LIFE: Duration = Duration::from_hours(90 * 24);
/// How long a key may be good.
pub const LONGEST_LIFE: Duration = Duration::from_hours(365 * 24);
/// The longest name, in characters.
const NAME_LENGTH: usize = 64;

/// What a key is made with.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Its name, for people.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// Whose own it is; none for the workspace's or the operators'.
    pub member: Option<MemberId>,
    /// How long it is good; [`LIFE`] if nobody says.
    pub life: Option<Duration>,
}

/// A key that was just made; its text is not to be had again.
pub struct Issued {
    /// The key.
    pub key: ApiKey,
    /// What the client sends.
    pub text: SecretString,
}

/// Makes a key for a workspace; without one, for the operators. Whoever makes it has `scopes`
/// itself, and gives on nothing beyond them. A person's own names only what the person may do when it
/// is made: other scopes are [`Error::Invalid`].
pub async fn issue(
    app: &App,
    origin: &Origin,
    workspace: Option<WorkspaceId>,
    scopes: &Scopes,
    new: NewKey,
) -> Result<Issued> {
    check(workspace, &new)?;
    if !scopes.cover(&new.scopes) {
        return Err(Error::Forbidden);
    }
    let door = workspace.map_or(Door::Deployment, Door::Workspace);
    let (text, hash) = tokens::mint(door)?;
    let at = app.clock.now();
    let key = ApiKey {
        id: ApiKeyId::new(),
        name: new.name,
        scopes: new.scopes,
        member: new.member,
        actor: actor(origin),
        created_at: at,
        expires_at: at.after(new.life.unwrap_or(LIFE)),
        revoked_at: None,
        last_used_at: None,
        held_at: None,
    };
    let (made, origin) = (key.clone(), origin.clone());
    app.write(move |tx| {
        let (key, origin) = (made.clone(), origin.clone());
        Box::pin(async move {
            // Two at once would both find room.
            rows::lock(tx, workspace).await?;
            if rows::count_live(tx, workspace, at).await? >= MOST {
                return Err(Error::Conflict(format!(
                    "there are at most {MOST} live keys; revoke one first"
                )));
            }
            if !rows::insert(tx, workspace, &key, &hash).await? {
                return Err(Error::NotFound("active member"));
            }
            if let Some((workspace, member)) = workspace.zip(key.member) {
                let rights = rows::find_rights(tx, workspace, member).await?;
                check_own(&rights, &key.scopes)?;
            }
            let detail = json!({
                "name": key.name, "scopes": key.scopes, "member": key.member,
                "expires_at": key.expires_at,
            });
            let act = (origin, workspace, at);
            record(tx, act, "api_key.issued", key.id, &detail).await
        })
    })
    .await?;
    Ok(Issued { key, text })
}

fn check(workspace: Option<WorkspaceId>, new: &NewKey) -> Result<()> {
    fold::check_name(&new.name, "name")?;
    if new.name.chars().count() > NAME_LENGTH {
        return Err(Error::value(format!(
            "name must have at most {NAME_LENGTH} characters"
        )));
    }
    if new.scopes.is_empty() {
        return Err(Error::value("scopes must name at least one permission"));
    }
    if workspace.is_some() && new.scopes.name(Permission::Everything) {
        return Err(Error::value("scopes: * is for keys of operators alone"));
    }
    let life = new.life.unwrap_or(LIFE);
    if life.is_zero() || life > LONGEST_LIFE {
        return Err(Error::value("a key is good for 1 to 365 days"));
    }
    Ok(())
}

/// Refuses a person's own key that names what the person may not do now: it could not do it either.
fn check_own(rights: &Scopes, scopes: &Scopes) -> Result<()> {
    let beyond = scopes.iter().filter(|scope| !rights.allow(*scope));
    let beyond: Vec<_> = beyond.map(Permission::name).collect();
    if beyond.is_empty() {
        return Ok(());
    }
    Err(Error::value(format!(
        "scopes: the member does not have {}; give it a role or a permission that has it first",
        beyond.join(", ")
    )))
}

/// The keys of a workspace, or of the operators, oldest first and without their text.
pub async fn list(app: &App, workspace: Option<WorkspaceId>) -> Result<Vec<ApiKey>> {
    let mut tx = app.db.one().await?;
    Ok(rows::list(&mut tx, workspace).await?)
}

/// Ends a key at once.
pub async fn revoke(
    app: &App,
    origin: &Origin,
    workspace: Option<WorkspaceId>,
    key: ApiKeyId,
) -> Result<()> {
    let (at, made) = (app.clock.now(), origin.clone());
    app.write(move |tx| {
        let origin = made.clone();
        Box::pin(async move {
            let by = actor(&origin);
            if !rows::revoke(tx, workspace, key, at, by).await? {
                return Err(Error::NotFound("API key"));
            }
            let act = (origin, workspace, at);
            record(tx, act, "api_key.revoked", key, &json!({})).await
        })
    })
    .await?;
    app.api_keys.invalidate_all();
    Ok(())
}

/// Lets a key that a restore holds open again what it opened: somebody knows that it was not
/// revoked since the backup.
pub async fn release(
    app: &App,
    origin: &Origin,
    workspace: Option<WorkspaceId>,
    key: ApiKeyId,
) -> Result<()> {
    let (at, made) = (app.clock.now(), origin.clone());
    app.write(move |tx| {
        let origin = made.clone();
        Box::pin(async move {
            if !rows::release(tx, workspace, key).await? {
                return Err(Error::NotFound("held API key"));
            }
            let act = (origin, workspace, at);
            record(tx, act, "api_key.released", key, &json!({})).await
        })
    })
    .await
}

/// What a key opens. Whatever is wrong with it, the answer is the same.
pub async fn authenticate(app: &App, text: &str) -> Result<Arc<Opened>> {
    check_clock(app)?;
    let (door, hash) = tokens::parse(text).ok_or(Error::Unauthenticated)?;
    let workspace = match door {
        Door::Workspace(workspace) => Some(workspace),
        Door::Deployment => None,
        Door::Directory(_) | Door::Link | Door::Session => return Err(Error::Unauthenticated),
    };
    let opened = match app.api_keys.get(&hash) {
        Some(opened) => opened,
        None => {
            let opened = find(app, workspace, &hash).await?;
            let opened = Arc::new(opened.ok_or(Error::Unauthenticated)?);
            // A person who is cut off is cut off at once, so that no such key is trusted.
            if opened.found.member.is_none() {
                app.api_keys.insert(hash, Arc::clone(&opened));
            }
            Box::pin(note_use(app, workspace, &opened.found)).await;
            opened
        }
    };
    stored(&opened.found).check(app, &hash)?;
    if opened.workspace.as_ref().map(|workspace| workspace.id) != workspace {
        return Err(Error::Unauthenticated);
    }
    Ok(opened)
}

/// What a key that was good opens now, and whether it is good still: for what goes on after its request
/// was let in. Nothing that is remembered is trusted.
pub async fn open_again(app: &App, before: &Opened) -> Result<Opened> {
    check_clock(app)?;
    let workspace = before.workspace.as_ref().map(|workspace| workspace.id);
    let opened = find(app, workspace, &before.found.hash).await?;
    let opened = opened.ok_or(Error::Unauthenticated)?;
    if stored(&opened.found).is_over(app.clock.now()) {
        return Err(Error::Unauthenticated);
    }
    Ok(opened)
}

async fn find(app: &App, workspace: Option<WorkspaceId>, hash: &[u8]) -> Result<Option<Opened>> {
    let mut tx = app.db.one().await?;
    let Some(workspace) = workspace else {
        return Ok(rows::find_of_operators(&mut tx, hash).await?);
    };
    let Some(mut opened) = rows::find_by_hash(&mut tx, workspace, hash).await? else {
        return Ok(None);
    };
    if let Some(member) = opened.found.member {
        let rights = rows::find_rights(&mut tx, workspace, member).await?;
        opened.found.scopes = opened.found.scopes.within(&rights);
    }
    Ok(Some(opened))
}

/// What a key may do in a workspace now, for work that goes on after its request; none once it is
/// good no longer.
pub async fn rights_of(
    tx: &mut Tx,
    workspace: WorkspaceId,
    key: ApiKeyId,
    at: crate::clock::Timestamp,
) -> Result<Option<Scopes>> {
    let Some((scopes, member)) = rows::find_good(tx, workspace, key, at).await? else {
        return Ok(None);
    };
    let Some(member) = member else {
        return Ok(Some(scopes));
    };
    let rights = rows::find_rights(tx, workspace, member).await?;
    Ok(Some(scopes.within(&rights)))
}

/// Notes the use of a key that is alive, to the minute. Nobody is refused because that fails.
async fn note_use(app: &App, workspace: Option<WorkspaceId>, found: &Found) {
    let (now, key) = (app.clock.now(), found.key);
    let Some(since) = stored(found).use_since(now) else {
        return;
    };
    let noted = app
        .write(move |tx| {
            Box::pin(async move { Ok(rows::note_use(tx, workspace, key, now, since).await?) })
        })
        .await;
    if let Err(error) = noted {
        tracing::warn!(%key, error = ?error, "the use of an API key is not noted");
    }
}

fn stored(found: &Found) -> Stored<'_> {
    Stored {
        hash: &found.hash,
        expires_at: Some(found.expires_at),
        last_used_at: found.last_used_at,
    }
}

/// How many acts on operators' keys are listed.
const ACTS: i64 = 1_000;

/// What was done to the operators' keys, the latest first and a thousand at most.
pub async fn acts(app: &App) -> Result<Vec<OperatorAct>> {
    let mut tx = app.db.one().await?;
    Ok(operator_acts::list(&mut tx, ACTS).await?)
}

/// Writes what became of a key into its workspace's log, or of an operators' key into theirs.
async fn record(
    tx: &mut Tx,
    (origin, workspace, at): (Origin, Option<WorkspaceId>, crate::clock::Timestamp),
    kind: &str,
    key: ApiKeyId,
    detail: &serde_json::Value,
) -> Result<()> {
    let Some(workspace) = workspace else {
        let act = OperatorAct {
            id: uuid::Uuid::now_v7(),
            kind: kind.to_owned(),
            key,
            detail: detail.to_string(),
            request: origin.request,
            actor: actor(&origin),
            at,
        };
        return Ok(operator_acts::insert(tx, act).await?);
    };
    let act = Act {
        origin,
        workspace,
        directory: None,
        at,
    };
    let change = act.change(kind, ("api_key", key.0), None, detail);
    changes::record(tx, workspace, &[change]).await
}

/// Who acts, as a key's row says it.
fn actor(origin: &Origin) -> Option<String> {
    match (&origin.actor, origin.credential) {
        (Some(actor), Some(credential)) => Some(format!("{actor} {credential}")),
        (Some(actor), None) => Some(actor.clone()),
        (None, credential) => credential.map(|credential| credential.to_string()),
    }
}
