//! Runs: outcomes that touch many members, worked off in batches.

use super::error::Result;
use super::tx::Tx;
use crate::clock::Timestamp;
use crate::ids::{DirectoryId, GroupId, RequestId, RunId, UserId, WorkspaceId};

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum RunKind {
    /// Brings planned rules to life and settles whoever they concern.
    Rule,
    /// Takes a deleted group apart.
    GroupDelete,
    /// Settles the users of a group that became a member of another.
    Nesting,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum RunState {
    /// Not begun.
    Planned,
    /// Being worked off.
    Applying,
    /// Finished.
    Done,
}

/// A run.
#[derive(Debug, Clone, serde::Serialize, sqlx::FromRow)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// What it does.
    pub kind: RunKind,
    /// How far it is.
    pub state: RunState,
    /// The directory whose users it goes through.
    pub directory: DirectoryId,
    /// The group whose users it goes through, those of groups within it included; none for all users of the directory.
    pub group_id: Option<GroupId>,
    /// The last user that was worked off.
    pub position: Option<UserId>,
    /// How many users there were when it was planned.
    pub total: i64,
    /// How many were worked off.
    pub processed: i64,
    /// The request that made it.
    pub request: RequestId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

const COLUMNS: &str = "SELECT id, workspace, kind, state, directory, group_id, position, total, \
                        processed, request, created_at, finished_at FROM runs";

/// Makes a run.
pub async fn insert(tx: &mut Tx, run: &Run) -> Result<()> {
    tx.query(
        "INSERT INTO runs (workspace, id, kind, state, directory, group_id, total, \
         processed, request, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(run.workspace)
    .bind(run.id)
    .bind(run.kind)
    .bind(run.state)
    .bind(run.directory)
    .bind(run.group_id)
    .bind(run.total)
    .bind(run.processed)
    .bind(run.request)
    .bind(run.created_at)
    .execute()
    .await?;
    Ok(())
}

/// The oldest run of any workspace that is not done.
pub async fn find_open(tx: &mut Tx) -> Result<Option<Run>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE state <> 'done' ORDER BY created_at, id LIMIT 1"
    )))
    .fetch_optional()
    .await
}

/// The run of that id.
pub async fn find(tx: &mut Tx, workspace: WorkspaceId, id: RunId) -> Result<Option<Run>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE workspace = $1 AND id = $2"
    )))
    .bind(workspace)
    .bind(id)
    .fetch_optional()
    .await
}

/// The runs of a workspace, newest first.
pub async fn list(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<Run>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE workspace = $1 ORDER BY created_at DESC, id DESC LIMIT 200"
    )))
    .bind(workspace)
    .fetch_all()
    .await
}

/// Moves a run on, if it still is where `run` was read.
pub async fn update(
    tx: &mut Tx,
    run: &Run,
    state: RunState,
    position: Option<UserId>,
    processed: i64,
    finished_at: Option<Timestamp>,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE runs SET state = $3, position = $4, processed = $5, finished_at = $6 \
             WHERE workspace = $1 AND id = $2 AND state = $7 \
             AND (position = $8 OR (position IS NULL AND $8 IS NULL))",
        )
        .bind(run.workspace)
        .bind(run.id)
        .bind(state)
        .bind(position)
        .bind(processed)
        .bind(finished_at)
        .bind(run.state)
        .bind(run.position)
        .execute()
        .await?;
    Ok(rows == 1)
}
