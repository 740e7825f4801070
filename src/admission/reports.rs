//! Those who wait for their manager are looked through again after changes: it may be there by now, or
//! report to them no longer. A manager and a report that are made at the same moment do not see each
//! other: the one finds nobody who waits, the other nobody to report to. Once both are there, the next
//! round of the worker links them. To make each create see the other would be a lock that all creates
//! of a directory queue for.

use super::followed;
use crate::app::App;
use crate::changes::{Act, Origin};
use crate::error::Result;
use crate::ids::RequestId;
use crate::scim::{fold, resource};
use crate::store::details;
use crate::store::managers::{self as rows, Report, Waiting};
use crate::store::tx::Tx;
use crate::store::users::Place;

/// How many who wait are looked at in a step.
const PAGE: i64 = 100;

/// How far they were looked through.
pub struct Waited {
    /// Who was looked at last; nobody between two passes.
    last: Option<Waiting>,
    /// Whether there was a change since the last pass began.
    is_due: bool,
}

impl Default for Waited {
    fn default() -> Self {
        Self {
            last: None,
            is_due: true,
        }
    }
}

impl Waited {
    /// There was a change: they are looked through once more.
    pub fn wake(&mut self) {
        self.is_due = true;
    }

    /// Looks at the next few, and links those whose manager is there by now. Tells whether there may be
    /// more to do.
    pub async fn step(&mut self, app: &App) -> Result<usize> {
        if self.last.is_none() && !std::mem::take(&mut self.is_due) {
            return Ok(0);
        }
        let mut tx = app.db.one().await?;
        let page = rows::list_all_waiting(&mut tx, self.last.as_ref(), PAGE).await?;
        let mut found = Vec::new();
        for waiting in &page {
            if is_there(&mut tx, waiting).await? {
                found.push((place(waiting), waiting.id));
            }
        }
        drop(tx);
        let is_over = i64::try_from(page.len()).unwrap_or(i64::MAX) < PAGE;
        self.last = page.into_iter().next_back().filter(|_| !is_over);
        let (mut done, mut failed) = (usize::from(!is_over), None);
        for (place, user) in found {
            let act = Act {
                directory: Some(place.directory),
                ..Act::of(app, &Origin::worker(RequestId::new()), place.workspace)
            };
            let app_ = app.clone();
            let linked = app.write(move |tx| {
                let (app, act) = (app_.clone(), act.clone());
                Box::pin(async move { followed::retry(tx, &app, (&act, place), user).await })
            });
            match linked.await {
                Ok(is_linked) => done += usize::from(is_linked),
                // What is wrong with one does not keep the others waiting.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(done), Err)
    }
}

fn place(waiting: &Waiting) -> Place {
    Place {
        workspace: waiting.workspace,
        directory: waiting.directory,
    }
}

/// Whether one User is meant by the name, and has a member who may be the manager.
async fn is_there(tx: &mut Tx, waiting: &Waiting) -> Result<bool> {
    let document = resource::from_stored(&waiting.document)?;
    let core = resource::user_core(&document);
    let Some(name) = core.manager else {
        return Ok(false);
    };
    let found = rows::list_named(tx, place(waiting), (name, &fold::key(name))).await?;
    let [
        Report {
            member: Some(manager),
            ..
        },
    ] = found.as_slice()
    else {
        return Ok(false);
    };
    match waiting.member {
        // One who reports to the person is none yet.
        Some(member) => Ok(!details::reports_to(tx, waiting.workspace, *manager, member).await?),
        None => Ok(true),
    }
}
