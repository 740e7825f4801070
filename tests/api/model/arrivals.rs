//! What two directories say of people, and who those are to the workspace.

use std::collections::BTreeMap;

use gatehouse::ids::MemberId;
use gatehouse::workspace::members::Status;

use super::reference::{Member, User, World};

/// A directory, and a place among people: what people are called there goes by it.
pub(super) type At = (usize, usize);

/// Who somebody is who arrives.
#[derive(Debug, Clone, Copy)]
pub(super) enum Who {
    New,
    /// One who is expected, and whether an admin said who that is.
    Expected(MemberId, bool),
    /// A member of another way whom an admin said it to be.
    Adopted(MemberId),
    /// One who left this directory.
    Back(MemberId),
    /// A member of another way.
    Other(MemberId),
}

impl World {
    pub(super) fn users_of(&self, directory: usize) -> &BTreeMap<usize, User> {
        if directory == 0 {
            &self.users
        } else {
            &self.hr
        }
    }

    fn users_of_mut(&mut self, directory: usize) -> &mut BTreeMap<usize, User> {
        if directory == 0 {
            &mut self.users
        } else {
            &mut self.hr
        }
    }

    /// Whether a directory has the member, and if so whether one says that it is in.
    pub(super) fn said_of(&self, id: MemberId) -> Option<bool> {
        let all = self.users.values().chain(self.hr.values());
        let of = all.filter(|user| user.member == id);
        of.map(|user| user.active).reduce(|one, other| one || other)
    }

    /// Who somebody is who arrives in a directory.
    pub(super) fn who(&self, (directory, place): At) -> Who {
        let adopted = self.adopted.get(&(directory, place)).copied();
        if let Some(holder) = self.users_of(1 - directory).get(&place) {
            let holder = holder.member;
            return if adopted == Some(holder) {
                Who::Adopted(holder)
            } else {
                Who::Other(holder)
            };
        }
        let met = self.members.iter().filter(|(_, member)| {
            let is_leaving = member.wants == Some(Status::Removed);
            member.place == place && member.status != Status::Removed && !is_leaving
        });
        let met: Vec<(MemberId, Status)> = met.map(|(id, it)| (*id, it.status)).collect();
        if let Some((id, status)) = met.iter().find(|(id, _)| Some(*id) == adopted) {
            return match status {
                Status::Draft => Who::Expected(*id, true),
                _ => Who::Adopted(*id),
            };
        }
        let expected = met.iter().filter(|(_, status)| *status == Status::Draft);
        let expected: Vec<MemberId> = expected.map(|(id, _)| *id).collect();
        let buried = self.buried.get(&(directory, place)).map(Vec::as_slice);
        match (&expected[..], buried) {
            ([one], _) => Who::Expected(*one, false),
            ([one, ..], _) => Who::Other(*one),
            ([], Some([one])) => Who::Back(*one),
            ([], _) => Who::New,
        }
    }

    /// Whether a User may be made, and be in or not.
    pub(super) fn may_create(&self, who: Who, active: bool) -> bool {
        let (Who::Expected(id, _) | Who::Adopted(id) | Who::Back(id)) = who else {
            return matches!(who, Who::New) && self.may_be(None, said(active));
        };
        let member = &self.members[&id];
        let said = said(active && !member.barred);
        let is_shut_out = member.status == Status::Active && said == Status::Suspended;
        let is_adopted = matches!(who, Who::Adopted(_));
        self.may_be(Some(member.status), said) && (is_adopted || !is_shut_out || self.may_go(id))
    }

    pub(super) fn create(&mut self, at: At, who: Who, user: User) {
        let (id, is_let_in) = (user.member, user.active);
        self.users_of_mut(at.0).insert(at.1, user);
        if matches!(who, Who::New) {
            self.members.insert(id, Member::new(at.1, Status::Draft));
            self.put(id, said(is_let_in));
            return;
        }
        if self.buried.get(&at).is_some_and(|all| *all == [id]) {
            self.buried.remove(&at);
        }
        let said = said(is_let_in && !self.members[&id].barred);
        match who {
            Who::Expected(_, is_proved) => {
                if !is_proved {
                    // An address proves nothing: what was given by hand waits.
                    let member = self.member(id);
                    let by_hand = std::mem::take(&mut member.by_hand);
                    member.set_aside = by_hand.into_keys().collect();
                }
                self.put(id, said);
            }
            Who::Adopted(_) => {
                if said == Status::Active {
                    self.reverse(id);
                    self.put(id, said);
                }
                let now = self.now;
                let member = self.member(id);
                let again = std::mem::take(&mut member.set_aside).into_iter();
                member.by_hand.extend(again.map(|right| (right, now)));
                self.let_kept_go();
            }
            _ => {
                let is_out = said == Status::Suspended;
                let was_in = self.members[&id].status == Status::Active;
                if !(is_out && was_in && self.holds(id, said)) {
                    self.reverse(id);
                    self.put(id, said);
                }
                return;
            }
        }
        self.conflicts.remove(&at);
        self.adopted.remove(&at);
    }

    /// A create met a member of another way.
    pub(super) fn meet(&mut self, at: At, member: MemberId) {
        self.conflicts.insert(at, member);
    }

    /// Whether an admin may say that whoever was met is that person: it must be a member still.
    pub(super) fn adopt(&mut self, at: At) -> bool {
        let met = self.conflicts.get(&at).copied();
        let met = met.filter(|id| self.members[id].status != Status::Removed);
        let Some(met) = met.filter(|_| !self.users_of(at.0).contains_key(&at.1)) else {
            return false;
        };
        self.adopted.insert(at, met);
        true
    }

    /// Whether what a directory says of a User may stand.
    pub(super) fn set_active(&mut self, (directory, place): At, active: bool) -> bool {
        let user = self.users_of(directory)[&place].clone();
        if user.active == active {
            return true;
        }
        let id = user.member;
        let before = self.members[&id].status;
        self.users_of_mut(directory).get_mut(&place).unwrap().active = active;
        let is_in = self.said_of(id) == Some(true) && !self.members[&id].barred;
        if is_in && !self.may_be(Some(before), Status::Active)
            || !is_in && before == Status::Active && !self.may_go(id)
        {
            self.users_of_mut(directory).insert(place, user);
            return false;
        }
        if is_in {
            self.reverse(id);
            self.put(id, Status::Active);
        } else if before == Status::Active && !self.holds(id, Status::Suspended) {
            self.put(id, Status::Suspended);
        }
        true
    }

    /// Whether a User may go. Its member stays while another directory has it, and is in while one says
    /// so.
    pub(super) fn delete(&mut self, (directory, place): At) -> bool {
        let user = self.users_of_mut(directory).remove(&place).unwrap();
        let id = user.member;
        let is_in = self.members[&id].status == Status::Active;
        let becomes = match self.said_of(id) {
            None => Some(Status::Removed),
            Some(false) if is_in => Some(Status::Suspended),
            Some(_) => None,
        };
        if becomes.is_some() && !self.may_go(id) {
            self.users_of_mut(directory).insert(place, user);
            return false;
        }
        if directory == 0 {
            for group in self.groups.values_mut() {
                group.users.remove(&place);
            }
        }
        self.buried.entry((directory, place)).or_default().push(id);
        if let Some(becomes) = becomes
            && !(is_in && self.holds(id, becomes))
        {
            self.put(id, becomes);
        }
        self.settle(&[id]);
        if self.members[&id].status == Status::Removed {
            self.end_all(id);
        }
        true
    }
}

fn said(active: bool) -> Status {
    if active {
        Status::Active
    } else {
        Status::Suspended
    }
}
