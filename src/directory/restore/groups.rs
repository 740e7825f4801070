//! One group is put back to what it was at an instant: with the members that it had, and made again if
//! it was deleted, with its rules. First it is told what that comes to; then it is done if it still
//! comes to the same. What becomes of groups and rules is found by doing it and taking that back, what
//! becomes of members beside other writes.

use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use super::REACH;
use super::past::{Past, Pasts};
use super::regroup::Regroup;
use crate::admission::planned::Told;
use crate::app::App;
use crate::changes::{Act, Origin, sequencer};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{DirectoryId, GroupId, RuleId, RunId, WorkspaceId};
use crate::store::buried_groups::{self, Buried};
use crate::store::tx::Tx;
use crate::store::users::Place;
use crate::store::{changes as log, groups};
use crate::workspace::keys::Scopes;
use crate::workspace::{history, name_key};

/// What putting a group back comes to.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[schemars(rename = "GroupPlan")]
pub struct Plan {
    /// The group.
    pub group: GroupId,
    /// Its name.
    pub name: String,
    /// Whether it was deleted and is made again.
    pub made_again: bool,
    /// The instant; none for the one before it was deleted.
    pub as_of: Option<Timestamp>,
    /// How many Users come into it again.
    pub added: usize,
    /// How many Users go out of it who came in since.
    pub removed: usize,
    /// How many groups come into it again.
    pub added_groups: usize,
    /// How many groups go out of it that came in since.
    pub removed_groups: usize,
    /// How many groups hold it again.
    pub holders: usize,
    /// The rules that broke without it and give again.
    pub rules: Vec<RuleId>,
    /// Who was in it and cannot come back, each with the reason; a thousand at most.
    pub skipped: Vec<Missing>,
    /// How many those are.
    pub skipped_count: usize,
    /// How many came in or went out since whom no change names: these stay as they are.
    pub memberships_unknown: u64,
    /// What becomes of the members concerned.
    pub effects: Told,
    /// Names all of this: whoever puts the group back says it, and nothing else is done.
    pub hash: String,
    /// The runs that settle the members, where they are many; of a plan, none.
    pub runs: Vec<RunId>,
}

/// A member of a group that cannot come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "GroupMissing")]
pub struct Missing {
    /// The User, or the group within.
    pub id: Uuid,
    /// Why.
    pub reason: String,
}

/// What became of it.
#[derive(Debug)]
pub enum Outcome {
    /// It is done.
    Done(Box<Plan>),
    /// It would come to something else by now, and nothing was done.
    Stale(Box<Plan>),
}

/// A group that was deleted and can be given back.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct Deleted {
    /// Its id.
    pub id: GroupId,
    /// Its name.
    pub name: String,
    /// When it was deleted.
    pub deleted_at: Timestamp,
    /// Until when it can be given back.
    pub restorable_until: Timestamp,
}

/// A page of the groups of a directory that were deleted and can be given back, in id order.
pub async fn list_deleted(
    app: &App,
    of: (WorkspaceId, DirectoryId),
    after: Option<GroupId>,
    most: i64,
) -> Result<Vec<Deleted>> {
    // Retention comes by later than what it forgets can be given back.
    let since = app.clock.now().before(REACH);
    let mut tx = app.db.one().await?;
    let listed = buried_groups::list(&mut tx, place(of), (after, since), most).await?;
    let listed = listed.into_iter().map(|group| Deleted {
        id: group.group_id,
        name: group.display,
        deleted_at: group.deleted_at,
        restorable_until: group.deleted_at.after(REACH),
    });
    Ok(listed.collect())
}

/// The group of that id or name; of a name, rather one that is there than one that was deleted.
pub async fn resolve(app: &App, of: (WorkspaceId, DirectoryId), named: &str) -> Result<GroupId> {
    let place = place(of);
    if let Ok(id) = named.parse() {
        return Ok(id);
    }
    let key = name_key(named, "group")?;
    let mut tx = app.db.read().await?;
    if let Some(group) = groups::find_by_name(&mut tx, place, &key).await? {
        return Ok(group.id);
    }
    let buried = buried_groups::find_by_name(&mut tx, place, &key).await?;
    Ok(buried.ok_or(Error::NotFound("group"))?.group_id)
}

/// What it would come to now to put a group back to an instant; without one, a deleted group comes
/// back as it was before that. Refused as [`restore`] is.
pub async fn plan(
    app: &App,
    by: (&Origin, &Scopes),
    of: (WorkspaceId, DirectoryId),
    which: (GroupId, Option<Timestamp>),
) -> Result<Plan> {
    match carry(app, by, place(of), which, Wish::Told).await? {
        Outcome::Done(plan) | Outcome::Stale(plan) => Ok(*plan),
    }
}

/// Puts a group back as it was planned. One that was not there at the instant, or whose name another
/// one has, is [`Error::Conflict`] or [`Error::Taken`]; what goes beyond the rights of whoever acts is
/// [`Error::Forbidden`].
pub async fn restore(
    app: &App,
    by: (&Origin, &Scopes),
    of: (WorkspaceId, DirectoryId),
    which: (GroupId, Option<Timestamp>),
    hash: &str,
) -> Result<Outcome> {
    let wish = Wish::Planned(hash.to_owned());
    carry(app, by, place(of), which, wish).await
}

