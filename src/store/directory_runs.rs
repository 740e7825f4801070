//! Runs over all Users of a directory: it goes live or ends, or one of these is undone.

use super::directories::{COLUMNS as DIRECTORY, Directory, Mode};
use super::error::Result;
use super::tx::{Lock, Tx};
use super::users::Place;
use crate::clock::Timestamp;
use crate::ids::{DirectoryId, RequestId, RunId, UserId, WorkspaceId};

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema, sqlx::Type)]
#[schemars(rename = "DirectoryRunKind")]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Kind {
    /// Makes members of the Users.
    Live,
    /// Takes that back.
    UndoLive,
    /// Lets go of the members.
    End,
    /// Takes them back.
    UndoEnd,
    /// Deletes what the directory said.
    Purge,
}

/// What becomes of the members of a directory that ends.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
    sqlx::Type,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Leaving {
    /// They stay as they are, and are the admins' to change.
    Keep,
    /// They are shut out, until an admin lets them in.
    Suspend,
    /// They leave.
    Remove,
}

/// A run over a directory.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema, sqlx::FromRow)]
pub struct DirectoryRun {
    /// Its id.
    pub id: RunId,
    /// Its workspace.
    #[serde(skip)]
    pub workspace: WorkspaceId,
    /// The directory.
    pub directory: DirectoryId,
    /// What it does.
    pub kind: Kind,
    /// The last User that was worked off.
    #[serde(skip)]
    pub position: Option<UserId>,
    /// How many Users there were when it began.
    pub total: i64,
    /// How many were worked off.
    pub processed: i64,
    /// For how many of them it could not be done.
    pub skipped: i64,
    /// What becomes of the members.
    pub outcome: Option<Leaving>,
    /// Whether what rules gave them stays theirs.
    pub keep_grants: bool,
    /// Whether the directory was live before.
    #[serde(skip)]
    pub was_live: bool,
    /// Until when it can be undone.
    pub undo_until: Option<Timestamp>,
    /// When it was undone.
    pub undone_at: Option<Timestamp>,
    /// The run that it undoes.
    pub undoes: Option<RunId>,
    /// Since when it waits for somebody to let it go on.
    pub paused_at: Option<Timestamp>,
    /// The first members for whom it could not be done: a JSON list.
    #[serde(skip)]
    pub left_out: Option<String>,
    /// The request that made it.
    #[serde(skip)]
    pub request: RequestId,
    /// Who made it.
    pub actor: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was done.
    pub finished_at: Option<Timestamp>,
    /// How often in a row its next batch failed.
    pub attempts: i64,
    /// When that is tried again.
    pub next_at: Option<Timestamp>,
    /// Why it failed.
    pub last_error: Option<String>,
}

impl DirectoryRun {
    /// A run that begins, by a request of somebody at an instant.
    pub fn new(
        (workspace, directory): (WorkspaceId, DirectoryId),
        (kind, total): (Kind, i64),
        (request, actor, at): (RequestId, Option<String>, Timestamp),
    ) -> Self {
        Self {
            id: RunId::new(),
            workspace,
            directory,
            kind,
            position: None,
            total,
            processed: 0,
            skipped: 0,
            outcome: None,
            keep_grants: false,
            was_live: false,
            undo_until: None,
            undone_at: None,
            undoes: None,
            paused_at: None,
            left_out: None,
            request,
            actor,
            created_at: at,
            finished_at: None,
            attempts: 0,
            next_at: None,
            last_error: None,
        }
    }
}

const COLUMNS: &str = "SELECT id, workspace, directory, kind, position, total, processed, \
                       skipped, outcome, keep_grants, was_live, undo_until, undone_at, undoes, \
                       paused_at, left_out, request, actor, created_at, finished_at, \
                       attempts, next_at, last_error FROM directory_runs";

