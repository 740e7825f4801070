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

/// Moves the rules of a locked workspace on whose time has come; tells which.
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
    moved.extend(begun);
    Ok(moved)
}

/// Counts that whoever has something by a rule that is over loses it.
pub async fn insert_losses(
    tx: &mut Tx,
    workspace: WorkspaceId,
    rule: &Moved,
    at: Timestamp,
) -> Result<u64> {
    tx.query(
        "INSERT INTO brake_losses (workspace, member, at) SELECT DISTINCT g.workspace, g.member, $4 \
         FROM rule_grants t CROSS JOIN grants g WHERE t.workspace = $1 AND t.rule = $2 \
         AND g.workspace = $1 AND g.kind = t.kind AND g.target = t.target AND g.cause = $3 \
         AND g.to_at IS NULL ON CONFLICT (workspace, member) DO UPDATE SET at = excluded.at",
    )
    .bind(workspace)
    .bind(rule.id)
    .bind(rule.cause)
    .bind(at)
    .execute()
    .await
}