/// Gives a group back as it was before it was deleted up to an instant; none if it is there. One that
/// was deleted again after that is [`Error::Conflict`].
pub(super) async fn give_back(
    app: &App,
    by: (&Origin, &Scopes),
    place: Place,
    (group, until): (GroupId, Timestamp),
    pasts: &mut Pasts,
) -> Result<Option<Plan>> {
    let mut tx = app.db.one().await?;
    if groups::find(&mut tx, place, group).await?.is_some() {
        return Ok(None);
    }
    let buried = buried_groups::find(&mut tx, place, group).await?;
    if buried.is_some_and(|buried| buried.deleted_at > until) {
        return Err(Error::Conflict("it was deleted again later".to_owned()));
    }
    drop(tx);
    let past = pasts.take_out(group).ok_or(Error::NotFound("group"))?;
    let which = (group, None, past);
    match carry_past(app, by, place, which, Wish::Done).await? {
        Outcome::Done(plan) | Outcome::Stale(plan) => Ok(Some(*plan)),
    }
}

/// What groups were before they were deleted up to an instant, for [`give_back`].
pub(super) async fn pasts(
    app: &App,
    place: Place,
    (groups, until): (&[GroupId], Timestamp),
) -> Result<Pasts> {
    sequencer::number_until(app, place.workspace, until).await?;
    let mut tx = app.db.read().await?;
    let mut numbers = Vec::new();
    for group in groups {
        let buried = buried_groups::find(&mut tx, place, *group).await?;
        if let Some(buried) = buried.filter(|buried| buried.deleted_at <= until) {
            numbers.push((*group, number_before(&mut tx, place, &buried).await?));
        }
    }
    Ok(Pasts::new(place, &numbers))
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wish {
    /// Nothing of it is kept.
    Told,
    /// It is kept if it comes to that.
    Planned(String),
    /// It is kept.
    Done,
}

async fn carry(
    app: &App,
    by: (&Origin, &Scopes),
    place: Place,
    (group, as_of): (GroupId, Option<Timestamp>),
    wish: Wish,
) -> Result<Outcome> {
    let number = number_at(app, place, group, as_of).await?;
    let mut tx = app.db.read().await?;
    let past = Past::read(&mut tx, place, group, number).await?;
    drop(tx);
    carry_past(app, by, place, (group, as_of, past), wish).await
}

async fn carry_past(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    place: Place,
    (group, as_of, past): (GroupId, Option<Timestamp>, Past),
    wish: Wish,
) -> Result<Outcome> {
    let act = Act {
        directory: Some(place.directory),
        ..Act::of(app, origin, place.workspace)
    };
    let work = Regroup {
        app: app.clone(),
        act,
        scopes: scopes.clone(),
        place,
        group,
        as_of,
    };
    let (foreseen, hash) = match wish {
        Wish::Done => (None, None),
        Wish::Told => return Ok(stale(work.foresee(past).await?.plan)),
        Wish::Planned(hash) => {
            let foreseen = work.foresee(past.clone()).await?;
            if foreseen.plan.hash != hash {
                return Ok(stale(foreseen.plan));
            }
            (Some(Arc::new(foreseen)), Some(hash))
        }
    };
    let written = app.write(move |tx| {
        let (work, past) = (work.clone(), past.clone());
        let (foreseen, hash) = (foreseen.clone(), hash.clone());
        Box::pin(async move {
            let what = (foreseen.as_deref(), hash.as_deref());
            work.put_back(tx, past, what).await
        })
    });
    Ok(match written.await? {
        (plan, true) => Outcome::Done(Box::new(plan)),
        (plan, false) => stale(plan),
    })
}

fn stale(plan: Plan) -> Outcome {
    Outcome::Stale(Box::new(plan))
}

/// The last change that had happened.
async fn number_at(
    app: &App,
    place: Place,
    group: GroupId,
    as_of: Option<Timestamp>,
) -> Result<i64> {
    if let Some(at) = as_of {
        if at < app.clock.now().before(REACH) {
            return Err(Error::value("as_of must be within the last 30 days"));
        }
        return Ok(history::moment(app, place.workspace, at).await?.number);
    }
    let mut tx = app.db.read().await?;
    let buried = buried_groups::find(&mut tx, place, group).await?;
    let Some(buried) = buried else {
        groups::find(&mut tx, place, group)
            .await?
            .ok_or(Error::NotFound("group"))?;
        return Err(Error::value("as_of is missing: the group is there"));
    };
    drop(tx);
    sequencer::number_until(app, place.workspace, buried.deleted_at).await?;
    let mut tx = app.db.read().await?;
    number_before(&mut tx, place, &buried).await
}

/// The last number before a group was deleted.
async fn number_before(tx: &mut Tx, place: Place, buried: &Buried) -> Result<i64> {
    let about = (buried.group_id.0, "group.deleted");
    let deleted = log::find_number(tx, place.workspace, about, buried.deleted_at).await?;
    match deleted {
        Some(deleted) => Ok(deleted - 1),
        // Nothing tells of it any more.
        None => {
            let head = log::find_head(tx, place.workspace).await?;
            Ok(head.map_or(0, |head| head.number))
        }
    }
}

fn place((workspace, directory): (WorkspaceId, DirectoryId)) -> Place {
    Place {
        workspace,
        directory,
    }
}
