//! The rules: what the model says of them, and how they are written.

use std::collections::BTreeSet;

use gatehouse::admission::rules::{self, Missing, RuleEdit};
use gatehouse::changes::Origin;
use gatehouse::ids::{MemberId, RuleId};
use gatehouse::scim::etag::Precondition;
use gatehouse::workspace::keys::Scopes;
use gatehouse::workspace::members::GrantKind;

use super::reference::{User, World};
use super::{Pair, right};

/// What a rule says: who is in all these groups gets this right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Says {
    pub(super) groups: BTreeSet<usize>,
    pub(super) right: usize,
    pub(super) enabled: bool,
}

/// What an admin says of a rule that is there.
#[derive(Debug, Clone)]
pub(super) struct Edit {
    pub(super) groups: Option<BTreeSet<usize>>,
    pub(super) right: Option<usize>,
    pub(super) enabled: Option<bool>,
}

/// A version of a rule: what one gives is not what the next one gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) id: RuleId,
    pub(super) says: Says,
    /// The groups that it is bound to; it lives once all are.
    pub(super) bound: BTreeSet<usize>,
    pub(super) is_broken: bool,
    /// Whether another version is there instead, or none.
    pub(super) is_over: bool,
}

impl Rule {
    pub(super) fn is_live(&self) -> bool {
        !self.is_over && self.says.enabled && !self.is_broken && self.bound == self.says.groups
    }
}

impl World {
    pub(super) fn add_rule(&mut self, id: RuleId, groups: BTreeSet<usize>, right: usize) {
        let rule = Rule {
            id,
            bound: self.bind(&groups),
            says: Says {
                groups,
                right,
                enabled: true,
            },
            is_broken: false,
            is_over: false,
        };
        self.rules.push(rule);
        self.sweep();
    }

    /// The versions that hold now.
    pub(super) fn current(&self) -> Vec<usize> {
        let all = self.rules.iter().enumerate();
        let current = all.filter(|(_, rule)| !rule.is_over);
        current.map(|(at, _)| at).collect()
    }

    /// Whether it is another rule then.
    pub(super) fn change_rule(&mut self, at: usize, edit: Edit) -> bool {
        let before = &self.rules[at];
        let mut after = before.clone();
        if let Some(groups) = edit.groups {
            // Said anew it is bound anew.
            after.bound = self.bind(&groups);
            after.says.groups = groups;
            after.is_broken = false;
        }
        after.says.right = edit.right.unwrap_or(after.says.right);
        after.says.enabled = edit.enabled.unwrap_or(after.says.enabled);
        let is_other = after != *before;
        if is_other {
            self.replace(at, Some(after));
        }
        is_other
    }

    pub(super) fn end_rule(&mut self, at: usize) {
        self.replace(at, None);
    }

    /// All that rules gave ends, but what the brake keeps.
    pub(super) fn end_at_once(&mut self, over: &BTreeSet<usize>) {
        for member in self.members.values_mut() {
            let stays = |rule: &usize, kept: &mut bool| *kept || !over.contains(rule);
            member.by_rule.retain(stays);
        }
    }

    fn bind(&self, groups: &BTreeSet<usize>) -> BTreeSet<usize> {
        let there = groups.iter().copied();
        there.filter(|at| self.groups.contains_key(at)).collect()
    }

