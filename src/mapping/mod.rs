//! Rules: from facts to wanted grants, and back to why.
//!
//! A rule looks at groups by id: a name is the IdP's to change and gives nothing. It never writes
//! the ledger; `admission` holds what rules want against what is and settles the difference.

pub mod explain;
pub mod rules;

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::ids::{CauseId, GroupId};
use crate::store::grants::GrantKind;
use crate::store::rules::LiveRule;

/// A right that a rule wants for somebody.
pub type Wanted = (GrantKind, Uuid, CauseId);

/// What the rules want for somebody who is in those groups.
pub fn wanted(rules: &[LiveRule], groups: &BTreeSet<GroupId>) -> BTreeSet<Wanted> {
    rules
        .iter()
        .filter(|rule| rule.groups.iter().all(|group| groups.contains(group)))
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
    use std::collections::BTreeSet;

    use uuid::Uuid;

    use super::wanted;
    use crate::ids::{CauseId, GroupId, RuleId};
    use crate::store::grants::GrantKind;
    use crate::store::rules::LiveRule;

    #[test]
    fn all_groups_of_a_rule_must_hold() {
        let (one, two) = (GroupId::new(), GroupId::new());
        let team = Uuid::now_v7();
        let rule = LiveRule {
            id: RuleId::new(),
            cause: CauseId::new(),
            groups: vec![one, two],
            grants: vec![(GrantKind::Team, team)],
        };
        let check = |groups: &[GroupId], expect: usize| {
            let groups: BTreeSet<_> = groups.iter().copied().collect();
            assert_eq!(wanted(std::slice::from_ref(&rule), &groups).len(), expect);
        };
        check(&[], 0);
        check(&[one], 0);
        check(&[two], 0);
        check(&[one, two], 1);
        check(&[one, two, GroupId::new()], 1);
    }
}
