//! The quota of each workspace: when its next request would be due if they came evenly (GCRA).

use super::error::Result;
use super::tx::Tx;
use crate::clock::Timestamp;
use crate::ids::WorkspaceId;

/// A second, in microseconds: how far requests may come ahead of their time.
const AHEAD: i64 = 1_000_000;

/// Counts a request that is worth `interval` microseconds; false when too many came before it.
pub async fn take(
    tx: &mut Tx,
    workspace: WorkspaceId,
    now: Timestamp,
    interval: i64,
) -> Result<bool> {
    let rows = tx
        .query(
            "INSERT INTO quotas (workspace, due_at) VALUES ($1, $2 + $3) \
             ON CONFLICT (workspace) DO UPDATE SET due_at = $3 + \
             CASE WHEN quotas.due_at > $2 THEN quotas.due_at ELSE $2 END \
             WHERE quotas.due_at <= $4",
        )
        .bind(workspace)
        .bind(now)
        .bind(interval)
        .bind(Timestamp(now.0.saturating_add(AHEAD - interval)))
        .execute()
        .await?;
    Ok(rows == 1)
}
