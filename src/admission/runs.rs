//! Runs: outcomes that touch many members, worked off in batches that can be resumed. Access that
//! is to be lost is lost before: the cause was ended in one row when the run was planned.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use tracing::Instrument;
use uuid::Uuid;

use super::carrying::{Step, carry_out, definition, end_cause, still_bound, take_over};
use super::defining::check_rights;
use super::definition::Definition;
use super::reach::Among;
use super::rules::{all_grants, find_with};
use super::settle::{Rules, Settled, Within, settle_within};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::ids::{GroupId, MemberId, RuleId, RunId, UserId, WorkspaceId};
use crate::mapping;
use crate::store::grants::GrantKind;
use crate::store::runs as rows;
use crate::store::tx::Tx;
use crate::store::users::{self, Place};
use crate::store::workspaces::{self, Sweep};
use crate::store::{edges, groups, members, nestings, rules};
use crate::workspace::guard;
use crate::workspace::keys::Scopes;

pub use crate::store::runs::{Of, Run, RunKind, RunState};

/// After how long a batch that failed is tried again first, and at the latest.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_mins(10);
/// How many members who changed since a run are told of.
const TOLD: i64 = 50;

/// How far a run is, as admins see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "RunStanding")]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Not begun.
    Planned,
    /// Being worked off.
    Applying,
    /// Waits for somebody to let it go on.
    Paused,
    /// Finished.
    Done,
    /// Another run took back what it did.
    Undone,
}

impl Of {
    /// Counts what came of settling a batch.
    pub(super) fn count(&mut self, settled: Settled) {
        let counted = |count| i64::try_from(count).unwrap_or(0);
        self.changed += counted(settled.changed);
        self.held += counted(settled.held);
    }
}

/// A run as admins see it.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "Run")]
pub struct Shown {
    /// How far it is.
    pub standing: Standing,
    /// The run.
    #[serde(flatten)]
    pub run: Run,
    /// For one that undoes another: members to whom that one gave something and who changed since by
    /// something else, the first of them. What else changed stays; what rules give them is as it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_since: Option<Vec<MemberId>>,
}

impl From<Run> for Shown {
    fn from(run: Run) -> Self {
        let standing = match run.state {
            _ if run.of.undone_by.is_some() => Standing::Undone,
            RunState::Done => Standing::Done,
            _ if run.of.paused_at.is_some() => Standing::Paused,
            RunState::Planned => Standing::Planned,
            RunState::Applying => Standing::Applying,
        };
        Self {
            standing,
            run,
            changed_since: None,
        }
    }
}

/// The last runs of a workspace, newest first; 200 at most.
pub async fn list(app: &App, workspace: WorkspaceId) -> Result<Vec<Shown>> {
    let mut tx = app.db.one().await?;
    let runs = rows::list(&mut tx, workspace).await?;
    Ok(runs.into_iter().map(Shown::from).collect())
}

/// A run with its progress.
pub async fn show(app: &App, workspace: WorkspaceId, id: RunId) -> Result<Shown> {
    let mut tx = app.db.read().await?;
    let run = rows::find(&mut tx, workspace, id).await?;
    let mut shown = Shown::from(run.ok_or(Error::NotFound("run"))?);
    if let Some(undone) = shown.run.of.undoes {
        let changed = rows::list_changed_since(&mut tx, workspace, undone, &shown.run, TOLD);
        let changed = changed.await?;
        shown.changed_since = Some(changed);
    }
    Ok(shown)
}

/// Lets a run wait after the batch that it is at; what it did stays. Members whom it has not come to
/// and whom no request writes meanwhile are not settled; everybody else is. What it gives or takes
/// beyond the rights of whoever acts is [`Error::Forbidden`], here and below.
pub async fn pause(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    (workspace, id): (WorkspaceId, RunId),
) -> Result<Shown> {
    let act = Act::of(app, origin, workspace);
    let at = Some(act.at);
    let what = (id, at, "run.paused");
    wait(app, (act, scopes), what).await
}

/// Lets a paused run go on.
pub async fn resume(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    (workspace, id): (WorkspaceId, RunId),
) -> Result<Shown> {
    let act = Act::of(app, origin, workspace);
    wait(app, (act, scopes), (id, None, "run.resumed")).await
}

