//! The brake: what it is set to, and who lost something lately.

use super::error::Result;
use super::members;
use super::tx::{Lock, Tx};
use super::values::{MOST, is_usual, list as placeholders, pad, rows};
use crate::clock::Timestamp;
use crate::ids::{CauseId, MemberId, RunId, WorkspaceId};

/// What becomes of losses past the threshold.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    sqlx::Type,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[schemars(rename = "BrakeMode")]
pub enum Mode {
    /// They wait.
    Hold,
    /// They happen, and are told.
    Alert,
    /// Nothing is counted.
    Off,
}

/// What the brake of a workspace is set to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, sqlx::FromRow, schemars::JsonSchema,
)]
#[schemars(rename = "BrakeSetting")]
pub struct Setting {
    /// What becomes of losses past the threshold.
    pub mode: Mode,
    /// So many people may lose something within an hour, …
    pub people: i64,
    /// … or so many of a hundred active ones, whichever is more.
    pub percent: i64,
    /// How long a loss waits, in minutes.
    pub hold_minutes: i64,
}

impl Default for Setting {
    /// What every workspace begins with.
    fn default() -> Self {
        Self {
            mode: Mode::Hold,
            people: 5,
            percent: 10,
            hold_minutes: 60,
        }
    }
}

/// The brake of a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Brake {
    /// What it is set to.
    #[sqlx(flatten)]
    pub setting: Setting,
    /// How many members were active when they were counted last.
    pub active: i64,
    /// When that was.
    pub counted_at: Timestamp,
}

const BRAKE: &str = "SELECT mode, people, percent, hold_minutes, active, counted_at FROM brakes \
                     WHERE workspace = $1";

/// Makes the brake of a new workspace.
pub async fn insert(tx: &mut Tx, workspace: WorkspaceId, setting: Setting) -> Result<()> {
    tx.query(
        "INSERT INTO brakes (workspace, mode, people, percent, hold_minutes, active, counted_at) \
         VALUES ($1, $2, $3, $4, $5, 0, 0)",
    )
    .bind(workspace)
    .bind(setting.mode)
    .bind(setting.people)
    .bind(setting.percent)
    .bind(setting.hold_minutes)
    .execute()
    .await?;
    Ok(())
}

/// The brake, locked: whoever ends access comes one after the other.
pub async fn lock(tx: &mut Tx, workspace: WorkspaceId) -> Result<Brake> {
    tx.locked(BRAKE, Lock::NoKeyUpdate, "brakes")
        .bind(workspace)
        .fetch_one()
        .await
}

/// The brake as it is.
pub async fn find(tx: &mut Tx, workspace: WorkspaceId) -> Result<Brake> {
    tx.query(BRAKE).bind(workspace).fetch_one().await
}

/// Sets a locked brake.
pub async fn update(tx: &mut Tx, workspace: WorkspaceId, setting: Setting) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE brakes SET mode = $2, people = $3, percent = $4, hold_minutes = $5 \
             WHERE workspace = $1",
        )
        .bind(workspace)
        .bind(setting.mode)
        .bind(setting.people)
        .bind(setting.percent)
        .bind(setting.hold_minutes)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Counts who is active and writes it down, for a locked brake.
pub async fn count_active(tx: &mut Tx, workspace: WorkspaceId, at: Timestamp) -> Result<i64> {
    let active = members::count_active(tx, workspace).await?;
    tx.query("UPDATE brakes SET active = $2, counted_at = $3 WHERE workspace = $1")
        .bind(workspace)
        .bind(active)
        .bind(at)
        .execute()
        .await?;
    Ok(active)
}

