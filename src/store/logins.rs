//! The changes that tell of logins.

use super::changes::{COLUMNS, Logged};
use super::error::Result;
use super::tx::Tx;
use crate::clock::Timestamp;
use crate::ids::{ChangeId, RequestId, WorkspaceId};

/// As the indexes say it, without which they would not serve.
const KINDS: &str = "kind IN ('session.started', 'login.refused')";

/// Logins before a place, newest first.
pub async fn list(
    tx: &mut Tx,
    workspace: WorkspaceId,
    (before_at, before_id): (Timestamp, ChangeId),
    most: i64,
) -> Result<Vec<Logged>> {
    let sql = format!(
        "SELECT number, {COLUMNS} FROM changes WHERE workspace = $1 AND {KINDS} \
         AND at <= $2 AND (at < $2 OR id < $3) ORDER BY at DESC, id DESC LIMIT $4"
    );
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(before_at)
        .bind(before_id)
        .bind(most)
        .fetch_all()
        .await
}

/// Those of one request, of which there are few, in no order: one would have SQLite go by the other index.
pub async fn list_of_request(
    tx: &mut Tx,
    workspace: WorkspaceId,
    request: RequestId,
) -> Result<Vec<Logged>> {
    let sql = format!(
        "SELECT number, {COLUMNS} FROM changes WHERE workspace = $1 AND {KINDS} \
         AND request = $2"
    );
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(request)
        .fetch_all()
        .await
}
