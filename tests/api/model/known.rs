//! Sequences that went wrong once, in the fewest steps.

use gatehouse::workspace::profile::Say;

use super::rules::Edit;
use super::steps::Step;
use super::{Bench, ROLE};

/// What an admin says of a rule.
fn says(groups: &[usize], right: usize) -> Edit {
    Edit {
        groups: Some(groups.iter().copied().collect()),
        right: Some(right),
        ..Edit::default()
    }
}

async fn check(steps: &[Step]) {
    let bench = Bench::new().await;
    if let Err(wrong) = Box::pin(bench.attempt("known", steps)).await {
        panic!("{steps:?}: {}", wrong.told);
    }
}

#[tokio::test]
async fn an_undone_rule_that_had_not_begun_is_there_again_once_that_is_undone() {
    let rule = Edit {
        stop: Some(true),
        until: Say::Set(134),
        ..says(&[0], 2)
    };
    check(&[
        Step::Pause(true),
        Step::Rule(rule),
        Step::Undo(0),
        Step::Undo(0),
        Step::Resume(0, Some(2)),
        Step::Resume(0, None),
    ])
    .await;
}

#[tokio::test]
async fn what_an_undone_run_had_yet_to_end_goes_on_for_whom_another_one_waits() {
    let rule = Edit {
        stop: Some(true),
        until: Say::Set(70),
        ..says(&[0], ROLE)
    };
    check(&[
        Step::Pause(true),
        Step::Rule(rule),
        Step::Undo(1),
        Step::ChangeRule(8, says(&[0, 3], ROLE)),
        Step::Undo(0),
        Step::Resume(2, None),
        Step::Resume(1, None),
        Step::Resume(0, None),
    ])
    .await;
}
