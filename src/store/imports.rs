//! Imports of members, and what became of each of their rows.

use super::error::Result;
use super::tx::{Lock, Tx};
use super::values::rows as values;
use crate::clock::Timestamp;
use crate::ids::{CredentialId, ImportId, MemberId, RequestId, WorkspaceId};

/// How many rows are written by one statement.
const AT_ONCE: usize = 200;

/// An import.
#[derive(Debug, Clone, serde::Serialize, sqlx::FromRow, schemars::JsonSchema)]
pub struct Import {
    /// Its id.
    pub id: ImportId,
    /// Whether it only tells what would become of each row.
    pub preview: bool,
    /// Whether those who had left are brought back.
    pub revive: bool,
    /// How many rows it has.
    pub total: i64,
    /// How many of them are worked off.
    pub processed: i64,
    /// Who asked for it.
    pub actor: Option<String>,
    /// The key that it was asked for with.
    #[serde(skip)]
    pub credential: Option<CredentialId>,
    /// The request that asked for it.
    #[serde(skip)]
    pub request: RequestId,
    /// That request's method.
    #[serde(skip)]
    pub method: Option<String>,
    /// That request's path.
    #[serde(skip)]
    pub path: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its last row was worked off.
    pub finished_at: Option<Timestamp>,
}

/// What became of a row.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    sqlx::Type,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[schemars(rename = "ImportOutcome")]
pub enum Outcome {
    /// A new member.
    Created,
    /// A member who was there: fields or rights were written.
    Merged,
    /// One who had left is back.
    Revived,
    /// A member who has all of it already.
    Unchanged,
    /// One who had left, and is not brought back.
    Left,
    /// Nothing was done, because of a problem.
    Refused,
}

/// A row that waits for its turn.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Waiting {
    /// Which row of the file it is, from 1 on.
    pub number: i64,
    /// When it is worked off.
    pub turn: i64,
    /// What it says, sealed.
    pub input: Vec<u8>,
}

/// What became of a row.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Done {
    /// Which row of the file it is, from 1 on.
    pub number: i64,
    /// What became of it.
    pub outcome: Outcome,
    /// The member, where there is one.
    pub member: Option<MemberId>,
    /// The column that was wrong.
    pub field: Option<String>,
    /// What was wrong.
    pub problem: Option<String>,
    /// Columns that a directory keeps, with commas between.
    pub kept: Option<String>,
}

const COLUMNS: &str = "SELECT id, preview, revive, total, processed, actor, credential, request, \
                       method, path, created_at, finished_at FROM imports";
const DONE: &str = "SELECT number, outcome, member, field, problem, kept FROM import_rows \
                    WHERE workspace = $1 AND import = $2";

/// Makes an import.
pub async fn insert(tx: &mut Tx, workspace: WorkspaceId, import: &Import) -> Result<()> {
    tx.query(
        "INSERT INTO imports (workspace, id, preview, revive, total, processed, actor, \
         credential, request, method, path, created_at, finished_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(workspace)
    .bind(import.id)
    .bind(import.preview)
    .bind(import.revive)
    .bind(import.total)
    .bind(import.processed)
    .bind(import.actor.clone())
    .bind(import.credential)
    .bind(import.request)
    .bind(import.method.clone())
    .bind(import.path.clone())
    .bind(import.created_at)
    .bind(import.finished_at)
    .execute()
    .await?;
    Ok(())
}

/// Writes its rows down.
pub async fn insert_rows(
    tx: &mut Tx,
    workspace: WorkspaceId,
    import: ImportId,
    waiting: &[Waiting],
) -> Result<()> {
    for part in waiting.chunks(AT_ONCE) {
        let sql = format!(
            "INSERT INTO import_rows (workspace, import, number, turn, input) VALUES {}",
            values(part.len(), 5)
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql));
        if part.len() != AT_ONCE {
            query = query.once();
        }
        for row in part {
            query = query
                .bind(workspace)
                .bind(import)
                .bind(row.number)
                .bind(row.turn)
                .bind(row.input.clone());
        }
        query.execute().await?;
    }
    Ok(())
}

/// The import of that id.
pub async fn find(tx: &mut Tx, workspace: WorkspaceId, id: ImportId) -> Result<Option<Import>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE workspace = $1 AND id = $2"
    )))
    .bind(workspace)
    .bind(id)
    .fetch_optional()
    .await
}

