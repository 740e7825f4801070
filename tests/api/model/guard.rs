//! Whom the workspace keeps as an admin where nobody would be one any more.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use gatehouse::clock::Timestamp;
use gatehouse::ids::MemberId;
use gatehouse::workspace::members::Status;

use super::reference::{Difference, Had, Member, World};
use super::{ADMIN, ROLE};

/// What makes somebody an admin: since when, whom, and the rule that does, if one does.
type Admin = (Timestamp, MemberId, Option<usize>);

fn is_role(right: usize) -> bool {
    matches!(right, ADMIN | ROLE)
}

impl World {
    /// What makes members admins of whom that holds; who has been one longest comes first.
    fn admins(&self, holds: impl Fn(&Member) -> bool) -> Vec<Admin> {
        let active = self.members.iter();
        let active = active.filter(|(_, it)| it.status == Status::Active && holds(it));
        let mut admins = Vec::new();
        for (id, member) in active {
            let by_rule = member.by_rule.iter();
            let by_rule = by_rule.filter(|(rule, _)| self.makes_admins(**rule));
            admins.extend(by_rule.map(|(rule, had)| (had.since, *id, Some(*rule))));
            let by_hand = member.by_hand.get(&ADMIN);
            admins.extend(by_hand.map(|since| (*since, *id, None)));
        }
        admins.sort_unstable();
        admins
    }

    /// The same of those who count: who are in, or where nobody is who waits for a seat.
    pub(super) fn counted_admins(&self) -> Vec<Admin> {
        let admins = self.admins(Member::is_in);
        if admins.is_empty() {
            return self.admins(|_| true);
        }
        admins
    }

    fn makes_admins(&self, rule: usize) -> bool {
        self.rules[rule].says.right == ADMIN
    }

    pub(super) fn is_admin(&self, id: MemberId) -> bool {
        self.admins(|_| true).iter().any(|(_, who, _)| *who == id)
    }

    pub(super) fn has_other_admin(&self, id: MemberId) -> bool {
        let waits = self.members[&id].waits.is_some();
        let others = self.admins(|other| waits || other.is_in());
        others.iter().any(|(_, who, _)| *who != id)
    }

    /// Members who leave one after the other: the admins at the end, the longest at the very end.
    pub(super) fn one_by_one(&self, ids: &[MemberId]) -> Vec<MemberId> {
        let admins = self.admins(|_| true);
        let place = |id: &MemberId| {
            let place = admins.iter().position(|(_, who, _)| who == id);
            Reverse(place.unwrap_or(usize::MAX))
        };
        let mut ids = ids.to_vec();
        ids.sort_by_key(|id| (place(id), *id));
        ids
    }

    /// Whether rules may make an admin while one is kept.
    pub(super) fn expects_another(&self, differences: &BTreeMap<MemberId, Difference>) -> bool {
        self.is_one_kept()
            && differences.values().any(|it| {
                let mut begun = it.begun.iter();
                it.is_regained || begun.any(|rule| is_role(self.rules[*rule].says.right))
            })
    }

    pub(super) fn is_one_kept(&self) -> bool {
        self.kept_admins().next().is_some()
    }

    /// Who is kept as an admin.
    pub(super) fn kept_admins(&self) -> impl Iterator<Item = MemberId> {
        let kept = self.members.iter();
        let kept = kept.filter(|(_, member)| member.by_rule.values().any(|had| had.is_last));
        kept.map(|(id, _)| *id)
    }

    /// Takes out of what ends what protected admins have, and what the last one has.
    pub(super) fn keep_admin(&mut self, differences: &mut BTreeMap<MemberId, Difference>) {
        let ending = differences.iter().flat_map(|(id, it)| {
            let ended = it.ended.iter().copied();
            ended.map(|rule| (*id, rule))
        });
        let ending = ending.filter(|(_, rule)| self.makes_admins(*rule));
        let ending: BTreeSet<(MemberId, usize)> = ending.collect();
        if ending.is_empty() {
            return;
        }
        let mut is_kept_in = false;
        for (id, rule) in &ending {
            let member = &self.members[id];
            if member.protected {
                is_kept_in |= member.is_in();
                self.keep_one((*id, *rule), differences);
            }
        }
        let begins = differences.iter().any(|(id, it)| {
            let mut begun = it.begun.iter();
            self.members[id].is_in() && begun.any(|rule| self.makes_admins(*rule))
        });
        if is_kept_in || begins {
            return;
        }
        let admins = self.counted_admins();
        let ends = |(_, id, rule): &&Admin| rule.is_some_and(|rule| ending.contains(&(*id, rule)));
        let (going, staying): (Vec<&Admin>, Vec<&Admin>) = admins.iter().partition(ends);
        let stays = |(_, id, rule): &&Admin| {
            let member = &self.members[id];
            let is_kept = rule.is_none_or(|rule| member.by_rule[&rule].is_last);
            let mut wanted = self.wanted(*id).into_iter();
            is_kept || member.protected || wanted.any(|rule| self.makes_admins(rule))
        };
        if going.is_empty() || staying.iter().any(stays) {
            return;
        }
        if let (_, id, Some(rule)) = admins[0] {
            self.keep_one((id, rule), differences);
        }
    }