async fn wait(
    app: &App,
    (act, scopes): (Act, &Scopes),
    (id, paused_at, kind): (RunId, Option<crate::clock::Timestamp>, &'static str),
) -> Result<Shown> {
    let (workspace, scopes) = (act.workspace, scopes.clone());
    app.write(move |tx| {
        let (act, scopes) = (act.clone(), scopes.clone());
        Box::pin(async move {
            let found = rows::lock(tx, act.workspace, id).await?;
            let run = found.ok_or(Error::NotFound("run"))?;
            if run.kind != RunKind::Rule {
                return Err(Error::Conflict(
                    "this run follows what a directory did, and goes on".to_owned(),
                ));
            }
            let given = given(tx, &act, &run).await?;
            check_rights(tx, act.workspace, &scopes, &given).await?;
            if run.of.paused_at.is_some() == paused_at.is_some() {
                return Ok(());
            }
            if !rows::update_paused(tx, act.workspace, id, paused_at).await? {
                return Err(Error::Conflict("the run is done".to_owned()));
            }
            let change = act.change(kind, ("run", id.0), None, &json!({}));
            changes::record(tx, act.workspace, &[change]).await
        })
    })
    .await?;
    show(app, workspace, id).await
}

/// What a run gives or takes: what its rule says before and after it, and what the rules give that it
/// brings to life.
async fn given(tx: &mut Tx, act: &Act, run: &Run) -> Result<BTreeSet<(GrantKind, Uuid)>> {
    let before = definition(run.of.before_body.as_deref())?;
    let after = definition(run.of.after_body.as_deref())?;
    let mut given = all_grants(before.iter().chain(&after));
    let written = rules::list(tx, act.workspace).await?.into_iter();
    let written = written.filter(|rule| rule.run == Some(run.id));
    let written: BTreeSet<RuleId> = written.map(|rule| rule.id).collect();
    let of_rules = rules::list_grants(tx, act.workspace).await?.into_iter();
    let of_rules = of_rules.filter(|grant| written.contains(&grant.rule));
    given.extend(of_rules.map(|grant| (grant.kind, grant.target)));
    Ok(given)
}

/// Undoes a run that wrote a rule: the rule says again what it said before, as a further version, and
/// a run of its own settles whom that concerns. What the run gave ends at once, whatever the brake
/// says. Refused where the rule says something else since: [`Error::Conflict`].
pub async fn undo(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    (workspace, id): (WorkspaceId, RunId),
) -> Result<Shown> {
    let (act, scopes) = (Act::of(app, origin, workspace), scopes.clone());
    let (app_, by) = (app.clone(), RunId::new());
    let made = app
        .write(move |tx| {
            let (app, act, scopes) = (app_.clone(), act.clone(), scopes.clone());
            Box::pin(async move { take_back(tx, &app, (act, &scopes), (id, by)).await })
        })
        .await?;
    show(app, workspace, made).await
}

/// Gives the run that undoes it; the run itself, if it had not begun and was only to change a rule.
async fn take_back(
    tx: &mut Tx,
    app: &App,
    (mut act, scopes): (Act, &Scopes),
    (id, by): (RunId, RunId),
) -> Result<RunId> {
    workspaces::lock(tx, act.workspace).await?;
    let found = rows::lock(tx, act.workspace, id).await?;
    let run = found.ok_or(Error::NotFound("run"))?;
    let (Some(rule), Some(version)) = (run.of.rule, run.of.rule_version) else {
        return Err(Error::Conflict(
            "only a run that wrote one rule can be undone".to_owned(),
        ));
    };
    if run.of.undone_by.is_some() {
        return Err(Error::Conflict("the run is undone already".to_owned()));
    }
    act.directory = run.directory;
    let before = definition(run.of.before_body.as_deref())?;
    let after = definition(run.of.after_body.as_deref())?;
    let both = all_grants(before.iter().chain(&after));
    check_rights(tx, act.workspace, scopes, &both).await?;
    let changed = || {
        Error::Conflict("the rule was changed since; undo that first, or change it back".to_owned())
    };
    let now = match find_with(tx, act.workspace, rule).await {
        Ok((_, now)) => Some(now),
        Err(Error::NotFound(_)) => None,
        Err(error) => return Err(error),
    };
    let is_untouched = before.is_some() && after.is_some() && run.state == RunState::Planned;
    let is_again = match &now {
        // What came after it was undone, or taken back by hand.
        Some((now, says)) if now.version > version => {
            is_same(tx, &act, after.as_ref(), says).await?
        }
        _ => false,
    };
    let made = match &now {
        Some((now, _)) if is_untouched && now.version == version - 1 => id,
        Some((now, _)) if after.is_some() && now.version == version || is_again => by,
        None if after.is_none() => by,
        _ => return Err(changed()),
    };
    let version = now.as_ref().map_or(version, |(now, _)| now.version);
    rows::update_undone(tx, act.workspace, id, made, act.at).await?;
    let detail = json!({"by": made});
    let change = act.change("run.undone", ("run", id.0), None, &detail);
    changes::record(tx, act.workspace, &[change]).await?;
    if made == id {
        return Ok(id);
    }
    if has_others(tx, &act, rule).await? {
        return Err(changed());
    }
    let before = match before {
        Some(before) => Some(still_bound(tx, &act, before).await?),
        None => None,
    };
    let step = Step {
        id: rule,
        before: now,
        after: before,
        version: version + 1,
        run: Some(by),
        undoes: Some(id),
    };
    carry_out(tx, app, &act, &step).await?;
    Ok(by)
}

/// Whether a rule says what a run wrote.
async fn is_same(
    tx: &mut Tx,
    act: &Act,
    written: Option<&Definition>,
    says: &Definition,
) -> Result<bool> {
    Ok(match written {
        Some(written) => still_bound(tx, act, written.clone()).await? == *says,
        None => false,
    })
}

async fn has_others(tx: &mut Tx, act: &Act, rule: RuleId) -> Result<bool> {
    is_written(tx, act.workspace, rule).await
}

/// Whether a run that is not done writes that rule.
pub(super) async fn is_written(tx: &mut Tx, workspace: WorkspaceId, rule: RuleId) -> Result<bool> {
    Ok(rows::has_open(tx, workspace, rule).await?)
}

/// Writes a run down, in the transaction of what asks for it.
pub async fn plan(tx: &mut Tx, run: &Run) -> Result<()> {
    Ok(rows::insert(tx, run).await?)
}

/// Works off a batch of the oldest run of each workspace; tells how many that were. One that fails is
/// tried again after a while, longer each time, and keeps no other waiting, of its workspace or another.
pub async fn step_all(app: &App) -> Result<usize> {
    let mut tx = app.db.one().await?;
    let open = rows::list_open(&mut tx, app.clock.now()).await?;
    drop(tx);
    let count = open.len();
    for run in open {
        let span = tracing::debug_span!(target: "otel", "step of a run", run.kind = ?run.kind);
        match step(app, &run).instrument(span).await {
            // Another process took the lease and this batch.
            Ok(_) | Err(Error::Conflict(_)) => {}
            // The next one would fare no better.
            Err(error @ (Error::Unavailable | Error::Retry(_))) => return Err(error),
            Err(error) => failed(app, &run, error).await?,
        }
    }
    Ok(count)
}

async fn failed(app: &App, run: &Run, error: Error) -> Result<()> {
    let id = run.id;
    metrics::counter!("gatehouse_worker_errors_total").increment(1);
    tracing::error!(run.id = %id, error = ?error, "a batch of run {id} failed");
    let (run, why) = (run.clone(), error.to_string());
    let next_at = app.clock.now().after(pause_after(run.of.attempts));
    app.write(move |tx| {
        let (run, why) = (run.clone(), why.clone());
        Box::pin(async move { Ok(rows::update_failed(tx, &run, (next_at, &why)).await?) })
    })
    .await?;
    Ok(())
}

/// After how long a batch is tried again that failed, and so often in a row before.
pub(super) fn pause_after(attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts).unwrap_or(u32::MAX).min(16);
    (FIRST_PAUSE * 2_u32.pow(doublings)).min(LONGEST_PAUSE)
}

