//! Changes of a group's members, as sets: the order of operations counts within a request, and
//! requests that run at the same time lose nothing of each other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Caller;
use crate::admission::settle::{Rules, settle};
use crate::app::App;
use crate::changes::{self, Act, Change};
use crate::error::{Error, Result};
use crate::ids::{GroupId, MemberId, UserId};
use crate::scim::evaluate;
use crate::scim::patch::MembersOperation;
use crate::scim::resource::{MemberRef, Note, Reason, Strictness};
use crate::store::db::Tx;
use crate::store::groups::Shown;
use crate::store::users::{self, Place};
use crate::store::{members, memberships};

/// How many ids a change names; beyond that it gives their count.
const NAMED: usize = 1_000;

/// What operations on members come to.
#[derive(Debug, Default)]
pub(super) struct Delta {
    add: BTreeSet<UserId>,
    remove: BTreeSet<UserId>,
    /// Ids that name nobody here.
    unknown: usize,
}

/// What was done to a group's members.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) added: Vec<UserId>,
    pub(super) removed: Vec<UserId>,
    pub(super) notes: Vec<Note>,
}

impl Done {
    pub(super) fn is_nothing(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }

    pub(super) fn detail(&self) -> Value {
        json!({
            "added": self.added.iter().take(NAMED).collect::<Vec<_>>(),
            "added_count": self.added.len(),
            "removed": self.removed.iter().take(NAMED).collect::<Vec<_>>(),
            "removed_count": self.removed.len(),
        })
    }
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
        let shown: BTreeMap<UserId, &Shown> = present
            .iter()
            .map(|member| (member.user_id, member))
            .collect();
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
                    let matching: Vec<UserId> = shown
                        .values()
                        .filter(|member| evaluate::matches_element(filter, &element(member)))
                        .map(|member| member.user_id)
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
            match member.value.parse::<UserId>() {
                Ok(id) => {
                    self.remove.remove(&id);
                    self.add.insert(id);
                }
                Err(_) => self.unknown += 1,
            }
        }
    }

    fn remove(&mut self, members: &[MemberRef]) {
        // An id of another form names nobody, and so is in no group.
        for id in members
            .iter()
            .filter_map(|member| member.value.parse().ok())
        {
            self.take(id);
        }
    }

    fn take(&mut self, id: UserId) {
        self.add.remove(&id);
        self.remove.insert(id);
    }

    fn clear(&mut self, shown: &BTreeMap<UserId, &Shown>) {
        self.add.clear();
        self.remove.extend(shown.keys());
    }
}

/// Applies a delta to a group that the caller keeps or has locked, and settles the members that it
/// concerns. Users that do not exist are skipped and noted, or in strict directories refused.
pub(super) async fn apply(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    act: &Act,
    group: GroupId,
    delta: Delta,
) -> Result<Done> {
    let place = caller.place();
    let concerned: Vec<UserId> = delta.add.union(&delta.remove).copied().collect();
    let locked = users::lock_linked(tx, place, &concerned).await?;
    let existing: BTreeSet<UserId> = locked.iter().map(|user| user.id).collect();
    let add: Vec<UserId> = delta.add.intersection(&existing).copied().collect();
    let remove: Vec<UserId> = delta.remove.intersection(&existing).copied().collect();
    let mut done = Done {
        notes: skipped(&delta, add.len(), caller.strictness())?,
        ..Done::default()
    };
    let ids: Vec<MemberId> = locked.iter().filter_map(|user| user.member).collect();
    let members = members::lock(tx, act.workspace, &ids).await?;
    if !remove.is_empty() {
        done.removed = memberships::delete(tx, place, group, &remove).await?;
    }
    if !add.is_empty() {
        done.added = memberships::insert(tx, place, group, &add).await?;
    }
    if !done.is_nothing() && !members.is_empty() {
        let rules = Rules::current(tx, app, act).await?;
        if rules.look_at(&[group]) {
            settle(tx, act, &members, &rules, None).await?;
        }
    }
    Ok(done)
}

/// Writes down what was done to a group's members, and what was skipped.
pub(super) async fn record(tx: &mut Tx, act: &Act, group: GroupId, done: &Done) -> Result<()> {
    let mut told: Vec<Change> = Vec::new();
    if !done.is_nothing() {
        let subject = ("group", group.0);
        told.push(act.change("group.members_changed", subject, None, &done.detail()));
    }
    if !done.notes.is_empty() {
        let detail = json!({"notes": done.notes});
        told.push(act.change("group.noted", ("group", group.0), None, &detail));
    }
    changes::record(tx, act.workspace, &told).await
}

/// The present members of a group, as SCIM shows them.
pub(super) async fn present(tx: &mut Tx, place: Place, group: GroupId) -> Result<Vec<Shown>> {
    Ok(memberships::list_shown(tx, place, group).await?)
}

fn skipped(delta: &Delta, existing: usize, strictness: Strictness) -> Result<Vec<Note>> {
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

fn element(member: &Shown) -> Value {
    json!({"value": member.user_id, "display": member.display, "type": "User"})
}