/// Makes a run.
pub async fn insert(tx: &mut Tx, run: &DirectoryRun) -> Result<()> {
    tx.query(
        "INSERT INTO directory_runs (workspace, id, directory, kind, state, total, processed, \
         skipped, outcome, keep_grants, was_live, undo_until, undoes, request, actor, created_at) \
         VALUES ($1, $2, $3, $4, 'applying', $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(run.workspace)
    .bind(run.id)
    .bind(run.directory)
    .bind(run.kind)
    .bind(run.total)
    .bind(run.processed)
    .bind(run.skipped)
    .bind(run.outcome)
    .bind(run.keep_grants)
    .bind(run.was_live)
    .bind(run.undo_until)
    .bind(run.undoes)
    .bind(run.request)
    .bind(run.actor.clone())
    .bind(run.created_at)
    .execute()
    .await?;
    Ok(())
}

/// The oldest run of each workspace that is not done, does not wait and is to be tried by now.
pub async fn list_open(tx: &mut Tx, now: Timestamp) -> Result<Vec<DirectoryRun>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE state <> 'done' AND paused_at IS NULL AND COALESCE(next_at, $1) <= $1 \
         AND NOT EXISTS (SELECT o.id FROM directory_runs o \
         WHERE o.workspace = directory_runs.workspace AND o.state <> 'done' \
         AND o.paused_at IS NULL AND COALESCE(o.next_at, $1) <= $1 \
         AND (o.created_at < directory_runs.created_at \
         OR (o.created_at = directory_runs.created_at AND o.id < directory_runs.id))) \
         ORDER BY created_at, id"
    )))
    .bind(now)
    .fetch_all()
    .await
}

/// Says that a batch of a run failed, and when it is tried again; false if another process did that, or
/// moved the run on.
pub async fn update_failed(
    tx: &mut Tx,
    run: &DirectoryRun,
    (next_at, error): (Timestamp, &str),
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE directory_runs SET attempts = $3, next_at = $4, last_error = $5 \
             WHERE workspace = $1 AND id = $2 AND state <> 'done' AND attempts = $6 \
             AND processed = $7",
        )
        .bind(run.workspace)
        .bind(run.id)
        .bind(run.attempts + 1)
        .bind(next_at)
        .bind(error.to_owned())
        .bind(run.attempts)
        .bind(run.processed)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// The runs of a directory, newest first.
pub async fn list(
    tx: &mut Tx,
    workspace: WorkspaceId,
    directory: DirectoryId,
) -> Result<Vec<DirectoryRun>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE workspace = $1 AND directory = $2 ORDER BY created_at DESC, id DESC \
         LIMIT 100"
    )))
    .bind(workspace)
    .bind(directory)
    .fetch_all()
    .await
}

/// The run of that id.
pub async fn find(tx: &mut Tx, place: Place, id: RunId) -> Result<Option<DirectoryRun>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE workspace = $1 AND id = $2 AND directory = $3"
    )))
    .bind(place.workspace)
    .bind(id)
    .bind(place.directory)
    .fetch_optional()
    .await
}

/// The run of that id, locked.
pub async fn lock(tx: &mut Tx, place: Place, id: RunId) -> Result<Option<DirectoryRun>> {
    let sql = format!("{COLUMNS} WHERE workspace = $1 AND id = $2 AND directory = $3");
    tx.locked_list(&sql, Lock::Update, "directory_runs")
        .bind(place.workspace)
        .bind(id)
        .bind(place.directory)
        .fetch_optional()
        .await
}

/// Says whether a locked run that is not done waits.
pub async fn update_paused(
    tx: &mut Tx,
    run: &DirectoryRun,
    paused_at: Option<Timestamp>,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE directory_runs SET paused_at = $3 WHERE workspace = $1 AND id = $2 \
             AND state <> 'done'",
        )
        .bind(run.workspace)
        .bind(run.id)
        .bind(paused_at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Says that all runs by which a directory went live are undone, which ends those that are not done.
pub async fn update_undone_live(tx: &mut Tx, place: Place, at: Timestamp) -> Result<u64> {
    tx.query(
        "UPDATE directory_runs SET state = 'done', finished_at = COALESCE(finished_at, $3), \
         paused_at = NULL, undo_until = NULL, undone_at = $3, next_at = NULL WHERE workspace = $1 \
         AND directory = $2 AND kind = 'live' AND undone_at IS NULL",
    )
    .bind(place.workspace)
    .bind(place.directory)
    .bind(at)
    .execute()
    .await
}

/// An end whose time to be undone is over, and whose directory's facts are still there.
pub async fn find_over(tx: &mut Tx, now: Timestamp) -> Result<Option<DirectoryRun>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE undo_until <= $1 AND kind = 'end' AND state = 'done' ORDER BY undo_until, id LIMIT 1"
    )))
    .bind(now)
    .fetch_optional()
    .await
}

