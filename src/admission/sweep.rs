//! Settles members who were settled under older rules: a request may have written a membership
//! while a rule was being added, and neither saw the other.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tracing::Instrument;
use uuid::Uuid;

use super::reach::Among;
use super::settle::{Rules, settle};
use crate::app::App;
use crate::changes::{Act, Origin};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ids::{MemberId, RequestId, RunId, WorkspaceId};
use crate::store::tx::Tx;
use crate::store::{members, runs, workspaces};
use crate::workspace::guard;

/// Where only members are left who wait for a paused run, it is looked again after this time, or as
/// soon as the rules or the paused runs are others.
const REST: Duration = Duration::from_mins(10);

/// How far the sweeper has come in each workspace. Looked for from the beginning each time, those who
/// are still to be settled would be behind more and more who are.
#[derive(Debug, Default)]
pub struct Places(HashMap<WorkspaceId, Place>);

#[derive(Debug, Default)]
struct Place {
    /// The last member that was looked at.
    after: Option<MemberId>,
    /// Whether somebody was settled, and whether somebody was left to a paused run, since the
    /// beginning.
    has_settled: bool,
    has_left: bool,
    /// Until when there is nothing to do, as things stand.
    rests: Option<(Standing, Timestamp)>,
}

/// What decides who is to be settled: the floor, and the runs that are paused with how far they are.
type Standing = (i64, Vec<(RunId, Option<Uuid>)>);

/// Settles one batch of each workspace that asks for it; tells how many members were looked at.
/// Workspaces with an open run wait for its end; of one that is paused only those wait whom it has
/// not come to.
pub async fn sweep(app: &App, places: &mut Places) -> Result<usize> {
    let mut tx = app.db.one().await?;
    let unswept = workspaces::list_unswept(&mut tx).await?;
    drop(tx);
    let (mut looked_at, mut failed) = (0, None);
    for workspace in unswept {
        let span = tracing::debug_span!(target: "otel", "sweep");
        let place = places.0.entry(workspace).or_default();
        match go_on(app, workspace, place).instrument(span).await {
            Ok((count, is_swept)) => {
                looked_at += count;
                if is_swept {
                    places.0.remove(&workspace);
                }
            }
            // What is wrong with one workspace does not keep the others waiting.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(looked_at), Err)
}

/// What a batch came to.
enum Swept {
    /// So many members were settled and so many left to paused runs, up to that one.
    Batch(usize, usize, MemberId),
    /// Nobody is left behind the place; somebody is before it, or waits for a paused run.
    Again,
    /// Everybody was settled, so that whoever was kept as the last admin is to be settled as well.
    LetGo,
    /// Everybody is settled.
    Whole,
}

/// Tells how many members were looked at, and whether everybody is settled.
async fn go_on(app: &App, workspace: WorkspaceId, place: &mut Place) -> Result<(usize, bool)> {
    let now = app.clock.now();
    if let Some((before, until)) = &place.rests {
        let mut tx = app.db.one().await?;
        if now < *until && standing(&mut tx, workspace).await? == *before {
            return Ok((0, false));
        }
        place.rests = None;
    }
    match batch(app, workspace, place.after).await? {
        Swept::Batch(settled, left, last) => {
            place.after = Some(last);
            place.has_settled |= settled > 0;
            place.has_left |= left > 0;
            Ok((settled + left, false))
        }
        // The floor may have risen behind the place that was reached.
        Swept::Again => {
            let is_done = place.has_left && !place.has_settled;
            *place = Place::default();
            if is_done {
                let mut tx = app.db.read().await?;
                place.rests = Some((standing(&mut tx, workspace).await?, now.after(REST)));
            }
            Ok((usize::from(!is_done), false))
        }
        Swept::LetGo => {
            *place = Place::default();
            Ok((1, false))
        }
        Swept::Whole => Ok((0, true)),
    }
}

async fn standing(tx: &mut Tx, workspace: WorkspaceId) -> Result<Standing> {
    let floor = workspaces::find_rules_floor(tx, workspace).await?;
    let paused = runs::list_paused(tx, workspace).await?.into_iter();
    Ok((floor, paused.map(|run| (run.id, run.position)).collect()))
}

/// Settles the next members.
async fn batch(app: &App, workspace: WorkspaceId, after: Option<MemberId>) -> Result<Swept> {
    let app_ = app.clone();
    let act = Act {
        origin: Origin::worker(RequestId::new()),
        workspace,
        directory: None,
        at: app.clock.now(),
    };
    app.write(move |tx| {
        let (app, act) = (app_.clone(), act.clone());
        Box::pin(async move {
            let floor = workspaces::find_rules_floor(tx, workspace).await?;
            let most = app.config.scim.run_batch;
            let mut locked = members::lock_unsettled(tx, workspace, floor, after, most).await?;
            let Some(last) = locked.last().map(|member| member.id) else {
                if members::has_unsettled(tx, workspace, floor).await? {
                    return Ok(Swept::Again);
                }
                // Another one may have stayed an admin whom nobody had come to by then.
                guard::let_go(tx, &act).await?;
                if members::has_unsettled(tx, workspace, floor).await? {
                    return Ok(Swept::LetGo);
                }
                workspaces::update_swept(tx, workspace, floor).await?;
                return Ok(Swept::Whole);
            };
            let ids: Vec<MemberId> = locked.iter().map(|member| member.id).collect();
            let mut left: BTreeSet<MemberId> = BTreeSet::new();
            for run in runs::list_paused(tx, workspace).await? {
                let ahead = runs::list_ahead(tx, &run, &ids).await?;
                left.extend(Among::of_run(&run)?.only(tx, ahead).await?);
            }
            locked.retain(|member| !left.contains(&member.id));
            let rules = Rules::current(tx, &app, &act).await?;
            settle(tx, &act, &locked, &rules, None).await?;
            Ok(Swept::Batch(locked.len(), left.len(), last))
        })
    })
    .await
}