/// The import of that id, locked.
pub async fn lock(tx: &mut Tx, workspace: WorkspaceId, id: ImportId) -> Result<Option<Import>> {
    let sql = format!("{COLUMNS} WHERE workspace = $1 AND id = $2");
    tx.locked_list(&sql, Lock::NoKeyUpdate, "imports")
        .bind(workspace)
        .bind(id)
        .fetch_optional()
        .await
}

/// The imports of a workspace, oldest first.
pub async fn list(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<Import>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE workspace = $1 ORDER BY id"
    )))
    .bind(workspace)
    .fetch_all()
    .await
}

/// The oldest import of each workspace that is not finished.
pub async fn list_open(tx: &mut Tx) -> Result<Vec<(WorkspaceId, ImportId)>> {
    tx.query(
        "SELECT i.workspace, i.id FROM imports i WHERE i.finished_at IS NULL AND NOT EXISTS \
         (SELECT o.id FROM imports o WHERE o.workspace = i.workspace AND o.finished_at IS NULL \
         AND o.id < i.id) ORDER BY i.created_at, i.id",
    )
    .fetch_all()
    .await
}

/// Rows that wait, in their turn.
pub async fn list_waiting(
    tx: &mut Tx,
    workspace: WorkspaceId,
    import: ImportId,
    most: i64,
) -> Result<Vec<Waiting>> {
    tx.query(
        "SELECT number, turn, input FROM import_rows WHERE workspace = $1 AND import = $2 \
         AND input IS NOT NULL ORDER BY turn LIMIT $3",
    )
    .bind(workspace)
    .bind(import)
    .bind(most)
    .fetch_all()
    .await
}

/// Writes what became of a row, and lets go of what it said.
pub async fn update_row(
    tx: &mut Tx,
    workspace: WorkspaceId,
    import: ImportId,
    done: &Done,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE import_rows SET input = NULL, outcome = $4, member = $5, field = $6, \
             problem = $7, kept = $8 WHERE workspace = $1 AND import = $2 AND number = $3",
        )
        .bind(workspace)
        .bind(import)
        .bind(done.number)
        .bind(done.outcome)
        .bind(done.member)
        .bind(done.field.clone())
        .bind(done.problem.clone())
        .bind(done.kept.clone())
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Moves a locked import on.
pub async fn update(
    tx: &mut Tx,
    workspace: WorkspaceId,
    import: ImportId,
    processed: i64,
    finished_at: Option<Timestamp>,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE imports SET processed = $3, finished_at = $4 \
             WHERE workspace = $1 AND id = $2",
        )
        .bind(workspace)
        .bind(import)
        .bind(processed)
        .bind(finished_at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// What became of one row, if it had its turn.
pub async fn find_done(
    tx: &mut Tx,
    workspace: WorkspaceId,
    import: ImportId,
    number: i64,
) -> Result<Option<Done>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{DONE} AND number = $3 AND outcome IS NOT NULL"
    )))
    .bind(workspace)
    .bind(import)
    .bind(number)
    .fetch_optional()
    .await
}

/// What became of rows after one, in the order of the file; those that had their turn.
pub async fn list_done(
    tx: &mut Tx,
    workspace: WorkspaceId,
    import: ImportId,
    after: i64,
    most: i64,
) -> Result<Vec<Done>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{DONE} AND number > $3 AND outcome IS NOT NULL ORDER BY number LIMIT $4"
    )))
    .bind(workspace)
    .bind(import)
    .bind(after)
    .bind(most)
    .fetch_all()
    .await
}

/// How many rows came to what.
pub async fn count_outcomes(
    tx: &mut Tx,
    workspace: WorkspaceId,
    import: ImportId,
) -> Result<Vec<(Outcome, i64)>> {
    tx.query(
        "SELECT outcome, COUNT(*) FROM import_rows WHERE workspace = $1 AND import = $2 \
         AND outcome IS NOT NULL GROUP BY outcome ORDER BY outcome",
    )
    .bind(workspace)
    .bind(import)
    .fetch_all()
    .await
}

/// Lets go of imports that ended before an instant.
pub async fn delete_ended(tx: &mut Tx, workspace: WorkspaceId, before: Timestamp) -> Result<u64> {
    tx.query(
        "DELETE FROM import_rows WHERE workspace = $1 AND import IN (SELECT i.id FROM imports i \
         WHERE i.workspace = $1 AND i.finished_at < $2)",
    )
    .bind(workspace)
    .bind(before)
    .execute()
    .await?;
    tx.query("DELETE FROM imports WHERE workspace = $1 AND finished_at < $2")
        .bind(workspace)
        .bind(before)
        .execute()
        .await
}
