//! Directories, their credentials and the totals of what they hold.

use uuid::Uuid;

use super::error::Result;
use super::tx::{Lock, Tx};
use super::users::Place;
use crate::clock::Timestamp;
use crate::ids::{CredentialId, DirectoryId, WorkspaceId};

/// Whose dialect a directory speaks.
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
pub enum DirectoryKind {
    /// Okta.
    Okta,
    /// Microsoft Entra ID.
    Entra,
    /// Anything that speaks SCIM 2.0.
    Generic,
}

/// What becomes of a directory's facts.
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
#[schemars(rename = "DirectoryMode")]
pub enum Mode {
    /// They are stored and nothing else.
    Collect,
    /// They make members and grants.
    Live,
}

/// One IdP's SCIM link into one workspace.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema, sqlx::FromRow)]
pub struct Directory {
    /// Its id.
    pub id: DirectoryId,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// Its name, unique in the workspace.
    pub name: String,
    /// Whose dialect it speaks.
    pub kind: DirectoryKind,
    /// What becomes of its facts.
    pub mode: Mode,
    /// Whether unknown attributes and members are refused instead of skipped.
    pub strict: bool,
    /// Whether a create for an inactive user restores that user instead of a 409.
    pub restore_inactive: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it is switched off.
    pub ended_at: Option<Timestamp>,
}

/// A credential without its secret.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema, sqlx::FromRow)]
#[schemars(rename = "Token")]
pub struct Credential {
    /// Its id.
    pub id: CredentialId,
    /// Whether it opens for reading alone.
    pub read_only: bool,
    /// The one endpoint that it opens, such as `Users`; none for all.
    pub only_endpoint: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when it is no longer valid.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// Since when it opens nothing until it is released: a restore brought it back.
    pub held_at: Option<Timestamp>,
}

/// A credential that is held, and where it belongs.
#[derive(Debug, Clone, serde::Serialize, sqlx::FromRow)]
pub struct HeldToken {
    /// The workspace's slug.
    pub workspace: String,
    /// The directory's name.
    pub directory: String,
    /// The credential.
    pub id: CredentialId,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when it is no longer valid.
    pub expires_at: Option<Timestamp>,
}

/// A live credential with the directory that it opens.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Authenticated {
    /// The credential.
    pub credential: CredentialId,
    /// From when it is no longer valid.
    pub expires_at: Option<Timestamp>,
    /// When its use was last noted.
    pub last_used_at: Option<Timestamp>,
    /// Whether it opens for reading alone.
    pub read_only: bool,
    /// The one endpoint that it opens; none for all.
    pub only_endpoint: Option<String>,
    /// The stored hash, for the comparison in constant time.
    pub hash: Vec<u8>,
    /// Names the workspace's present set of registered schemas.
    pub schemas_tag: Option<Uuid>,
    /// The directory.
    #[sqlx(flatten)]
    pub directory: Directory,
}

pub(super) const COLUMNS: &str = "SELECT id, workspace, name, kind, mode, strict, restore_inactive, \
                       created_at, ended_at FROM directories";

/// How many rows share one total.
pub const SLOTS: i64 = 16;

/// Makes a directory with empty totals.
pub async fn insert(tx: &mut Tx, directory: &Directory, key: &str) -> Result<()> {
    tx.query(
        "INSERT INTO directories (workspace, id, name, name_key, kind, mode, strict, \
         restore_inactive, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(directory.workspace)
    .bind(directory.id)
    .bind(directory.name.clone())
    .bind(key.to_owned())
    .bind(directory.kind)
    .bind(directory.mode)
    .bind(directory.strict)
    .bind(directory.restore_inactive)
    .bind(directory.created_at)
    .execute()
    .await?;
    let rows = super::values::rows(usize::try_from(SLOTS).unwrap_or(16) * 2, 5);
    let sql =
        format!("INSERT INTO counters (workspace, directory, kind, slot, total) VALUES {rows}");
    let mut query = tx.query(sqlx::AssertSqlSafe(sql)).once();
    for kind in ["users", "groups"] {
        for slot in 0..SLOTS {
            query = query
                .bind(directory.workspace)
                .bind(directory.id)
                .bind(kind)
                .bind(slot)
                .bind(0_i64);
        }
    }
    query.execute().await?;
    Ok(())
}

/// Writes how a directory treats what its IdP sends.
pub async fn update(tx: &mut Tx, directory: &Directory, name_key: &str) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE directories SET strict = $3, restore_inactive = $4, name = $5, \
             name_key = $6 WHERE workspace = $1 AND id = $2",
        )
        .bind(directory.workspace)
        .bind(directory.id)
        .bind(directory.strict)
        .bind(directory.restore_inactive)
        .bind(directory.name.clone())
        .bind(name_key.to_owned())
        .execute()
        .await?;
    Ok(rows == 1)
}

