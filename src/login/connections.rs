//! Connections of a workspace: made, set, proved by a test login, switched on and off, taken away.
//!
//! Whoever says where people sign in says who is who: it is for those alone who may do everything in
//! the workspace.

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::json;

use super::settings::{Edit, Settings};
use super::{named, policy, presets, provider};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{ConnectionId, MemberId, WorkspaceId};
use crate::secrets::Keyring;
use crate::store::api_keys;
use crate::store::connections as rows;
use crate::store::error::OnDuplicate;
use crate::store::tx::Tx;
use crate::store::workspaces;
use crate::workspace::keys::Scopes;
use crate::workspace::name_key;

pub use crate::store::connections::{Connection, ConnectionKind, Open};

/// How many connections a workspace may have.
const MOST: usize = 20;
/// For what the secrets of clients are sealed.
const PURPOSE: &str = "client secrets";
/// The longest secret, in bytes.
const SECRET: usize = 1_024;

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ConnectionState")]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No test login has shown that it works as it is set.
    Untried,
    /// One has, and nobody signs in by it.
    Proved,
    /// People sign in by it.
    Enabled,
}

/// A connection as admins see it: all but the secret.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Connection")]
pub struct Shown {
    /// Its id.
    pub id: ConnectionId,
    /// Its name.
    pub name: String,
    /// Whose provider it is.
    pub kind: ConnectionKind,
    /// How far it is.
    pub state: State,
    /// What the provider is to know as redirect URI.
    pub redirect_uri: String,
    /// Where the provider says that somebody is out, if it does (back-channel logout URI).
    pub logout_uri: String,
    /// Where Okta asks for the end of all sessions of somebody (Universal Logout).
    pub revocation_uri: String,
    /// What it is set to.
    pub settings: Settings,
    /// Whether there is a client's secret.
    pub has_secret: bool,
    /// Counts its changes.
    pub version: i64,
    /// When a test login showed that it works as it is set now.
    pub proved_at: Option<Timestamp>,
    /// Since when people sign in by it.
    pub enabled_at: Option<Timestamp>,
    /// Since when its provider could not be asked, or published what does not hold; none if all is well.
    pub degraded_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

impl Shown {
    async fn of(app: &App, connection: &Connection) -> Result<Self> {
        let state = match (connection.proved_at, connection.enabled_at) {
            (_, Some(_)) => State::Enabled,
            (Some(_), None) => State::Proved,
            (None, None) => State::Untried,
        };
        Ok(Self {
            id: connection.id,
            name: connection.name.clone(),
            kind: connection.kind,
            state,
            redirect_uri: redirect_uri(app, connection.id).await?,
            logout_uri: logout_uri(app, connection.id).await?,
            revocation_uri: revocation_uri(app, connection.id).await?,
            settings: settings(connection)?,
            has_secret: connection.secret.is_some(),
            version: connection.version,
            proved_at: connection.proved_at,
            enabled_at: connection.enabled_at,
            degraded_at: connection.degraded_at,
            created_at: connection.created_at,
            updated_at: connection.updated_at,
        })
    }
}

/// Where a provider says that somebody is out (OpenID Connect Back-Channel Logout 1.0).
async fn logout_uri(app: &App, id: ConnectionId) -> Result<String> {
    let base = app.public_url().await?;
    let base = base.trim_end_matches('/');
    Ok(format!("{base}/sign-in/logout/{id}"))
}

/// Where a provider asks for the end of all sessions of somebody.
pub(super) async fn revocation_uri(app: &App, id: ConnectionId) -> Result<String> {
    let base = app.public_url().await?;
    let base = base.trim_end_matches('/');
    Ok(format!("{base}/sign-in/revoke/{id}"))
}

/// Where a provider sends people back to: each connection has its own, so that no provider's answer
/// can pass for another's.
pub async fn redirect_uri(app: &App, id: ConnectionId) -> Result<String> {
    let base = app.public_url().await?;
    let base = base.trim_end_matches('/');
    Ok(format!("{base}/sign-in/callback/{id}"))
}

/// What a connection is set to.
pub fn settings(connection: &Connection) -> Result<Settings> {
    serde_json::from_str(&connection.settings).map_err(Error::internal)
}

/// The client's secret.
pub(super) fn secret(app: &App, connection: &Connection) -> Result<Option<SecretString>> {
    let Some(sealed) = &connection.secret else {
        return Ok(None);
    };
    let key = app.keys.of_workspace(connection.workspace, PURPOSE)?;
    let opened = key.open(&binding(connection.id), sealed)?;
    let text = String::from_utf8(opened.to_vec()).map_err(Error::internal)?;
    Ok(Some(text.into()))
}

/// The connections of a workspace, oldest first.
pub async fn list(app: &App, workspace: WorkspaceId) -> Result<Vec<Shown>> {
    let mut tx = app.db.one().await?;
    let all = rows::list(&mut tx, workspace).await?;
    drop(tx);
    let mut shown = Vec::with_capacity(all.len());
    for connection in &all {
        shown.push(Shown::of(app, connection).await?);
    }
    Ok(shown)
}

/// The connection of that id or name.
pub async fn find(app: &App, workspace: WorkspaceId, named: &str) -> Result<Shown> {
    let connection = find_row(app, workspace, named).await?;
    Shown::of(app, &connection).await
}

/// The connections that a member may test: none where it may not do everything in the workspace.
pub async fn list_for(
    app: &App,
    (workspace, member): (WorkspaceId, MemberId),
) -> Result<Vec<Shown>> {
    let mut tx = app.db.one().await?;
    let rights = api_keys::find_rights(&mut tx, workspace, member).await?;
    drop(tx);
    if rights.are_all() {
        list(app, workspace).await
    } else {
        Ok(Vec::new())
    }
}

/// The workspace, by its slug, whose people an address is of: that of a proved domain whose people
/// sign in by a connection. Whether there is such a person is told to nobody.
pub async fn realm(app: &App, address: &str) -> Result<Option<String>> {
    let Some((_, domain)) = address.trim().rsplit_once('@') else {
        return Ok(None);
    };
    let Ok(url::Host::Domain(domain)) = url::Host::parse(domain) else {
        return Ok(None);
    };
    let mut tx = app.db.one().await?;
    Ok(rows::find_realm(&mut tx, &domain).await?)
}

/// The connections by which people sign in to the workspace of that slug; none where there are none,
/// or no such workspace.
pub async fn list_open(app: &App, slug: &str) -> Result<Vec<Open>> {
    let mut tx = app.db.one().await?;
    Ok(rows::list_open(&mut tx, slug).await?)
}

/// Makes a connection by which nobody signs in yet. Its provider must be there and be the one that is
/// named: else [`Error::Invalid`]. Whoever may not do everything in the workspace is
/// [`Error::Forbidden`], here and below.
pub async fn create(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    workspace: WorkspaceId,
    edit: &Edit,
) -> Result<Shown> {
    let kind = edit.kind.ok_or_else(|| Error::value("kind is missing"))?;
    let name = edit.name.clone();
    let name = name.ok_or_else(|| Error::value("name is missing"))?;
    let key = name_key(&name, "name")?;
    refuse_less(scopes)?;
    let found = named::find(app, workspace, edit).await?;
    let settings = presets::of(kind, edit).edited(edit, &found);
    settings.check(kind)?;
    provider::check(app, kind, &settings).await?;
    let act = Act::of(app, origin, workspace);
    let id = ConnectionId::new();
    let connection = Connection {
        id,
        workspace,
        name,
        kind,
        settings: text(&settings)?,
        secret: sealed(&app.keys, (workspace, id), edit)?,
        version: 1,
        access_epoch: 1,
        proved_at: None,
        enabled_at: None,
        degraded_at: None,
        created_at: act.at,
        updated_at: act.at,
    };
    let made = connection.clone();
    app.write(move |tx| {
        let (act, connection, key) = (act.clone(), made.clone(), key.clone());
        Box::pin(async move {
            if rows::list(tx, act.workspace).await?.len() >= MOST {
                return Err(Error::Conflict(format!(
                    "a workspace has at most {MOST} connections"
                )));
            }
            let inserted = rows::insert(tx, &connection, &key).await;
            inserted.on_duplicate("name")?;
            tell(tx, &act, "connection.added", &connection).await
        })
    })
    .await?;
    Shown::of(app, &connection).await
}

/// Changes what a connection is set to. What it was proved with counts no more, unless it is on: then
/// whatever says who somebody is stays as it is ([`Error::Conflict`]) until it is switched off.
pub async fn edit(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    workspace: WorkspaceId,
    named: &str,
    edit: &Edit,
) -> Result<Shown> {
    let found = find_row(app, workspace, named).await?;
    refuse_less(scopes)?;
    if edit.kind.is_some_and(|kind| kind != found.kind) {
        return Err(Error::Conflict(
            "a connection stays of the kind that it was made as".to_owned(),
        ));
    }
    let before = settings(&found)?;
    let after = before.edited(edit, &named::find(app, workspace, edit).await?);
    after.check(found.kind)?;
    if before.issuer != after.issuer {
        provider::check(app, found.kind, &after).await?;
    }
    let secret = sealed(&app.keys, (workspace, found.id), edit)?;
    let name = edit.name.clone().unwrap_or_else(|| found.name.clone());
    let key = name_key(&name, "name")?;
    let act = Act::of(app, origin, workspace);
    let settings = text(&after)?;
    let written = app
        .write(move |tx| {
            let (act, before, after) = (act.clone(), before.clone(), after.clone());
            let (name, key, settings) = (name.clone(), key.clone(), settings.clone());
            let secret = secret.clone();
            Box::pin(async move {
                let mut now = lock(tx, &act, found.id).await?;
                if now.version != found.version {
                    return Err(Error::VersionMismatch);
                }
                let is_other = before != after || secret.is_some();
                if now.enabled_at.is_some() && before.knows_otherwise(&after) {
                    return Err(Error::Conflict(
                        "people sign in by this connection; switch it off before its provider or \
                         its claims change"
                            .to_owned(),
                    ));
                }
                if now.enabled_at.is_none() && is_other {
                    now.proved_at = None;
                }
                (now.name, now.settings) = (name, settings);
                now.secret = secret.or(now.secret);
                let updated = rows::update(tx, &now, &key, act.at).await;
                updated.on_duplicate("name")?;
                tell(tx, &act, "connection.updated", &now).await?;
                Ok(now.id)
            })
        })
        .await?;
    find(app, workspace, &written.to_string()).await
}

/// Lets people sign in by a connection, which a test login has proved as it is set now; else
/// [`Error::Conflict`].
pub async fn enable(
    app: &App,
    by: (&Origin, &Scopes),
    workspace: WorkspaceId,
    named: &str,
) -> Result<Shown> {
    switch(app, by, workspace, named, true).await
}

/// Lets nobody sign in by a connection any more. Sessions that began by it end at once.
pub async fn disable(
    app: &App,
    by: (&Origin, &Scopes),
    workspace: WorkspaceId,
    named: &str,
) -> Result<Shown> {
    switch(app, by, workspace, named, false).await
}

async fn switch(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    workspace: WorkspaceId,
    named: &str,
    on: bool,
) -> Result<Shown> {
    let found = find_row(app, workspace, named).await?;
    refuse_less(scopes)?;
    let act = Act::of(app, origin, workspace);
    app.write(move |tx| {
        let act = act.clone();
        Box::pin(async move {
            workspaces::lock(tx, act.workspace).await?;
            let mut now = lock(tx, &act, found.id).await?;
            if now.enabled_at.is_some() == on {
                return Ok(());
            }
            if on && now.proved_at.is_none() {
                return Err(Error::Conflict(
                    "no test login has shown that this connection works; make one first".to_owned(),
                ));
            }
            now.enabled_at = on.then_some(act.at);
            if !on {
                now.access_epoch += 1;
            }
            let key = name_key(&now.name, "name")?;
            rows::update(tx, &now, &key, act.at).await?;
            policy::check_way_in(tx, act.workspace).await?;
            let kind = if on {
                "connection.enabled"
            } else {
                "connection.disabled"
            };
            tell(tx, &act, kind, &now).await
        })
    })
    .await?;
    find(app, workspace, &found.id.to_string()).await
}

/// Takes a connection away, with whom it knew. Sessions that began by it end at once.
pub async fn remove(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    workspace: WorkspaceId,
    named: &str,
) -> Result<()> {
    let found = find_row(app, workspace, named).await?;
    refuse_less(scopes)?;
    let act = Act::of(app, origin, workspace);
    app.write(move |tx| {
        let act = act.clone();
        Box::pin(async move {
            workspaces::lock(tx, act.workspace).await?;
            let now = lock(tx, &act, found.id).await?;
            rows::delete(tx, act.workspace, now.id, act.at).await?;
            policy::check_way_in(tx, act.workspace).await?;
            tell(tx, &act, "connection.removed", &now).await
        })
    })
    .await
}

async fn find_row(app: &App, workspace: WorkspaceId, named: &str) -> Result<Connection> {
    let id = named.parse().ok();
    let key = name_key(named, "name").ok();
    let mut tx = app.db.one().await?;
    let all = rows::list(&mut tx, workspace).await?;
    let found = all
        .into_iter()
        .find(|it| Some(it.id) == id || key.is_some() && name_key(&it.name, "name").ok() == key);
    found.ok_or(Error::NotFound("connection"))
}

fn refuse_less(scopes: &Scopes) -> Result<()> {
    if scopes.are_all() {
        Ok(())
    } else {
        Err(Error::Forbidden)
    }
}

async fn lock(tx: &mut Tx, act: &Act, id: ConnectionId) -> Result<Connection> {
    let found = rows::lock(tx, act.workspace, id).await?;
    found.ok_or(Error::NotFound("connection"))
}

fn text(settings: &Settings) -> Result<String> {
    serde_json::to_string(settings).map_err(Error::internal)
}

fn sealed(
    keys: &Keyring,
    (workspace, id): (WorkspaceId, ConnectionId),
    edit: &Edit,
) -> Result<Option<Vec<u8>>> {
    let Some(secret) = &edit.client_secret else {
        return Ok(None);
    };
    let secret = secret.expose_secret();
    if secret.is_empty() || secret.len() > SECRET {
        return Err(Error::value(format!(
            "client_secret must have 1 to {SECRET} bytes"
        )));
    }
    let key = keys.of_workspace(workspace, PURPOSE)?;
    Ok(Some(key.seal(&binding(id), secret.as_bytes())?))
}

/// Binds a secret to its row.
fn binding(id: ConnectionId) -> Vec<u8> {
    let mut aad = b"connections.secret".to_vec();
    aad.extend_from_slice(id.0.as_bytes());
    aad
}

/// Tells what became of a connection; not its secret.
async fn tell(tx: &mut Tx, act: &Act, kind: &str, connection: &Connection) -> Result<()> {
    let settings: serde_json::Value =
        serde_json::from_str(&connection.settings).map_err(Error::internal)?;
    let detail = json!({
        "name": connection.name, "kind": connection.kind, "settings": settings,
        "has_secret": connection.secret.is_some(),
    });
    let subject = ("connection", connection.id.0);
    let change = act.change(kind, subject, None, &detail);
    changes::record(tx, act.workspace, &[change]).await
}
