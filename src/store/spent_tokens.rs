//! Tokens of providers that were taken: none counts twice.

use super::error::Result;
use super::tx::Tx;
use crate::clock::Timestamp;
use crate::ids::{ConnectionId, WorkspaceId};

/// Spends a token; false if it was spent before.
pub async fn insert(
    tx: &mut Tx,
    workspace: WorkspaceId,
    (connection, hash): (ConnectionId, &[u8; 32]),
    expires_at: Timestamp,
) -> Result<bool> {
    let rows = tx
        .query(
            "INSERT INTO spent_tokens (workspace, connection, hash, expires_at) \
             VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        )
        .bind(workspace)
        .bind(connection)
        .bind(hash.to_vec())
        .bind(expires_at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Forgets up to so many that are of no use any more.
pub async fn delete_old(tx: &mut Tx, before: Timestamp, most: i64) -> Result<u64> {
    tx.query(
        "DELETE FROM spent_tokens WHERE (workspace, connection, hash) IN \
         (SELECT workspace, connection, hash FROM spent_tokens WHERE expires_at < $1 \
         ORDER BY expires_at LIMIT $2)",
    )
    .bind(before)
    .bind(most)
    .execute()
    .await
}
