//! Runs: outcomes that touch many members, worked off in batches.

use uuid::Uuid;

use super::error::Result;
use super::tx::{Lock, Tx};
use super::values::{MOST, list as placeholders, pad};
use crate::clock::Timestamp;
use crate::ids::{CauseId, DirectoryId, GroupId, MemberId, RequestId, RuleId, RunId, WorkspaceId};

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema, sqlx::Type)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema, sqlx::Type)]
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
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema, sqlx::FromRow)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// What it does.
    pub kind: RunKind,
    /// How far it is.
    pub state: RunState,
    /// The directory whose users it goes through; none where it goes through members.
    pub directory: Option<DirectoryId>,
    /// The group whose users it goes through, those of groups within it included; none for all users of the directory.
    pub group_id: Option<GroupId>,
    /// The last user or member that was worked off.
    pub position: Option<Uuid>,
    /// How many of them there were when it was planned.
    pub total: i64,
    /// How many were worked off.
    pub processed: i64,
    /// The request that made it.
    pub request: RequestId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// What it does to a rule, and what became of the run itself.
    #[serde(flatten)]
    #[sqlx(flatten)]
    pub of: Of,
}

/// What a run does to a rule, and what became of the run itself.
#[derive(Debug, Clone, Default, serde::Serialize, schemars::JsonSchema, sqlx::FromRow)]
#[schemars(rename = "RunOf")]
pub struct Of {
    /// The rule that it adds, changes or ends.
    pub rule: Option<RuleId>,
    /// The rule's version with it.
    pub rule_version: Option<i64>,
    /// The cause of the version before, which ends with the run.
    #[serde(skip)]
    pub old_cause: Option<CauseId>,
    /// The rule before, as JSON; none for a new one.
    #[serde(skip)]
    pub before_body: Option<String>,
    /// The rule afterwards, as JSON; none where it ends.
    #[serde(skip)]
    pub after_body: Option<String>,
    /// How many members got other rights by it so far.
    pub changed: i64,
    /// Of how many the brake held what they were to lose by it, when it came to them.
    pub held: i64,
    /// Since when it waits for somebody to let it go on.
    pub paused_at: Option<Timestamp>,
    /// The run that it undoes.
    pub undoes: Option<RunId>,
    /// The run that undid it.
    pub undone_by: Option<RunId>,
    /// How often in a row its next batch failed.
    pub attempts: i64,
    /// When that is tried again.
    pub next_at: Option<Timestamp>,
    /// Why it failed.
    pub last_error: Option<String>,
}

const COLUMNS: &str = "SELECT id, workspace, kind, state, directory, group_id, position, total, \
                        processed, request, created_at, finished_at, rule, rule_version, \
                        old_cause, before_body, after_body, changed, held, paused_at, undoes, undone_by, \
                        attempts, next_at, last_error FROM runs";

/// Makes a run.
pub async fn insert(tx: &mut Tx, run: &Run) -> Result<()> {
    tx.query(
        "INSERT INTO runs (workspace, id, kind, state, directory, group_id, total, \
         processed, request, created_at, finished_at, rule, rule_version, old_cause, before_body, \
         after_body, changed, undoes, held) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, \
         $12, $13, $14, $15, $16, $17, $18, $19)",
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
    .bind(run.finished_at)
    .bind(run.of.rule)
    .bind(run.of.rule_version)
    .bind(run.of.old_cause)
    .bind(run.of.before_body.clone())
    .bind(run.of.after_body.clone())
    .bind(run.of.changed)
    .bind(run.of.undoes)
    .bind(run.of.held)
    .execute()
    .await?;
    Ok(())
}

/// The oldest run of each workspace that is not done, does not wait and is to be tried by now.
pub async fn list_open(tx: &mut Tx, now: Timestamp) -> Result<Vec<Run>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE state <> 'done' AND paused_at IS NULL AND COALESCE(next_at, $1) <= $1 \
         AND NOT EXISTS (SELECT o.id FROM runs o WHERE o.workspace = runs.workspace \
         AND o.state <> 'done' AND o.paused_at IS NULL AND COALESCE(o.next_at, $1) <= $1 \
         AND (o.created_at < runs.created_at \
         OR (o.created_at = runs.created_at AND o.id < runs.id))) ORDER BY created_at, id"
    )))
    .bind(now)
    .fetch_all()
    .await
}

/// Says that a batch of a run failed, and when it is tried again.
pub async fn update_failed(
    tx: &mut Tx,
    run: &Run,
    (next_at, error): (Timestamp, &str),
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE runs SET attempts = $3, next_at = $4, last_error = $5 WHERE workspace = $1 \
             AND id = $2 AND state <> 'done' AND attempts = $6",
        )
        .bind(run.workspace)
        .bind(run.id)
        .bind(run.of.attempts + 1)
        .bind(next_at)
        .bind(error.to_owned())
        .bind(run.of.attempts)
        .execute()
        .await?;
    Ok(rows == 1)
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

/// The run of that id, locked.
pub async fn lock(tx: &mut Tx, workspace: WorkspaceId, id: RunId) -> Result<Option<Run>> {
    let sql = format!("{COLUMNS} WHERE workspace = $1 AND id = $2");
    tx.locked_list(&sql, Lock::Update, "runs")
        .bind(workspace)
        .bind(id)
        .fetch_optional()
        .await
}

