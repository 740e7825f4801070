//! Every statement of the most critical acts fails and panics once: nothing is half done, and the
//! client's retry brings what it wanted.

use gatehouse::clock::Clock;
use gatehouse::store::faults::{Fault, Point};

use crate::acts::{ACTS, prepared};
use crate::contents::differences;
use crate::gateway::{Gateway, Scim};

/// No act has more statements than this.
const MOST: u32 = 90;

/// A gateway where seats are counted, the brake counts losses, and those who lose something are
/// admins, though not the last. Its clock stands still, so that times of use change nothing.
async fn guarded() -> (Gateway, Scim) {
    let gateway = Gateway::at(Clock::fixed(Clock::system().now()), |_| {}).await;
    let scim = gateway.scim().await;
    gateway.guarded(&scim, 1_000).await;
    (gateway, scim)
}

async fn every_statement(fault: Fault, point: fn(u32) -> Point) {
    for name in ACTS {
        // All that a database holds is compared, so that each act has a small one of its own.
        let (gateway, scim) = guarded().await;
        gateway.when("title eq \"Lead\"", "Leads").await;
        let mut statement = 1;
        loop {
            let round = format!("{statement}");
            let act = prepared(&gateway, &scim, name, &round).await;
            let (before, stored) = (act.state(&scim).await, gateway.contents().await);
            gateway.app.db.faults().arm_at(point(statement), fault);
            let answer = act.send(&scim).await;
            if gateway.app.db.faults().disarm() {
                // The act has fewer statements: it was done.
                assert!((200..300).contains(&answer.0), "{name}: {}", answer.1);
                assert!(statement > 3, "{name} must have statements");
                break;
            }
            assert_eq!(answer.0, 500, "{name}, statement {statement}: {}", answer.1);
            assert_eq!(answer.1["detail"], "internal error");
            let changed = differences(&stored, &gateway.contents().await);
            assert!(changed.is_empty(), "{name}, {statement}: {changed:?}");
            assert_eq!(act.state(&scim).await, before, "{name}, {statement}");
            let retried = act.send(&scim).await;
            assert!((200..300).contains(&retried.0), "{name}: {}", retried.1);
            statement += 1;
            assert!(statement < MOST, "{name} has an end");
        }
        gateway.check().await;
    }
}

// C066, C220
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_fails_leaves_nothing_half_done() {
    every_statement(Fault::Error, Point::Before).await;
}

// C220: what follows the last statement is the commit
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_behind_any_statement_leaves_nothing_half_done() {
    every_statement(Fault::Error, Point::After).await;
}

// C220
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fails_leaves_nothing() {
    let (gateway, scim) = guarded().await;
    for name in ACTS {
        let act = prepared(&gateway, &scim, name, "c").await;
        let (before, stored) = (act.state(&scim).await, gateway.contents().await);
        gateway.app.db.faults().arm_at(Point::Commit, Fault::Error);
        let answer = act.send(&scim).await;
        assert!(!gateway.app.db.faults().disarm(), "{name} commits");
        assert!(answer.0 >= 500, "{name}: {}", answer.1);
        let changed = differences(&stored, &gateway.contents().await);
        assert!(changed.is_empty(), "{name}: {changed:?}");
        assert_eq!(act.state(&scim).await, before, "{name}");
        let retried = act.send(&scim).await;
        assert!((200..300).contains(&retried.0), "{name}: {}", retried.1);
    }
    gateway.check().await;
}

// C066
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_at_any_statement_ends_that_request_alone() {
    every_statement(Fault::Panic, Point::Before).await;
}
