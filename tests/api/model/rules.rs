//! The rules: what they say, and what follows when they are others.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gatehouse::clock::Timestamp;
use gatehouse::ids::{MemberId, RuleId};
use gatehouse::workspace::profile::Say;

use super::brake::WINDOW;
use super::reference::{Had, User, World};

/// What a rule says: who is in all these groups gets this right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Says {
    pub(super) groups: BTreeSet<usize>,
    pub(super) right: usize,
    pub(super) enabled: bool,
    pub(super) priority: i64,
    /// Whether it is the last for whom it holds.
    pub(super) stop: bool,
    pub(super) from: Option<Timestamp>,
    pub(super) until: Option<Timestamp>,
}

/// What an admin says of a rule, new or there already.
#[derive(Debug, Clone, Default)]
pub(super) struct Edit {
    pub(super) groups: Option<BTreeSet<usize>>,
    pub(super) right: Option<usize>,
    pub(super) enabled: Option<bool>,
    pub(super) priority: Option<i64>,
    pub(super) stop: Option<bool>,
    /// In how many minutes it begins, and ends.
    pub(super) from: Say<u64>,
    pub(super) until: Say<u64>,
}

impl Edit {
    /// A time that is said.
    pub(super) fn time(said: &Say<u64>, now: Timestamp) -> Say<Timestamp> {
        match said {
            Say::Nothing => Say::Nothing,
            Say::Clear => Say::Clear,
            Say::Set(minutes) => Say::Set(now.after(Duration::from_mins(*minutes))),
        }
    }
}

/// A version of a rule: what one gives is not what the next one gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) id: RuleId,
    pub(super) says: Says,
    /// The groups that it is bound to, by what they are called there; it lives once all are.
    pub(super) bound: BTreeMap<usize, String>,
    pub(super) is_broken: bool,
    /// Whether another version is there instead, or none.
    pub(super) is_past: bool,
    /// Whether it waits for its run.
    pub(super) is_planned: bool,
    /// Since when there is this version.
    pub(super) since: Timestamp,
}

/// A run that waits.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) before: Option<usize>,
    /// What the rule is to say once it begins.
    after: Option<Rule>,
    /// Whose users it goes through, by its name there; else it is all of them.
    pub(super) group: Option<(usize, String)>,
    /// Whether the rule says already what it is to say.
    pub(super) is_begun: bool,
    /// The last user that it came to.
    position: Option<String>,
    /// The versions whose giving it undoes.
    undone: BTreeSet<usize>,
}

impl Rule {
    /// Whether another version says the same.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        let of = |rule: &Self| (rule.says.clone(), rule.bound.clone(), rule.is_broken);
        of(self) == of(other)
    }

    /// Whether it gives rights at that time.
    pub(super) fn is_live(&self, at: Timestamp) -> bool {
        let (from, until) = (self.says.from, self.says.until);
        let is_bound = !self.is_broken && self.bound.len() == self.says.groups.len();
        let is_time = from.is_none_or(|from| from <= at) && until.is_none_or(|until| until > at);
        self.says.enabled && is_bound && is_time && !self.is_past && !self.is_planned
    }
}

impl World {
    /// The versions that hold now.
    pub(super) fn current(&self) -> Vec<usize> {
        let all = self.rules.iter().enumerate();
        let current = all.filter(|(_, rule)| !rule.is_past);
        current.map(|(at, _)| at).collect()
    }

    /// What a rule is then, new or one that is there; none if it would end before it begins.
    pub(super) fn edited(&self, before: Result<usize, RuleId>, edit: &Edit) -> Option<Rule> {
        let mut rule = match before {
            Ok(at) => self.rules[at].clone(),
            Err(id) => Rule {
                id,
                says: Says {
                    groups: BTreeSet::new(),
                    right: 0,
                    enabled: true,
                    priority: 0,
                    stop: false,
                    from: None,
                    until: None,
                },
                bound: BTreeMap::new(),
                is_broken: false,
                is_past: false,
                is_planned: false,
                since: self.now,
            },
        };
        if let Some(groups) = &edit.groups {
            // Said anew it is bound anew.
            rule.says.groups.clone_from(groups);
            rule.bound.clear();
            self.bind(&mut rule);
            rule.is_broken = false;
        }
        let says = &mut rule.says;
        says.right = edit.right.unwrap_or(says.right);
        says.enabled = edit.enabled.unwrap_or(says.enabled);
        says.priority = edit.priority.unwrap_or(says.priority);
        says.stop = edit.stop.unwrap_or(says.stop);
        says.from = Edit::time(&edit.from, self.now).or(says.from.as_ref());
        says.until = Edit::time(&edit.until, self.now).or(says.until.as_ref());
        let times = says.from.zip(says.until);
        Some(rule).filter(|_| times.is_none_or(|(from, until)| from < until))
    }

