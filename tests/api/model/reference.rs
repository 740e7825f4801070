//! What must be, told by a small model in memory: who is in, who has which right, and of whom the brake
//! keeps what.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse::admission::brake::Mode;
use gatehouse::admission::exit::Leaving;
use gatehouse::clock::Timestamp;
use gatehouse::ids::MemberId;
use gatehouse::workspace::members::Status;
use gatehouse::workspace::seats::{Limit, SeatPolicy, SeatRelease};

use super::arrivals::At;
use super::plans::{Plan, Run};
use super::rules::Rule;

/// A User of the directory.
#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) id: String,
    pub(super) active: bool,
    pub(super) member: MemberId,
}

/// A group, with the places of its users.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) id: String,
    pub(super) users: BTreeSet<usize>,
}

/// That the brake keeps something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    /// Until when; none while it waits for an admin.
    pub(super) until: Option<Timestamp>,
}

/// What a member has by a rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Had {
    pub(super) since: Timestamp,
    /// Whether the brake keeps it.
    pub(super) is_braked: bool,
    /// Whether it is kept for the last admin.
    pub(super) is_last: bool,
}

impl Had {
    pub(super) fn since(since: Timestamp) -> Self {
        Self {
            since,
            is_braked: false,
            is_last: false,
        }
    }

    /// Whether it is kept although no rule gives it any more.
    pub(super) fn is_kept(self) -> bool {
        self.is_braked || self.is_last
    }
}

/// What settling changes for a member.
#[derive(Debug, Default)]
pub(super) struct Difference {
    wanted: BTreeSet<usize>,
    pub(super) begun: BTreeSet<usize>,
    pub(super) ended: Vec<usize>,
    /// Whether the brake keeps something that is wanted again.
    pub(super) is_regained: bool,
}

impl Difference {
    pub(super) fn is_nothing(&self) -> bool {
        self.begun.is_empty() && self.ended.is_empty() && !self.is_regained
    }
}

/// A member.
#[derive(Debug, Clone)]
pub(super) struct Member {
    /// The place of the person in the directory.
    pub(super) place: usize,
    pub(super) status: Status,
    /// Since when it waits for a seat.
    pub(super) waits: Option<Timestamp>,
    /// Whether an admin shut it out.
    pub(super) barred: bool,
    pub(super) protected: bool,
    /// What it has by which rule.
    pub(super) by_rule: BTreeMap<usize, Had>,
    /// What it was given by hand, and when.
    pub(super) by_hand: BTreeMap<usize, Timestamp>,
    /// What was given by hand and waits for a proof of who that is.
    pub(super) set_aside: BTreeSet<usize>,
    /// What was given by hand and ended with a directory, whose end may be undone.
    pub(super) ended_with: BTreeSet<usize>,
    /// What the brake keeps.
    pub(super) braked: Option<Held>,
    /// The status that waits.
    pub(super) wants: Option<Status>,
}

impl Member {
    pub(super) fn new(place: usize, status: Status) -> Self {
        Self {
            place,
            status,
            waits: None,
            barred: false,
            protected: false,
            by_rule: BTreeMap::new(),
            by_hand: BTreeMap::new(),
            set_aside: BTreeSet::new(),
            ended_with: BTreeSet::new(),
            braked: None,
            wants: None,
        }
    }
}

