//! Seats: who may be in at a time, and who waits for one.

use gatehouse::ids::MemberId;
use gatehouse::workspace::members::Status;
use gatehouse::workspace::seats::{Limit, SeatPolicy};

use super::reference::{Member, World};

impl World {
    /// How many seats are taken.
    pub(super) fn taken(&self) -> i64 {
        let seated = self.members.values().filter(|member| member.is_in());
        i64::try_from(seated.count()).unwrap()
    }

    fn has_seat(&self) -> bool {
        let most = self.limit.seat_limit;
        most.is_none_or(|most| self.taken() < most + self.limit.seat_grace)
    }

    /// Whether there is one for who comes in now: nobody overtakes those who wait.
    fn has_seat_in_turn(&self) -> bool {
        let nobody_waits = self.members.values().all(|member| member.waits.is_none());
        self.has_seat() && (nobody_waits || self.limit.seat_limit.is_none())
    }

    /// Whether somebody may have that status, for whom there must be a seat if it is let in by it.
    pub(super) fn may_be(&self, before: Option<Status>, status: Status) -> bool {
        let is_let_in = status == Status::Active && before != Some(Status::Active);
        !is_let_in || self.has_seat_in_turn() || self.limit.seat_policy == SeatPolicy::Hold
    }

    /// The member has that status, and a seat or waits for one if it is let in by it.
    pub(super) fn put(&mut self, id: MemberId, status: Status) {
        let (now, has_seat) = (self.now, self.has_seat_in_turn());
        let member = self.member(id);
        if status != Status::Active {
            member.waits = None;
        } else if member.status != Status::Active && !has_seat {
            member.waits = Some(now);
        }
        let is_let_in = status == Status::Active && member.status != status;
        member.status = status;
        if is_let_in {
            self.let_kept_go();
        }
    }

    /// Whether it is another limit. Nobody is put out by it.
    pub(super) fn set_limit(&mut self, limit: &Limit) -> bool {
        let is_other = self.limit != *limit;
        self.limit = limit.clone();
        is_other
    }

    /// Who waits longest is in as soon as a seat is free; tells how many.
    pub(super) fn seat(&mut self) -> usize {
        let waiting = self.members.iter();
        let waiting = waiting.filter_map(|(id, member)| Some((member.waits?, *id)));
        let mut waiting: Vec<_> = waiting.collect();
        waiting.sort_unstable();
        let mut seated = 0;
        for (_, id) in waiting {
            if self.has_seat() {
                self.member(id).waits = None;
                seated += 1;
            }
        }
        if seated > 0 {
            self.let_kept_go();
        }
        seated
    }
}

impl Member {
    /// Whether it has what it was given.
    pub(super) fn is_in(&self) -> bool {
        self.status == Status::Active && self.waits.is_none()
    }
}