/// The directory of that id.
pub async fn find(tx: &mut Tx, place: Place) -> Result<Option<Directory>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE workspace = $1 AND id = $2"
    )))
    .bind(place.workspace)
    .bind(place.directory)
    .fetch_optional()
    .await
}

/// Whether a directory is in that mode, and not switched off.
pub async fn is_in(tx: &mut Tx, place: Place, mode: Mode) -> Result<bool> {
    let row: (i64,) = tx
        .query(
            "SELECT COUNT(*) AS found FROM directories WHERE workspace = $1 AND id = $2 \
             AND mode = $3 AND ended_at IS NULL",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(mode)
        .fetch_one()
        .await?;
    Ok(row.0 > 0)
}

/// The directory of that folded name.
pub async fn find_by_name(
    tx: &mut Tx,
    workspace: WorkspaceId,
    key: &str,
) -> Result<Option<Directory>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE workspace = $1 AND name_key = $2"
    )))
    .bind(workspace)
    .bind(key.to_owned())
    .fetch_optional()
    .await
}

/// The directories of a workspace, oldest first.
pub async fn list(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<Directory>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE workspace = $1 ORDER BY id"
    )))
    .bind(workspace)
    .fetch_all()
    .await
}

/// Locks a directory against others who lock it; resources are made in it meanwhile.
pub async fn lock(tx: &mut Tx, workspace: WorkspaceId, directory: DirectoryId) -> Result<()> {
    tx.locked(
        "SELECT d.id FROM directories d WHERE d.workspace = $1 AND d.id = $2",
        Lock::NoKeyUpdate,
        "d",
    )
    .bind(workspace)
    .bind(directory)
    .fetch_one::<(DirectoryId,)>()
    .await
    .map(|_| ())
}

