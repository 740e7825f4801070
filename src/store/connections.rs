//! How people of a workspace sign in through a provider of its own.

use super::error::Result;
use super::identities;
use super::tx::{Lock, Tx};
use crate::clock::Timestamp;
use crate::ids::{ConnectionId, WorkspaceId};

/// Whose provider it is.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
    sqlx::Type,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[schemars(rename = "ConnectionKind")]
pub enum ConnectionKind {
    /// Okta.
    Okta,
    /// Microsoft Entra ID, one tenant.
    Entra,
    /// Microsoft Entra ID, several tenants that are named.
    EntraMultiTenant,
    /// Google Workspace.
    Google,
    /// `PingOne` or `PingFederate`.
    Ping,
    /// Anything that speaks OpenID Connect.
    Oidc,
    /// Anything that speaks OAuth 2.0 and says who is there.
    Oauth2,
}

/// A connection as it is kept.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// Its name, unique in the workspace.
    pub name: String,
    /// Whose provider it is.
    pub kind: ConnectionKind,
    /// What it was set to, as JSON.
    pub settings: String,
    /// The client's secret, sealed.
    pub secret: Option<Vec<u8>>,
    /// Counts its changes.
    pub version: i64,
    /// What sessions that began by it hang on.
    pub access_epoch: i64,
    /// When a test login showed that it works as it is set now.
    pub proved_at: Option<Timestamp>,
    /// Since when people sign in by it.
    pub enabled_at: Option<Timestamp>,
    /// Since when its provider could not be asked, or published what does not hold.
    pub degraded_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

const COLUMNS: &str = "SELECT c.id, c.workspace, c.name, c.kind, c.settings, c.secret, c.version, \
                       c.access_epoch, c.proved_at, c.enabled_at, c.degraded_at, c.created_at, \
                       c.updated_at FROM connections c";

/// Makes a connection that nobody signs in by yet; a name that is taken is
/// [`super::error::DbError::Duplicate`].
pub async fn insert(tx: &mut Tx, connection: &Connection, name_key: &str) -> Result<()> {
    tx.query(
        "INSERT INTO connections (workspace, id, name, name_key, kind, settings, secret, version, \
         access_epoch, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)",
    )
    .bind(connection.workspace)
    .bind(connection.id)
    .bind(connection.name.clone())
    .bind(name_key.to_owned())
    .bind(connection.kind)
    .bind(connection.settings.clone())
    .bind(connection.secret.clone())
    .bind(connection.version)
    .bind(connection.access_epoch)
    .bind(connection.created_at)
    .execute()
    .await?;
    Ok(())
}

/// The connections of a workspace, oldest first.
pub async fn list(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<Connection>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE c.workspace = $1 AND c.removed_at IS NULL ORDER BY c.id"
    )))
    .bind(workspace)
    .fetch_all()
    .await
}

/// How many connections of a workspace people sign in by.
pub async fn count_open(tx: &mut Tx, workspace: WorkspaceId) -> Result<i64> {
    let row: (i64,) = tx
        .query(
            "SELECT COUNT(*) FROM connections WHERE workspace = $1 AND enabled_at IS NOT NULL \
             AND removed_at IS NULL",
        )
        .bind(workspace)
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// The connections by which people sign in to the workspace of that slug, by name, with the
/// workspace's own name; none where it is shut.
pub async fn list_open(tx: &mut Tx, slug: &str) -> Result<Vec<Open>> {
    tx.query(
        "SELECT c.id, c.name, w.id AS workspace, w.name AS workspace_name FROM workspaces w \
         JOIN connections c ON c.workspace = w.id WHERE w.slug = $1 AND w.status = 'active' \
         AND w.deleted_at IS NULL AND c.enabled_at IS NOT NULL AND c.removed_at IS NULL \
         ORDER BY c.name_key",
    )
    .bind(slug.to_owned())
    .fetch_all()
    .await
}

/// The slug of the workspace that proved a domain, where people sign in to it by a connection.
pub async fn find_realm(tx: &mut Tx, domain: &str) -> Result<Option<String>> {
    let row: Option<(String,)> = tx
        .query(
            "SELECT w.slug FROM domains d JOIN workspaces w ON w.id = d.workspace \
             WHERE d.name = $1 AND d.proved_at IS NOT NULL AND w.status = 'active' \
             AND w.deleted_at IS NULL AND EXISTS (SELECT c.id FROM connections c \
             WHERE c.workspace = d.workspace AND c.enabled_at IS NOT NULL \
             AND c.removed_at IS NULL)",
        )
        .bind(domain.to_owned())
        .fetch_optional()
        .await?;
    Ok(row.map(|row| row.0))
}

/// A connection as whoever is to sign in sees it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Open {
    /// Its id.
    pub id: ConnectionId,
    /// Its name.
    pub name: String,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The workspace's name for people.
    pub workspace_name: String,
}

