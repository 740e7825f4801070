//! Static bearer tokens of a directory: stored as hashes, shown once.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::json;

use super::{Access, Directory};
use crate::app::App;
use crate::app::credentials::{Stored, check_clock};
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::ids::CredentialId;
use crate::secrets::tokens::{self, Door};
use crate::store::directories as rows;
use crate::store::directories::Authenticated;
use crate::store::schemas as schema_rows;
use crate::workspace::schemas;

pub use crate::store::directories::Credential;

/// How many live tokens a directory may have at once.
const MOST: usize = 5;

/// A token that was just made; its text is not to be had again.
pub struct Issued {
    /// The credential.
    pub credential: Credential,
    /// What the client sends.
    pub token: SecretString,
}

/// Makes a token that opens all of a directory.
pub async fn issue(
    app: &App,
    origin: &Origin,
    directory: &Directory,
    life: Option<Duration>,
) -> Result<Issued> {
    issue_for(app, origin, directory, Access::default(), life).await
}

/// Makes a token that opens so much of a directory. Tokens that are live stay so, so that the IdP
/// can be given the new one first.
pub async fn issue_for(
    app: &App,
    origin: &Origin,
    directory: &Directory,
    access: Access,
    life: Option<Duration>,
) -> Result<Issued> {
    let access = known(app, directory, access).await?;
    let (token, hash) = tokens::mint(Door::Directory(directory.workspace))?;
    let at = app.clock.now();
    let credential = Credential {
        id: CredentialId::new(),
        read_only: access.read_only,
        only_endpoint: access.only_endpoint,
        created_at: at,
        expires_at: life.map(|life| at.after(life)),
        revoked_at: None,
        last_used_at: None,
        held_at: None,
    };
    let act = Act {
        origin: origin.clone(),
        workspace: directory.workspace,
        directory: Some(directory.id),
        at,
    };
    let (made, directory) = (credential.clone(), directory.id);
    app.write(move |tx| {
        let (credential, act) = (made.clone(), act.clone());
        Box::pin(async move {
            // Two at once would both find room.
            rows::lock(tx, act.workspace, directory).await?;
            let others = rows::list_credentials(tx, act.workspace, directory).await?;
            if others.iter().filter(|other| is_live(other, at)).count() >= MOST {
                return Err(Error::Conflict(format!(
                    "a directory has at most {MOST} live tokens; revoke one first"
                )));
            }
            rows::insert_credential(tx, act.workspace, directory, &credential, &hash).await?;
            let detail = json!({
                "credential": credential.id, "expires_at": credential.expires_at,
                "read_only": credential.read_only, "only_endpoint": credential.only_endpoint,
            });
            let subject = ("directory", directory.0);
            let change = act.change("directory.token_issued", subject, None, &detail);
            changes::record(tx, act.workspace, &[change]).await
        })
    })
    .await?;
    Ok(Issued { credential, token })
}

/// Refuses an endpoint that the workspace does not have: such a token would open nothing.
async fn known(app: &App, directory: &Directory, mut access: Access) -> Result<Access> {
    if let Some(only) = access.only_endpoint.as_mut() {
        let mut tx = app.db.one().await?;
        let tag = schema_rows::find_tag(&mut tx, directory.workspace).await?;
        drop(tx);
        let registry = schemas::registry(app, directory.workspace, tag).await?;
        let endpoint = only.trim_start_matches('/').to_owned();
        if registry.at(&endpoint).is_none() {
            return Err(Error::value(
                "expected the endpoint of a resource type, such as Users",
            ));
        }
        *only = endpoint;
    }
    Ok(access)
}

/// A directory's tokens, oldest first, without their text.
pub async fn list(app: &App, directory: &Directory) -> Result<Vec<Credential>> {
    let mut tx = app.db.one().await?;
    Ok(rows::list_credentials(&mut tx, directory.workspace, directory.id).await?)
}

/// Ends a token at once.
pub async fn revoke(
    app: &App,
    origin: &Origin,
    directory: &Directory,
    credential: CredentialId,
) -> Result<()> {
    let at = app.clock.now();
    let act = Act {
        origin: origin.clone(),
        workspace: directory.workspace,
        directory: Some(directory.id),
        at,
    };
    let directory = directory.id;
    app.write(move |tx| {
        let act = act.clone();
        Box::pin(async move {
            if !rows::revoke_credential(tx, act.workspace, directory, credential, at).await? {
                return Err(Error::NotFound("token"));
            }
            let subject = ("directory", directory.0);
            let detail = json!({"credential": credential});
            let change = act.change("directory.token_revoked", subject, None, &detail);
            changes::record(tx, act.workspace, &[change]).await
        })
    })
    .await?;
    app.credentials.invalidate_all();
    Ok(())
}

