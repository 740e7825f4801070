//! The steps of a sequence, and how they are drawn.

use std::collections::BTreeSet;

use gatehouse::admission::brake::Mode;
use gatehouse::admission::exit::Leaving;
use gatehouse::workspace::profile::Say;
use gatehouse::workspace::seats::SeatPolicy;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::rules::Edit;
use super::{ADMIN, GROUPS, PEOPLE, RIGHTS};

/// What somebody does, or time. Who is meant is a place among people, or among the members or rules
/// that there are by then.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Create(usize, usize, bool),
    SetActive(usize, usize, bool),
    Delete(usize, usize),
    Adopt(usize, usize),
    EndDirectory(Leaving),
    UndoEnd,
    CreateGroup(usize, BTreeSet<usize>),
    Join(usize, BTreeSet<usize>),
    Leave(usize, BTreeSet<usize>),
    Put(usize, BTreeSet<usize>),
    DeleteGroup(usize),
    Rule(Edit),
    ChangeRule(usize, Edit),
    EndRule(usize),
    PlanRule(Edit),
    PlanChange(usize, Edit),
    PlanEnd(usize),
    Apply(usize),
    Undo(usize),
    Pause(bool),
    /// Which run, and by how many bits, the beginning and batches, if not to its end.
    Resume(usize, Option<usize>),
    Remove(usize),
    Import(usize, usize, bool),
    Suspend(usize),
    Activate(usize),
    Protect(usize, bool),
    Give(usize, usize),
    Take(usize, usize),
    Release(Option<usize>),
    Wait,
    Advance(u64),
    Brake(Mode),
    Seats(Option<i64>, SeatPolicy, i64),
}

/// The steps of a seed, after those with which every sequence begins: half of the people and groups
/// are there.
pub(super) fn drawn(seed: usize, count: usize) -> Vec<Step> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut draw = || step().new_tree(&mut runner).unwrap().current();
    (0..count).map(|_| draw()).collect()
}

/// The steps with which every sequence begins: people, half of the groups, and two rules.
pub(super) fn first() -> Vec<Step> {
    let people = (0..PEOPLE).map(|who| Step::Create(0, who, true));
    let groups = (0..GROUPS / 2).map(|group| {
        let all = (0..PEOPLE).filter(|who| (who + group) % 3 > 0);
        Step::CreateGroup(group, all.collect())
    });
    let rule = |groups: &[usize], right| {
        Step::Rule(Edit {
            groups: Some(groups.iter().copied().collect()),
            right: Some(right),
            ..Edit::default()
        })
    };
    let rules = [rule(&[0], 0), rule(&[0, 1], 1)];
    people.chain(groups).chain(rules).collect()
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        43 => of_directory(),
        23 => of_rules(),
        22 => of_admins(),
        11 => of_workspace(),
    ]
}

fn of_directory() -> impl Strategy<Value = Step> {
    let many = || proptest::collection::btree_set(0..PEOPLE, 0..PEOPLE);
    prop_oneof![
        4 => (0..PEOPLE, prop::bool::weighted(0.9)).prop_map(|(who, on)| Step::Create(0, who, on)),
        4 => (0..PEOPLE, prop::bool::weighted(0.7)).prop_map(|(who, on)| Step::Create(1, who, on)),
        7 => (one(), 0..PEOPLE, any::<bool>())
            .prop_map(|(which, who, on)| Step::SetActive(which, who, on)),
        5 => (one(), 0..PEOPLE).prop_map(|(which, who)| Step::Delete(which, who)),
        3 => (one(), 0..PEOPLE).prop_map(|(which, who)| Step::Adopt(which, who)),
        1 => prop_oneof![Just(Leaving::Keep), Just(Leaving::Suspend), Just(Leaving::Remove)]
            .prop_map(Step::EndDirectory),
        2 => Just(Step::UndoEnd),
        4 => (0..GROUPS, many()).prop_map(|(group, who)| Step::CreateGroup(group, who)),
        3 => (0..GROUPS, many()).prop_map(|(group, who)| Step::Join(group, who)),
        5 => (0..GROUPS, many()).prop_map(|(group, who)| Step::Leave(group, who)),
        3 => (0..GROUPS, many()).prop_map(|(group, who)| Step::Put(group, who)),
        2 => (0..GROUPS).prop_map(Step::DeleteGroup),
    ]
}

