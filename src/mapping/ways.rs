//! By which ways a member is in a group: itself, or through groups within; and what ends them.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::ids::GroupId;
use crate::store::nestings::Step;

/// How many steps are tried one by one for what would end a way.
const TRIED: usize = 200;

/// All steps of one member into groups.
pub(super) struct Ways {
    steps: Vec<Step>,
}

/// One thing that could be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cut {
    /// The member from a group.
    Member(GroupId),
    /// A group (first) from the one that holds it.
    Nesting(GroupId, GroupId),
    /// A group as a whole.
    Group(GroupId),
}

impl Ways {
    pub(super) fn new(steps: Vec<Step>) -> Self {
        Self { steps }
    }

    /// The groups that a member is in a group through, from the outermost to the one that it is in
    /// itself; the shortest way of several, and nothing where it is in the group itself.
    pub(super) fn through(&self, group: GroupId) -> Vec<String> {
        let found = self.reached(None);
        let mut names = Vec::new();
        let mut at = group;
        while let Some(Some(origin)) = found.get(&at) {
            names.push(self.name(*origin));
            at = *origin;
        }
        names
    }

    /// The group that the member is in itself and by which it is in a group: this one, or the last that it
    /// is in it [`Ways::through`]. None where it is not in the group.
    pub(super) fn innermost(&self, group: GroupId) -> Option<GroupId> {
        let found = self.reached(None);
        let mut at = group;
        while let Some(origin) = found.get(&at)? {
            at = *origin;
        }
        Some(at)
    }

    /// What of what is, taken away alone, ends that the member is in a group of that name.
    pub(super) fn ends(&self, group: GroupId, name: &str) -> Vec<String> {
        let mut ends = Vec::new();
        let cuts = self.cuts(group);
        if cuts.len() <= TRIED {
            let fatal = cuts.into_iter().filter(|cut| {
                let found = self.reached(Some(*cut));
                !found.contains_key(&group)
            });
            ends.extend(fatal.map(|cut| self.told(cut)));
        }
        if ends.is_empty() {
            ends.push(format!("the end of every way into group \"{name}\""));
        }
        ends.push(format!("deletion of group \"{name}\""));
        ends
    }

    /// What could be taken away on the ways into a group.
    fn cuts(&self, group: GroupId) -> BTreeSet<Cut> {
        let mut cuts = BTreeSet::new();
        let mut met = BTreeSet::from([group]);
        let mut waiting = vec![group];
        while let Some(at) = waiting.pop() {
            for step in self.steps.iter().filter(|step| step.group_id == at) {
                let Some(origin) = step.origin else {
                    cuts.insert(Cut::Member(at));
                    continue;
                };
                cuts.insert(Cut::Nesting(origin, at));
                cuts.insert(Cut::Group(origin));
                if met.insert(origin) {
                    waiting.push(origin);
                }
            }
        }
        cuts
    }

    /// The groups that are reached without what is cut, each with the one before it on a shortest
    /// way.
    fn reached(&self, cut: Option<Cut>) -> HashMap<GroupId, Option<GroupId>> {
        let mut found = HashMap::new();
        let mut waiting = VecDeque::from([None]);
        while let Some(at) = waiting.pop_front() {
            for step in self.steps.iter().filter(|step| step.origin == at) {
                let by = match at {
                    None => Cut::Member(step.group_id),
                    Some(origin) => Cut::Nesting(origin, step.group_id),
                };
                let is_cut = cut == Some(by) || cut == Some(Cut::Group(step.group_id));
                if !is_cut && !found.contains_key(&step.group_id) {
                    found.insert(step.group_id, at);
                    waiting.push_back(Some(step.group_id));
                }
            }
        }
        found
    }

    fn told(&self, cut: Cut) -> String {
        match cut {
            Cut::Member(group) => format!("removal from group \"{}\"", self.name(group)),
            Cut::Nesting(inner, outer) => format!(
                "removal of group \"{}\" from group \"{}\"",
                self.name(inner),
                self.name(outer)
            ),
            Cut::Group(group) => format!("deletion of group \"{}\"", self.name(group)),
        }
    }

    fn name(&self, group: GroupId) -> String {
        let step = self.steps.iter().find(|step| step.group_id == group);
        step.map(|step| step.display.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Step, Ways};
    use crate::ids::GroupId;

    #[test]
    fn what_ends_a_way_is_what_all_ways_have_in_common() {
        let ids: Vec<GroupId> = (0..4).map(|_| GroupId::new()).collect();
        let step = |origin: Option<usize>, group: usize| Step {
            group_id: ids[group],
            display: format!("G{group}"),
            origin: origin.map(|origin| ids[origin]),
        };
        let check = |steps: Vec<Step>, through: &[&str], ends: &[&str]| {
            let ways = Ways::new(steps);
            assert_eq!(ways.through(ids[0]), through);
            let innermost = ways.innermost(ids[0]).map(|id| ways.name(id));
            assert_eq!(innermost.as_deref(), Some(*through.last().unwrap_or(&"G0")));
            let mut found = ways.ends(ids[0], "G0");
            assert_eq!(found.pop().unwrap(), "deletion of group \"G0\"");
            assert_eq!(found, ends);
        };
        check(vec![step(None, 0)], &[], &["removal from group \"G0\""]);
        check(
            vec![step(None, 2), step(Some(2), 1), step(Some(1), 0)],
            &["G1", "G2"],
            &[
                "removal from group \"G2\"",
                "removal of group \"G1\" from group \"G0\"",
                "removal of group \"G2\" from group \"G1\"",
                "deletion of group \"G1\"",
                "deletion of group \"G2\"",
            ],
        );
        // Two ways from one group: the member's own step is what they share.
        let diamond = vec![
            step(None, 3),
            step(Some(3), 1),
            step(Some(3), 2),
            step(Some(1), 0),
            step(Some(2), 0),
        ];
        check(
            diamond,
            &["G1", "G3"],
            &["removal from group \"G3\"", "deletion of group \"G3\""],
        );
        check(
            vec![step(None, 0), step(None, 1), step(Some(1), 0)],
            &[],
            &["the end of every way into group \"G0\""],
        );
    }
}
