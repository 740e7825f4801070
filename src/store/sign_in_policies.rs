//! How people may sign in to a workspace, and for how long. A workspace without a row is as it is
//! by default.

use super::error::Result;
use super::tx::Tx;
use crate::clock::Timestamp;
use crate::ids::WorkspaceId;

/// What holds for a workspace.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Policy {
    /// Whether people come in through a connection alone.
    pub sso_enforced: bool,
    /// After how long without a request a session opens the workspace no more, in seconds.
    pub idle_seconds: i64,
    /// After how long it does not in any case.
    pub absolute_seconds: i64,
}

/// The policy of a workspace that has one of its own.
pub async fn find(tx: &mut Tx, workspace: WorkspaceId) -> Result<Option<Policy>> {
    tx.query(
        "SELECT sso_enforced, idle_seconds, absolute_seconds FROM sign_in_policies \
         WHERE workspace = $1",
    )
    .bind(workspace)
    .fetch_optional()
    .await
}

/// Writes the policy of a locked workspace.
pub async fn update(
    tx: &mut Tx,
    workspace: WorkspaceId,
    policy: &Policy,
    at: Timestamp,
) -> Result<()> {
    tx.query(
        "INSERT INTO sign_in_policies (workspace, sso_enforced, idle_seconds, absolute_seconds, \
         updated_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (workspace) DO UPDATE SET \
         sso_enforced = excluded.sso_enforced, idle_seconds = excluded.idle_seconds, \
         absolute_seconds = excluded.absolute_seconds, updated_at = excluded.updated_at",
    )
    .bind(workspace)
    .bind(policy.sso_enforced)
    .bind(policy.idle_seconds)
    .bind(policy.absolute_seconds)
    .bind(at)
    .execute()
    .await?;
    Ok(())
}
