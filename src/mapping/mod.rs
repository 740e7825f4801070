//! Rules: from facts to wanted grants, and back to why.
//!
//! A rule looks at groups by id: a name is the IdP's to change and gives nothing. `when` adds what
//! must hold of the user's own attributes, in the rule's own directory. A rule without a directory
//! looks at the member's own profile ([`profile`]), whatever way the member came. Mapping never writes the
//! ledger; `admission` holds what rules want against what is and settles the difference.

pub mod examples;
pub mod explain;
pub mod holders;
pub mod profile;
pub mod rules;
pub mod seat;
mod ways;
pub mod when;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use crate::ids::{CauseId, DirectoryId, GroupId};
use crate::scim::evaluate;
use crate::store::grants::GrantKind;
use crate::store::live_rules::LiveRule;
use crate::store::rules::LinePolicy;

/// A right that a rule wants for somebody.
pub type Wanted = (GrantKind, Uuid, CauseId);

/// What is said about somebody, as far as rules look at it.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The groups that the person is in.
    pub groups: BTreeSet<GroupId>,
    /// The person's User in each directory, where some rule looks at attributes.
    pub users: BTreeMap<DirectoryId, Value>,
    /// The member's own profile, where some rule looks at it; none of one who has left, and none while
    /// nobody has proved that it is the person who was expected.
    pub profile: Option<Value>,
}

impl Facts {
    /// Whether all holds that a rule asks for. Who has no User in the rule's directory satisfies no
    /// `when`, not even one that something be absent; no more does who has left.
    fn satisfy(&self, rule: &LiveRule) -> bool {
        rule.groups.iter().all(|group| self.groups.contains(group))
            && rule.when.as_ref().is_none_or(|when| {
                let of_directory = |directory| self.users.get(&directory);
                let seen = rule.directory.map_or(self.profile.as_ref(), of_directory);
                seen.is_some_and(|seen| evaluate::matches(when, seen))
            })
    }
}

/// The rules that hold for somebody of whom that is said, in their order: one that stops is the last.
pub fn held<'r>(rules: &'r [LiveRule], facts: &Facts) -> Vec<&'r LiveRule> {
    let mut held = Vec::new();
    for rule in rules.iter().filter(|rule| facts.satisfy(rule)) {
        held.push(rule);
        if rule.stop {
            break;
        }
    }
    held
}

/// What the rules want for somebody of whom that is said; rules are in their order.
pub fn wanted(rules: &[LiveRule], facts: &Facts) -> BTreeSet<Wanted> {
    held(rules, facts)
        .into_iter()
        .flat_map(|rule| {
            let cause = rule.cause;
            rule.grants
                .iter()
                .map(move |(kind, target)| (*kind, *target, cause))
        })
        .collect()
}

/// What the rules fill in where neither an admin nor the directory says it: of several the first.
pub fn filled_in(rules: &[LiveRule], facts: &Facts) -> (Option<LinePolicy>, Option<String>) {
    let held = held(rules, facts);
    let line = held.iter().find_map(|rule| rule.line);
    let language = held.iter().find_map(|rule| rule.language.clone());
    (line, language)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::{Facts, held, wanted};
    use crate::ids::{CauseId, DirectoryId, GroupId, RuleId};
    use crate::scim::{filter, schema};
    use crate::store::grants::GrantKind;
    use crate::store::live_rules::LiveRule;

    fn gives(directory: Option<DirectoryId>, grant: (GrantKind, Uuid)) -> LiveRule {
        LiveRule {
            id: RuleId::new(),
            directory,
            cause: CauseId::new(),
            groups: Vec::new(),
            when: None,
            grants: vec![grant],
            priority: 0,
            stop: false,
            line: None,
            language: None,
        }
    }

    #[test]
    fn a_rule_that_stops_is_the_last_for_whom_it_holds() {
        let (first, then) = (GroupId::new(), GroupId::new());
        let rule = |group, stop| LiveRule {
            groups: vec![group],
            stop,
            ..gives(Some(DirectoryId::new()), (GrantKind::Team, Uuid::now_v7()))
        };
        let rules = [rule(first, true), rule(then, false)];
        let check = |groups: &[GroupId], expect: &[usize]| {
            let facts = Facts {
                groups: groups.iter().copied().collect(),
                ..Facts::default()
            };
            let expect: Vec<_> = expect.iter().map(|at| rules[*at].id).collect();
            let held = held(&rules, &facts).into_iter().map(|rule| rule.id);
            assert_eq!(held.collect::<Vec<_>>(), expect);
        };
        check(&[first], &[0]);
        check(&[then], &[1]);
        check(&[first, then], &[0]);
    }

    #[test]
    fn all_groups_of_a_rule_must_hold() {
        let (one, two) = (GroupId::new(), GroupId::new());
        let team = Uuid::now_v7();
        let rule = LiveRule {
            groups: vec![one, two],
            ..gives(Some(DirectoryId::new()), (GrantKind::Team, team))
        };
        let check = |groups: &[GroupId], expect: usize| {
            let facts = Facts {
                groups: groups.iter().copied().collect(),
                ..Facts::default()
            };
            assert_eq!(wanted(std::slice::from_ref(&rule), &facts).len(), expect);
        };
        check(&[], 0);
        check(&[one], 0);
        check(&[two], 0);
        check(&[one, two], 1);
        check(&[one, two, GroupId::new()], 1);
    }

    #[test]
    fn attributes_count_in_the_rules_own_directory_alone() {
        let (own, other) = (DirectoryId::new(), DirectoryId::new());
        let check = |when: &str, at: DirectoryId, expect: usize| {
            let rule = LiveRule {
                when: Some(filter::parse(when, schema::user()).unwrap()),
                ..gives(Some(own), (GrantKind::Role, Uuid::now_v7()))
            };
            let mut facts = Facts::default();
            facts.users.insert(at, json!({"title": "Lead"}));
            assert_eq!(wanted(&[rule], &facts).len(), expect, "{when}");
        };
        check("title eq lead", own, 1);
        check("title eq lead", other, 0);
        check("not (title pr)", own, 0);
        check("not (title pr)", other, 0);
        check("not (nickName pr)", own, 1);
        check("not (nickName pr)", other, 0);
    }

    #[test]
    fn a_rule_without_a_directory_looks_at_the_profile_alone() {
        let check = |when: &str, facts: &Facts, expect: usize| {
            let rule = LiveRule {
                when: Some(filter::parse(when, schema::member()).unwrap()),
                ..gives(None, (GrantKind::Role, Uuid::now_v7()))
            };
            assert_eq!(wanted(&[rule], facts).len(), expect, "{when}");
        };
        let mut facts = Facts::default();
        let user = json!({"user_id": "A-1"});
        facts.users.insert(DirectoryId::new(), user);
        check("user_id pr", &facts, 0);
        check("not (user_id pr)", &facts, 0);
        facts.profile = Some(json!({"user_id": "B-1", "phone": null}));
        check(r#"user_id eq "b-1""#, &facts, 1);
        check(r#"user_id eq "A-1""#, &facts, 0);
        check("not (phone pr)", &facts, 1);
    }
}
