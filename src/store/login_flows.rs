//! Logins that have begun and not come back. They cross workspaces: a browser that comes back shows
//! `state`, and the flow names the connection.

use super::error::Result;
use super::tx::Tx;
use crate::clock::Timestamp;
use crate::ids::{ConnectionId, FlowId, SessionId, WorkspaceId};

/// A login that has begun.
#[derive(Debug, Clone)]
pub struct Flow {
    /// Its id.
    pub id: FlowId,
    /// The hash of `state`.
    pub hash: [u8; 32],
    /// The hash of what the browser keeps.
    pub browser_hash: [u8; 32],
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The connection.
    pub connection: ConnectionId,
    /// Its version as the login began.
    pub connection_version: i64,
    /// The session of whoever tests the connection.
    pub tester: Option<SessionId>,
    /// What else belongs to it, sealed.
    pub sealed: Vec<u8>,
    /// When it began.
    pub at: Timestamp,
    /// From when it is over.
    pub expires_at: Timestamp,
}

/// A login that came back.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Returned {
    /// Its id.
    pub id: FlowId,
    /// The hash of what the browser keeps that began it.
    pub browser_hash: Vec<u8>,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The connection.
    pub connection: ConnectionId,
    /// Its version as the login began.
    pub connection_version: i64,
    /// The session of whoever tests the connection.
    pub tester: Option<SessionId>,
    /// What else belongs to it, sealed.
    pub sealed: Vec<u8>,
    /// When it began.
    pub created_at: Timestamp,
}

/// Keeps a login that begins.
pub async fn insert(tx: &mut Tx, flow: &Flow) -> Result<()> {
    tx.query(
        "INSERT INTO login_flows (id, hash, browser_hash, workspace, connection, \
         connection_version, tester, sealed, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(flow.id)
    .bind(flow.hash.to_vec())
    .bind(flow.browser_hash.to_vec())
    .bind(flow.workspace)
    .bind(flow.connection)
    .bind(flow.connection_version)
    .bind(flow.tester)
    .bind(flow.sealed.clone())
    .bind(flow.at)
    .bind(flow.expires_at)
    .execute()
    .await?;
    Ok(())
}

/// Spends the login of that `state`; none if there is none in time, or another has just spent it.
pub async fn spend(tx: &mut Tx, hash: &[u8; 32], now: Timestamp) -> Result<Option<Returned>> {
    tx.query(
        "UPDATE login_flows SET spent_at = $2 WHERE hash = $1 AND spent_at IS NULL \
         AND expires_at > $2 RETURNING id, browser_hash, workspace, connection, \
         connection_version, tester, sealed, created_at",
    )
    .bind(hash.to_vec())
    .bind(now)
    .fetch_optional()
    .await
}

/// Forgets up to so many logins whose time was over before an instant.
pub async fn delete_old(tx: &mut Tx, before: Timestamp, most: i64) -> Result<u64> {
    tx.query(
        "DELETE FROM login_flows WHERE id IN (SELECT id FROM login_flows \
         WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
    )
    .bind(before)
    .bind(most)
    .execute()
    .await
}
