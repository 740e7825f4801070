//! The end of a directory: it is switched off, and an admin says what becomes of its members. Its
//! credentials stop at once. What it said stays for a while, so that the end can be undone; then it is
//! deleted.

use serde_json::json;

use super::directory_runs::{tell, undo_live};
use super::going_live;
use super::parting::{Leave, let_go, take_back};
use super::runs::pause_after;
use crate::app::App;
use crate::changes::{Act, Origin};
use crate::config::Retention;
use crate::error::{Error, Result};
use crate::ids::{DirectoryId, RequestId, WorkspaceId};
use crate::store::directories::{self, Mode};
use crate::store::directory_runs::{self as rows, Kind, Passed};
use crate::store::exits;
use crate::store::tx::Tx;
use crate::store::users::Place;

pub use crate::store::directory_runs::{DirectoryRun, Leaving};

/// What becomes of a directory that ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[schemars(rename = "DirectoryEnd")]
#[serde(deny_unknown_fields)]
pub struct End {
    /// What becomes of members whom no other directory has.
    pub members: Leaving,
    /// Whether what its rules gave to those who stay is theirs from now on, as if given by hand.
    #[serde(default)]
    pub keep_grants: bool,
}

/// Switches a directory off. The last admin and protected ones stay as they are; so do members whom
/// another directory has. One that is switched off is [`Error::Conflict`].
pub async fn end(
    app: &App,
    origin: &Origin,
    (workspace, directory): (WorkspaceId, DirectoryId),
    end: End,
) -> Result<DirectoryRun> {
    let run = begin(
        app,
        origin,
        (workspace, directory),
        move |tx, app, act, place| {
            Box::pin(async move {
                let found = rows::lock_whole(tx, place)
                    .await?
                    .ok_or(Error::NotFound("directory"))?;
                if found.ended_at.is_some() {
                    return Err(Error::Conflict("the directory is switched off".to_owned()));
                }
                refuse_open(tx, place).await?;
                let total =
                    directories::count(tx, (place.workspace, place.directory), "users").await?;
                let span = Retention::span(app.config.retention.ended_directories_days);
                let mut run = made(act, place, Kind::End, total);
                run.outcome = Some(end.members);
                run.keep_grants = end.keep_grants;
                run.was_live = found.mode == Mode::Live;
                run.undo_until = Some(act.at.after(span));
                rows::insert(tx, &run).await?;
                rows::update_end(tx, place, Some(act.at), Mode::Collect).await?;
                let detail = json!({
                    "run": run.id, "members": end.members, "keep_grants": end.keep_grants,
                    "undo_until": run.undo_until,
                });
                tell(tx, act, "directory.ended", &detail).await?;
                if total <= app.config.scim.run_threshold {
                    while run.finished_at.is_none() {
                        run = batch(tx, app, act, run).await?;
                    }
                }
                Ok(run)
            })
        },
    );
    run.await
}

/// Takes the end of a directory back, with its credentials, its members and what they had. After
/// the days that the settings say, or while the end is still worked off, that is [`Error::Conflict`].
pub async fn undo(
    app: &App,
    origin: &Origin,
    (workspace, directory): (WorkspaceId, DirectoryId),
) -> Result<DirectoryRun> {
    let run = begin(
        app,
        origin,
        (workspace, directory),
        move |tx, app, act, place| {
            Box::pin(async move {
                let found = rows::lock_whole(tx, place)
                    .await?
                    .ok_or(Error::NotFound("directory"))?;
                refuse_open(tx, place).await?;
                let all = rows::list(tx, place.workspace, place.directory).await?;
                let mut ends = all.into_iter();
                let ended = ends.find(|it| it.kind == Kind::End && it.undo_until.is_some());
                let ended = ended.filter(|it| {
                    found.ended_at.is_some() && it.undo_until.is_some_and(|until| act.at < until)
                });
                let Some(ended) = ended else {
                    return Err(Error::Conflict(
                        "there is no end of this directory that can be undone".to_owned(),
                    ));
                };
                rows::close(tx, &ended, Some(act.at)).await?;
                let mode = if ended.was_live {
                    Mode::Live
                } else {
                    Mode::Collect
                };
                rows::update_end(tx, place, None, mode).await?;
                let total =
                    directories::count(tx, (place.workspace, place.directory), "users").await?;
                let mut run = made(act, place, Kind::UndoEnd, total);
                run.outcome = ended.outcome;
                rows::insert(tx, &run).await?;
                tell(
                    tx,
                    act,
                    "directory.end_undone",
                    &json!({"run": run.id, "end": ended.id}),
                )
                .await?;
                if total <= app.config.scim.run_threshold {
                    while run.finished_at.is_none() {
                        run = batch(tx, app, act, run).await?;
                    }
                }
                Ok(run)
            })
        },
    );
    run.await
}

/// The runs of a directory, newest first.
pub async fn runs(
    app: &App,
    (workspace, directory): (WorkspaceId, DirectoryId),
) -> Result<Vec<DirectoryRun>> {
    let mut tx = app.db.one().await?;
    Ok(rows::list(&mut tx, workspace, directory).await?)
}

pub(super) async fn begin<F>(
    app: &App,
    origin: &Origin,
    (workspace, directory): (WorkspaceId, DirectoryId),
    work: F,
) -> Result<DirectoryRun>
where
    F: for<'t> Fn(
            &'t mut Tx,
            &'t App,
            &'t Act,
            Place,
        ) -> futures_util::future::BoxFuture<'t, Result<DirectoryRun>>
        + Clone
        + Send
        + Sync
        + 'static,
{
    let place = Place {
        workspace,
        directory,
    };
    let act = Act {
        directory: Some(directory),
        ..Act::of(app, origin, workspace)
    };
    let app_ = app.clone();
    let run = app
        .write(move |tx| {
            let (app, act, work) = (app_.clone(), act.clone(), work.clone());
            Box::pin(async move { work(tx, &app, &act, place).await })
        })
        .await?;
    // Its clients are turned away, or known again, at once.
    app.credentials.invalidate_all();
    Ok(run)
}