/// Whether a run that is not done writes that rule.
pub async fn has_open(tx: &mut Tx, workspace: WorkspaceId, rule: RuleId) -> Result<bool> {
    let row: (i64,) = tx
        .query(
            "SELECT COUNT(*) AS open FROM runs WHERE workspace = $1 AND state <> 'done' \
             AND rule = $2",
        )
        .bind(workspace)
        .bind(rule)
        .fetch_one()
        .await?;
    Ok(row.0 > 0)
}

/// What runs that are not done are still to write: the rule, and what it is to say, as JSON.
pub async fn list_written(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<(RuleId, String)>> {
    tx.query(
        "SELECT rule, after_body FROM runs WHERE workspace = $1 AND state <> 'done' \
         AND rule IS NOT NULL AND after_body IS NOT NULL ORDER BY created_at, id",
    )
    .bind(workspace)
    .fetch_all()
    .await
}

/// The runs of a workspace that wait in the midst of their members.
pub async fn list_paused(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<Run>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE workspace = $1 AND state <> 'done' AND state = 'applying' \
         AND paused_at IS NOT NULL ORDER BY created_at, id"
    )))
    .bind(workspace)
    .fetch_all()
    .await
}

/// Those of the members whom a run has not come to.
pub async fn list_ahead(tx: &mut Tx, run: &Run, members: &[MemberId]) -> Result<Vec<MemberId>> {
    let Some(directory) = run.directory else {
        let ahead = members.iter().copied();
        return Ok(ahead.filter(|id| Some(id.0) > run.position).collect());
    };
    let mut ahead = Vec::new();
    for members in members.chunks(MOST) {
        let listed = placeholders(5, members.len());
        let users = format!(
            "u.workspace = $1 AND u.directory = $2 AND u.id > $3 AND u.member IN ({listed})"
        );
        let sql = match run.group_id {
            None => {
                format!("SELECT u.member FROM users u WHERE {users} AND u.id <> $4")
            }
            Some(_) => format!(
                "WITH RECURSIVE below (id) AS (SELECT g.id FROM user_groups g \
                 WHERE g.workspace = $1 AND g.directory = $2 AND g.id = $4 \
                 UNION SELECT n.member_id FROM below CROSS JOIN nestings n \
                 WHERE n.workspace = $1 AND n.directory = $2 AND n.group_id = below.id) \
                 SELECT DISTINCT u.member FROM users u CROSS JOIN memberships m WHERE {users} \
                 AND m.workspace = $1 AND m.directory = $2 AND m.user_id = u.id \
                 AND m.group_id IN (SELECT b.id FROM below b)"
            ),
        };
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(run.workspace)
            .bind(directory)
            .bind(run.position.unwrap_or(Uuid::nil()))
            .bind(run.group_id.map_or(Uuid::nil(), |id| id.0));
        for member in pad(members) {
            query = query.bind(member);
        }
        let rows: Vec<(MemberId,)> = query.fetch_all().await?;
        ahead.extend(rows.into_iter().map(|row| row.0));
    }
    Ok(ahead)
}

/// Moves a run on, if it still is where `before` was read.
pub async fn update(tx: &mut Tx, before: &Run, after: &Run) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE runs SET state = $3, position = $4, processed = $5, finished_at = $6, \
             changed = $7, held = $10, attempts = 0, next_at = NULL, last_error = NULL \
             WHERE workspace = $1 AND id = $2 AND state = $8 \
             AND (position = $9 OR (position IS NULL AND $9 IS NULL))",
        )
        .bind(before.workspace)
        .bind(before.id)
        .bind(after.state)
        .bind(after.position)
        .bind(after.processed)
        .bind(after.finished_at)
        .bind(after.of.changed)
        .bind(before.state)
        .bind(before.position)
        .bind(after.of.held)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Says whether a locked run that is not done waits; false if it is done.
pub async fn update_paused(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: RunId,
    paused_at: Option<Timestamp>,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE runs SET paused_at = $3 WHERE workspace = $1 AND id = $2 AND state <> 'done'",
        )
        .bind(workspace)
        .bind(id)
        .bind(paused_at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Says that a locked run was undone, which ends it where it was not done.
pub async fn update_undone(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: RunId,
    by: RunId,
    at: Timestamp,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE runs SET undone_by = $3, state = 'done', \
             finished_at = COALESCE(finished_at, $4), paused_at = NULL \
             WHERE workspace = $1 AND id = $2 AND undone_by IS NULL",
        )
        .bind(workspace)
        .bind(id)
        .bind(by)
        .bind(at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Members to whom a run gave something and who had changed by something else when `by` undid it; in
/// id order.
pub async fn list_changed_since(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: RunId,
    by: &Run,
    most: i64,
) -> Result<Vec<MemberId>> {
    let rows: Vec<(MemberId,)> = tx
        .query(
            "SELECT DISTINCT g.member FROM grants g CROSS JOIN changes c \
             WHERE g.workspace = $1 AND g.run = $2 AND c.workspace = g.workspace \
             AND c.id = g.begun_change AND EXISTS (SELECT l.id FROM changes l \
             WHERE l.workspace = g.workspace AND l.subject = g.member \
             AND l.subject_version > c.subject_version AND l.request <> $3 AND l.at <= $4) \
             ORDER BY g.member LIMIT $5",
        )
        .bind(workspace)
        .bind(id)
        .bind(by.request)
        .bind(by.created_at)
        .bind(most)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}