/// A run.
pub async fn find(app: &App, workspace: WorkspaceId, id: RunId) -> Result<Option<Run>> {
    let mut tx = app.db.one().await?;
    Ok(rows::find(&mut tx, workspace, id).await?)
}

/// Works one batch of a run off. Gives the run as it is afterwards; if another process moved it on
/// meanwhile, nothing was done.
pub async fn step(app: &App, run: &Run) -> Result<Run> {
    let (app_, run_) = (app.clone(), run.clone());
    let at = app.clock.now();
    app.write(move |tx| {
        let (app, run) = (app_.clone(), run_.clone());
        Box::pin(async move { batch(tx, &app, run, at).await })
    })
    .await
}

async fn batch(tx: &mut Tx, app: &App, mut run: Run, at: crate::clock::Timestamp) -> Result<Run> {
    let act = Act {
        origin: Origin::worker(run.request),
        workspace: run.workspace,
        directory: run.directory,
        at,
    };
    if run.state == RunState::Planned {
        return start(tx, &act, run).await;
    }
    let most = app.config.scim.run_batch;
    let among = Among::of_run(&run)?;
    let ids = among.ids(tx, run.position, most).await?;
    let count = i64::try_from(ids.len()).unwrap_or(i64::MAX);
    let is_last = count < most;
    let mut members = among.keep(tx, &ids).await?;
    let within = Within {
        run: Some(run.id),
        undoes: run.of.undoes,
        aimed: None,
    };
    if is_last {
        members.extend(within.others(tx, &act).await?);
    }
    let locked = members::lock(tx, run.workspace, &members).await?;
    let deleted = match among {
        Among::Users(place, group) if run.kind == RunKind::GroupDelete => {
            group.map(|group| (place, group))
        }
        _ => None,
    };
    if let Some((place, group)) = deleted {
        let users: Vec<_> = ids.iter().copied().map(UserId).collect();
        let removed = edges::delete(tx, place, group, &users).await?;
        // Whoever gives the group back knows by this who was in it.
        let detail = json!({
            "added": [], "added_count": 0, "removed": removed, "removed_count": removed.len(),
            "run": run.id,
        });
        let change = act.change("group.members_changed", ("group", group.0), None, &detail);
        changes::record(tx, act.workspace, &[change]).await?;
    }
    let rules = Rules::current(tx, app, &act).await?;
    let is_one_kept = is_last && guard::is_one_kept(tx, &act).await?;
    let settled = settle_within(tx, &act, &locked, &rules, within).await?;
    let mut of = run.of.clone();
    of.count(settled);
    let after = Run {
        state: if is_last { RunState::Done } else { run.state },
        position: ids.last().copied().or(run.position),
        processed: run.processed + count,
        finished_at: is_last.then_some(at),
        of,
        ..run.clone()
    };
    if let Some(cause) = run.of.old_cause.filter(|_| is_last) {
        end_cause(tx, &act, Some(cause), None).await?;
    }
    if let Some((place, group)) = deleted.filter(|_| is_last) {
        // Where the brake had to look at each of them, the causes end only now.
        mapping::rules::end_broken(tx, &act, group).await?;
        groups::delete(tx, place, group).await?;
    }
    if is_one_kept {
        // Of those to whom it had yet to come one may have stayed an admin after all.
        guard::let_go(tx, &act).await?;
    }
    if moved(tx, &run, &after).await? {
        run = after;
    }
    Ok(run)
}

