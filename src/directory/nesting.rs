//! Groups as members of groups.
//!
//! Most changes of members are about users, and many of one group go on side by side. A change of
//! nested groups concerns everybody below them and must keep the graph without circles, so such
//! changes come one after the other in a workspace. Which of the two a request is shows only when
//! one of the ids that it names is no user: it has written nothing then, and begins again in turn.
//!
//! Whoever loses something loses it in the request, however many they are. To end a rule's cause
//! first and leave the rest to a run, as for a deleted group, is no way here: others have the same
//! grants by the same cause and keep them. What is gained by many is a run's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use super::Caller;
use super::membership::{self, Delta, Done};
use crate::admission::runs::{self, Run, RunKind, RunState};
use crate::admission::settle::{BATCH, Rules, settle_moved};
use crate::app::App;
use crate::changes::Act;
use crate::error::{Error, Result};
use crate::ids::{GroupId, MemberId, RunId, UserId, WorkspaceId};
use crate::scim::patch::MembersOperation;
use crate::store::nestings::{self as rows, Nesting};
use crate::store::tx::Tx;
use crate::store::users::{self, Linked, Place};
use crate::store::writer::BoxFuture;
use crate::store::{edges, groups, members, workspaces};

/// How many groups a way from the outermost to the innermost may pass.
const LEVELS: usize = 20;

/// How a request goes about members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Beside others: users alone may change.
    Beside,
    /// After every other change of nestings in the workspace, which is locked.
    Alone,
}

/// How far a request came.
pub(super) enum Outcome<T> {
    /// It is done.
    Done(T),
    /// It is about nested groups and must have its turn; nothing was written.
    Again,
}

/// Runs a use case beside others, and again in its turn if it is about nested groups.
pub(super) async fn write<T, F>(app: &App, workspace: WorkspaceId, work: F) -> Result<T>
where
    T: Send + 'static,
    F: for<'t> Fn(&'t mut Tx, Turn) -> BoxFuture<'t, Result<Outcome<T>>> + Send + Sync + 'static,
{
    let work = Arc::new(work);
    for turn in [Turn::Beside, Turn::Alone] {
        let work = Arc::clone(&work);
        let outcome = app
            .write(move |tx| {
                let work = Arc::clone(&work);
                Box::pin(async move {
                    if turn == Turn::Alone {
                        workspaces::lock(tx, workspace).await?;
                    }
                    work(tx, turn).await
                })
            })
            .await?;
        if let Outcome::Done(value) = outcome {
            return Ok(value);
        }
    }
    Err(Error::internal(anyhow::anyhow!(
        "a change of nested groups asked for a second turn"
    )))
}

/// The groups that a request is about, locked with all below them.
#[derive(Debug)]
pub(super) struct Web {
    /// The live groups among those that were named, and those below.
    pub(super) groups: BTreeSet<GroupId>,
    /// The edges below them, and below the group that changes.
    edges: Vec<Nesting>,
}

impl Web {
    /// The groups that are members of a group of the web now.
    fn children(&self, group: GroupId) -> BTreeSet<GroupId> {
        let own = self.edges.iter().filter(|edge| edge.group_id == group);
        own.map(|edge| edge.member_id).collect()
    }
}

/// Locks a group, the groups that operations name or may take out, and all groups below these, in
/// id order. The workspace is locked, so that the edges stand still.
pub(super) async fn lock(
    tx: &mut Tx,
    place: Place,
    group: GroupId,
    operations: &[MembersOperation],
) -> Result<Web> {
    let named = membership::named(operations);
    let mut start: Vec<GroupId> = named.iter().copied().map(GroupId).collect();
    if !membership::is_delta(operations) {
        start.push(group);
    }
    let mut tops = start.clone();
    tops.push(group);
    let edges = rows::list_below(tx, place, &tops).await?;
    let mut ids = named;
    ids.insert(group.0);
    for level in levels(&edges, &start, |edge| (edge.group_id, edge.member_id)) {
        ids.extend(level.into_iter().map(|group| group.0));
    }
    let groups = groups::lock_all(tx, place, &ids).await?;
    Ok(Web {
        groups: groups.into_iter().collect(),
        edges,
    })
}