/// The whole world.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) users: BTreeMap<usize, User>,
    /// Those of another directory, which has no groups.
    pub(super) hr: BTreeMap<usize, User>,
    pub(super) groups: BTreeMap<usize, Group>,
    pub(super) rules: Vec<Rule>,
    pub(super) members: BTreeMap<MemberId, Member>,
    /// Who was deleted in a directory.
    pub(super) buried: BTreeMap<At, Vec<MemberId>>,
    /// Whom creates met who were members of another way, and whom an admin said them to be.
    pub(super) conflicts: BTreeMap<At, MemberId>,
    pub(super) adopted: BTreeMap<At, MemberId>,
    /// What becomes of members, if the second directory ended; its Users by then, and those that an
    /// undoing left without a member.
    pub(super) ended: Option<Leaving>,
    pub(super) former: BTreeMap<usize, User>,
    pub(super) strays: BTreeSet<usize>,
    pub(super) mode: Mode,
    pub(super) losses: BTreeMap<MemberId, Timestamp>,
    /// How many were active when they were counted last, and when that was.
    pub(super) active: i64,
    pub(super) counted: Timestamp,
    pub(super) threshold: i64,
    pub(super) batch: usize,
    pub(super) limit: Limit,
    pub(super) plans: Vec<Plan>,
    pub(super) runs: Vec<Run>,
    /// The versions of rules whose giving is undone just now: what they gave ends in spite of the brake.
    pub(super) undone: BTreeSet<usize>,
    /// Whether runs that are planned are paused at once.
    pub(super) pauses: bool,
    /// The versions whose grants have no effect any more unless they are kept.
    pub(super) over: BTreeSet<usize>,
    /// Who was not settled since the rules changed.
    unsettled: BTreeSet<MemberId>,
}

impl World {
    pub(super) fn new(now: Timestamp, threshold: i64, batch: usize) -> Self {
        Self {
            now,
            users: BTreeMap::new(),
            hr: BTreeMap::new(),
            groups: BTreeMap::new(),
            rules: Vec::new(),
            members: BTreeMap::new(),
            buried: BTreeMap::new(),
            conflicts: BTreeMap::new(),
            adopted: BTreeMap::new(),
            ended: None,
            former: BTreeMap::new(),
            strays: BTreeSet::new(),
            mode: Mode::Hold,
            losses: BTreeMap::new(),
            active: 0,
            counted: Timestamp(0),
            threshold,
            batch,
            limit: Limit {
                seat_limit: None,
                seat_policy: SeatPolicy::Refuse,
                seat_release: SeatRelease::OnSuspend,
                seat_grace: 0,
                seat_contact: None,
            },
            plans: Vec::new(),
            runs: Vec::new(),
            undone: BTreeSet::new(),
            pauses: false,
            over: BTreeSet::new(),
            unsettled: BTreeSet::new(),
        }
    }

    /// The rights that members have, of those who have any.
    pub(super) fn rights(&self) -> BTreeMap<MemberId, BTreeSet<usize>> {
        let members = self.members.iter().filter(|(_, member)| member.is_in());
        let rights = members.map(|(id, member)| {
            let by_rule = member.by_rule.keys();
            let by_rule = by_rule.map(|rule| self.rules[*rule].says.right);
            (*id, by_rule.chain(member.by_hand.keys().copied()).collect())
        });
        rights
            .filter(|(_, rights): &(_, BTreeSet<usize>)| !rights.is_empty())
            .collect()
    }

    pub(super) fn member(&mut self, id: MemberId) -> &mut Member {
        self.members.get_mut(&id).unwrap()
    }

    // What directories do.

    pub(super) fn create_group(&mut self, place: usize, group: Group) {
        let (users, id) = (group.users.clone(), group.id.clone());
        self.groups.insert(place, group);
        for rule in &mut self.rules {
            let is_waiting = !rule.bound.contains_key(&place) && !rule.is_broken;
            if is_waiting && !rule.is_past && rule.says.groups.contains(&place) {
                rule.bound.insert(place, id.clone());
            }
        }
        self.settle_users(place, &users);
    }

    /// Whether users may be put into a group and others taken out: what is aimed at one alone, of whom a
    /// role would have to be kept, is refused.
    pub(super) fn may_set_members(
        &self,
        place: usize,
        users: &BTreeSet<usize>,
        named: &BTreeSet<usize>,
    ) -> bool {
        let mut gone = self.groups[&place].users.difference(users);
        let (Some(one), None) = (gone.next(), gone.next()) else {
            return true;
        };
        let id = self.users[one].member;
        let kept = |world: &Self| -> BTreeSet<usize> {
            let had = world.members[&id].by_rule.iter();
            let kept = had.filter(|(_, had)| had.is_last);
            kept.map(|(rule, _)| *rule).collect()
        };
        let mut tried = self.clone();
        tried.set_members(place, users.clone(), named);
        kept(&tried).is_subset(&kept(self))
    }

