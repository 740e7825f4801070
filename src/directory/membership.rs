//! Changes of a group's members, as sets: the order of operations counts within a request, and
//! requests that run at the same time lose nothing of each other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use uuid::Uuid;

use super::Caller;
use super::nesting::{self, Web};
use crate::admission::settle::{Rules, settle_moved};
use crate::app::App;
use crate::changes::{self, Act, Change};
use crate::error::{Error, Result};
use crate::ids::{GroupId, MemberId, RunId, UserId};
use crate::scim::evaluate;
use crate::scim::patch::MembersOperation;
use crate::scim::resource::{MemberRef, Note, Reason, Strictness};
use crate::store::groups::{self, Shown};
use crate::store::tx::Tx;
use crate::store::users::{self, Linked, Place};
use crate::store::{edges, members, memberships};

/// How many ids a change names; of more, several changes tell.
const NAMED: usize = 1_000;

/// What operations on members come to; the ids are those of users and of groups.
#[derive(Debug, Default)]
pub(super) struct Delta {
    pub(super) add: BTreeSet<Uuid>,
    pub(super) remove: BTreeSet<Uuid>,
    /// Ids that name nobody here.
    unknown: usize,
}

/// What was done to a group's members.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) added: Vec<UserId>,
    pub(super) removed: Vec<UserId>,
    pub(super) added_groups: Vec<GroupId>,
    pub(super) removed_groups: Vec<GroupId>,
    /// The runs that settle the members of large groups among those added.
    pub(super) runs: Vec<RunId>,
    pub(super) notes: Vec<Note>,
}

impl Done {
    pub(super) fn is_nothing(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.added_groups.is_empty()
            && self.removed_groups.is_empty()
    }

    /// What changes tell of it: each names so many ids, and all of them name everybody.
    pub(super) fn details(&self) -> Vec<Value> {
        let (mut added, mut removed) = (self.added.chunks(NAMED), self.removed.chunks(NAMED));
        let mut details = Vec::new();
        loop {
            let (added, removed) = (added.next(), removed.next());
            if added.is_none() && removed.is_none() && !details.is_empty() {
                return details;
            }
            let (added, removed) = (added.unwrap_or_default(), removed.unwrap_or_default());
            let mut detail = json!({
                "added": added, "added_count": added.len(),
                "removed": removed, "removed_count": removed.len(),
            });
            if details.is_empty() {
                if !self.added_groups.is_empty() || !self.removed_groups.is_empty() {
                    detail["added_groups"] = json!(self.added_groups);
                    detail["removed_groups"] = json!(self.removed_groups);
                }
                if !self.runs.is_empty() {
                    detail["runs"] = json!(self.runs);
                }
            }
            details.push(detail);
        }
    }
}

/// Who is meant by the ids of a delta.
pub(super) enum Named {
    /// Users, locked, and ids that name nobody.
    Users(Vec<Linked>),
    /// Groups as well.
    Groups(Web),
}

/// Whether operations only add and remove named members, so that the present members need not be
/// known and the group not be locked against others that do the same.
pub(super) fn is_delta(operations: &[MembersOperation]) -> bool {
    operations.iter().all(|operation| {
        matches!(
            operation,
            MembersOperation::Add(_) | MembersOperation::Remove(_)
        )
    })
}

impl Delta {
    /// What adds and removes come to: the last word about somebody counts.
    pub(super) fn of(operations: &[MembersOperation]) -> Self {
        let mut delta = Self::default();
        for operation in operations {
            match operation {
                MembersOperation::Add(members) => delta.add(members),
                MembersOperation::Remove(members) => delta.remove(members),
                _ => {}
            }
        }
        delta
    }

    /// What operations of any kind come to for a group with these members.
    pub(super) fn against(present: &[Shown], operations: &[MembersOperation]) -> Self {
        let shown: BTreeMap<Uuid, &Shown> =
            present.iter().map(|member| (member.id, member)).collect();
        let mut delta = Self::default();
        for operation in operations {
            match operation {
                MembersOperation::Add(members) => delta.add(members),
                MembersOperation::Remove(members) => delta.remove(members),
                MembersOperation::Clear => delta.clear(&shown),
                MembersOperation::Replace(members) => {
                    delta.clear(&shown);
                    delta.add(members);
                }
                MembersOperation::RemoveMatching(filter) => {
                    let matching: Vec<Uuid> = shown
                        .values()
                        .filter(|member| evaluate::matches_element(filter, &element(member)))
                        .map(|member| member.id)
                        .collect();
                    for id in matching {
                        delta.take(id);
                    }
                }
            }
        }
        // What is as wished already needs nothing.
        delta.add.retain(|id| !shown.contains_key(id));
        delta.remove.retain(|id| shown.contains_key(id));
        delta
    }

    fn add(&mut self, members: &[MemberRef]) {
        for member in members {
            match id(member) {
                Some(id) => {
                    self.remove.remove(&id);
                    self.add.insert(id);
                }
                None => self.unknown += 1,
            }
        }
    }