/// Lets all live tokens but one end after that time: the overlap of a rotation.
pub async fn limit_others(
    app: &App,
    origin: &Origin,
    directory: &Directory,
    kept: CredentialId,
    overlap: Duration,
) -> Result<()> {
    let at = app.clock.now();
    let until = at.after(overlap);
    let act = Act {
        origin: origin.clone(),
        workspace: directory.workspace,
        directory: Some(directory.id),
        at,
    };
    let directory = directory.id;
    app.write(move |tx| {
        let act = act.clone();
        Box::pin(async move {
            let limited = rows::limit_credentials(tx, act.workspace, directory, kept, until);
            if limited.await? == 0 {
                return Ok(());
            }
            let subject = ("directory", directory.0);
            let detail = json!({"kept": kept, "expires_at": until});
            let change = act.change("directory.tokens_limited", subject, None, &detail);
            changes::record(tx, act.workspace, &[change]).await
        })
    })
    .await?;
    app.credentials.invalidate_all();
    Ok(())
}

/// Lets a token that a restore holds open its directory again: somebody knows that it was not
/// revoked since the backup.
pub async fn release(
    app: &App,
    origin: &Origin,
    directory: &Directory,
    credential: CredentialId,
) -> Result<()> {
    let act = Act {
        origin: origin.clone(),
        workspace: directory.workspace,
        directory: Some(directory.id),
        at: app.clock.now(),
    };
    let directory = directory.id;
    app.write(move |tx| {
        let act = act.clone();
        Box::pin(async move {
            if !rows::release_credential(tx, act.workspace, directory, credential).await? {
                return Err(Error::NotFound("held token"));
            }
            let subject = ("directory", directory.0);
            let detail = json!({"credential": credential});
            let change = act.change("directory.token_released", subject, None, &detail);
            changes::record(tx, act.workspace, &[change]).await
        })
    })
    .await
}

/// The directory that a token opens. Whatever is wrong with the token, the answer is the same.
pub async fn authenticate(app: &App, token: &str) -> Result<Arc<Authenticated>> {
    check_clock(app)?;
    let Some((Door::Directory(workspace), hash)) = tokens::parse(token) else {
        return Err(Error::Unauthenticated);
    };
    let found = match app.credentials.get(&hash) {
        Some(found) => found,
        None => {
            let mut tx = app.db.one().await?;
            let found = rows::find_by_credential(&mut tx, workspace, &hash)
                .await?
                .map(Arc::new)
                .ok_or(Error::Unauthenticated)?;
            drop(tx);
            // At once: what is revoked meanwhile is to be forgotten.
            app.credentials.insert(hash, Arc::clone(&found));
            Box::pin(note_use(app, &found)).await;
            found
        }
    };
    stored(&found).check(app, &hash)?;
    if found.directory.workspace != workspace {
        return Err(Error::Unauthenticated);
    }
    Ok(found)
}

/// Notes the use of a token that is alive, to the minute. Nobody is refused because that fails.
async fn note_use(app: &App, found: &Authenticated) {
    let now = app.clock.now();
    let Some(since) = stored(found).use_since(now) else {
        return;
    };
    let (workspace, credential) = (found.directory.workspace, found.credential);
    let noted = app
        .write(move |tx| {
            Box::pin(
                async move { Ok(rows::note_use(tx, workspace, credential, now, since).await?) },
            )
        })
        .await;
    if let Err(error) = noted {
        tracing::warn!(%credential, error = ?error, "the use of a token is not noted");
    }
}

fn stored(found: &Authenticated) -> Stored<'_> {
    Stored {
        hash: &found.hash,
        expires_at: found.expires_at,
        last_used_at: found.last_used_at,
    }
}

fn is_live(credential: &Credential, at: crate::clock::Timestamp) -> bool {
    credential.revoked_at.is_none() && credential.expires_at.is_none_or(|expires| at < expires)
}