/// Applies a delta of users and groups to a group that is locked with its web, and settles everybody
/// concerned. Whoever loses something loses it now; where a group brings very many members along,
/// what they get is a run's.
pub(super) async fn apply(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    act: &Act,
    group: GroupId,
    (delta, web): (&Delta, &Web),
) -> Result<Done> {
    let place = caller.place();
    let present = web.children(group);
    let is_group = |id: &&Uuid| web.groups.contains(&GroupId(**id));
    let wanted: BTreeSet<GroupId> = delta
        .add
        .iter()
        .filter(is_group)
        .map(|id| GroupId(*id))
        .collect();
    let add: Vec<GroupId> = wanted.difference(&present).copied().collect();
    let unwanted: BTreeSet<GroupId> = delta.remove.iter().map(|id| GroupId(*id)).collect();
    let remove: Vec<GroupId> = present.intersection(&unwanted).copied().collect();
    let above = rows::list_above(tx, place, group).await?;
    check(group, &add, &above, &web.edges)?;

    // With the workspace locked, rules stand still as well.
    let rules = Rules::current(tx, app, act).await?;
    let mut upwards: Vec<GroupId> = above.iter().map(|edge| edge.group_id).collect();
    upwards.push(group);
    let is_looked_at = rules.look_at(&upwards);
    let mut concerned: BTreeSet<UserId> = BTreeSet::new();
    let mut runs = Vec::new();
    if is_looked_at {
        concerned.extend(rows::list_users(tx, place, &remove).await?);
        let gained = rows::list_users(tx, place, &add).await?;
        if i64::try_from(gained.len()).unwrap_or(i64::MAX) > app.config.scim.run_threshold {
            for child in &add {
                let total = rows::count_users(tx, place, *child).await?;
                runs.push(run(act, place, *child, total));
            }
        } else {
            concerned.extend(gained);
        }
    }
    let users = |ids: &BTreeSet<Uuid>| -> BTreeSet<UserId> {
        let users = ids.iter().filter(|id| !is_group(id));
        users.map(|id| UserId(*id)).collect()
    };
    let (add_users, remove_users) = (users(&delta.add), users(&delta.remove));
    concerned.extend(add_users.union(&remove_users));
    let concerned: Vec<UserId> = concerned.into_iter().collect();
    let linked = users::lock_linked(tx, place, &concerned).await?;
    let existing: BTreeSet<UserId> = linked.iter().map(|user| user.id).collect();
    let add_users: Vec<UserId> = add_users.intersection(&existing).copied().collect();
    let remove_users: Vec<UserId> = remove_users.intersection(&existing).copied().collect();

    let known = add_users.len() + wanted.len();
    let done = Done {
        notes: membership::skipped(delta, known, caller.strictness())?,
        removed: edges::delete(tx, place, group, &remove_users).await?,
        added: edges::insert(tx, place, group, &add_users).await?,
        removed_groups: edges::delete(tx, place, group, &remove).await?,
        added_groups: edges::insert(tx, place, group, &add).await?,
        runs: runs.iter().map(|run| run.id).collect(),
    };
    if is_looked_at && !done.is_nothing() {
        let ids: Vec<MemberId> = linked.iter().filter_map(|user| user.member).collect();
        // All of them before the first loses something: the brake is locked after members.
        let locked = members::lock(tx, act.workspace, &ids).await?;
        // A group that goes is never about one person.
        let removed = if done.removed_groups.is_empty() {
            done.removed.as_slice()
        } else {
            &[]
        };
        for locked in locked.chunks(BATCH) {
            settle_moved(tx, act, (&linked, removed), locked, &rules).await?;
        }
    }
    for run in &runs {
        runs::plan(tx, run).await?;
    }
    Ok(done)
}

/// What becomes of everybody below a group that goes away.
pub(super) enum Leaving {
    /// They are settled with the request.
    Now,
    /// A run takes the group apart: with the request they lose what they have by groups above.
    ByRun,
}

/// Whom a group leaves behind that goes away.
#[derive(Default)]
pub(super) struct Left {
    /// The users concerned, locked.
    pub(super) linked: Vec<Linked>,
    /// The groups that held it.
    pub(super) holders: Vec<GroupId>,
    /// The groups that it held.
    pub(super) held: Vec<GroupId>,
}

/// Takes a group that goes away, and is locked with its neighbours, out of the groups that hold it
/// and out of those that it holds.
pub(super) async fn leave(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    place: Place,
    group: GroupId,
    leaving: Leaving,
) -> Result<Left> {
    let is_concern = match leaving {
        Leaving::Now => true,
        Leaving::ByRun => {
            let above = rows::list_above(tx, place, group).await?;
            let above: Vec<_> = above.iter().map(|edge| edge.group_id).collect();
            Rules::current(tx, app, act).await?.look_at(&above)
        }
    };
    let linked = if is_concern {
        let users = rows::list_users(tx, place, &[group]).await?;
        users::lock_linked(tx, place, &users).await?
    } else {
        Vec::new()
    };
    let edges = rows::delete_by_group(tx, place, group).await?;
    let holders = edges.iter().filter(|edge| edge.member_id == group);
    let held = edges.iter().filter(|edge| edge.group_id == group);
    Ok(Left {
        linked,
        holders: holders.map(|edge| edge.group_id).collect(),
        held: held.map(|edge| edge.member_id).collect(),
    })
}