/// The connection of that id in whichever workspace that is not shut: a browser that comes back from
/// a provider names nothing else.
pub async fn find_anywhere(tx: &mut Tx, id: ConnectionId) -> Result<Option<Connection>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} JOIN workspaces w ON w.id = c.workspace AND w.status = 'active' \
         AND w.deleted_at IS NULL WHERE c.id = $1 AND c.removed_at IS NULL"
    )))
    .bind(id)
    .fetch_optional()
    .await
}

/// The connection of that id, locked.
pub async fn lock(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: ConnectionId,
) -> Result<Option<Connection>> {
    let sql = format!("{COLUMNS} WHERE c.workspace = $1 AND c.id = $2 AND c.removed_at IS NULL");
    tx.locked_list(&sql, Lock::Update, "c")
        .bind(workspace)
        .bind(id)
        .fetch_optional()
        .await
}

/// The connection of that id, which stays as it is until the transaction ends.
pub async fn keep(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: ConnectionId,
) -> Result<Option<Connection>> {
    let sql = format!("{COLUMNS} WHERE c.workspace = $1 AND c.id = $2 AND c.removed_at IS NULL");
    tx.locked_list(&sql, Lock::KeyShare, "c")
        .bind(workspace)
        .bind(id)
        .fetch_optional()
        .await
}

/// Writes how a locked connection stands, and raises its version; a name that is taken is
/// [`super::error::DbError::Duplicate`].
pub async fn update(
    tx: &mut Tx,
    connection: &Connection,
    name_key: &str,
    at: Timestamp,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE connections SET name = $3, name_key = $4, settings = $5, secret = $6, \
             access_epoch = $7, proved_at = $8, enabled_at = $9, updated_at = $10, \
             version = version + 1 WHERE workspace = $1 AND id = $2",
        )
        .bind(connection.workspace)
        .bind(connection.id)
        .bind(connection.name.clone())
        .bind(name_key.to_owned())
        .bind(connection.settings.clone())
        .bind(connection.secret.clone())
        .bind(connection.access_epoch)
        .bind(connection.proved_at)
        .bind(connection.enabled_at)
        .bind(at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Says that a connection works as it was set in that version; false if it is set otherwise by now.
pub async fn update_proved(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: ConnectionId,
    version: i64,
    at: Timestamp,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE connections SET proved_at = $4 WHERE workspace = $1 AND id = $2 \
             AND version = $3 AND removed_at IS NULL",
        )
        .bind(workspace)
        .bind(id)
        .bind(version)
        .bind(at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Says since when the provider of a connection could not be asked, or that it can be again; false if
/// that was said before.
pub async fn update_degraded(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: ConnectionId,
    since: Option<Timestamp>,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE connections SET degraded_at = $3 WHERE workspace = $1 AND id = $2 \
             AND (degraded_at IS NULL) <> $4 AND removed_at IS NULL",
        )
        .bind(workspace)
        .bind(id)
        .bind(since)
        .bind(since.is_none())
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Takes a locked connection away: what it was set to, its secret and whom it knew go with it.
pub async fn delete(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: ConnectionId,
    at: Timestamp,
) -> Result<bool> {
    for sql in [
        "DELETE FROM login_flows WHERE workspace = $1 AND connection = $2",
        "DELETE FROM spent_tokens WHERE workspace = $1 AND connection = $2",
        "DELETE FROM join_requests WHERE workspace = $1 AND connection = $2",
    ] {
        tx.query(sql).bind(workspace).bind(id).execute().await?;
    }
    identities::delete_of_connection(tx, workspace, id).await?;
    let rows = tx
        .query(
            "UPDATE connections SET removed_at = $3, updated_at = $3, settings = '{}', \
             secret = NULL, proved_at = NULL, enabled_at = NULL, version = version + 1, \
             access_epoch = access_epoch + 1 \
             WHERE workspace = $1 AND id = $2 AND removed_at IS NULL",
        )
        .bind(workspace)
        .bind(id)
        .bind(at)
        .execute()
        .await?;
    Ok(rows == 1)
}
