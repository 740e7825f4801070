//! Keys of the management API. The workspace comes first; none is that of operators' keys, which is
//! one of the few things that cross workspaces.

use super::error::Result;
use super::permissions::Scopes;
use super::tx::{Lock, Query, Tx};
use super::workspaces::Workspace;
use crate::clock::Timestamp;
use crate::ids::{ApiKeyId, MemberId, WorkspaceId};

/// A key without its secret.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema, sqlx::FromRow)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Its name, for people.
    pub name: String,
    /// What it may do.
    #[sqlx(try_from = "String")]
    pub scopes: Scopes,
    /// Whose own it is; none where it is the workspace's or the operators'.
    pub member: Option<MemberId>,
    /// Who made it.
    pub actor: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when it is no longer valid.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// Since when it opens nothing until it is released: a restore brought it back.
    pub held_at: Option<Timestamp>,
}

/// A key that opens something, as far as its time has not come.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Found {
    /// The key.
    pub key: ApiKeyId,
    /// The stored hash, for the comparison in constant time.
    pub hash: Vec<u8>,
    /// What it may do.
    #[sqlx(try_from = "String")]
    pub scopes: Scopes,
    /// Whose own it is.
    pub member: Option<MemberId>,
    /// From when it is no longer valid.
    pub expires_at: Timestamp,
    /// When its use was last noted.
    pub last_used_at: Option<Timestamp>,
}

/// A key with what it opens.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The key.
    pub found: Found,
    /// The one workspace that it opens; none for an operators' key, which opens each.
    pub workspace: Option<Workspace>,
}

#[derive(sqlx::FromRow)]
struct OfWorkspace {
    #[sqlx(flatten)]
    found: Found,
    #[sqlx(flatten)]
    workspace: Workspace,
}

/// A key that a restore holds.
#[derive(Debug, Clone, serde::Serialize, sqlx::FromRow)]
pub struct HeldKey {
    /// The workspace's slug; none for a key of the operators.
    pub workspace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: ApiKeyId,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when it is no longer valid.
    pub expires_at: Timestamp,
}

/// Keeps makers of keys of one workspace apart; without a workspace those of operators' keys.
pub async fn lock(tx: &mut Tx, workspace: Option<WorkspaceId>) -> Result<()> {
    match workspace {
        Some(workspace) => super::workspaces::lock(tx, workspace).await.map(|_| ()),
        None => {
            let sql = "SELECT d.id FROM deployment d WHERE d.id = 1";
            let locked = tx.locked(sql, Lock::NoKeyUpdate, "d");
            locked.fetch_one::<(i64,)>().await.map(|_| ())
        }
    }
}

/// How many keys of a workspace, or of the operators, may still open something.
pub async fn count_live(
    tx: &mut Tx,
    workspace: Option<WorkspaceId>,
    now: Timestamp,
) -> Result<i64> {
    let query = match workspace {
        Some(workspace) => tx
            .query(
                "SELECT COUNT(*) FROM api_keys WHERE workspace = $1 AND revoked_at IS NULL \
                 AND expires_at > $2",
            )
            .bind(workspace),
        None => tx.query(
            "SELECT COUNT(*) FROM api_keys WHERE workspace IS NULL AND revoked_at IS NULL \
             AND expires_at > $1",
        ),
    };
    let row: (i64,) = query.bind(now).fetch_one().await?;
    Ok(row.0)
}

