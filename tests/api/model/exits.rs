//! The end of a directory, and its undoing.

use gatehouse::admission::exit::{self, End, Leaving};
use gatehouse::changes::Origin;
use gatehouse::ids::{DirectoryId, MemberId, WorkspaceId};
use gatehouse::workspace::members::Status;
use gatehouse::workspace::seats::SeatPolicy;

use super::Pair;
use super::reference::{User, World};

impl World {
    /// The second directory ends, which goes through its Users batch by batch.
    fn end(&mut self, leaving: Leaving) {
        self.ended = Some(leaving);
        let mut users: Vec<(usize, User)> = std::mem::take(&mut self.hr).into_iter().collect();
        self.former.extend(users.iter().cloned());
        users.sort_by(|(_, one), (_, other)| one.id.cmp(&other.id));
        for users in users.chunks(self.batch) {
            let mut members: Vec<MemberId> = users.iter().map(|(_, user)| user.member).collect();
            members.sort_unstable();
            for id in self.one_by_one(&members) {
                self.let_go(id, leaving);
            }
            self.settle(&members);
        }
    }

    fn let_go(&mut self, id: MemberId, leaving: Leaving) {
        let said = self.said_of(id);
        if said.is_none() {
            // What the directory wanted waits no more: an admin has decided.
            self.reverse(id);
        }
        let becomes = match (said, leaving) {
            (Some(true), _) | (None, Leaving::Keep) => return,
            (Some(false), _) | (None, Leaving::Suspend) => Status::Suspended,
            (None, Leaving::Remove) => Status::Removed,
        };
        let is_in = self.members[&id].status == Status::Active;
        if becomes == Status::Suspended && !is_in || !self.may_go(id) {
            return;
        }
        self.put(id, becomes);
        if becomes == Status::Removed {
            let member = self.member(id);
            let by_hand = std::mem::take(&mut member.by_hand);
            member.ended_with = by_hand.into_keys().collect();
            member.braked = None;
        }
    }

    /// The end is taken back.
    fn take_back(&mut self) {
        let Some(leaving) = self.ended.take() else {
            return;
        };
        let mut users: Vec<(usize, User)> = std::mem::take(&mut self.former).into_iter().collect();
        users.sort_by(|(_, one), (_, other)| one.id.cmp(&other.id));
        for users in users.chunks(self.batch) {
            let mut members = Vec::new();
            for (place, user) in users {
                if self.link_again(*place, user, leaving) {
                    members.push(user.member);
                }
            }
            self.settle(&members);
        }
    }

    /// Whether a User is linked again to the member whom it had: unless that one left in another way,
    /// is expected anew, or its name is another one's by now.
    fn link_again(&mut self, place: usize, user: &User, leaving: Leaving) -> bool {
        let id = user.member;
        let before = self.members[&id].status;
        if before == Status::Removed && leaving != Leaving::Remove {
            self.strays.insert(place);
            return false;
        }
        let holder = self.users.get(&place).map(|user| user.member);
        if before == Status::Draft || holder.is_some_and(|holder| holder != id) {
            self.strays.insert(place);
            self.meet((1, place), holder.unwrap_or(id));
            return false;
        }
        let others = self.said_of(id);
        self.hr.insert(place, user.clone());
        let is_in = user.active && !self.members[&id].barred;
        if is_in {
            self.reverse(id);
            self.put(id, Status::Active);
        } else if before == Status::Removed
            || before == Status::Active && others != Some(true) && self.may_go(id)
        {
            self.put(id, Status::Suspended);
        }
        let now = self.now;
        let member = self.member(id);
        let again = std::mem::take(&mut member.ended_with).into_iter();
        member.by_hand.extend(again.map(|right| (right, now)));
        self.let_kept_go();
        true
    }
}

impl Pair<'_> {
    /// The second directory is switched off.
    pub(super) async fn end_directory(&mut self, leaving: Leaving) {
        let (origin, which) = (Origin::cli(), self.second());
        let end = End {
            members: leaving,
            keep_grants: false,
        };
        let ended = exit::end(&self.gateway.app, &origin, which, end).await;
        assert_eq!(ended.is_ok(), self.world.ended.is_none(), "{ended:?}");
        if ended.is_ok() {
            self.world.end(leaving);
            self.count("directory.ended");
        }
        // Its credentials are of no use any more.
        self.ask(1, ("GET", "/Users", None), 401).await;
    }

    /// It is switched on again, where there are seats for all who may come in by it.
    pub(super) async fn undo_end(&mut self) {
        let limit = &self.world.limit;
        if limit.seat_limit.is_some() && limit.seat_policy == SeatPolicy::Refuse {
            return;
        }
        let (origin, which) = (Origin::cli(), self.second());
        let undone = exit::undo(&self.gateway.app, &origin, which).await;
        assert_eq!(undone.is_ok(), self.world.ended.is_some(), "{undone:?}");
        if undone.is_ok() {
            self.world.take_back();
            self.count("directory.end_undone");
        }
    }

    /// Whether a directory is switched off, or has the User of that place without a member.
    pub(super) fn is_out(&self, (directory, place): (usize, usize)) -> bool {
        let world = &self.world;
        directory == 1 && (world.ended.is_some() || world.strays.contains(&place))
    }

    fn second(&self) -> (WorkspaceId, DirectoryId) {
        (self.workspace.id, self.scims[1].directory.id)
    }
}
