//! The request log: one row for each exchange with a directory's client.

use super::error::Result;
use super::tx::Tx;
use super::values::{MOST, is_usual, list as placeholders, pad, rows};
use crate::clock::Timestamp;
use crate::ids::{CredentialId, DirectoryId, RequestId, WorkspaceId};

/// One exchange.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Logged {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The directory.
    pub directory: DirectoryId,
    /// The request's id.
    pub id: RequestId,
    /// When it was answered.
    pub at: Timestamp,
    /// The credential that it came with.
    pub credential: CredentialId,
    /// The method.
    pub method: String,
    /// The template of the path, below the base URL.
    pub route: String,
    /// The resource that it was about.
    pub resource: Option<uuid::Uuid>,
    /// The status of the answer.
    pub status: i64,
    /// The `scimType` of a refusal.
    pub scim_type: Option<String>,
    /// How long it took, in microseconds.
    pub micros: i64,
    /// The size of the request's body.
    pub bytes_in: i64,
    /// The size of the answer's body.
    pub bytes_out: i64,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// Whatever may be personal, sealed.
    pub sealed: Vec<u8>,
}

/// Which exchanges are wanted, by what stands in columns.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Statuses from and to.
    pub status: (i64, i64),
    /// The method.
    pub method: Option<String>,
    /// The resource.
    pub resource: Option<uuid::Uuid>,
    /// Not answered before.
    pub since: Timestamp,
}

const COLUMNS: &str = "workspace, directory, id, at, credential, method, route, resource, status, \
                       scim_type, micros, bytes_in, bytes_out, user_agent, sealed";

/// Writes exchanges; one that is there already stays as it is.
pub async fn insert(tx: &mut Tx, logged: Vec<Logged>) -> Result<u64> {
    if logged.is_empty() {
        return Ok(0);
    }
    let sql = format!(
        "INSERT INTO request_log ({COLUMNS}) VALUES {} ON CONFLICT DO NOTHING",
        rows(logged.len(), 15)
    );
    let is_usual = is_usual(logged.len());
    let mut query = tx.query(sqlx::AssertSqlSafe(sql));
    if !is_usual {
        query = query.once();
    }
    for row in logged {
        query = query
            .bind(row.workspace)
            .bind(row.directory)
            .bind(row.id)
            .bind(row.at)
            .bind(row.credential)
            .bind(row.method)
            .bind(row.route)
            .bind(row.resource)
            .bind(row.status)
            .bind(row.scim_type)
            .bind(row.micros)
            .bind(row.bytes_in)
            .bind(row.bytes_out)
            .bind(row.user_agent)
            .bind(row.sealed);
    }
    query.execute().await
}

/// Exchanges of a directory before one, newest first.
pub async fn list(
    tx: &mut Tx,
    (workspace, directory): (WorkspaceId, DirectoryId),
    wanted: &Selection,
    (before_at, before_id): (Timestamp, RequestId),
    most: i64,
) -> Result<Vec<Logged>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM request_log WHERE workspace = $1 AND directory = $2 AND at >= $3 \
         AND at <= $4 AND (at < $4 OR id < $5) AND status >= $6 AND status <= $7 \
         AND ($8 IS NULL OR method = $8) AND ($9 IS NULL OR resource = $9) \
         ORDER BY at DESC, id DESC LIMIT $10"
    );
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(directory)
        .bind(wanted.since)
        .bind(before_at)
        .bind(before_id)
        .bind(wanted.status.0)
        .bind(wanted.status.1)
        .bind(wanted.method.clone())
        .bind(wanted.resource)
        .bind(most)
        .fetch_all()
        .await
}

/// The exchange of that request.
pub async fn find(
    tx: &mut Tx,
    (workspace, directory): (WorkspaceId, DirectoryId),
    id: RequestId,
) -> Result<Option<Logged>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM request_log WHERE workspace = $1 AND directory = $2 AND id = $3"
    );
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(directory)
        .bind(id)
        .fetch_optional()
        .await
}

/// The directory after that one of which exchanges are kept, in the order of ids: one look into
/// the index for each, where a `DISTINCT` would read all of it.
pub async fn find_directory_after(
    tx: &mut Tx,
    after: Option<(WorkspaceId, DirectoryId)>,
) -> Result<Option<(WorkspaceId, DirectoryId)>> {
    let (workspace, directory) = after.map_or((uuid::Uuid::nil(), uuid::Uuid::nil()), |it| {
        (it.0.0, it.1.0)
    });
    tx.query(
        "SELECT workspace, directory FROM request_log \
         WHERE workspace >= $1 AND (workspace > $1 OR directory > $2) \
         ORDER BY workspace, directory LIMIT 1",
    )
    .bind(workspace)
    .bind(directory)
    .fetch_optional()
    .await
}

/// Deletes up to so many of a directory's exchanges that were answered before an instant, the
/// oldest first.
pub async fn delete_before(
    tx: &mut Tx,
    (workspace, directory): (WorkspaceId, DirectoryId),
    before: Timestamp,
    most: i64,
) -> Result<u64> {
    tx.query(
        "DELETE FROM request_log WHERE workspace = $1 AND directory = $2 AND id IN \
         (SELECT id FROM request_log WHERE workspace = $1 AND directory = $2 AND at < $3 \
         ORDER BY at LIMIT $4)",
    )
    .bind(workspace)
    .bind(directory)
    .bind(before)
    .bind(most)
    .execute()
    .await
}

/// Deletes exchanges of a directory.
pub async fn delete(
    tx: &mut Tx,
    (workspace, directory): (WorkspaceId, DirectoryId),
    ids: &[RequestId],
) -> Result<u64> {
    let mut deleted = 0;
    for ids in ids.chunks(MOST) {
        let sql = format!(
            "DELETE FROM request_log WHERE workspace = $1 AND directory = $2 AND id IN ({})",
            placeholders(3, ids.len())
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(workspace)
            .bind(directory);
        for id in pad(ids) {
            query = query.bind(id);
        }
        deleted += query.execute().await?;
    }
    Ok(deleted)
}
