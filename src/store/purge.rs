//! Workspaces that are deleted, and the end of their rows.

use super::error::Result;
use super::tx::Tx;
use crate::clock::Timestamp;
use crate::ids::WorkspaceId;

/// Deletes a locked workspace; false if it is so already.
pub async fn update_deleted(tx: &mut Tx, workspace: WorkspaceId, at: Timestamp) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE workspaces SET deleted_at = $2, deleted_from = status, status = 'suspended', \
             access_epoch = access_epoch + 1 WHERE id = $1 AND deleted_at IS NULL",
        )
        .bind(workspace)
        .bind(at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Has a locked workspace back; false if it is not deleted, or rows of it have gone.
pub async fn update_undeleted(tx: &mut Tx, workspace: WorkspaceId) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE workspaces SET deleted_at = NULL, deleted_from = NULL, \
             status = COALESCE(deleted_from, 'active') \
             WHERE id = $1 AND deleted_at IS NOT NULL AND purging_at IS NULL",
        )
        .bind(workspace)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Workspaces that were deleted before an instant and have rows left.
pub async fn list_due(tx: &mut Tx, before: Timestamp) -> Result<Vec<WorkspaceId>> {
    let rows: Vec<(WorkspaceId,)> = tx
        .query(
            "SELECT id FROM workspaces WHERE deleted_at < $1 AND purged_at IS NULL \
             ORDER BY deleted_at",
        )
        .bind(before)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Leaves nothing to be done for a locked workspace: no run, no sweep, no seat.
pub async fn begin(tx: &mut Tx, workspace: WorkspaceId, at: Timestamp) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE workspaces SET purging_at = $2, rules_swept = rules_floor, rules_when = 0, \
             seat_limit = NULL WHERE id = $1 AND deleted_at IS NOT NULL AND purging_at IS NULL",
        )
        .bind(workspace)
        .bind(at)
        .execute()
        .await?;
    if rows == 0 {
        return Ok(false);
    }
    for sql in [
        "UPDATE runs SET state = 'done' WHERE workspace = $1 AND state <> 'done'",
        "DELETE FROM seats WHERE workspace = $1",
        "DELETE FROM quotas WHERE workspace = $1",
        "DELETE FROM import_rows WHERE workspace = $1",
        "DELETE FROM imports WHERE workspace = $1",
        "DELETE FROM login_flows WHERE workspace = $1",
        "DELETE FROM spent_tokens WHERE workspace = $1",
        "DELETE FROM one_time_links WHERE workspace = $1",
        "DELETE FROM session_members WHERE workspace = $1",
        "UPDATE directory_runs SET state = 'done', undo_until = NULL WHERE workspace = $1",
        "UPDATE members SET brake_until = NULL WHERE workspace = $1 AND brake_until IS NOT NULL",
        "UPDATE rules SET due_at = NULL WHERE workspace = $1",
    ] {
        tx.query(sql).bind(workspace).execute().await?;
    }
    Ok(true)
}

/// Deletes up to so many rows of a table that belong to a workspace.
pub async fn delete(tx: &mut Tx, table: &str, workspace: WorkspaceId, most: i64) -> Result<u64> {
    let sql = if tx.is_postgres() {
        format!(
            "WITH gone (at) AS (SELECT ctid FROM {table} WHERE workspace = $1 LIMIT $2) \
             DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT at FROM gone))"
        )
    } else {
        format!(
            "WITH gone (at) AS (SELECT rowid FROM {table} WHERE workspace = $1 LIMIT $2) \
             DELETE FROM {table} WHERE rowid IN (SELECT at FROM gone)"
        )
    };
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(most)
        .execute()
        .await
}

/// Says that the last row is gone; the slug stays taken.
pub async fn end(tx: &mut Tx, workspace: WorkspaceId, at: Timestamp) -> Result<bool> {
    let rows = tx
        .query("UPDATE workspaces SET purged_at = $2, name = '', seat_contact = NULL WHERE id = $1")
        .bind(workspace)
        .bind(at)
        .execute()
        .await?;
    Ok(rows == 1)
}
