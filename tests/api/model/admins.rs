//! What admins do to members, and of whom they cannot rid the workspace.

use std::collections::BTreeSet;

use gatehouse::admission::import::Outcome;
use gatehouse::ids::MemberId;
use gatehouse::workspace::members::Status;

use super::ADMIN;
use super::reference::{Member, World};

impl World {
    /// Whether the member may be shut out or taken away: it must not be protected, and another admin
    /// must be in, if it is one. One who has no seat is as good as others who have none.
    pub(super) fn may_go(&self, id: MemberId) -> bool {
        let member = &self.members[&id];
        !member.protected && (!self.is_admin(id) || self.has_other_admin(id))
    }

    /// Whether an admin may shut the member out: it must have come in.
    pub(super) fn suspend(&mut self, id: MemberId) -> bool {
        let member = &self.members[&id];
        if !matches!(member.status, Status::Active | Status::Suspended) {
            return false;
        }
        if !member.barred {
            if !self.may_go(id) {
                return false;
            }
            self.member(id).barred = true;
            self.put(id, Status::Suspended);
        }
        true
    }

    /// Whether an admin may let the member in: its directory must not say otherwise.
    pub(super) fn activate(&mut self, id: MemberId) -> bool {
        let is_out = self.said_of(id) == Some(false);
        match self.members[&id].status {
            Status::Active => true,
            Status::Suspended if !is_out && self.may_be(None, Status::Active) => {
                self.member(id).barred = false;
                self.put(id, Status::Active);
                true
            }
            _ => false,
        }
    }

    /// Whether an admin may take the member out: no directory must have it.
    pub(super) fn remove(&mut self, id: MemberId) -> bool {
        if self.said_of(id).is_some() {
            return false;
        }
        if self.members[&id].status == Status::Removed || !self.may_go(id) {
            return false;
        }
        self.put(id, Status::Removed);
        self.member(id).barred = false;
        self.end_all(id);
        true
    }

    /// Whether there is somebody to protect.
    pub(super) fn protect(&mut self, id: MemberId, protected: bool) -> bool {
        let is_there = self.members[&id].status != Status::Removed;
        if is_there {
            let was_protected = std::mem::replace(&mut self.member(id).protected, protected);
            if was_protected && !protected {
                self.let_kept_go();
            }
        }
        is_there
    }

    pub(super) fn give(&mut self, id: MemberId, right: usize) {
        let now = self.now;
        self.member(id).by_hand.entry(right).or_insert(now);
        self.let_kept_go();
    }

    /// Whether it may be taken: the member must have it by hand, and the last admin stays one.
    pub(super) fn take(&mut self, id: MemberId, right: usize) -> bool {
        let member = &self.members[&id];
        if right == ADMIN && member.by_hand.contains_key(&right) {
            let admins = self.counted_admins();
            let mut others = admins.iter();
            let has_other = others.any(|(_, who, rule)| *who != id || rule.is_some());
            if member.protected || !admins.is_empty() && !has_other {
                return false;
            }
        }
        let member = self.member(id);
        let mut is_there = member.by_hand.remove(&right).is_some();
        if !is_there {
            is_there = member.set_aside.remove(&right) | member.ended_with.remove(&right);
        }
        is_there
    }

    // What a table says.

    /// The one whom an address finds.
    fn find(&self, place: usize, is: impl Fn(Status) -> bool) -> Option<MemberId> {
        let all = self.members.iter();
        let mut found = all.filter(|(_, member)| member.place == place && is(member.status));
        let one = found.next().map(|(id, _)| *id);
        one.filter(|_| found.next().is_none())
    }

    /// What becomes of a row, and of whom.
    pub(super) fn import(
        &mut self,
        (place, right): (usize, usize),
        revive: bool,
    ) -> (Outcome, Option<MemberId>) {
        let is_of = |member: &&Member| member.place == place && member.status != Status::Removed;
        if self.members.values().filter(is_of).count() > 1 {
            return (Outcome::Refused, None);
        }
        let is_there = self.find(place, |status| status != Status::Removed);
        let Some(id) = is_there.or_else(|| self.find(place, |status| status == Status::Removed))
        else {
            return (Outcome::Created, None);
        };
        let member = &self.members[&id];
        if member.status == Status::Removed && !revive {
            return (Outcome::Left, Some(id));
        }
        if member.status == Status::Removed {
            self.put(id, Status::Draft);
            let member = self.member(id);
            member.barred = false;
            member.set_aside.clear();
            member.ended_with.clear();
            self.give(id, right);
            return (Outcome::Revived, Some(id));
        }
        let by_rule = member.by_rule.keys();
        let by_rule = by_rule.map(|rule| self.rules[*rule].says.right);
        let has: BTreeSet<usize> = by_rule.chain(member.by_hand.keys().copied()).collect();
        if has.contains(&right) {
            return (Outcome::Unchanged, Some(id));
        }
        self.give(id, right);
        (Outcome::Merged, Some(id))
    }

    /// Somebody new is expected.
    pub(super) fn expect(&mut self, id: MemberId, place: usize, right: usize) {
        self.members.insert(id, Member::new(place, Status::Draft));
        self.give(id, right);
    }
}