    /// Binds a rule to those of its groups that are there and that it waits for.
    pub(super) fn bind(&self, rule: &mut Rule) {
        for at in &rule.says.groups {
            if let Some(group) = self.groups.get(at) {
                rule.bound.entry(*at).or_insert_with(|| group.id.clone());
            }
        }
    }

    /// A version takes the place of another one. Where many are concerned that is a run, which is given
    /// if it is to wait: what they gain begins with it, and what they lose is lost now.
    pub(super) fn replace(
        &mut self,
        before: Option<usize>,
        after: Option<Rule>,
    ) -> (bool, Option<Waiting>) {
        let now = self.now;
        let live_after = after.as_ref().filter(|rule| rule.is_live(now));
        let live = before.map(|at| &self.rules[at]);
        let live = live.filter(|rule| rule.is_live(now));
        let reach: BTreeSet<usize> = live
            .into_iter()
            .chain(live_after)
            .map(|rule| self.smallest(rule))
            .collect();
        let counts = reach.iter().map(|group| self.groups[group].users.len());
        let is_run = i64::try_from(counts.sum::<usize>()).unwrap() > self.threshold;
        let (is_gift, over) = (live_after.is_some(), before.into_iter().collect());
        if !is_run {
            self.write_over(before, after);
            let users = reach.iter().flat_map(|group| &self.groups[group].users);
            let members: BTreeSet<MemberId> = users.map(|user| self.users[user].member).collect();
            if !reach.is_empty() || !self.undone.is_empty() {
                self.unsettle();
                let members = &members | &self.keeping();
                self.settle(&members.into_iter().collect::<Vec<_>>());
            }
            self.undone.clear();
            self.end_at_once(&over);
            self.sweep();
            return (false, None);
        }
        let one = reach.first().copied().filter(|_| reach.len() == 1);
        let group = one.map(|group| (group, self.groups[&group].id.clone()));
        let mut waiting = Waiting {
            before,
            after: None,
            group,
            is_begun: !is_gift,
            position: None,
            undone: self.undone.clone(),
        };
        if is_gift {
            // A new rule is there and waits; one that is there says what it did.
            waiting.after = after.map(|rule| Rule {
                is_planned: before.is_none(),
                since: now,
                ..rule
            });
            if before.is_none() {
                self.rules.extend(waiting.after.clone());
            }
        } else {
            let ends_now = self.admits(&over);
            self.write_over(before, after);
            if ends_now {
                self.end_at_once(&over);
            }
            self.unsettle();
        }
        self.undone.clear();
        if self.pauses {
            return (true, Some(waiting));
        }
        self.go_on(&mut waiting);
        (true, None)
    }

    fn write_over(&mut self, before: Option<usize>, after: Option<Rule>) {
        if let Some(at) = before {
            self.rules[at].is_past = true;
        }
        let since = self.now;
        self.rules.extend(after.map(|rule| Rule { since, ..rule }));
    }

    /// A run is worked off.
    pub(super) fn go_on(&mut self, waiting: &mut Waiting) {
        while !self.go_on_a_bit(waiting) {}
        self.sweep();
    }

    /// The same by one bit, the beginning or a batch; tells whether that was the last one.
    pub(super) fn go_on_a_bit(&mut self, waiting: &mut Waiting) -> bool {
        self.undone.clone_from(&waiting.undone);
        if !waiting.is_begun {
            self.begin(waiting);
            self.undone.clear();
            waiting.is_begun = true;
            return false;
        }
        let mut users = self.ahead(waiting);
        users.sort_by(|one, other| one.id.cmp(&other.id));
        users.truncate(self.batch);
        let is_last = users.len() < self.batch;
        waiting.position = users
            .last()
            .map(|user| user.id.clone())
            .or(waiting.position.take());
        let mut members: BTreeSet<MemberId> = users.iter().map(|user| user.member).collect();
        if is_last {
            members.append(&mut self.keeping());
        }
        let is_one_kept = self.is_one_kept();
        self.settle(&members.into_iter().collect::<Vec<_>>());
        self.undone.clear();
        if is_last {
            self.end_at_once(&waiting.before.iter().copied().collect());
            if is_one_kept {
                self.let_kept_go();
            }
        }
        is_last
    }

    /// The rule says from now on what it is to say.
    fn begin(&mut self, waiting: &Waiting) {
        match (waiting.before, &waiting.after) {
            (None, Some(after)) => {
                let mut rules = self.rules.iter_mut();
                let is_it = |rule: &&mut Rule| rule.id == after.id && !rule.is_past;
                let rule = rules.find(|rule| is_it(rule) && rule.is_planned);
                if let Some(rule) = rule {
                    rule.is_planned = false;
                }
                self.unsettle();
            }
            (Some(at), Some(after)) => {
                let after = self.still(after);
                let gives_on =
                    after.is_live(self.now) && after.says.right == self.rules[at].says.right;
                let over = [at].into();
                let ends_now = !gives_on && self.admits(&over);
                self.write_over(Some(at), Some(after));
                if ends_now {
                    self.end_at_once(&over);
                }
                self.unsettle();
            }
            (_, None) => unreachable!("a run that gives nothing has begun"),
        }
    }