/// Says that an end can be undone no longer, or that it was.
pub async fn close(tx: &mut Tx, run: &DirectoryRun, undone_at: Option<Timestamp>) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE directory_runs SET undo_until = NULL, undone_at = $3 \
             WHERE workspace = $1 AND id = $2 AND undo_until IS NOT NULL",
        )
        .bind(run.workspace)
        .bind(run.id)
        .bind(undone_at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// How far a batch of a run came.
#[derive(Debug, Clone, Default)]
pub struct Passed {
    /// The last User of it.
    pub last: Option<UserId>,
    /// How many Users it had.
    pub count: usize,
    /// For how many of them it could not be done.
    pub skipped: i64,
    /// The first members of the whole run among those, where they are told; a JSON list.
    pub left_out: Option<String>,
}

/// Moves a run on past those Users, if it still is what it was when it was read and does not wait; gives
/// it as it is then.
pub async fn moved_on(
    tx: &mut Tx,
    run: DirectoryRun,
    passed: Passed,
    finished_at: Option<Timestamp>,
) -> Result<Option<DirectoryRun>> {
    let after = DirectoryRun {
        position: passed.last.or(run.position),
        processed: run.processed + i64::try_from(passed.count).unwrap_or(0),
        skipped: run.skipped + passed.skipped,
        left_out: passed.left_out.or_else(|| run.left_out.clone()),
        finished_at,
        attempts: 0,
        next_at: None,
        last_error: None,
        ..run.clone()
    };
    let state = if finished_at.is_some() {
        "done"
    } else {
        "applying"
    };
    let rows = tx
        .query(
            "UPDATE directory_runs SET state = $3, position = $4, processed = $5, skipped = $6, \
             finished_at = $7, left_out = $9, attempts = 0, next_at = NULL, last_error = NULL WHERE workspace = $1 AND id = $2 \
             AND state = 'applying' AND paused_at IS NULL AND skipped = $10 \
             AND (position = $8 OR (position IS NULL AND $8 IS NULL))",
        )
        .bind(run.workspace)
        .bind(run.id)
        .bind(state)
        .bind(after.position)
        .bind(after.processed)
        .bind(after.skipped)
        .bind(after.finished_at)
        .bind(run.position)
        .bind(after.left_out.clone())
        .bind(run.skipped)
        .execute()
        .await?;
    Ok((rows == 1).then_some(after))
}

/// Says for how many more Users a run that is not done could not do it, and the first members among
/// those of the whole run, if that is still what it was when it was read.
pub async fn update_skipped(
    tx: &mut Tx,
    run: &DirectoryRun,
    (more, left_out): (i64, Option<String>),
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE directory_runs SET skipped = $3, left_out = $4 WHERE workspace = $1 AND id = $2 \
             AND state <> 'done' AND skipped = $5",
        )
        .bind(run.workspace)
        .bind(run.id)
        .bind(run.skipped + more)
        .bind(left_out.or_else(|| run.left_out.clone()))
        .bind(run.skipped)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Writes what becomes of a directory's facts.
pub async fn update_mode(tx: &mut Tx, place: Place, mode: Mode) -> Result<bool> {
    let rows = tx
        .query("UPDATE directories SET mode = $3 WHERE workspace = $1 AND id = $2")
        .bind(place.workspace)
        .bind(place.directory)
        .bind(mode)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Switches a directory off, or on again.
pub async fn update_end(
    tx: &mut Tx,
    place: Place,
    ended_at: Option<Timestamp>,
    mode: Mode,
) -> Result<bool> {
    let rows = tx
        .query("UPDATE directories SET ended_at = $3, mode = $4 WHERE workspace = $1 AND id = $2")
        .bind(place.workspace)
        .bind(place.directory)
        .bind(ended_at)
        .bind(mode)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// The directory of that id, locked: nobody makes a User anywhere in the workspace meanwhile.
pub async fn lock_whole(tx: &mut Tx, place: Place) -> Result<Option<Directory>> {
    super::workspaces::lock_whole(tx, place.workspace).await?;
    let sql = format!("{DIRECTORY} WHERE workspace = $1 AND id = $2");
    tx.locked_list(&sql, Lock::Update, "directories")
        .bind(place.workspace)
        .bind(place.directory)
        .fetch_optional()
        .await
}