    /// Where many are concerned they are settled batch by batch, and may all lose it at once before.
    fn replace(&mut self, at: usize, after: Option<Rule>) {
        let before = self.rules[at].clone();
        let is_gift = after.as_ref().is_some_and(Rule::is_live);
        let gives_on = after
            .as_ref()
            .is_some_and(|after| after.is_live() && after.says.right == before.says.right);
        let both = [Some(&before), after.as_ref()];
        let live = both.into_iter().flatten().filter(|rule| rule.is_live());
        let reach: BTreeSet<usize> = live.map(|rule| self.smallest(&rule.says.groups)).collect();
        let counts = reach.iter().map(|group| self.groups[group].users.len());
        let is_run = i64::try_from(counts.sum::<usize>()).unwrap() > self.threshold;
        let one = reach.first().copied().filter(|_| reach.len() == 1);
        self.rules[at].is_over = true;
        self.rules.extend(after);
        let over = [at].into();
        if is_run && !(is_gift && gives_on) && self.admits(&over) {
            self.end_at_once(&over);
        }
        let users: BTreeSet<usize> = match one {
            None if is_run => self.users.keys().copied().collect(),
            _ => {
                let users = reach.iter().flat_map(|group| &self.groups[group].users);
                users.copied().collect()
            }
        };
        let mut users: Vec<&User> = users.iter().map(|user| &self.users[user]).collect();
        users.sort_by(|one, other| one.id.cmp(&other.id));
        let members: Vec<MemberId> = users.iter().map(|user| user.member).collect();
        let batch = if is_run {
            self.batch
        } else {
            members.len().max(1)
        };
        for members in members.chunks(batch) {
            self.settle(members);
        }
        self.end_at_once(&[at].into());
        if !reach.is_empty() {
            self.sweep();
        }
    }

    fn smallest(&self, groups: &BTreeSet<usize>) -> usize {
        let count = |group: &&usize| self.groups[*group].users.len();
        *groups.iter().min_by_key(count).unwrap()
    }
}

impl Pair<'_> {
    pub(super) async fn add_rule(&mut self, groups: &BTreeSet<usize>, right: usize) {
        let edit = Edit {
            groups: Some(groups.clone()),
            right: Some(right),
            enabled: None,
        };
        let told = RuleEdit {
            directory: Some("idp".to_owned()),
            ..edit.told()
        };
        let (origin, scopes) = (Origin::cli(), Scopes::everything());
        let (by, workspace) = ((&origin, &scopes), self.workspace.id);
        let added = rules::create(&self.gateway.app, by, workspace, told, Missing::Refuse);
        let id = added.await.unwrap().id;
        self.world.add_rule(id, groups.clone(), right);
        self.count("rule.added");
    }

    pub(super) async fn change_rule(&mut self, at: usize, edit: &Edit) {
        let Some((at, id)) = self.rule(at) else {
            return;
        };
        let (origin, scopes) = (Origin::cli(), Scopes::everything());
        let (which, what) = ((self.workspace.id, id), (edit.told(), Missing::Refuse));
        let by = (&origin, &scopes);
        let changed = rules::change(&self.gateway.app, by, which, Precondition::default(), what);
        changed.await.unwrap();
        if self.world.change_rule(at, edit.clone()) {
            self.count("rule.changed");
        }
    }

    pub(super) async fn end_rule(&mut self, at: usize) {
        let Some((at, id)) = self.rule(at) else {
            return;
        };
        let (origin, scopes) = (Origin::cli(), Scopes::everything());
        let (by, which) = ((&origin, &scopes), (self.workspace.id, id));
        let ended = rules::end(&self.gateway.app, by, which, Precondition::default());
        ended.await.unwrap();
        self.world.end_rule(at);
        self.count("rule.ended");
    }

    /// One of the rules that are there, with its version that holds now.
    fn rule(&self, at: usize) -> Option<(usize, RuleId)> {
        let current = self.world.current();
        let at = *current.get(at % current.len().max(1))?;
        Some((at, self.world.rules[at].id))
    }
}

impl Edit {
    fn told(&self) -> RuleEdit {
        let groups = self.groups.as_ref();
        let right = self.right.map(right);
        let of = |kind| {
            let right = right.as_ref();
            let named = right.map(|it| (it.kind == kind).then(|| it.name.clone()));
            named.map(|name| name.into_iter().collect())
        };
        RuleEdit {
            groups: groups.map(|of| of.iter().map(|at| format!("G{at}")).collect()),
            teams: of(GrantKind::Team),
            roles: of(GrantKind::Role),
            permissions: of(GrantKind::Permission),
            enabled: self.enabled,
            ..RuleEdit::default()
        }
    }
}