    /// Whom a run has yet to come to.
    pub(super) fn ahead(&self, waiting: &Waiting) -> Vec<&User> {
        let mut users = self.scope(waiting.group.as_ref());
        users.retain(|user| waiting.position.as_ref().is_none_or(|last| user.id > *last));
        users
    }

    /// The users whom a run goes through: those of a group, or all that there are.
    pub(super) fn scope(&self, group: Option<&(usize, String)>) -> Vec<&User> {
        let Some((at, id)) = group else {
            return self.users.values().collect();
        };
        let group = self.groups.get(at).filter(|group| group.id == *id);
        let users = group.into_iter().flat_map(|group| &group.users);
        users.map(|user| &self.users[user]).collect()
    }

    /// Settles the users of a group batch by batch, or all; then those versions are over.
    fn run(&mut self, group: Option<&(usize, String)>, over: &BTreeSet<usize>) {
        let mut users = self.scope(group);
        users.sort_by(|one, other| one.id.cmp(&other.id));
        let members: Vec<MemberId> = users.iter().map(|user| user.member).collect();
        self.batches(&members, over);
    }

    /// Settles members batch by batch; the last batch is not a whole one.
    pub(super) fn batches(&mut self, members: &[MemberId], over: &BTreeSet<usize>) {
        let whole = members.chunks_exact(self.batch);
        let rest = whole.remainder();
        for members in whole {
            self.settle(members);
        }
        let is_one_kept = self.is_one_kept();
        self.settle(rest);
        self.end_at_once(over);
        if is_one_kept {
            self.let_kept_go();
        }
    }

    /// Those for whom the brake keeps something that is undone.
    fn keeping(&self) -> BTreeSet<MemberId> {
        let is_undone = |(rule, had): (&usize, &Had)| had.is_braked && self.undone.contains(rule);
        let keeping = self.members.iter();
        let keeping = keeping.filter(|(_, member)| member.by_rule.iter().any(is_undone));
        keeping.map(|(id, _)| *id).collect()
    }

    pub(super) fn smallest(&self, rule: &Rule) -> usize {
        let count = |group: &&usize| self.groups[*group].users.len();
        *rule.says.groups.iter().min_by_key(count).unwrap()
    }

    /// Rules begin and end as time comes to now; tells how many. That one ends as was said long ago is
    /// nothing that the brake holds up.
    pub(super) fn turn(&mut self, before: Timestamp) -> (usize, usize) {
        let now = self.now;
        let has_come = |time: Option<Timestamp>| time.is_some_and(|at| at > before && at <= now);
        let current = self.current();
        let mut ended: Vec<usize> = current.clone();
        ended.retain(|at| has_come(self.rules[*at].says.until));
        ended.sort_unstable_by_key(|at| self.rules[*at].id);
        let mut begun = current;
        begun.retain(|at| has_come(self.rules[*at].says.from) && !ended.contains(at));
        let mut runs = Vec::new();
        for at in &ended {
            let over = [*at].into();
            if self.rules[*at].since <= now.before(WINDOW) {
                let losing = self.losing(&over);
                self.losses.extend(losing.iter().map(|id| (*id, now)));
            } else if !self.admits(&over) {
                runs.push(*at);
                continue;
            }
            self.end_at_once(&over);
        }
        if !ended.is_empty() || !begun.is_empty() {
            self.unsettle();
        }
        for at in runs {
            let rule = &self.rules[at];
            let bound = rule.bound.keys();
            let one = bound.copied().min_by_key(|at| self.groups[at].users.len());
            let group = one.map(|at| (at, self.groups[&at].id.clone()));
            self.run(group.as_ref(), &[at].into());
        }
        self.sweep();
        (begun.len(), ended.len())
    }

    /// The rules of those versions that give somebody rights who is in these groups, in their order:
    /// one that stops is the last.
    pub(super) fn in_order(
        mut rules: Vec<(usize, &Rule)>,
        is_in: impl Fn(&usize) -> bool,
    ) -> Vec<(usize, &Rule)> {
        rules.retain(|(_, rule)| rule.says.groups.iter().all(&is_in));
        rules.sort_by_key(|(_, rule)| (Reverse(rule.says.priority), rule.id));
        let last = rules.iter().position(|(_, rule)| rule.says.stop);
        rules.truncate(last.map_or(rules.len(), |last| last + 1));
        rules
    }
}