/// The users that a rule can concern, in id order: those of a group and of the groups within it, or
/// all of the directory.
pub(super) async fn concerned(
    tx: &mut Tx,
    place: Place,
    group: Option<GroupId>,
    after: Option<UserId>,
    most: i64,
) -> Result<Vec<UserId>> {
    Ok(match group {
        Some(group) => nestings::list_users_after(tx, place, group, after, most).await?,
        None => users::list_ids(tx, place, after, most).await?,
    })
}

/// The rules version moves when a run begins to apply, never while it is planned: from now on
/// requests settle with its rules as well, so that the order does not matter.
async fn start(tx: &mut Tx, act: &Act, run: Run) -> Result<Run> {
    workspaces::lock(tx, run.workspace).await?;
    let is_change = run.of.before_body.is_some();
    let is_new = if is_change {
        take_over(tx, act, &run).await?
    } else {
        rules::update_live(tx, run.workspace, run.id).await? > 0
    };
    if is_new {
        workspaces::update_rules_mark(tx, act.workspace, Uuid::new_v4(), Sweep::Needed).await?;
    }
    // The rule went another way meanwhile.
    let is_void = is_change && !is_new;
    let after = Run {
        state: if is_void {
            RunState::Done
        } else {
            RunState::Applying
        },
        finished_at: is_void.then_some(act.at),
        ..run.clone()
    };
    moved(tx, &run, &after).await?;
    Ok(after)
}

/// Two workers at one batch: the later one must undo what it did.
async fn moved(tx: &mut Tx, before: &Run, after: &Run) -> Result<bool> {
    let updated = rows::update(tx, before, after).await?;
    if updated {
        Ok(true)
    } else {
        Err(crate::error::Error::Conflict(
            "the run was moved on by another process".to_owned(),
        ))
    }
}