pub(super) fn made(act: &Act, place: Place, kind: Kind, total: i64) -> DirectoryRun {
    let by = (act.origin.request, act.origin.actor.clone(), act.at);
    let at = (place.workspace, place.directory);
    DirectoryRun::new(at, (kind, total), by)
}

async fn refuse_open(tx: &mut Tx, place: Place) -> Result<()> {
    let all = rows::list(tx, place.workspace, place.directory).await?;
    if all.iter().any(|run| run.finished_at.is_none()) {
        return Err(Error::Conflict(
            "a run over this directory is not done yet".to_owned(),
        ));
    }
    Ok(())
}

async fn is_live(tx: &mut Tx, place: Place) -> Result<bool> {
    let found = directories::find(tx, place).await?;
    Ok(found.is_some_and(|directory| directory.mode == Mode::Live))
}

/// Works off a batch of the oldest run over a directory of each workspace; tells how many that were. One
/// that fails is tried again after a while, longer each time, and keeps no other waiting.
pub async fn step(app: &App) -> Result<usize> {
    let now = app.clock.now();
    let mut tx = app.db.one().await?;
    let mut open = rows::list_open(&mut tx, now).await?;
    let over = match open.as_slice() {
        [] => rows::find_over(&mut tx, now).await?,
        _ => None,
    };
    drop(tx);
    if let Some(over) = over {
        open.push(purge(app, over).await?);
    }
    let mut count = 0;
    for run in open {
        let act = Act {
            origin: Origin::worker(run.request),
            workspace: run.workspace,
            directory: Some(run.directory),
            at: app.clock.now(),
        };
        let (app_, run_) = (app.clone(), run.clone());
        let stepped = app.write(move |tx| {
            let (app, act, run) = (app_.clone(), act.clone(), run_.clone());
            Box::pin(async move { batch(tx, &app, &act, run).await })
        });
        match stepped.await {
            Ok(_) => count += 1,
            // Another process took the lease and this batch; or somebody else the last seat, and it is
            // looked at again in the next round.
            Err(Error::Conflict(why)) => {
                tracing::debug!(why, "a batch of a run over a directory waits");
            }
            // The next one would fare no better.
            Err(error @ (Error::Unavailable | Error::Retry(_))) => return Err(error),
            Err(error) => {
                failed(app, run, error).await?;
                count += 1;
            }
        }
    }
    Ok(count)
}

async fn failed(app: &App, run: DirectoryRun, error: Error) -> Result<()> {
    let id = run.id;
    metrics::counter!("gatehouse_worker_errors_total").increment(1);
    tracing::error!(run.id = %id, error = ?error, "a batch of run {id} over a directory failed");
    let why = error.to_string();
    let next_at = app.clock.now().after(pause_after(run.attempts));
    app.write(move |tx| {
        let (run, why) = (run.clone(), why.clone());
        Box::pin(async move { Ok(rows::update_failed(tx, &run, (next_at, &why)).await?) })
    })
    .await?;
    Ok(())
}

/// The time to undo an end is over: what the directory said is deleted.
async fn purge(app: &App, over: DirectoryRun) -> Result<DirectoryRun> {
    let place = Place {
        workspace: over.workspace,
        directory: over.directory,
    };
    let act = Act {
        directory: Some(over.directory),
        ..Act::of(app, &Origin::worker(RequestId::new()), over.workspace)
    };
    app.write(move |tx| {
        let (act, over) = (act.clone(), over.clone());
        Box::pin(async move {
            rows::close(tx, &over, None).await?;
            let at = (place.workspace, place.directory);
            let total = directories::count(tx, at, "users").await?;
            let run = made(&act, place, Kind::Purge, total);
            rows::insert(tx, &run).await?;
            tell(tx, &act, "directory.facts_deleted", &json!({"run": run.id})).await?;
            Ok(run)
        })
    })
    .await
}

pub(super) async fn batch(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    run: DirectoryRun,
) -> Result<DirectoryRun> {
    if run.kind == Kind::Live {
        return going_live::batch(tx, app, act, run).await;
    }
    let place = Place {
        workspace: run.workspace,
        directory: run.directory,
    };
    let most = app.config.scim.run_batch;
    let left = exits::lock_users(tx, place, run.position, most).await?;
    let skipped = match run.kind {
        Kind::End => {
            let leave = Leave::of(&run);
            let_go(tx, app, act, place, &left, &leave).await?
        }
        Kind::UndoLive => return undo_live(tx, app, act, run, &left).await,
        // What collected before links to nobody, not even again.
        Kind::UndoEnd if !is_live(tx, place).await? => 0,
        Kind::UndoEnd => {
            let of = (run.id, run.outcome.unwrap_or(Leaving::Keep));
            take_back(tx, app, act, place, &left, of).await?
        }
        Kind::Purge => {
            exits::delete_users(tx, place, &left, act.at).await?;
            0
        }
        Kind::Live => 0,
    };
    let is_last = i64::try_from(left.len()).unwrap_or(i64::MAX) < most;
    if is_last && run.kind == Kind::Purge {
        exits::delete_rest(tx, place).await?;
    }
    let passed = Passed {
        last: left.last().map(|user| user.id),
        count: left.len(),
        skipped,
        left_out: None,
    };
    rows::moved_on(tx, run, passed, is_last.then_some(act.at))
        .await?
        .ok_or_else(|| Error::Conflict("the run was moved on by another process".to_owned()))
}
