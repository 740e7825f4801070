//! Runs: outcomes that touch many members, worked off in batches that can be resumed. Access that
//! is to be lost is lost before: the cause was ended in one row when the run was planned.

use uuid::Uuid;

use super::settle::{Rules, settle};
use crate::app::App;
use crate::changes::{Act, Origin};
use crate::error::Result;
use crate::ids::{GroupId, RunId, UserId, WorkspaceId};
use crate::mapping;
use crate::store::runs as rows;
use crate::store::tx::Tx;
use crate::store::users::{self, Place};
use crate::store::workspaces::{self, Sweep};
use crate::store::{edges, groups, members, nestings, rules};

pub use crate::store::runs::{Run, RunKind, RunState};

/// Writes a run down, in the transaction of what asks for it.
pub async fn plan(tx: &mut Tx, run: &Run) -> Result<()> {
    Ok(rows::insert(tx, run).await?)
}

/// The oldest run that is not done.
pub async fn next(app: &App) -> Result<Option<Run>> {
    let mut tx = app.db.one().await?;
    Ok(rows::find_open(&mut tx).await?)
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
        directory: Some(run.directory),
        at,
    };
    if run.state == RunState::Planned {
        return start(tx, &act, run).await;
    }
    let place = Place {
        workspace: run.workspace,
        directory: run.directory,
    };
    let most = app.config.scim.run_batch;
    let users = concerned(tx, place, run.group_id, run.position, most).await?;
    let linked = users::lock_linked(tx, place, &users).await?;
    let ids: Vec<_> = linked.iter().filter_map(|user| user.member).collect();
    let locked = members::lock(tx, run.workspace, &ids).await?;
    let deleted = run.group_id.filter(|_| run.kind == RunKind::GroupDelete);
    if let Some(group) = deleted {
        edges::delete(tx, place, group, &users).await?;
    }
    let rules = Rules::current(tx, app, &act).await?;
    settle(tx, &act, &locked, &rules, Some(run.id)).await?;
    let is_last = i64::try_from(users.len()).unwrap_or(i64::MAX) < most;
    let after = Run {
        state: if is_last { RunState::Done } else { run.state },
        position: users.last().copied().or(run.position),
        processed: run.processed + i64::try_from(users.len()).unwrap_or(0),
        finished_at: is_last.then_some(at),
        ..run.clone()
    };
    if let Some(group) = deleted.filter(|_| is_last) {
        // Where the brake had to look at each of them, the causes end only now.
        mapping::rules::end_broken(tx, &act, group).await?;
        groups::delete(tx, place, group).await?;
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
    if rules::update_live(tx, run.workspace, run.id).await? > 0 {
        workspaces::update_rules_mark(tx, act.workspace, Uuid::new_v4(), Sweep::Needed).await?;
    }
    let after = Run {
        state: RunState::Applying,
        ..run.clone()
    };
    moved(tx, &run, &after).await?;
    Ok(after)
}

/// Two workers at one batch: the later one must undo what it did.
async fn moved(tx: &mut Tx, before: &Run, after: &Run) -> Result<bool> {
    let updated = rows::update(
        tx,
        before,
        after.state,
        after.position,
        after.processed,
        after.finished_at,
    )
    .await?;
    if updated {
        Ok(true)
    } else {
        Err(crate::error::Error::Conflict(
            "the run was moved on by another process".to_owned(),
        ))
    }
}
