//! Erasure of a person, the request log of directories included.

use std::time::Duration;

use super::request_log::{self, Search};
use crate::app::App;
use crate::changes::Origin;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{MemberId, RequestId, WorkspaceId};
use crate::store::{erasures, former};
use crate::workspace::erasure::{self, Erased, Traces};
use crate::workspace::erasure_list;
use crate::workspace::keys::Scopes;

/// How long another node may take to write the lines that it has in hand.
const LATE: Duration = Duration::from_mins(1);
/// How many erasures are looked after at once.
const BATCH: i64 = 20;

/// Erases a member as [`erasure::erase`] says, deletes the lines of the request log that name the
/// person, and keeps on the list that it was done. Done again it does what was left undone.
pub async fn erase(
    app: &App,
    by: (&Origin, &Scopes),
    (workspace, member): (WorkspaceId, MemberId),
    remove: bool,
) -> Result<Timestamp> {
    let traces = erasure::traces(app, workspace, member).await?;
    let at = erasure::erase(app, by, (workspace, member), remove).await?;
    // How the person was called is known here alone from now on: a list that cannot be written must
    // not keep the lines from being deleted. It is brought up to date with the next erasure or start.
    request_log::forget(app, workspace, &traces).await?;
    erasure_list::keep(app).await?;
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
/// been on its way. All of one workspace are looked for at once.
#[derive(Default)]
pub struct Finish(Option<(Search, Vec<Erased>)>);

impl Finish {
    /// The next few pages; tells whether there was anything to do.
    pub async fn step(&mut self, app: &App) -> Result<usize> {
        let (mut search, open) = match self.0.take() {
            Some(begun) => begun,
            None => match begin(app).await? {
                Some(begun) => begun,
                None => return Ok(0),
            },
        };
        if !search.step(app).await? {
            self.0 = Some((search, open));
            return Ok(1);
        }
        let at = app.clock.now();
        app.write(move |tx| {
            let open = open.clone();
            Box::pin(async move {
                for erased in open {
                    erasures::update_log_at(tx, erased.workspace, erased.member, at).await?;
                }
                Ok(())
            })
        })
        .await?;
        Ok(1)
    }
}

/// Those of one workspace for whom the log is to be looked through, by the ids that are left of them.
async fn begin(app: &App) -> Result<Option<(Search, Vec<Erased>)>> {
    let before = app.clock.now().before(LATE);
    let mut tx = app.db.one().await?;
    let mut open = erasures::list_open(&mut tx, before, BATCH).await?;
    let Some(workspace) = open.first().map(|first| first.workspace) else {
        return Ok(None);
    };
    open.retain(|erased| erased.workspace == workspace);
    let mut traces = Traces::default();
    for erased in &open {
        let had = former::list(&mut tx, workspace, erased.member).await?;
        traces.users.extend(had.iter().map(|had| had.user_id.0));
    }
    drop(tx);
    Ok(Some((Search::new(app, workspace, &traces).await?, open)))
}

/// Erases members of a workspace who left long ago: first the log is looked through for all of them
/// at once, as long as it is known how they were called, then they are erased. Ended before, it
/// begins anew.
pub struct Leavers {
    workspace: WorkspaceId,
    members: Vec<MemberId>,
    search: Search,
}

impl Leavers {
    /// Begins with members who left.
    pub async fn new(app: &App, workspace: WorkspaceId, members: Vec<MemberId>) -> Result<Self> {
        let mut traces = Traces::default();
        for member in &members {
            let of = erasure::traces(app, workspace, *member).await?;
            traces.users.extend(of.users);
            traces.values.extend(of.values);
        }
        Ok(Self {
            search: Search::new(app, workspace, &traces).await?,
            workspace,
            members,
        })
    }

    /// The next few pages, or the erasure; true once that is done.
    pub async fn step(&mut self, app: &App) -> Result<bool> {
        if !self.search.step(app).await? {
            return Ok(false);
        }
        let (origin, scopes) = (Origin::worker(RequestId::new()), Scopes::everything());
        let mut failed = None;
        for member in &self.members {
            let which = (self.workspace, *member);
            match erasure::erase(app, (&origin, &scopes), which, false).await {
                // One who came back meanwhile stays.
                Ok(_) | Err(Error::Conflict(_) | Error::NotFound(_)) => {}
                // What is wrong with one keeps nobody else.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        erasure_list::keep(app).await?;
        failed.map_or(Ok(true), Err)
    }
}
