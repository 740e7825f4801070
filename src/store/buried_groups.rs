//! Groups that were deleted, for as long as they can be given back.

use super::error::Result;
use super::groups::Group;
use super::tx::Tx;
use super::users::Place;
use crate::clock::Timestamp;
use crate::ids::{GroupId, WorkspaceId};

/// A Group that was deleted, as it was.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Buried {
    /// Its id.
    pub group_id: GroupId,
    /// Its name.
    pub display: String,
    /// The resource without server parts and members, as JSON text.
    pub document: String,
    /// The version that it had.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was deleted.
    pub deleted_at: Timestamp,
}

const COLUMNS: &str = "SELECT group_id, display, document, version, created_at, deleted_at \
                       FROM buried_groups";

/// Keeps what a Group was that is being deleted.
pub async fn insert(tx: &mut Tx, place: Place, group: &Group, at: Timestamp) -> Result<()> {
    tx.query(
        "INSERT INTO buried_groups (workspace, directory, group_id, display, display_key, \
         document, version, created_at, deleted_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(place.workspace)
    .bind(place.directory)
    .bind(group.id)
    .bind(group.display.clone())
    .bind(group.display_key.clone())
    .bind(group.document.clone())
    .bind(group.version)
    .bind(group.created_at)
    .bind(at)
    .execute()
    .await?;
    Ok(())
}

/// The deleted Group of that id.
pub async fn find(tx: &mut Tx, place: Place, id: GroupId) -> Result<Option<Buried>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE workspace = $1 AND directory = $2 AND group_id = $3"
    )))
    .bind(place.workspace)
    .bind(place.directory)
    .bind(id)
    .fetch_optional()
    .await
}

/// Of the deleted Groups of that folded name the one that was deleted last.
pub async fn find_by_name(tx: &mut Tx, place: Place, key: &str) -> Result<Option<Buried>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE workspace = $1 AND directory = $2 AND display_key = $3 \
         ORDER BY deleted_at DESC, group_id DESC LIMIT 1"
    )))
    .bind(place.workspace)
    .bind(place.directory)
    .bind(key.to_owned())
    .fetch_optional()
    .await
}

/// The Groups of a directory after `after` that were deleted since an instant, in id order.
pub async fn list(
    tx: &mut Tx,
    place: Place,
    (after, since): (Option<GroupId>, Timestamp),
    most: i64,
) -> Result<Vec<Buried>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE workspace = $1 AND directory = $2 AND group_id > $3 \
         AND deleted_at >= $4 ORDER BY group_id LIMIT $5"
    )))
    .bind(place.workspace)
    .bind(place.directory)
    .bind(after.map_or(uuid::Uuid::nil(), |id| id.0))
    .bind(since)
    .bind(most)
    .fetch_all()
    .await
}

/// Forgets a Group that is there again; false if it was none of these.
pub async fn delete(tx: &mut Tx, place: Place, id: GroupId) -> Result<bool> {
    let rows = tx
        .query(
            "DELETE FROM buried_groups WHERE workspace = $1 AND directory = $2 AND group_id = $3",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(id)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Forgets up to so many Groups of a workspace that were deleted before an instant.
pub async fn delete_before(
    tx: &mut Tx,
    workspace: WorkspaceId,
    before: Timestamp,
    most: i64,
) -> Result<u64> {
    tx.query(
        "DELETE FROM buried_groups WHERE workspace = $1 AND (directory, group_id) IN \
         (SELECT b.directory, b.group_id FROM buried_groups b WHERE b.workspace = $1 \
         AND b.deleted_at < $2 ORDER BY b.deleted_at LIMIT $3)",
    )
    .bind(workspace)
    .bind(before)
    .bind(most)
    .execute()
    .await
}
