//! Lets go of what is not kept any longer, by `[retention]`, in small steps. Changes are kept as
//! long as their workspace; what is personal in them becomes unreadable with the person's key. The
//! request log has its own writer, which lets go of its old lines.

use crate::app::App;
use crate::clock::Timestamp;
use crate::config::Retention;
use crate::error::Result;
use crate::ids::WorkspaceId;
use crate::store::{buried_groups, erasures, retention as rows};
use crate::workspace::{self, deletion};

use super::erasure::{Finish, Leavers};
use super::{request_log, restore};

/// How many members are looked for and erased at once.
const MEMBERS: i64 = 20;
/// How many rows of another kind are deleted in a step.
const ROWS: i64 = 500;

/// What is under way: the request log is looked through in slices.
#[derive(Default)]
pub struct Retaining {
    finish: Finish,
    leavers: Option<Leavers>,
}

impl Retaining {
    /// One step of each kind in each workspace; tells how many rows, members or slices were done.
    pub async fn step(&mut self, app: &App) -> Result<usize> {
        let mut done = self.finish.step(app).await?;
        done += self.erase(app).await?;
        for workspace in workspace::list(app).await? {
            done += in_workspace(app, workspace.id).await?;
        }
        for workspace in deletion::list_due(app).await? {
            request_log::delete_of(app, workspace).await?;
            done += deletion::purge(app, workspace).await?;
        }
        Ok(done)
    }

    /// Goes on to erase members who left long ago, those of one workspace at a time.
    async fn erase(&mut self, app: &App) -> Result<usize> {
        let Some(days) = app.config.retention.removed_members_days else {
            return Ok(0);
        };
        let mut leavers = match self.leavers.take() {
            Some(leavers) => leavers,
            None => match leavers(app, days).await? {
                Some(leavers) => leavers,
                None => return Ok(0),
            },
        };
        if !leavers.step(app).await? {
            self.leavers = Some(leavers);
        }
        Ok(1)
    }
}

/// The next members who left so many days ago.
async fn leavers(app: &App, days: u32) -> Result<Option<Leavers>> {
    let before = app.clock.now().before(Retention::span(days));
    for workspace in workspace::list(app).await? {
        let mut tx = app.db.one().await?;
        let left = erasures::list_left(&mut tx, workspace.id, before, MEMBERS).await?;
        drop(tx);
        if !left.is_empty() {
            return Ok(Some(Leavers::new(app, workspace.id, left).await?));
        }
    }
    Ok(None)
}

async fn in_workspace(app: &App, workspace: WorkspaceId) -> Result<usize> {
    let (kept, now) = (&app.config.retention, app.clock.now());
    let before = |days: u32| now.before(Retention::span(days));
    let never = Timestamp(i64::MIN);
    let tombstones = kept.tombstones_days.map_or(never, before);
    let buried = kept
        .tombstones_days
        .map_or_else(|| now.before(restore::REACH), before);
    let conflicts = before(kept.conflicts_days);
    let mut tx = app.db.one().await?;
    // What cannot be given back any more is of no use.
    let groups = now.before(restore::REACH);
    let instants = [conflicts, tombstones, buried, groups];
    let is_due = rows::is_due(&mut tx, workspace, instants).await?;
    drop(tx);
    if !is_due {
        return Ok(0);
    }
    let deleted = app
        .write(move |tx| {
            Box::pin(async move {
                Ok(
                    rows::delete_conflicts(tx, workspace, conflicts, ROWS).await?
                        + rows::delete_tombstones(tx, workspace, tombstones, ROWS).await?
                        + rows::delete_buried(tx, workspace, buried, ROWS).await?
                        + buried_groups::delete_before(tx, workspace, groups, ROWS).await?,
                )
            })
        })
        .await?;
    Ok(usize::try_from(deleted).unwrap_or(usize::MAX))
}
