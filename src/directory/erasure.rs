//! Erasure of a person, the request log of directories included.

use std::time::Duration;

use super::request_log;
use crate::app::App;
use crate::changes::Origin;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ids::{MemberId, WorkspaceId};
use crate::store::{erasures, former};
use crate::workspace::erasure::{self, Traces};
use crate::workspace::erasure_list;
use crate::workspace::keys::Scopes;

/// How long another node may take to write the lines that it has in hand.
const LATE: Duration = Duration::from_mins(1);
/// How many erasures are looked after at once.
const BATCH: i64 = 20;

/// Erases a member as [`erasure::erase`] says, keeps on the list that it was done, and deletes the
/// lines of the request log that name the person. Done again it does what was left undone.
pub async fn erase(
    app: &App,
    by: (&Origin, &Scopes),
    (workspace, member): (WorkspaceId, MemberId),
    remove: bool,
) -> Result<Timestamp> {
    let traces = erasure::traces(app, workspace, member).await?;
    let at = erasure::erase(app, by, (workspace, member), remove).await?;
    erasure_list::keep(app).await?;
    request_log::forget(app, workspace, &traces).await?;
    Ok(at)
}

/// At a start: erases again whom a restore has brought back, whatever way it was done; tells how
/// many that were.
pub async fn again(app: &App) -> Result<usize> {
    erasure_list::keep(app).await?;
    let back = erasure::list_back(app).await?;
    for erased in &back {
        let traces = erasure::traces(app, erased.workspace, erased.member).await?;
        erasure::repeat(app, *erased).await?;
        request_log::forget(app, erased.workspace, &traces).await?;
    }
    Ok(back.len())
}

/// Looks through the request log once more for those who were erased a while ago: a line may have
/// been on its way. Tells how many erasures that were.
pub async fn finish(app: &App) -> Result<usize> {
    let before = app.clock.now().before(LATE);
    let mut tx = app.db.one().await?;
    let open = erasures::list_open(&mut tx, before, BATCH).await?;
    drop(tx);
    for erased in &open {
        let (workspace, member) = (erased.workspace, erased.member);
        let mut tx = app.db.one().await?;
        let had = former::list(&mut tx, workspace, member).await?;
        drop(tx);
        let traces = Traces {
            users: had.iter().map(|had| had.user_id.0).collect(),
            ..Traces::default()
        };
        if !traces.users.is_empty() {
            request_log::forget(app, workspace, &traces).await?;
        }
        let at = app.clock.now();
        app.write(move |tx| {
            Box::pin(async move { Ok(erasures::update_log_at(tx, workspace, member, at).await?) })
        })
        .await?;
    }
    Ok(open.len())
}