/// How many lost something since then.
pub async fn count_losses(tx: &mut Tx, workspace: WorkspaceId, since: Timestamp) -> Result<i64> {
    let row: (i64,) = tx
        .query("SELECT COUNT(*) FROM brake_losses WHERE workspace = $1 AND at > $2")
        .bind(workspace)
        .bind(since)
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// Those of the members who lost something since then.
pub async fn list_losses(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
    since: Timestamp,
) -> Result<Vec<MemberId>> {
    let mut found = Vec::new();
    for members in members.chunks(MOST) {
        let sql = format!(
            "SELECT member FROM brake_losses WHERE workspace = $1 AND at > $2 AND member IN ({})",
            placeholders(3, members.len())
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(workspace)
            .bind(since);
        for member in pad(members) {
            query = query.bind(member);
        }
        let rows: Vec<(MemberId,)> = query.fetch_all().await?;
        found.extend(rows.into_iter().map(|row| row.0));
    }
    Ok(found)
}

/// Of members who are to lose something, how the brake takes them.
#[derive(Debug, Clone, Copy, Default, sqlx::FromRow)]
pub struct Losers {
    /// How many it holds already.
    pub waiting: i64,
    /// The latest deadline of these.
    pub until: Option<Timestamp>,
    /// How many of the others lost nothing lately.
    pub fresh: i64,
}

/// How the brake takes members who are to lose something; who is not in loses nothing.
pub async fn count_losers(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
    since: Timestamp,
) -> Result<Losers> {
    let mut all = Losers::default();
    for members in members.chunks(MOST) {
        let sql = format!(
            "SELECT COUNT(m.braked_at) AS waiting, MAX(m.brake_until) AS until, \
             COUNT(*) - COUNT(COALESCE(m.braked_at, l.at)) AS fresh FROM members m \
             LEFT JOIN brake_losses l ON l.workspace = m.workspace AND l.member = m.id \
             AND l.at > $2 WHERE m.workspace = $1 AND m.status = 'active' AND m.id IN ({})",
            placeholders(3, members.len())
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(workspace)
            .bind(since);
        for member in pad(members) {
            query = query.bind(member);
        }
        let some: Losers = query.fetch_one().await?;
        all.waiting += some.waiting;
        all.until = all.until.max(some.until);
        all.fresh += some.fresh;
    }
    Ok(all)
}

/// Writes down who loses something.
pub async fn insert_losses(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
    at: Timestamp,
) -> Result<()> {
    for members in members.chunks(MOST) {
        let sql = format!(
            "INSERT INTO brake_losses (workspace, member, at) VALUES {} \
             ON CONFLICT (workspace, member) DO UPDATE SET at = excluded.at",
            rows(members.len(), 3)
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql));
        if !is_usual(members.len()) {
            query = query.once();
        }
        for member in members {
            query = query.bind(workspace).bind(*member).bind(at);
        }
        query.execute().await?;
    }
    Ok(())
}

/// Causes of rules that end.
#[derive(Debug, Clone, Copy)]
pub struct Ends<'c> {
    /// The causes.
    pub causes: &'c [CauseId],
    /// The run that is undone with it: what that one gave is no loss.
    pub undoes: Option<RunId>,
}

/// Whether a grant with that cause was given by the run of that placeholder: by the version of a rule
/// that it wrote, or by one that says the same again because what came after it was undone. By no run,
/// where none is named.
pub(super) fn given(cause: &str, run: usize) -> String {
    format!(
        "EXISTS (SELECT r.id FROM runs r WHERE r.workspace = $1 AND r.rule = {cause}.rule \
         AND r.rule_version = {cause}.rule_version AND (r.id = ${run} OR (r.undoes IS NOT NULL \
         AND r.after_body = (SELECT o.after_body FROM runs o WHERE o.workspace = $1 \
         AND o.id = ${run}))))"
    )
}

/// Members who lose a right with causes of rules that end: what they have by nothing else that has
/// effect, but for what is kept of them anyway and what a run gave that is undone, which is named at
/// `first`. The causes are listed twice after it.
fn losing(first: usize, causes: usize) -> String {
    format!(
        "FROM causes e CROSS JOIN rule_grants t CROSS JOIN grants g CROSS JOIN members m \
         WHERE e.workspace = $1 AND e.id IN ({}) AND e.ended_at IS NULL AND t.workspace = $1 \
         AND t.rule = e.rule AND g.workspace = $1 AND g.kind = t.kind AND g.target = t.target \
         AND g.to_at IS NULL AND g.cause = e.id AND g.hold IS NULL AND m.workspace = $1 \
         AND m.id = g.member AND m.status = 'active' AND NOT EXISTS (SELECT o.id FROM grants o \
         JOIN causes c ON c.workspace = o.workspace AND c.id = o.cause WHERE o.workspace = $1 \
         AND o.member = g.member AND o.kind = g.kind AND o.target = g.target AND o.to_at IS NULL \
         AND (o.hold IS NOT NULL OR (c.ended_at IS NULL AND c.id NOT IN ({})))) \
         AND NOT {}",
        placeholders(first + 1, causes),
        placeholders(first + 1 + pad(&vec![0; causes]).count(), causes),
        given("e", first)
    )
}

/// How many members would lose something with causes of rules who did not since then; no more than
/// `most` are counted.
pub async fn count_losing(
    tx: &mut Tx,
    workspace: WorkspaceId,
    ends: Ends<'_>,
    since: Timestamp,
    most: i64,
) -> Result<i64> {
    let sql = format!(
        "SELECT COUNT(*) AS losing FROM (SELECT DISTINCT g.member {} AND NOT EXISTS \
         (SELECT l.member FROM brake_losses l WHERE l.workspace = $1 AND l.member = g.member \
         AND l.at > $2) LIMIT $3) losers",
        losing(4, ends.causes.len())
    );
    let mut query = tx
        .query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(since)
        .bind(most)
        .bind(ends.undoes);
    for cause in pad(ends.causes).chain(pad(ends.causes)) {
        query = query.bind(cause);
    }
    let row: (i64,) = query.fetch_one().await?;
    Ok(row.0)
}

/// Writes down who loses something with causes of rules.
pub async fn insert_losing(
    tx: &mut Tx,
    workspace: WorkspaceId,
    ends: Ends<'_>,
    at: Timestamp,
) -> Result<()> {
    let sql = format!(
        "INSERT INTO brake_losses (workspace, member, at) SELECT DISTINCT g.workspace, g.member, \
         $2 {} ON CONFLICT (workspace, member) DO UPDATE SET at = excluded.at",
        losing(3, ends.causes.len())
    );
    let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace).bind(at);
    query = query.bind(ends.undoes);
    for cause in pad(ends.causes).chain(pad(ends.causes)) {
        query = query.bind(cause);
    }
    query.execute().await?;
    Ok(())
}

/// Forgets losses up to an instant; tells how many those were.
pub async fn delete_losses(tx: &mut Tx, workspace: WorkspaceId, before: Timestamp) -> Result<u64> {
    tx.query("DELETE FROM brake_losses WHERE workspace = $1 AND at <= $2")
        .bind(workspace)
        .bind(before)
        .execute()
        .await
}