    fn keep_one(
        &mut self,
        (id, rule): (MemberId, usize),
        differences: &mut BTreeMap<MemberId, Difference>,
    ) {
        if let Some(difference) = differences.get_mut(&id) {
            difference.ended.retain(|ended| *ended != rule);
            if difference.is_nothing() {
                differences.remove(&id);
            }
        }
        let had = self.member(id).by_rule.get_mut(&rule).unwrap();
        had.is_last |= !had.is_braked;
    }

    /// All that rules gave ends, but what is kept: what the brake keeps, what protected admins have, and
    /// what the last one has.
    pub(super) fn end_at_once(&mut self, over: &BTreeSet<usize>) {
        self.over.extend(over);
        let admins: BTreeSet<usize> = over
            .iter()
            .copied()
            .filter(|rule| self.makes_admins(*rule))
            .collect();
        let mut ended: Vec<Admin> = Vec::new();
        for (id, member) in &mut self.members {
            let (is_active, protected) = (member.status == Status::Active, member.protected);
            member.by_rule.retain(|rule, had| {
                if had.is_kept() || !over.contains(rule) {
                    return true;
                }
                had.is_last = protected && admins.contains(rule);
                if !had.is_last && is_active && admins.contains(rule) {
                    ended.push((had.since, *id, Some(*rule)));
                }
                had.is_last
            });
        }
        ended.sort_unstable();
        for with_waiting in [false, true] {
            let counts = |member: &Member| with_waiting || member.is_in();
            if !self.admins(counts).is_empty() {
                return;
            }
            let mut counted = ended.iter();
            if let Some((since, id, Some(rule))) =
                counted.find(|(_, id, _)| counts(&self.members[id]))
            {
                let had = Had {
                    is_last: true,
                    ..Had::since(*since)
                };
                self.member(*id).by_rule.insert(*rule, had);
                return;
            }
        }
    }

    /// Whether there is one who stays one: who is still to be settled may be about to lose the role.
    fn has_lasting_admin(&self) -> bool {
        self.admins(Member::is_in).iter().any(|(_, id, rule)| {
            let member = &self.members[id];
            let lasts = |rule: usize| !member.by_rule[&rule].is_kept() && self.is_swept(*id);
            member.protected || rule.is_none_or(lasts)
        })
    }

    /// Who is kept is kept no longer, once another one is an admin and stays one.
    pub(super) fn let_kept_go(&mut self) {
        let kept: Vec<MemberId> = self.kept_admins().collect();
        if kept.is_empty() || !self.has_lasting_admin() {
            return;
        }
        for id in kept {
            if self.members[&id].protected {
                continue;
            }
            let over = self.over.clone();
            self.member(id).by_rule.retain(|rule, had| {
                let is_over = std::mem::take(&mut had.is_last) && over.contains(rule);
                !is_over
            });
            self.is_unsettled(id);
        }
    }

    /// After all is done nobody is kept as the last admin beside one who lasts. While a run waits, those
    /// by rules may be about to lose the role by it.
    pub(super) fn check_kept(&self) {
        let mut kept = self.kept_admins();
        if !kept.any(|id| !self.members[&id].protected) {
            return;
        }
        let mut waiting = self.runs.iter().filter_map(|run| run.waiting.as_ref());
        if !waiting.any(|waiting| waiting.is_begun) {
            assert!(!self.has_lasting_admin());
        }
        for (_, id, rule) in self.admins(Member::is_in) {
            assert!(rule.is_some() && !self.members[&id].protected);
        }
    }
}
