//! Settles members who were settled under older rules: a request may have written a membership
//! while a rule was being added, and neither saw the other.

use std::collections::HashMap;

use tracing::Instrument;

use super::settle::{Rules, settle};
use crate::app::App;
use crate::changes::{Act, Origin};
use crate::error::Result;
use crate::ids::{MemberId, RequestId, WorkspaceId};
use crate::store::{members, workspaces};

/// How far the sweeper has come in each workspace. Looked for from the beginning each time, those who
/// are still to be settled would be behind more and more who are.
#[derive(Debug, Default)]
pub struct Places(HashMap<WorkspaceId, MemberId>);

/// Settles one batch of each workspace that asks for it; tells how many members were looked at.
/// Workspaces with an open run wait for its end.
pub async fn sweep(app: &App, places: &mut Places) -> Result<usize> {
    let mut tx = app.db.one().await?;
    let unswept = workspaces::list_unswept(&mut tx).await?;
    drop(tx);
    let (mut looked_at, mut failed) = (0, None);
    for workspace in unswept {
        let span = tracing::debug_span!(target: "otel", "sweep");
        let after = places.0.get(&workspace).copied();
        match sweep_batch(app, workspace, after).instrument(span).await {
            Ok((count, last)) => {
                looked_at += count;
                match last {
                    Some(last) => places.0.insert(workspace, last),
                    None => places.0.remove(&workspace),
                };
            }
            // What is wrong with one workspace does not keep the others waiting.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(looked_at), Err)
}

/// Settles the next members; tells how many there were and who was the last.
async fn sweep_batch(
    app: &App,
    workspace: WorkspaceId,
    after: Option<MemberId>,
) -> Result<(usize, Option<MemberId>)> {
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
            let locked = members::lock_unsettled(tx, workspace, floor, after, most).await?;
            let last = locked.last().map(|member| member.id);
            if last.is_none() {
                // The floor may have risen behind the place that was reached.
                let again = members::has_unsettled(tx, workspace, floor).await?;
                if !again {
                    workspaces::update_swept(tx, workspace, floor).await?;
                }
                return Ok((usize::from(again), None));
            }
            let rules = Rules::current(tx, &app, &act).await?;
            settle(tx, &act, &locked, &rules, None).await?;
            Ok((locked.len(), last))
        })
    })
    .await
}