    /// Puts users into a group and takes others out. A request that does so settles all whom it names.
    pub(super) fn set_members(
        &mut self,
        place: usize,
        users: BTreeSet<usize>,
        named: &BTreeSet<usize>,
    ) {
        let group = self.groups.get_mut(&place).unwrap();
        let changed: BTreeSet<usize> = &group.users ^ &users;
        group.users = users;
        if !changed.is_empty() {
            self.settle_users(place, &(&changed | named));
        }
    }

    pub(super) fn delete_group(&mut self, place: usize) {
        let group = self.groups.remove(&place).unwrap();
        let mut users: Vec<&User> = group.users.iter().map(|user| &self.users[user]).collect();
        users.sort_by(|one, other| one.id.cmp(&other.id));
        let members: Vec<MemberId> = users.iter().map(|user| user.member).collect();
        let mut broken = BTreeSet::new();
        for (at, rule) in self.rules.iter_mut().enumerate() {
            if rule.bound.contains_key(&place) && !rule.is_broken && !rule.is_past {
                rule.is_broken = true;
                broken.insert(at);
            }
        }
        if self.admits(&broken) {
            self.end_at_once(&broken);
        }
        if !broken.is_empty() {
            self.unsettle();
        }
        if i64::try_from(members.len()).unwrap() > self.threshold {
            self.batches(&members, &broken);
        } else {
            self.settle(&members);
            self.end_at_once(&broken);
        }
        self.sweep();
    }

    // What follows.

    pub(super) fn wanted(&self, id: MemberId) -> BTreeSet<usize> {
        let Some((place, _)) = self.users.iter().find(|(_, user)| user.member == id) else {
            return BTreeSet::new();
        };
        let is_in = |group: &usize| self.groups[group].users.contains(place);
        let held = Self::in_order(self.live().collect(), is_in);
        held.into_iter().map(|(at, _)| at).collect()
    }

    /// The rules that give rights now.
    pub(super) fn live(&self) -> impl Iterator<Item = (usize, &Rule)> {
        let all = self.rules.iter().enumerate();
        all.filter(|(_, rule)| rule.is_live(self.now))
    }

    fn settle_users(&mut self, group: usize, users: &BTreeSet<usize>) {
        let mut live = self.live();
        let is_looked_at = live.any(|(_, rule)| rule.says.groups.contains(&group));
        drop(live);
        if is_looked_at {
            let members = users.iter().map(|user| self.users[user].member);
            self.settle(&members.collect::<Vec<_>>());
        }
    }

    /// The rules are others: everybody is to be held against them.
    pub(super) fn unsettle(&mut self) {
        self.unsettled = self.members.keys().copied().collect();
    }

    pub(super) fn is_unsettled(&mut self, id: MemberId) {
        self.unsettled.insert(id);
    }

    /// Whoever is not settled is, but for those whom a run that waits has yet to come to: batch by batch,
    /// and again while that leaves somebody to be settled. Once all are, whoever is kept as the last admin
    /// is looked at again.
    pub(super) fn sweep(&mut self) {
        loop {
            while self.sweep_once() {}
            if !self.unsettled.is_empty() {
                return;
            }
            self.let_kept_go();
            if self.unsettled.is_empty() {
                return;
            }
        }
    }

    fn sweep_once(&mut self) -> bool {
        let waiting = self.runs.iter().filter_map(|run| run.waiting.as_ref());
        let begun = waiting.filter(|waiting| waiting.is_begun);
        let ahead = begun.flat_map(|waiting| self.ahead(waiting));
        let ahead: BTreeSet<MemberId> = ahead.map(|user| user.member).collect();
        let rest: Vec<MemberId> = self.unsettled.difference(&ahead).copied().collect();
        for members in rest.chunks(self.batch) {
            self.settle(members);
        }
        !rest.is_empty()
    }

    pub(super) fn is_swept(&self, id: MemberId) -> bool {
        !self.unsettled.contains(&id)
    }

    pub(super) fn is_settled(&mut self, id: MemberId) {
        self.unsettled.remove(&id);
    }

