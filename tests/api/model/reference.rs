//! What must be, told by a small model in memory: who is in, who has which team, and of whom the brake
//! keeps what.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse::admission::brake::Mode;
use gatehouse::clock::Timestamp;
use gatehouse::ids::MemberId;
use gatehouse::workspace::members::Status;

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

/// A rule: who is in all these groups gets this team.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    groups: BTreeSet<usize>,
    /// The groups that it is bound to; it lives once all are.
    bound: BTreeSet<usize>,
    team: usize,
    is_broken: bool,
}

impl Rule {
    fn is_live(&self) -> bool {
        !self.is_broken && self.bound == self.groups
    }
}

/// That the brake keeps something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    /// Until when; none while it waits for an admin.
    pub(super) until: Option<Timestamp>,
}

/// A member.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) status: Status,
    pub(super) barred: bool,
    /// By rule, and whether the brake keeps it.
    pub(super) by_rule: BTreeMap<usize, bool>,
    by_hand: BTreeSet<usize>,
    /// What the brake keeps.
    pub(super) braked: Option<Held>,
    /// The status that waits.
    pub(super) wants: Option<Status>,
}

/// The whole world.
#[derive(Debug)]
pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) users: BTreeMap<usize, User>,
    pub(super) groups: BTreeMap<usize, Group>,
    pub(super) rules: Vec<Rule>,
    pub(super) members: BTreeMap<MemberId, Member>,
    /// Who was deleted in the directory, by the place in it.
    buried: BTreeMap<usize, MemberId>,
    pub(super) mode: Mode,
    pub(super) losses: BTreeMap<MemberId, Timestamp>,
    /// How many were active when they were counted last, and when that was.
    pub(super) active: i64,
    pub(super) counted: Timestamp,
    threshold: i64,
    batch: usize,
}

impl World {
    pub(super) fn new(now: Timestamp, threshold: i64, batch: usize) -> Self {
        Self {
            now,
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
            rules: Vec::new(),
            members: BTreeMap::new(),
            buried: BTreeMap::new(),
            mode: Mode::Hold,
            losses: BTreeMap::new(),
            active: 0,
            counted: Timestamp(0),
            threshold,
            batch,
        }
    }

    /// The teams that members have, of those who have any.
    pub(super) fn teams(&self) -> BTreeMap<MemberId, BTreeSet<usize>> {
        let members = self.members.iter();
        let members = members.filter(|(_, member)| member.status == Status::Active);
        let teams = members.map(|(id, member)| {
            let by_rule = member.by_rule.keys().map(|rule| self.rules[*rule].team);
            (*id, by_rule.chain(member.by_hand.iter().copied()).collect())
        });
        teams
            .filter(|(_, teams): &(_, BTreeSet<usize>)| !teams.is_empty())
            .collect()
    }

    pub(super) fn member(&mut self, id: MemberId) -> &mut Member {
        self.members.get_mut(&id).unwrap()
    }

    // What directories do.

    /// Whoever is made anew under the same id of the IdP; none if that is somebody new.
    pub(super) fn returning(&self, place: usize) -> Option<MemberId> {
        self.buried.get(&place).copied()
    }

    pub(super) fn create(&mut self, place: usize, user: User) {
        let (id, active) = (user.member, user.active);
        self.users.insert(place, user);
        if self.buried.remove(&place).is_none() {
            let status = if active {
                Status::Active
            } else {
                Status::Suspended
            };
            let member = Member {
                status,
                barred: false,
                by_rule: BTreeMap::new(),
                by_hand: BTreeSet::new(),
                braked: None,
                wants: None,
            };
            self.members.insert(id, member);
        } else if !active || self.members[&id].barred {
            if self.members[&id].status != Status::Active || !self.holds(id, Status::Suspended) {
                self.reverse(id);
                self.member(id).status = Status::Suspended;
            }
        } else {
            self.reverse(id);
            self.member(id).status = Status::Active;
        }
    }

    pub(super) fn set_active(&mut self, place: usize, active: bool) {
        let user = self.users.get_mut(&place).unwrap();
        if user.active == active {
            return;
        }
        user.active = active;
        let id = user.member;
        let is_in = active && !self.members[&id].barred;
        if is_in {
            self.reverse(id);
            self.member(id).status = Status::Active;
        } else if self.members[&id].status == Status::Active && !self.holds(id, Status::Suspended) {
            self.member(id).status = Status::Suspended;
        }
    }

    pub(super) fn delete(&mut self, place: usize) {
        let user = self.users.remove(&place).unwrap();
        for group in self.groups.values_mut() {
            group.users.remove(&place);
        }
        self.buried.insert(place, user.member);
        let is_held = self.members[&user.member].status == Status::Active
            && self.holds(user.member, Status::Removed);
        if !is_held {
            self.member(user.member).status = Status::Removed;
        }
        self.settle(&[user.member]);
        if !is_held {
            self.end_all(user.member);
        }
    }

    pub(super) fn create_group(&mut self, place: usize, group: Group) {
        let users = group.users.clone();
        self.groups.insert(place, group);
        for rule in &mut self.rules {
            if rule.groups.contains(&place) {
                rule.bound.insert(place);
            }
        }
        self.settle_users(place, &users);
    }

    /// Puts users into a group and takes others out.
    pub(super) fn set_members(&mut self, place: usize, users: BTreeSet<usize>) {
        let group = self.groups.get_mut(&place).unwrap();
        let changed = group.users.symmetric_difference(&users).copied().collect();
        group.users = users;
        self.settle_users(place, &changed);
    }

