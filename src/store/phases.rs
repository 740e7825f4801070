//! Rules that have a time of their own: which of them have to be moved on.

use super::error::Result;
use super::rules::Phase;
use super::tx::Tx;
use crate::clock::Timestamp;
use crate::ids::{CauseId, RuleId, WorkspaceId};

/// Workspaces of which a rule begins or ends to have effect.
pub async fn list_due(tx: &mut Tx, at: Timestamp) -> Result<Vec<WorkspaceId>> {
    let rows: Vec<(WorkspaceId,)> = tx
        .query(
            "SELECT DISTINCT workspace FROM rules WHERE due_at IS NOT NULL AND due_at <= $1 \
             ORDER BY workspace LIMIT 100",
        )
        .bind(at)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// A rule that was moved on.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct Moved {
    /// The rule.
    pub id: RuleId,
    /// The cause of its version.
    pub cause: CauseId,
    /// Where it stands now.
    pub phase: Phase,
}

/// Moves the rules of a locked workspace on whose time has come; tells which, first those that end, in
/// the order of their ids: the brake may let one pass and not the next.
pub async fn update_due(tx: &mut Tx, workspace: WorkspaceId, at: Timestamp) -> Result<Vec<Moved>> {
    let mut moved: Vec<Moved> = tx
        .query(
            "UPDATE rules SET phase = 'over', due_at = NULL WHERE workspace = $1 \
             AND due_at <= $2 AND until_at <= $2 RETURNING id, cause, phase",
        )
        .bind(workspace)
        .bind(at)
        .fetch_all()
        .await?;
    let begun: Vec<Moved> = tx
        .query(
            "UPDATE rules SET phase = 'open', due_at = until_at WHERE workspace = $1 \
             AND due_at <= $2 AND phase = 'ahead' AND from_at <= $2 RETURNING id, cause, phase",
        )
        .bind(workspace)
        .bind(at)
        .fetch_all()
        .await?;
    moved.sort_unstable_by_key(|rule| rule.id);
    moved.extend(begun);
    Ok(moved)
}

/// Since when a cause is there.
pub async fn find_begin(tx: &mut Tx, workspace: WorkspaceId, cause: CauseId) -> Result<Timestamp> {
    let row: (Timestamp,) = tx
        .query("SELECT created_at FROM causes WHERE workspace = $1 AND id = $2")
        .bind(workspace)
        .bind(cause)
        .fetch_one()
        .await?;
    Ok(row.0)
}
