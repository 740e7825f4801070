//! What the brake must do.

use std::collections::BTreeSet;
use std::time::Duration;

use gatehouse::admission::brake::Mode;
use gatehouse::ids::MemberId;
use gatehouse::workspace::members::Status;

use super::reference::{Held, Member, World};

pub(super) const WINDOW: Duration = Duration::from_hours(1);

impl World {
    /// What waits for members is carried out, one after the other; then rules are held against them.
    pub(super) fn release(&mut self, ids: &[MemberId]) {
        let held = |id: &&MemberId| self.members[*id].braked.is_some();
        let ids: Vec<MemberId> = ids.iter().filter(held).copied().collect();
        let (mut freed, mut removed) = (Vec::new(), Vec::new());
        for id in self.one_by_one(&ids) {
            let member = &self.members[&id];
            let becomes = match (self.said_of(id), member.status) {
                (None, Status::Active | Status::Suspended) => Some(Status::Removed),
                (Some(said), Status::Active) if !said || member.barred => Some(Status::Suspended),
                _ => None,
            };
            if let Some(becomes) = becomes.filter(|_| member.wants.is_some()) {
                if !self.may_go(id) {
                    // What nobody may do goes on waiting.
                    self.member(id).braked = Some(Held { until: None });
                    continue;
                }
                self.put(id, becomes);
                removed.extend((becomes == Status::Removed).then_some(id));
            }
            freed.push(id);
        }
        let over = self.over.clone();
        for id in &freed {
            let member = self.member(*id);
            member.braked = None;
            member.wants = None;
            member.by_rule.retain(|rule, had| {
                let is_over = std::mem::take(&mut had.is_braked) && over.contains(rule);
                !is_over
            });
        }
        self.settle_as(&freed, true);
        for id in removed {
            self.end_all(id);
        }
    }

    pub(super) fn wait(&mut self) {
        for member in self.members.values_mut() {
            member.braked = member.braked.map(|_| Held { until: None });
        }
    }

    /// Time goes on; tells how many rules began and ended by that.
    pub(super) fn advance(&mut self, by: Duration) -> (usize, usize) {
        let before = self.now;
        self.now = before.after(by);
        let turned = self.turn(before);
        let due = self.members.iter().filter(|(_, member)| {
            let until = member.braked.and_then(|held| held.until);
            until.is_some_and(|until| until <= self.now)
        });
        let due: Vec<MemberId> = due.map(|(id, _)| *id).collect();
        self.release(&due);
        turned
    }

    pub(super) fn held(&self) -> Vec<MemberId> {
        let held = self
            .members
            .iter()
            .filter(|(_, member)| member.braked.is_some());
        held.map(|(id, _)| *id).collect()
    }

    pub(super) fn open(&mut self) -> Option<(i64, i64)> {
        if self.mode == Mode::Off {
            return None;
        }
        let since = self.now.before(WINDOW);
        let lost = self.losses.values().filter(|at| **at > since).count();
        let lost = i64::try_from(lost).unwrap();
        if lost == 0 || self.counted < since {
            let active = self
                .members
                .values()
                .filter(|it| it.status == Status::Active);
            self.active = i64::try_from(active.count()).unwrap();
            self.counted = self.now;
        }
        Some(((self.active * 10 / 100).max(5), lost))
    }

    /// Whether all that members have by these rules may end at once. What is had by something else as
    /// well, or is kept anyway, is no loss.
    pub(super) fn admits(&mut self, over: &BTreeSet<usize>) -> bool {
        if over.is_empty() {
            return true;
        }
        let Some((most, lost)) = self.open() else {
            return true;
        };
        let since = self.now.before(WINDOW);
        let losing: Vec<MemberId> = self.losing(&(over - &self.undone));
        let is_new = |id: &&MemberId| self.losses.get(*id).is_none_or(|at| *at <= since);
        let new = i64::try_from(losing.iter().filter(is_new).count()).unwrap();
        if self.mode == Mode::Hold && new > (most - lost).max(0) {
            return false;
        }
        self.losses.extend(losing.iter().map(|id| (*id, self.now)));
        true
    }

    pub(super) fn losing(&self, over: &BTreeSet<usize>) -> Vec<MemberId> {
        let is_losing = |member: &Member| {
            let gone = member.by_rule.iter();
            let mut gone = gone.filter(|(rule, had)| over.contains(rule) && !had.is_kept());
            gone.any(|(rule, _)| {
                let right = self.rules[*rule].says.right;
                let mut stays = member.by_rule.iter();
                let stays = stays.any(|(other, had)| {
                    let is_same = self.rules[*other].says.right == right;
                    is_same && (had.is_kept() || !over.contains(other))
                });
                !stays && !member.by_hand.contains_key(&right)
            })
        };
        let active = self.members.iter();
        let active = active.filter(|(_, member)| member.status == Status::Active);
        let losing = active.filter(|(_, member)| is_losing(member));
        losing.map(|(id, _)| *id).collect()
    }

    /// Of members who lose something, in order, those whose loss waits.
    pub(super) fn judge(
        &mut self,
        losing: &[MemberId],
        wants: Option<Status>,
    ) -> BTreeSet<MemberId> {
        // A new word about one for whom an admin lets it wait for good is judged anew.
        let is_waiting = |id: &&MemberId| {
            let member = &self.members[*id];
            let is_told = wants.is_none() || member.wants == wants;
            member
                .braked
                .is_some_and(|held| held.until.is_some() || is_told)
        };
        let (waiting, others): (Vec<MemberId>, Vec<MemberId>) = losing.iter().partition(is_waiting);
        let mut held: BTreeSet<MemberId> = waiting.into_iter().collect();
        if others.is_empty() {
            return held;
        }
        let Some((most, lost)) = self.open() else {
            return held;
        };
        let since = self.now.before(WINDOW);
        let mut room = most - lost;
        for id in others {
            if self.losses.get(&id).is_some_and(|at| *at > since) {
                continue;
            }
            room -= 1;
            if room >= 0 || self.mode == Mode::Alert {
                self.losses.insert(id, self.now);
            } else {
                let until = self.now.after(WINDOW);
                self.member(id).braked = Some(Held { until: Some(until) });
                held.insert(id);
            }
        }
        held
    }

    pub(super) fn holds(&mut self, id: MemberId, wants: Status) -> bool {
        let is_held = self.judge(&[id], Some(wants)).contains(&id);
        if is_held {
            self.member(id).wants = Some(wants);
        }
        is_held
    }

    pub(super) fn reverse(&mut self, id: MemberId) {
        let member = self.member(id);
        if member.wants.is_some() {
            member.wants = None;
            self.lift(id);
        }
    }

    pub(super) fn lift(&mut self, id: MemberId) {
        let member = self.member(id);
        if member.wants.is_none() && member.by_rule.values().all(|had| !had.is_braked) {
            member.braked = None;
        }
    }
}
