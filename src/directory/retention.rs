//! Lets go of what is not kept any longer, by `[retention]`, in small steps. Changes are kept as
//! long as their workspace; what is personal in them becomes unreadable with the person's key. The
//! request log has its own writer, which lets go of its old lines.

use crate::app::App;
use crate::changes::Origin;
use crate::clock::Timestamp;
use crate::config::Retention;
use crate::error::Result;
use crate::ids::{RequestId, WorkspaceId};
use crate::store::{erasures, retention as rows};
use crate::workspace::keys::Scopes;
use crate::workspace::{self, deletion};

use super::{erasure, request_log};

/// How many members are erased in a step.
const MEMBERS: i64 = 20;
/// How many rows of another kind are deleted in a step.
const ROWS: i64 = 500;

/// One step of each kind in each workspace; tells how many rows or members were done.
pub async fn work(app: &App) -> Result<usize> {
    let mut done = erasure::finish(app).await?;
    for workspace in workspace::list(app).await? {
        done += in_workspace(app, workspace.id).await?;
    }
    for workspace in deletion::list_due(app).await? {
        request_log::delete_of(app, workspace).await?;
        done += deletion::purge(app, workspace).await?;
    }
    Ok(done)
}

async fn in_workspace(app: &App, workspace: WorkspaceId) -> Result<usize> {
    let (kept, now) = (&app.config.retention, app.clock.now());
    let before = |days: u32| now.before(Retention::span(days));
    let mut done = 0;
    if let Some(days) = kept.removed_members_days {
        done += erase_left(app, workspace, before(days)).await?;
    }
    let never = Timestamp(i64::MIN);
    let tombstones = kept.tombstones_days.map_or(never, before);
    let conflicts = before(kept.conflicts_days);
    let mut tx = app.db.one().await?;
    let is_due = rows::is_due(&mut tx, workspace, conflicts, tombstones).await?;
    drop(tx);
    if !is_due {
        return Ok(done);
    }
    let deleted = app
        .write(move |tx| {
            Box::pin(async move {
                Ok(
                    rows::delete_conflicts(tx, workspace, conflicts, ROWS).await?
                        + rows::delete_tombstones(tx, workspace, tombstones, ROWS).await?,
                )
            })
        })
        .await?;
    Ok(done + usize::try_from(deleted).unwrap_or(usize::MAX))
}

/// Erases members who left before an instant.
async fn erase_left(app: &App, workspace: WorkspaceId, before: Timestamp) -> Result<usize> {
    let mut tx = app.db.one().await?;
    let left = erasures::list_left(&mut tx, workspace, before, MEMBERS).await?;
    drop(tx);
    let (origin, scopes) = (Origin::worker(RequestId::new()), Scopes::everything());
    for member in &left {
        erasure::erase(app, (&origin, &scopes), (workspace, *member), false).await?;
    }
    Ok(left.len())
}
