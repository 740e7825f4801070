//! Settles members who were settled under older rules: a request may have written a membership
//! while a rule was being added, and neither saw the other.

use tracing::Instrument;

use super::settle::{Rules, settle};
use crate::app::App;
use crate::changes::{Act, Origin};
use crate::error::Result;
use crate::ids::{RequestId, WorkspaceId};
use crate::store::{members, workspaces};

/// Settles one batch of each workspace that asks for it; tells how many members were looked at.
/// Workspaces with an open run wait for its end.
pub async fn sweep(app: &App) -> Result<usize> {
    let mut tx = app.db.one().await?;
    let unswept = workspaces::list_unswept(&mut tx).await?;
    drop(tx);
    let (mut looked_at, mut failed) = (0, None);
    for workspace in unswept {
        let span = tracing::debug_span!(target: "otel", "sweep");
        match sweep_batch(app, workspace).instrument(span).await {
            Ok(count) => looked_at += count,
            // What is wrong with one workspace does not keep the others waiting.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(looked_at), Err)
}

async fn sweep_batch(app: &App, workspace: WorkspaceId) -> Result<usize> {
    let app_ = app.clone();
    let act = Act {
        origin: Origin::worker(RequestId::new()),
        workspace,
        directory: None,
        at: app.clock.now(),
    };
    app.write(move |tx| {
        let (app, act) = (app_.clone(), act.clone());
        Box::pin(async move {
            let floor = workspaces::find_rules_floor(tx, workspace).await?;
            let most = app.config.scim.run_batch;
            let locked = members::lock_unsettled(tx, workspace, floor, most).await?;
            if locked.is_empty() {
                workspaces::update_swept(tx, workspace, floor).await?;
                return Ok(0);
            }
            let rules = Rules::current(tx, &app, &act).await?;
            settle(tx, &act, &locked, &rules, None).await?;
            Ok(locked.len())
        })
    })
    .await
}
