//! The change log gets its numbers, and the work behind the requests goes on.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gatehouse::changes::{Act, Origin, sequencer};
use gatehouse::directory::credentials;
use gatehouse::store::changes as rows;
use gatehouse::store::faults::Fault;
use gatehouse::store::figures::{self, Figures};
use gatehouse::worker::{self, Worker, keep};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::gateway::Gateway;

/// What waits is several batches long, the database knows nothing of the table's size yet, and the
/// times of many subjects' versions are the wrong way round, also over the end of a batch.
#[tokio::test]
async fn a_backlog_is_numbered_without_gaps_and_with_ascending_versions() {
    const SUBJECTS: usize = 2_500;
    let gateway = Gateway::new().await;
    let app = &gateway.app;
    gateway.work().await;
    let at = app.clock.now();
    let act = |milliseconds: usize| Act {
        origin: Origin::cli(),
        workspace: gateway.workspace.id,
        directory: None,
        at: at.after(std::time::Duration::from_millis(milliseconds as u64)),
    };
    let mut changes = Vec::new();
    for place in 0..SUBJECTS {
        let subject = ("member", Uuid::now_v7());
        for (time, version) in [(place, 2), (place + 700, 1), (place + 900, 3)] {
            changes.push(act(time).change("member.updated", subject, Some(version), &json!({})));
        }
    }
    let before = {
        let mut tx = app.db.one().await.unwrap();
        let head = rows::find_head(&mut tx, gateway.workspace.id).await;
        head.unwrap().unwrap()
    };
    let count = changes.len();
    let workspace = gateway.workspace.id;
    app.write(move |tx| {
        let changes = changes.clone();
        Box::pin(async move { Ok(rows::insert(tx, workspace, &changes).await?) })
    })
    .await
    .unwrap();
    gateway.work().await;

    assert_eq!(sequencer::verify_chain(app, workspace).await.unwrap(), None);
    let mut tx = app.db.one().await.unwrap();
    let numbered = rows::list_numbered(&mut tx, workspace, before.number, 10_000)
        .await
        .unwrap();
    assert_eq!(numbered.len(), count);
    let mut newest: HashMap<Uuid, i64> = HashMap::new();
    for change in numbered {
        let version = change.change.subject_version.unwrap();
        let before = newest.insert(change.change.subject, version);
        assert_eq!(version, before.unwrap_or(0) + 1, "number {}", change.number);
    }
}

async fn figures(gateway: &Gateway) -> Figures {
    let mut tx = gateway.app.db.one().await.unwrap();
    let now = gateway.app.clock.now();
    figures::find(&mut tx, now).await.unwrap()
}

#[tokio::test]
async fn figures_count_what_waits_and_what_there_is() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    gateway.work().await;
    let before = figures(&gateway).await;
    assert_eq!((before.unnumbered, before.oldest), (0, None));
    assert_eq!((before.users, before.ending), (0, 0));

    scim.created("/Users", &json!({"userName": "ada"})).await;
    scim.created("/Groups", &json!({"displayName": "Crew"}))
        .await;
    gateway.rule(&["Crew"], "Crew").await;
    let after = figures(&gateway).await;
    assert!(after.unnumbered > 2 && after.oldest.is_some());
    assert_eq!((after.users, after.groups), (1, 1));
    assert_eq!((after.workspaces, after.directories), (1, 1));
    gateway.work().await;
    let settled = figures(&gateway).await;
    assert_eq!(
        (settled.unnumbered, settled.runs, settled.unswept),
        (0, 0, 0)
    );

    // A token that ends is told of while its directory has no other one that stays.
    let origin = Origin::cli();
    let life = Some(Duration::from_hours(13 * 24));
    let app = &gateway.app;
    credentials::issue(app, &origin, &scim.directory, life)
        .await
        .unwrap();
    assert_eq!(figures(&gateway).await.ending, 0);
    credentials::revoke(app, &origin, &scim.directory, scim.credential)
        .await
        .unwrap();
    assert_eq!(figures(&gateway).await.ending, 1);
}

// C246
#[tokio::test]
async fn a_background_task_that_dies_is_begun_again() {
    let gateway = Gateway::new().await;
    let (stop, times) = (CancellationToken::new(), Arc::new(AtomicU32::new(0)));
    let counted = Arc::clone(&times);
    keep("test", &gateway.app, &stop, move |_, stop| {
        let time = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            assert!(time > 1, "dies the first two times");
            stop.cancel();
        }
    })
    .await;
    assert_eq!(times.load(Ordering::SeqCst), 3);
}

// C246
#[tokio::test]
async fn no_change_is_left_behind_by_a_worker_that_panicked() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    scim.created("/Users", &json!({"userName": "ada"})).await;
    assert!(figures(&gateway).await.unnumbered > 0);
    // Its first statement that writes is the one that takes the lease.
    gateway.app.db.faults().arm(1, Fault::Panic);
    let stop = CancellationToken::new();
    let working = tokio::spawn(keep("worker", &gateway.app, &stop, worker::work));
    while figures(&gateway).await.unnumbered > 0 {
        tokio::task::yield_now().await;
    }
    assert!(!gateway.app.db.faults().disarm(), "the fault struck");
    stop.cancel();
    working.await.unwrap();
}

// C246
#[tokio::test]
async fn what_is_wrong_with_one_workspace_keeps_no_other_waiting() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let other = gateway.other_workspace().await;
    gateway.work().await;
    // Nothing can be numbered behind a head that is gone.
    let broken = gateway.workspace.id;
    let head = "DELETE FROM change_heads WHERE workspace = $1";
    let gone = gateway
        .app
        .write(move |tx| Box::pin(async move { Ok(tx.query(head).bind(broken).execute().await?) }));
    assert_eq!(gone.await.unwrap(), 1);
    for scim in [&scim, &other] {
        scim.created("/Users", &json!({"userName": "ada"})).await;
    }
    let waiting = async |workspace| -> i64 {
        let mut tx = gateway.app.db.one().await.unwrap();
        let sql = "SELECT COUNT(*) FROM changes WHERE workspace = $1 AND number IS NULL";
        let row: (i64,) = tx.query(sql).bind(workspace).fetch_one().await.unwrap();
        row.0
    };
    let mut worker = Worker::new(gateway.app.clone());
    assert!(worker.round().await.is_err(), "it says that it failed");
    assert!(waiting(broken).await > 0);
    assert_eq!(waiting(other.directory.workspace).await, 0);
}
