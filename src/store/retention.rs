//! What is kept for a time alone.

use super::error::Result;
use super::tx::Tx;
use crate::clock::Timestamp;
use crate::ids::WorkspaceId;

/// Whether a workspace has a conflict that came up last, or a User that was deleted, before these
/// instants.
pub async fn is_due(
    tx: &mut Tx,
    workspace: WorkspaceId,
    conflicts: Timestamp,
    tombstones: Timestamp,
) -> Result<bool> {
    let row: (bool,) = tx
        .query(
            "SELECT (EXISTS (SELECT c.member FROM conflicts c WHERE c.workspace = $1 \
             AND c.last_at < $2) OR EXISTS (SELECT t.member FROM tombstones t \
             WHERE t.workspace = $1 AND t.deleted_at < $3)) AS is_due",
        )
        .bind(workspace)
        .bind(conflicts)
        .bind(tombstones)
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// Forgets up to so many Users of a workspace that were deleted before an instant: whoever comes
/// back under the same externalId is somebody new.
pub async fn delete_tombstones(
    tx: &mut Tx,
    workspace: WorkspaceId,
    before: Timestamp,
    most: i64,
) -> Result<u64> {
    tx.query(
        "DELETE FROM tombstones WHERE workspace = $1 AND (directory, user_id) IN \
         (SELECT t.directory, t.user_id FROM tombstones t WHERE t.workspace = $1 \
         AND t.deleted_at < $2 ORDER BY t.deleted_at LIMIT $3)",
    )
    .bind(workspace)
    .bind(before)
    .bind(most)
    .execute()
    .await
}

/// Forgets up to so many conflicts of a workspace that came up last before an instant.
pub async fn delete_conflicts(
    tx: &mut Tx,
    workspace: WorkspaceId,
    before: Timestamp,
    most: i64,
) -> Result<u64> {
    tx.query(
        "DELETE FROM conflicts WHERE workspace = $1 AND (directory, user_name_key) IN \
         (SELECT c.directory, c.user_name_key FROM conflicts c WHERE c.workspace = $1 \
         AND c.last_at < $2 ORDER BY c.last_at LIMIT $3)",
    )
    .bind(workspace)
    .bind(before)
    .bind(most)
    .execute()
    .await
}