/// Stores a key's hash; a person's own key hangs on the member's access epoch of now. False when
/// that member is not in.
pub async fn insert(
    tx: &mut Tx,
    workspace: Option<WorkspaceId>,
    key: &ApiKey,
    hash: &[u8],
) -> Result<bool> {
    let query = match key.member {
        None => tx.query(
            "INSERT INTO api_keys (workspace, id, name, hash, scopes, actor, created_at, \
             expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        ),
        Some(_) => tx.query(
            "INSERT INTO api_keys (workspace, id, name, hash, scopes, actor, created_at, \
             expires_at, member, member_epoch) SELECT m.workspace, $2, $3, $4, $5, $6, $7, $8, \
             m.id, m.access_epoch FROM members m WHERE m.workspace = $1 AND m.id = $9 \
             AND m.status = 'active' AND m.held_at IS NULL AND m.waiting_at IS NULL",
        ),
    };
    let mut query = query
        .bind(workspace)
        .bind(key.id)
        .bind(key.name.clone())
        .bind(hash.to_vec())
        .bind(key.scopes.to_column())
        .bind(key.actor.clone())
        .bind(key.created_at)
        .bind(key.expires_at);
    if let Some(member) = key.member {
        query = query.bind(member);
    }
    Ok(query.execute().await? == 1)
}

/// The keys of a workspace, or of the operators, oldest first; revoked and expired ones included.
pub async fn list(tx: &mut Tx, workspace: Option<WorkspaceId>) -> Result<Vec<ApiKey>> {
    let query = match workspace {
        Some(workspace) => tx
            .query(
                "SELECT id, name, scopes, member, actor, created_at, expires_at, revoked_at, \
                 last_used_at, held_at FROM api_keys WHERE workspace = $1 ORDER BY id",
            )
            .bind(workspace),
        None => tx.query(
            "SELECT id, name, scopes, member, actor, created_at, expires_at, revoked_at, \
             last_used_at, held_at FROM api_keys WHERE workspace IS NULL ORDER BY id",
        ),
    };
    query.fetch_all().await
}

/// Revokes a key; false when it is none of that workspace or of the operators, or was revoked
/// before.
pub async fn revoke(
    tx: &mut Tx,
    workspace: Option<WorkspaceId>,
    key: ApiKeyId,
    at: Timestamp,
    by: Option<String>,
) -> Result<bool> {
    let query = match workspace {
        Some(workspace) => tx
            .query(
                "UPDATE api_keys SET revoked_at = $3, revoked_by = $4 WHERE workspace = $1 \
                 AND id = $2 AND revoked_at IS NULL",
            )
            .bind(workspace),
        None => tx.query(
            "UPDATE api_keys SET revoked_at = $2, revoked_by = $3 WHERE workspace IS NULL \
             AND id = $1 AND revoked_at IS NULL",
        ),
    };
    Ok(query.bind(key).bind(at).bind(by).execute().await? == 1)
}

/// Lets a held key open again what it opened; false when it is none of that workspace or of the
/// operators, is not held or was revoked.
pub async fn release(tx: &mut Tx, workspace: Option<WorkspaceId>, key: ApiKeyId) -> Result<bool> {
    let query = match workspace {
        Some(workspace) => tx
            .query(
                "UPDATE api_keys SET held_at = NULL WHERE workspace = $1 AND id = $2 \
                 AND revoked_at IS NULL AND held_at IS NOT NULL",
            )
            .bind(workspace),
        None => tx.query(
            "UPDATE api_keys SET held_at = NULL WHERE workspace IS NULL AND id = $1 \
             AND revoked_at IS NULL AND held_at IS NOT NULL",
        ),
    };
    Ok(query.bind(key).execute().await? == 1)
}

/// Holds every key of the deployment that is not revoked; gives those that would open something
/// now.
pub async fn hold_all(tx: &mut Tx, at: Timestamp) -> Result<Vec<HeldKey>> {
    tx.query("UPDATE api_keys SET held_at = $1 WHERE revoked_at IS NULL AND held_at IS NULL")
        .bind(at)
        .execute()
        .await?;
    tx.query(
        "SELECT w.slug AS workspace, k.name, k.id, k.created_at, k.expires_at FROM api_keys k \
         LEFT JOIN workspaces w ON w.id = k.workspace WHERE k.revoked_at IS NULL \
         AND k.held_at IS NOT NULL AND k.expires_at > $1 ORDER BY w.slug, k.id",
    )
    .bind(at)
    .fetch_all()
    .await
}

/// The key of that hash in a workspace that is active. A person's own opens nothing once the member
/// is not in, or was cut off since it was made.
pub async fn find_by_hash(
    tx: &mut Tx,
    workspace: WorkspaceId,
    hash: &[u8],
) -> Result<Option<Opened>> {
    let row: Option<OfWorkspace> = tx
        .query(
            "SELECT k.id AS key, k.hash, k.scopes, k.member, k.expires_at, k.last_used_at, \
         w.id, w.slug, w.name, w.status, w.admins_in_all_teams, w.created_at FROM api_keys k \
         JOIN workspaces w ON w.id = k.workspace \
         LEFT JOIN members m ON m.workspace = k.workspace AND m.id = k.member \
         WHERE k.hash = $2 AND k.workspace = $1 AND k.revoked_at IS NULL AND k.held_at IS NULL \
         AND w.status = 'active' AND (k.member IS NULL OR (m.status = 'active' \
         AND m.held_at IS NULL AND m.waiting_at IS NULL AND m.access_epoch = k.member_epoch))",
        )
        .bind(workspace)
        .bind(hash.to_vec())
        .fetch_optional()
        .await?;
    Ok(row.map(|row| Opened {
        found: row.found,
        workspace: Some(row.workspace),
    }))
}

/// The operators' key of that hash.
pub async fn find_of_operators(tx: &mut Tx, hash: &[u8]) -> Result<Option<Opened>> {
    let found: Option<Found> = tx
        .query(
            "SELECT k.id AS key, k.hash, k.scopes, k.member, k.expires_at, k.last_used_at \
         FROM api_keys k WHERE k.hash = $1 AND k.workspace IS NULL AND k.revoked_at IS NULL \
         AND k.held_at IS NULL",
        )
        .bind(hash.to_vec())
        .fetch_optional()
        .await?;
    Ok(found.map(|found| Opened {
        found,
        workspace: None,
    }))
}

/// What the roles of a member and the permissions that it was given singly allow now.
pub async fn find_rights(tx: &mut Tx, workspace: WorkspaceId, member: MemberId) -> Result<Scopes> {
    let rows: Vec<(String,)> = tx
        .query(
            "SELECT DISTINCT p.permission FROM grants g JOIN causes c \
             ON c.workspace = g.workspace AND c.id = g.cause JOIN role_permissions p \
             ON p.workspace = g.workspace AND p.role = g.target WHERE g.workspace = $1 \
             AND g.member = $2 AND g.kind = 'role' AND g.to_at IS NULL \
             AND (c.ended_at IS NULL OR g.hold IS NOT NULL) UNION SELECT q.name \
             FROM grants g JOIN causes c ON c.workspace = g.workspace AND c.id = g.cause \
             JOIN permissions q ON q.workspace = g.workspace AND q.id = g.target \
             WHERE g.workspace = $1 AND g.member = $2 AND g.kind = 'permission' \
             AND g.to_at IS NULL AND (c.ended_at IS NULL OR g.hold IS NOT NULL)",
        )
        .bind(workspace)
        .bind(member)
        .fetch_all()
        .await?;
    Ok(Scopes::of_person(rows.into_iter().map(|row| row.0)))
}

/// What a key may do in a workspace, and whose own it is, if it is good at an instant.
pub async fn find_good(
    tx: &mut Tx,
    workspace: WorkspaceId,
    key: ApiKeyId,
    at: Timestamp,
) -> Result<Option<(Scopes, Option<MemberId>)>> {
    let row: Option<Good> = tx
        .query(
            "SELECT k.scopes, k.member FROM api_keys k LEFT JOIN members m \
             ON m.workspace = k.workspace AND m.id = k.member WHERE k.id = $2 \
             AND (k.workspace IS NULL OR k.workspace = $1) AND k.revoked_at IS NULL \
             AND k.held_at IS NULL AND k.expires_at > $3 AND (k.member IS NULL \
             OR (m.status = 'active' AND m.held_at IS NULL AND m.waiting_at IS NULL \
             AND m.access_epoch = k.member_epoch))",
        )
        .bind(workspace)
        .bind(key)
        .bind(at)
        .fetch_optional()
        .await?;
    Ok(row.map(|row| (row.scopes, row.member)))
}

#[derive(sqlx::FromRow)]
struct Good {
    #[sqlx(try_from = "String")]
    scopes: Scopes,
    member: Option<MemberId>,
}

/// Notes that a key was used, unless that was noted at `since` or later.
pub async fn note_use(
    tx: &mut Tx,
    workspace: Option<WorkspaceId>,
    key: ApiKeyId,
    at: Timestamp,
    since: Timestamp,
) -> Result<()> {
    let query: Query<'_> = match workspace {
        Some(workspace) => tx
            .query(
                "UPDATE api_keys SET last_used_at = $3 WHERE workspace = $1 AND id = $2 \
                 AND (last_used_at IS NULL OR last_used_at < $4)",
            )
            .bind(workspace),
        None => tx.query(
            "UPDATE api_keys SET last_used_at = $2 WHERE workspace IS NULL AND id = $1 \
             AND (last_used_at IS NULL OR last_used_at < $3)",
        ),
    };
    query.bind(key).bind(at).bind(since).execute().await?;
    Ok(())
}

/// A key of a workspace that a member made.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Made {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The key.
    pub id: ApiKeyId,
    /// Its name.
    pub name: String,
    /// Who made it.
    pub actor: String,
}

/// Live keys of workspaces, no person's own, that members made, and of which it was not told yet that
/// their maker is out.
pub async fn list_made(tx: &mut Tx, now: Timestamp, most: i64) -> Result<Vec<Made>> {
    tx.query(
        "SELECT workspace, id, name, actor FROM api_keys WHERE workspace IS NOT NULL \
         AND member IS NULL AND actor LIKE 'member %' AND alerted_at IS NULL \
         AND revoked_at IS NULL AND expires_at > $1 LIMIT $2",
    )
    .bind(now)
    .bind(most)
    .fetch_all()
    .await
}

/// Says that it was told; false if it was before, or the key ended.
pub async fn update_alerted(
    tx: &mut Tx,
    workspace: WorkspaceId,
    key: ApiKeyId,
    at: Timestamp,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE api_keys SET alerted_at = $3 WHERE workspace = $1 AND id = $2 \
             AND alerted_at IS NULL AND revoked_at IS NULL",
        )
        .bind(workspace)
        .bind(key)
        .bind(at)
        .execute()
        .await?;
    Ok(rows == 1)
}