    fn remove(&mut self, members: &[MemberRef]) {
        // An id of another form names nobody, and so is in no group.
        for id in members.iter().filter_map(id) {
            self.take(id);
        }
    }

    fn take(&mut self, id: Uuid) {
        self.add.remove(&id);
        self.remove.insert(id);
    }

    fn clear(&mut self, shown: &BTreeMap<Uuid, &Shown>) {
        self.add.clear();
        self.remove.extend(shown.keys());
    }
}

/// The ids that operations name.
pub(super) fn named(operations: &[MembersOperation]) -> BTreeSet<Uuid> {
    let members = operations.iter().flat_map(|operation| match operation {
        MembersOperation::Add(members)
        | MembersOperation::Remove(members)
        | MembersOperation::Replace(members) => members.as_slice(),
        _ => &[],
    });
    members.filter_map(id).collect()
}

/// Locks the users of a delta. None if it is about groups too: the request must have its turn.
pub(super) async fn locate(tx: &mut Tx, place: Place, delta: &Delta) -> Result<Option<Named>> {
    let ids: BTreeSet<Uuid> = delta.add.union(&delta.remove).copied().collect();
    let users: Vec<UserId> = ids.iter().copied().map(UserId).collect();
    let locked = users::lock_linked(tx, place, &users).await?;
    if locked.len() < ids.len() {
        let existing: BTreeSet<Uuid> = locked.iter().map(|user| user.id.0).collect();
        let others: Vec<Uuid> = ids.difference(&existing).copied().collect();
        if !groups::list_live(tx, place, &others).await?.is_empty() {
            return Ok(None);
        }
    }
    Ok(Some(Named::Users(locked)))
}

/// Applies a delta to a group that the caller keeps or has locked, and settles the members that it
/// concerns. Ids of nobody are skipped and noted, or in strict directories refused.
pub(super) async fn apply(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    act: &Act,
    group: GroupId,
    (delta, named): (&Delta, Named),
) -> Result<Done> {
    let place = caller.place();
    let locked = match named {
        Named::Users(locked) => locked,
        Named::Groups(web) => {
            return nesting::apply(tx, app, caller, act, group, (delta, &web)).await;
        }
    };
    let existing = |ids: &BTreeSet<Uuid>| -> Vec<UserId> {
        let users = locked.iter().map(|user| user.id);
        users.filter(|user| ids.contains(&user.0)).collect()
    };
    let (add, remove) = (existing(&delta.add), existing(&delta.remove));
    let mut done = Done {
        notes: skipped(delta, add.len(), caller.strictness())?,
        ..Done::default()
    };
    let ids: Vec<MemberId> = locked.iter().filter_map(|user| user.member).collect();
    let members = members::lock(tx, act.workspace, &ids).await?;
    if !remove.is_empty() {
        done.removed = edges::delete(tx, place, group, &remove).await?;
    }
    if !add.is_empty() {
        done.added = edges::insert(tx, place, group, &add).await?;
    }
    if !done.is_nothing() && !members.is_empty() {
        let (rules, are_concerned) = Rules::concerning(tx, app, place, group).await?;
        if are_concerned {
            let moved = (&locked[..], &done.removed[..]);
            settle_moved(tx, act, moved, &members, &rules).await?;
        }
    }
    Ok(done)
}

/// Writes down what was done to a group's members, and what was skipped.
pub(super) async fn record(tx: &mut Tx, act: &Act, group: GroupId, done: &Done) -> Result<()> {
    let mut told: Vec<Change> = Vec::new();
    if !done.is_nothing() {
        let details = done.details().into_iter();
        told.extend(details.map(|detail| changed(act, group, &detail)));
    }
    if !done.notes.is_empty() {
        let detail = json!({"notes": done.notes});
        told.push(act.change("group.noted", ("group", group.0), None, &detail));
    }
    changes::record(tx, act.workspace, &told).await
}

/// That members of a group changed.
pub(super) fn changed(act: &Act, group: GroupId, detail: &Value) -> Change {
    act.change("group.members_changed", ("group", group.0), None, detail)
}

/// The present members of a group, as SCIM shows them.
pub(super) async fn present(tx: &mut Tx, place: Place, group: GroupId) -> Result<Vec<Shown>> {
    let members = memberships::list_shown_of(tx, place, &[group]).await?;
    Ok(members.into_iter().map(|member| member.member).collect())
}

pub(super) fn skipped(delta: &Delta, existing: usize, strictness: Strictness) -> Result<Vec<Note>> {
    let unknown = delta.unknown + delta.add.len() - existing;
    if unknown == 0 {
        return Ok(Vec::new());
    }
    if strictness == Strictness::Strict {
        return Err(Error::value("members: a member does not exist"));
    }
    Ok(vec![Note::new(
        &format!("members: {unknown} unknown"),
        Reason::UnknownMember,
    )])
}

fn id(member: &MemberRef) -> Option<Uuid> {
    Uuid::try_parse(&member.value).ok()
}

pub(super) fn element(member: &Shown) -> Value {
    json!({"value": member.id, "display": member.display, "type": member.kind()})
}