/// One of the directories.
fn one() -> impl Strategy<Value = usize> {
    prop::bool::weighted(0.4).prop_map(usize::from)
}

fn of_rules() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => rule().prop_map(Step::Rule),
        5 => (0..PEOPLE, edit()).prop_map(|(at, edit)| Step::ChangeRule(at, edit)),
        2 => (0..PEOPLE).prop_map(Step::EndRule),
        1 => rule().prop_map(Step::PlanRule),
        2 => (0..PEOPLE, edit()).prop_map(|(at, edit)| Step::PlanChange(at, edit)),
        1 => (0..PEOPLE).prop_map(Step::PlanEnd),
        4 => (0..3_usize).prop_map(Step::Apply),
        3 => (0..3_usize).prop_map(Step::Undo),
        2 => prop::bool::weighted(0.6).prop_map(Step::Pause),
        3 => (0..3_usize, prop::option::weighted(0.6, 1..4_usize))
            .prop_map(|(at, bits)| Step::Resume(at, bits)),
    ]
}

fn of_admins() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..PEOPLE, 0..RIGHTS, any::<bool>())
            .prop_map(|(who, right, revive)| Step::Import(who, right, revive)),
        3 => (0..PEOPLE).prop_map(Step::Suspend),
        1 => (0..PEOPLE).prop_map(Step::Remove),
        3 => (0..PEOPLE).prop_map(Step::Activate),
        1 => (0..PEOPLE, any::<bool>()).prop_map(|(who, is)| Step::Protect(who, is)),
        2 => (0..PEOPLE, 0..RIGHTS).prop_map(|(who, right)| Step::Give(who, right)),
        2 => (0..PEOPLE).prop_map(|who| Step::Give(who, ADMIN)),
        1 => (0..PEOPLE, 0..RIGHTS).prop_map(|(who, right)| Step::Take(who, right)),
        1 => (0..PEOPLE).prop_map(|who| Step::Take(who, ADMIN)),
    ]
}

fn of_workspace() -> impl Strategy<Value = Step> {
    let policy = || prop_oneof![Just(SeatPolicy::Refuse), Just(SeatPolicy::Hold)];
    let limit = || prop::option::weighted(0.8, 3..14_i64);
    prop_oneof![
        2 => prop::option::weighted(0.7, 0..PEOPLE).prop_map(Step::Release),
        1 => Just(Step::Wait),
        3 => (1_u64..80).prop_map(Step::Advance),
        1 => prop_oneof![Just(Mode::Hold), Just(Mode::Alert), Just(Mode::Off)].prop_map(Step::Brake),
        3 => (limit(), policy(), 0..2_i64)
            .prop_map(|(limit, policy, grace)| Step::Seats(limit, policy, grace)),
    ]
}

/// What an admin says of a rule: its groups anew, what it gives, whether it is switched on, its place
/// among the others, and its times.
fn edit() -> impl Strategy<Value = Edit> {
    let seldom = |minutes: std::ops::Range<u64>| {
        prop_oneof![
            8 => Just(Say::Nothing),
            1 => Just(Say::Clear),
            2 => minutes.prop_map(Say::Set),
        ]
    };
    let said = (
        prop::option::of(groups()),
        prop::option::of(right_of_rule()),
        prop::option::of(prop::bool::weighted(0.6)),
        prop::option::weighted(0.2, -1..2_i64),
        prop::option::weighted(0.3, any::<bool>()),
        seldom(0..60),
        seldom(1..150),
    );
    said.prop_map(
        |(groups, right, enabled, priority, stop, from, until)| Edit {
            groups,
            right,
            enabled,
            priority,
            stop,
            from,
            until,
        },
    )
}

/// The same of a new rule.
fn rule() -> impl Strategy<Value = Edit> {
    (edit(), groups(), right_of_rule()).prop_map(|(edit, groups, right)| Edit {
        groups: Some(groups),
        right: Some(right),
        enabled: None,
        ..edit
    })
}

fn groups() -> impl Strategy<Value = BTreeSet<usize>> {
    proptest::collection::btree_set(0..GROUPS, 1..3)
}

fn right_of_rule() -> impl Strategy<Value = usize> {
    0..RIGHTS
}
