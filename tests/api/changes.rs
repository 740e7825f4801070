//! The change log gets its numbers.

use std::collections::HashMap;

use gatehouse::changes::{Act, Origin, sequencer};
use gatehouse::store::changes as rows;
use serde_json::json;
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