/// Refuses what would put a group into itself, or groups too deep into each other.
pub(super) fn check(
    group: GroupId,
    add: &[GroupId],
    above: &[Nesting],
    below: &[Nesting],
) -> Result<()> {
    let up = levels(above, &[group], |edge| (edge.member_id, edge.group_id));
    let holders: BTreeSet<GroupId> = up.iter().flatten().copied().collect();
    let mut children: BTreeMap<GroupId, Vec<GroupId>> = BTreeMap::new();
    for edge in below {
        children
            .entry(edge.group_id)
            .or_default()
            .push(edge.member_id);
    }
    let mut heights = BTreeMap::new();
    for child in add {
        if holders.contains(child) {
            return Err(Error::Conflict(format!(
                "members: group {group} would be a member of itself through group {child}"
            )));
        }
        if up.len() + height(*child, &children, &mut heights) > LEVELS {
            return Err(Error::Conflict(format!(
                "members: group {child} would be nested too deep; at most {LEVELS} groups may be \
                 within each other"
            )));
        }
    }
    Ok(())
}

/// How many levels there are from a group down; what is there already is at most so deep as is
/// allowed, and without circles.
fn height(
    group: GroupId,
    children: &BTreeMap<GroupId, Vec<GroupId>>,
    known: &mut BTreeMap<GroupId, usize>,
) -> usize {
    if let Some(height) = known.get(&group) {
        return *height;
    }
    let below = children.get(&group).into_iter().flatten();
    let deepest = below.map(|child| height(*child, children, known)).max();
    let own = 1 + deepest.unwrap_or(0);
    known.insert(group, own);
    own
}

/// What is one step away from a start, two steps, and so on; the start is the first. The number of
/// levels is the length of the longest way, or more than is allowed.
fn levels(
    edges: &[Nesting],
    start: &[GroupId],
    direction: impl Fn(&Nesting) -> (GroupId, GroupId),
) -> Vec<BTreeSet<GroupId>> {
    let mut levels = Vec::new();
    let mut level: BTreeSet<GroupId> = start.iter().copied().collect();
    while !level.is_empty() && levels.len() <= LEVELS {
        let next = edges.iter().map(&direction);
        let next = next.filter(|(from, _)| level.contains(from));
        let next = next.map(|(_, to)| to).collect();
        levels.push(std::mem::replace(&mut level, next));
    }
    levels
}

/// A run that settles everybody below a group.
pub(super) fn run(act: &Act, place: Place, group: GroupId, total: i64) -> Run {
    Run {
        id: RunId::new(),
        workspace: act.workspace,
        kind: RunKind::Nesting,
        state: RunState::Applying,
        directory: Some(place.directory),
        group_id: Some(group),
        position: None,
        total,
        processed: 0,
        request: act.origin.request,
        created_at: act.at,
        finished_at: None,
        of: runs::Of::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::{LEVELS, Nesting, check};
    use crate::ids::GroupId;

    fn chain(groups: &[GroupId]) -> Vec<Nesting> {
        let pairs = groups.windows(2);
        pairs
            .map(|pair| Nesting {
                group_id: pair[0],
                member_id: pair[1],
            })
            .collect()
    }

    #[test]
    fn circles_and_depth_are_refused() {
        let groups: Vec<GroupId> = (0..=LEVELS).map(|_| GroupId::new()).collect();
        let (upper, lower) = groups.split_at(7);
        let above = chain(upper);
        let last = upper[6];
        assert!(check(last, &[last], &above, &[]).is_err(), "itself");
        assert!(check(last, &[upper[0]], &above, &[]).is_err(), "its top");
        assert!(
            check(last, &[lower[0]], &above, &chain(lower)).is_err(),
            "21 levels"
        );
        let lower = &lower[..lower.len() - 1];
        assert!(
            check(last, &[lower[0]], &above, &chain(lower)).is_ok(),
            "20 levels"
        );
        // The longest of several ways counts.
        let mut short = chain(&groups);
        short.push(Nesting {
            group_id: groups[0],
            member_id: groups[20],
        });
        assert!(check(GroupId::new(), &[groups[0]], &[], &short).is_err());
    }
}