    /// Rules are held against members; what those lose, against the brake.
    pub(super) fn settle(&mut self, members: &[MemberId]) {
        self.settle_as(members, false);
    }

    /// The same; freely, if the brake has let go of it.
    pub(super) fn settle_as(&mut self, members: &[MemberId], freely: bool) {
        let mut differences = BTreeMap::new();
        for id in members {
            self.is_settled(*id);
            let difference = self.difference(*id);
            if !difference.is_nothing() {
                differences.insert(*id, difference);
            }
        }
        let expects = self.expects_another(&differences);
        self.keep_admin(&mut differences);
        let lost = differences.iter().map(|(id, it)| (*id, self.lost(*id, it)));
        let lost: BTreeMap<MemberId, BTreeSet<usize>> = lost.collect();
        let losing = lost.iter().filter(|(id, lost)| {
            let is_active = self.members[*id].status == Status::Active;
            is_active && !lost.is_empty() && !freely
        });
        let losing: Vec<MemberId> = losing.map(|(id, _)| *id).collect();
        let held = self.judge(&losing, None);
        for (id, difference) in differences {
            let is_held = held.contains(&id);
            let rights = self.rights_of(&difference.wanted);
            let now = self.now;
            let again = difference.ended.iter().copied();
            let again = again.filter(|rule| {
                rights.contains(&self.rules[*rule].says.right) || self.undone.contains(rule)
            });
            let again: BTreeSet<usize> = again.collect();
            let member = self.member(id);
            let is_active = member.status == Status::Active;
            for rule in difference.ended {
                let had = member.by_rule.get_mut(&rule).unwrap();
                if is_held && lost[&id].contains(&rule) {
                    had.is_braked = true;
                } else if !(had.is_braked && is_active) || again.contains(&rule) {
                    // What the member has again by another rule, or had by mistake, is kept no longer.
                    member.by_rule.remove(&rule);
                }
            }
            for rule in difference.wanted {
                let had = member.by_rule.entry(rule).or_insert(Had::since(now));
                had.is_braked = false;
            }
            if member.braked.is_some() && !is_held && is_active {
                self.lift(id);
            }
        }
        if expects {
            self.let_kept_go();
        }
    }

    fn difference(&self, id: MemberId) -> Difference {
        let wanted = self.wanted(id);
        let member = &self.members[&id];
        let has = &member.by_rule;
        let ended = has.keys().filter(|rule| !wanted.contains(rule));
        let ended = ended.copied().collect();
        let is_regained = |(rule, had): (&usize, &Had)| had.is_braked && wanted.contains(rule);
        let is_regained = has.iter().any(is_regained);
        let begun = wanted.iter().filter(|rule| !has.contains_key(rule));
        Difference {
            begun: begun.copied().collect(),
            ended,
            is_regained,
            wanted,
        }
    }

    fn rights_of(&self, rules: &BTreeSet<usize>) -> BTreeSet<usize> {
        let rights = rules.iter().map(|rule| self.rules[*rule].says.right);
        rights.collect()
    }

    /// By which rules that end a member loses what it has. What is kept of the member anyway, or had by
    /// hand, is no loss.
    fn lost(&self, id: MemberId, difference: &Difference) -> BTreeSet<usize> {
        let member = &self.members[&id];
        let rights = self.rights_of(&difference.wanted);
        let lost = difference.ended.iter().copied().filter(|rule| {
            let right = self.rules[*rule].says.right;
            let mut stays = member.by_rule.iter();
            let stays = stays.any(|(other, had)| {
                let is_undone = self.undone.contains(other) && difference.ended.contains(other);
                had.is_kept() && !is_undone && self.rules[*other].says.right == right
            });
            let is_had = rights.contains(&right) || member.by_hand.contains_key(&right);
            !stays && !is_had && !self.undone.contains(rule)
        });
        lost.collect()
    }

    pub(super) fn end_all(&mut self, id: MemberId) {
        let member = self.member(id);
        member.by_hand.clear();
        member.set_aside.clear();
        member.ended_with.clear();
        if member.braked.is_some() {
            member.by_rule.clear();
            member.braked = None;
            member.wants = None;
        }
    }
}
