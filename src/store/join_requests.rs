//! People who signed in for the first time and ask to be let in.

use super::error::Result;
use super::identities::Identity;
use super::tx::{Lock, Tx};
use crate::clock::Timestamp;
use crate::ids::{ConnectionId, JoinRequestId, WorkspaceId};

/// A request as it is kept.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct JoinRequest {
    /// Its id.
    pub id: JoinRequestId,
    /// The connection.
    pub connection: ConnectionId,
    /// The connection's name.
    pub connection_name: String,
    /// Who issued the identity.
    pub issuer: String,
    /// Who it is there.
    pub subject: String,
    /// What the provider says of the person, sealed; none once it was declined.
    pub sealed: Option<Vec<u8>>,
    /// When the person asked first.
    pub created_at: Timestamp,
    /// When the person asked last.
    pub asked_at: Timestamp,
    /// When it was declined.
    pub declined_at: Option<Timestamp>,
}

const COLUMNS: &str = "SELECT r.id, r.connection, c.name AS connection_name, r.issuer, r.subject, \
                       r.sealed, r.created_at, r.asked_at, r.declined_at FROM join_requests r \
                       JOIN connections c ON c.workspace = r.workspace AND c.id = r.connection";

/// The requests of a workspace, oldest first.
pub async fn list(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<JoinRequest>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE r.workspace = $1 ORDER BY r.id"
    )))
    .bind(workspace)
    .fetch_all()
    .await
}

/// How many requests of a workspace there are.
pub async fn count(tx: &mut Tx, workspace: WorkspaceId) -> Result<i64> {
    let row: (i64,) = tx
        .query("SELECT COUNT(*) FROM join_requests WHERE workspace = $1")
        .bind(workspace)
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// The request of that id, locked.
pub async fn lock(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: JoinRequestId,
) -> Result<Option<JoinRequest>> {
    let sql = format!("{COLUMNS} WHERE r.workspace = $1 AND r.id = $2");
    tx.locked_list(&sql, Lock::Update, "r")
        .bind(workspace)
        .bind(id)
        .fetch_optional()
        .await
}

/// The request of whoever a provider names so.
pub async fn find(
    tx: &mut Tx,
    workspace: WorkspaceId,
    identity: &Identity,
) -> Result<Option<JoinRequest>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE r.workspace = $1 AND r.connection = $2 AND r.issuer = $3 \
         AND r.subject = $4"
    )))
    .bind(workspace)
    .bind(identity.connection)
    .bind(identity.issuer.clone())
    .bind(identity.subject.clone())
    .fetch_optional()
    .await
}

/// Keeps a request; false where there is one of the same person.
pub async fn insert(
    tx: &mut Tx,
    workspace: WorkspaceId,
    (id, identity): (JoinRequestId, &Identity),
    sealed: Vec<u8>,
    at: Timestamp,
) -> Result<bool> {
    let rows = tx
        .query(
            "INSERT INTO join_requests (workspace, id, connection, issuer, subject, sealed, \
             created_at, asked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT DO NOTHING",
        )
        .bind(workspace)
        .bind(id)
        .bind(identity.connection)
        .bind(identity.issuer.clone())
        .bind(identity.subject.clone())
        .bind(sealed)
        .bind(at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Notes that an open request was made again, with what the provider says by now.
pub async fn update_asked(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: JoinRequestId,
    sealed: Vec<u8>,
    at: Timestamp,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE join_requests SET sealed = $3, asked_at = $4 WHERE workspace = $1 AND id = $2 \
             AND declined_at IS NULL",
        )
        .bind(workspace)
        .bind(id)
        .bind(sealed)
        .bind(at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Declines a locked request: what was said of the person goes.
pub async fn update_declined(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: JoinRequestId,
    at: Timestamp,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE join_requests SET sealed = NULL, declined_at = $3 WHERE workspace = $1 \
             AND id = $2 AND declined_at IS NULL",
        )
        .bind(workspace)
        .bind(id)
        .bind(at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Forgets a request.
pub async fn delete(tx: &mut Tx, workspace: WorkspaceId, id: JoinRequestId) -> Result<bool> {
    let rows = tx
        .query("DELETE FROM join_requests WHERE workspace = $1 AND id = $2")
        .bind(workspace)
        .bind(id)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Forgets up to so many open requests that were made last before an instant, over all workspaces.
pub async fn delete_old(tx: &mut Tx, before: Timestamp, most: i64) -> Result<u64> {
    tx.query(
        "DELETE FROM join_requests WHERE (workspace, id) IN (SELECT workspace, id \
         FROM join_requests WHERE asked_at < $1 AND declined_at IS NULL \
         ORDER BY asked_at LIMIT $2)",
    )
    .bind(before)
    .bind(most)
    .execute()
    .await
}
