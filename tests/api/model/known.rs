//! Sequences that went wrong once, in the fewest steps.

use gatehouse::workspace::profile::Say;

use super::rules::Edit;
use super::steps::Step;
use super::{ADMIN, Bench, ROLE};

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

#[tokio::test]
async fn the_longest_admin_is_kept_while_a_run_has_yet_to_take_the_others() {
    let admins = Edit {
        priority: Some(1),
        ..says(&[1], ADMIN)
    };
    check(&[
        Step::ChangeRule(1, admins),
        Step::Pause(true),
        Step::EndRule(13),
        Step::Resume(0, Some(1)),
        Step::Resume(0, Some(1)),
        Step::Resume(0, None),
    ])
    .await;
}

#[tokio::test]
async fn the_longest_admin_is_kept_while_a_changed_rule_has_yet_to_take_the_others() {
    let admins = Edit {
        priority: Some(1),
        ..says(&[1], ADMIN)
    };
    let other = Edit {
        groups: Some([3].into()),
        ..Edit::default()
    };
    check(&[
        Step::ChangeRule(1, admins),
        Step::Delete(0, 12),
        Step::Pause(true),
        Step::Rule(says(&[1], 1)),
        Step::ChangeRule(4, other),
        Step::Resume(0, None),
        Step::Resume(0, None),
    ])
    .await;
}

#[tokio::test]
async fn whom_a_waiting_run_has_yet_to_come_to_is_no_other_admin() {
    let admins = Edit {
        priority: Some(1),
        ..says(&[1], ADMIN)
    };
    let other = Edit {
        groups: Some([3].into()),
        ..Edit::default()
    };
    check(&[
        Step::ChangeRule(1, admins),
        Step::Advance(66),
        Step::Pause(true),
        Step::EndRule(8),
        Step::ChangeRule(4, other),
        Step::Resume(2, None),
        Step::Delete(0, 13),
        Step::Protect(4, false),
        Step::Resume(0, None),
    ])
    .await;
}