/// Locks the directories of a workspace: nobody is making a resource in them meanwhile.
pub async fn lock_all(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<DirectoryId>> {
    let rows: Vec<(DirectoryId,)> = tx
        .locked(
            "SELECT d.id FROM directories d WHERE d.workspace = $1 ORDER BY d.id",
            Lock::Update,
            "d",
        )
        .bind(workspace)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Stores a credential's hash.
pub async fn insert_credential(
    tx: &mut Tx,
    workspace: WorkspaceId,
    directory: DirectoryId,
    credential: &Credential,
    hash: &[u8],
) -> Result<()> {
    tx.query(
        "INSERT INTO credentials (workspace, id, directory, hash, read_only, only_endpoint, \
         created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(workspace)
    .bind(credential.id)
    .bind(directory)
    .bind(hash.to_vec())
    .bind(credential.read_only)
    .bind(credential.only_endpoint.clone())
    .bind(credential.created_at)
    .bind(credential.expires_at)
    .execute()
    .await?;
    Ok(())
}

/// A directory's credentials, oldest first, revoked and expired ones included.
pub async fn list_credentials(
    tx: &mut Tx,
    workspace: WorkspaceId,
    directory: DirectoryId,
) -> Result<Vec<Credential>> {
    tx.query(
        "SELECT id, read_only, only_endpoint, created_at, expires_at, revoked_at, last_used_at, \
         held_at \
         FROM credentials WHERE workspace = $1 AND directory = $2 ORDER BY id",
    )
    .bind(workspace)
    .bind(directory)
    .fetch_all()
    .await
}

/// Revokes a credential; false when it is none of that directory or was revoked before.
pub async fn revoke_credential(
    tx: &mut Tx,
    workspace: WorkspaceId,
    directory: DirectoryId,
    credential: CredentialId,
    at: Timestamp,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE credentials SET revoked_at = $4 WHERE workspace = $1 AND directory = $2 \
             AND id = $3 AND revoked_at IS NULL",
        )
        .bind(workspace)
        .bind(directory)
        .bind(credential)
        .bind(at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Lets the other live credentials of a directory end at that time, if they do not end before;
/// gives how many.
pub async fn limit_credentials(
    tx: &mut Tx,
    workspace: WorkspaceId,
    directory: DirectoryId,
    kept: CredentialId,
    until: Timestamp,
) -> Result<u64> {
    tx.query(
        "UPDATE credentials SET expires_at = $4 WHERE workspace = $1 AND directory = $2 \
         AND id <> $3 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $4)",
    )
    .bind(workspace)
    .bind(directory)
    .bind(kept)
    .bind(until)
    .execute()
    .await
}

/// Notes that a credential was used, unless that was noted at `since` or later.
pub async fn note_use(
    tx: &mut Tx,
    workspace: WorkspaceId,
    credential: CredentialId,
    at: Timestamp,
    since: Timestamp,
) -> Result<()> {
    tx.query(
        "UPDATE credentials SET last_used_at = $3 WHERE workspace = $1 AND id = $2 \
         AND (last_used_at IS NULL OR last_used_at < $4)",
    )
    .bind(workspace)
    .bind(credential)
    .bind(at)
    .bind(since)
    .execute()
    .await?;
    Ok(())
}

/// Holds every credential of the deployment that is not revoked; gives those that would open
/// something now.
pub async fn hold_credentials(tx: &mut Tx, at: Timestamp) -> Result<Vec<HeldToken>> {
    tx.query("UPDATE credentials SET held_at = $1 WHERE revoked_at IS NULL AND held_at IS NULL")
        .bind(at)
        .execute()
        .await?;
    tx.query(
        "SELECT w.slug AS workspace, d.name AS directory, c.id, c.created_at, c.expires_at \
         FROM credentials c JOIN workspaces w ON w.id = c.workspace \
         JOIN directories d ON d.workspace = c.workspace AND d.id = c.directory \
         WHERE c.revoked_at IS NULL AND c.held_at IS NOT NULL \
         AND (c.expires_at IS NULL OR c.expires_at > $1) ORDER BY w.slug, d.name, c.id",
    )
    .bind(at)
    .fetch_all()
    .await
}

/// Lets a held credential open again what it opened; false when it is none of that directory, is
/// not held or was revoked.
pub async fn release_credential(
    tx: &mut Tx,
    workspace: WorkspaceId,
    directory: DirectoryId,
    credential: CredentialId,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE credentials SET held_at = NULL WHERE workspace = $1 AND directory = $2 \
             AND id = $3 AND revoked_at IS NULL AND held_at IS NOT NULL",
        )
        .bind(workspace)
        .bind(directory)
        .bind(credential)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// The live credential of that hash with its directory, in a workspace that is active.
pub async fn find_by_credential(
    tx: &mut Tx,
    workspace: WorkspaceId,
    hash: &[u8],
) -> Result<Option<Authenticated>> {
    tx.query(
        "SELECT c.id AS credential, c.expires_at, c.last_used_at, c.read_only, c.only_endpoint, c.hash, \
         w.schemas_tag, d.id, d.workspace, d.name, d.kind, d.mode, d.strict, d.restore_inactive, \
         d.created_at, d.ended_at FROM credentials c \
         JOIN directories d ON d.workspace = c.workspace AND d.id = c.directory \
         JOIN workspaces w ON w.id = c.workspace \
         WHERE c.workspace = $1 AND c.hash = $2 AND c.revoked_at IS NULL AND c.held_at IS NULL \
         AND d.ended_at IS NULL AND w.status = 'active'",
    )
    .bind(workspace)
    .bind(hash.to_vec())
    .fetch_optional()
    .await
}

/// Adds to a total; `slot` spreads writers.
pub async fn count_up(
    tx: &mut Tx,
    (workspace, directory): (WorkspaceId, DirectoryId),
    kind: &'static str,
    slot: i64,
    by: i64,
) -> Result<()> {
    tx.query(
        "UPDATE counters SET total = total + $5 \
         WHERE workspace = $1 AND directory = $2 AND kind = $3 AND slot = $4",
    )
    .bind(workspace)
    .bind(directory)
    .bind(kind)
    .bind(slot)
    .bind(by)
    .execute()
    .await?;
    Ok(())
}

/// A total.
pub async fn count(
    tx: &mut Tx,
    (workspace, directory): (WorkspaceId, DirectoryId),
    kind: &'static str,
) -> Result<i64> {
    let row: (i64,) = tx
        .query(
            "SELECT CAST(COALESCE(SUM(total), 0) AS BIGINT) AS total FROM counters \
             WHERE workspace = $1 AND directory = $2 AND kind = $3",
        )
        .bind(workspace)
        .bind(directory)
        .bind(kind)
        .fetch_one()
        .await?;
    Ok(row.0)
}