    pub(super) fn delete_group(&mut self, place: usize) {
        let group = self.groups.remove(&place).unwrap();
        let mut users: Vec<&User> = group.users.iter().map(|user| &self.users[user]).collect();
        users.sort_by(|one, other| one.id.cmp(&other.id));
        let members: Vec<MemberId> = users.iter().map(|user| user.member).collect();
        let mut broken = BTreeSet::new();
        for (at, rule) in self.rules.iter_mut().enumerate() {
            if rule.bound.contains(&place) && !rule.is_broken {
                rule.is_broken = true;
                broken.insert(at);
            }
        }
        if !broken.is_empty() && self.admits(&members) {
            // All that it gave ends at once.
            for member in self.members.values_mut() {
                member
                    .by_rule
                    .retain(|rule, kept| *kept || !broken.contains(rule));
            }
        }
        let is_run = i64::try_from(members.len()).unwrap() > self.threshold;
        let batch = if is_run {
            self.batch
        } else {
            members.len().max(1)
        };
        for members in members.chunks(batch) {
            self.settle(members);
        }
        if !broken.is_empty() {
            self.sweep();
        }
    }

    // What admins do.

    pub(super) fn add_rule(&mut self, groups: BTreeSet<usize>, team: usize) {
        let bound: BTreeSet<usize> = groups
            .iter()
            .copied()
            .filter(|at| self.groups.contains_key(at))
            .collect();
        self.rules.push(Rule {
            groups,
            bound,
            team,
            is_broken: false,
        });
        self.sweep();
    }

    pub(super) fn suspend(&mut self, id: MemberId) {
        let member = self.member(id);
        member.barred = true;
        member.status = Status::Suspended;
    }

    /// Whether an admin may let the member in: its directory must not say otherwise.
    pub(super) fn activate(&mut self, id: MemberId) -> bool {
        let user = self.users.values().find(|user| user.member == id);
        let is_out = user.is_some_and(|user| !user.active);
        let member = self.member(id);
        if member.status == Status::Active {
            return true;
        }
        if member.status == Status::Removed {
            return false;
        }
        if !is_out {
            member.barred = false;
            member.status = Status::Active;
        }
        !is_out
    }

    pub(super) fn give(&mut self, id: MemberId, team: usize) {
        self.member(id).by_hand.insert(team);
    }

    pub(super) fn take(&mut self, id: MemberId, team: usize) -> bool {
        self.member(id).by_hand.remove(&team)
    }

    // What follows.

    pub(super) fn wanted(&self, id: MemberId) -> BTreeSet<usize> {
        let Some((place, _)) = self.users.iter().find(|(_, user)| user.member == id) else {
            return BTreeSet::new();
        };
        let rules = self
            .rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| rule.is_live());
        let rules = rules.filter(|(_, rule)| {
            let mut groups = rule.groups.iter();
            groups.all(|group| self.groups[group].users.contains(place))
        });
        rules.map(|(at, _)| at).collect()
    }

    fn settle_users(&mut self, group: usize, users: &BTreeSet<usize>) {
        if self
            .rules
            .iter()
            .any(|rule| rule.is_live() && rule.groups.contains(&group))
        {
            let members = users.iter().map(|user| self.users[user].member);
            self.settle(&members.collect::<Vec<_>>());
        }
    }

    fn sweep(&mut self) {
        let all: Vec<MemberId> = self.members.keys().copied().collect();
        self.settle(&all);
    }

    fn settle(&mut self, members: &[MemberId]) {
        let mut members = members.to_vec();
        members.sort_unstable();
        let mut differences = BTreeMap::new();
        let mut losing = Vec::new();
        for id in &members {
            let wanted = self.wanted(*id);
            let member = &self.members[id];
            let teams: BTreeSet<usize> = wanted.iter().map(|rule| self.rules[*rule].team).collect();
            let ended = member
                .by_rule
                .iter()
                .filter(|(rule, _)| !wanted.contains(rule));
            let ended: Vec<(usize, bool)> = ended.map(|(rule, kept)| (*rule, *kept)).collect();
            let lost = ended
                .iter()
                .filter(|(rule, kept)| !kept && !teams.contains(&self.rules[*rule].team));
            let lost: BTreeSet<usize> = lost.map(|(rule, _)| *rule).collect();
            let is_regained = member
                .by_rule
                .iter()
                .any(|(rule, kept)| *kept && wanted.contains(rule));
            let begins = wanted.iter().any(|rule| !member.by_rule.contains_key(rule));
            if member.status == Status::Active && !lost.is_empty() {
                losing.push(*id);
            }
            if !ended.is_empty() || is_regained || begins {
                // What the member has again by another rule.
                let again = ended.iter().map(|(rule, _)| *rule);
                let again = again.filter(|rule| teams.contains(&self.rules[*rule].team));
                let again: BTreeSet<usize> = again.collect();
                differences.insert(*id, (wanted, ended, lost, again));
            }
        }
        let held = self.judge(&losing, None);
        for (id, (wanted, ended, lost, again)) in differences {
            let is_held = held.contains(&id);
            let member = self.member(id);
            let is_active = member.status == Status::Active;
            for (rule, kept) in ended {
                if is_held && lost.contains(&rule) {
                    member.by_rule.insert(rule, true);
                } else if !(kept && is_active) || again.contains(&rule) {
                    member.by_rule.remove(&rule);
                }
            }
            member
                .by_rule
                .extend(wanted.into_iter().map(|rule| (rule, false)));
            if member.braked.is_some() && !is_held && is_active {
                self.lift(id);
            }
        }
    }

    pub(super) fn end_all(&mut self, id: MemberId) {
        let member = self.member(id);
        member.by_hand.clear();
        if member.braked.is_some() {
            member.by_rule.clear();
            member.braked = None;
            member.wants = None;
        }
    }
}
