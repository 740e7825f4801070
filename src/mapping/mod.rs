//! Rules: from facts to wanted grants, and back to why.
//!
//! A rule looks at groups by id: a name is the IdP's to change and gives nothing. `when` adds what
//! must hold of the user's own attributes, in the rule's own directory. Mapping never writes the
//! ledger; `admission` holds what rules want against what is and settles the difference.

pub mod explain;
pub mod rules;
mod ways;
pub mod when;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use crate::ids::{CauseId, DirectoryId, GroupId};
use crate::scim::evaluate;
use crate::store::grants::GrantKind;
use crate::store::rules::LiveRule;

/// A right that a rule wants for somebody.
pub type Wanted = (GrantKind, Uuid, CauseId);

/// What directories say about somebody, as far as rules look at it.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The groups that the person is in.
    pub groups: BTreeSet<GroupId>,
    /// The person's User in each directory, where some rule looks at attributes.
    pub users: BTreeMap<DirectoryId, Value>,
}

impl Facts {
    /// Whether all holds that a rule asks for. Who has no User in the rule's directory satisfies no
    /// `when`, not even one that something be absent.
    fn satisfy(&self, rule: &LiveRule) -> bool {
        rule.groups.iter().all(|group| self.groups.contains(group))
            && rule.when.as_ref().is_none_or(|when| {
                let user = self.users.get(&rule.directory);
                user.is_some_and(|user| evaluate::matches(when, user))
            })
    }
}

/// What the rules want for somebody of whom that is said.
pub fn wanted(rules: &[LiveRule], facts: &Facts) -> BTreeSet<Wanted> {
    rules
        .iter()
        .filter(|rule| facts.satisfy(rule))
        .flat_map(|rule| {
            let cause = rule.cause;
            rule.grants
                .iter()
                .map(move |(kind, target)| (*kind, *target, cause))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::{Facts, wanted};
    use crate::ids::{CauseId, DirectoryId, GroupId, RuleId};
    use crate::scim::{filter, schema};
    use crate::store::grants::GrantKind;
    use crate::store::rules::LiveRule;

    #[test]
    fn all_groups_of_a_rule_must_hold() {
        let (one, two) = (GroupId::new(), GroupId::new());
        let team = Uuid::now_v7();
        let rule = LiveRule {
            id: RuleId::new(),
            directory: DirectoryId::new(),
            cause: CauseId::new(),
            groups: vec![one, two],
            when: None,
            grants: vec![(GrantKind::Team, team)],
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
                id: RuleId::new(),
                directory: own,
                cause: CauseId::new(),
                groups: Vec::new(),
                when: Some(filter::parse(when, schema::user()).unwrap()),
                grants: vec![(GrantKind::Role, Uuid::now_v7())],
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
}
