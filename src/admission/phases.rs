//! Rules begin and end to have effect when their time comes. What one gave that is over has no effect
//! from then on; the sweeper settles everybody.

use serde_json::json;
use uuid::Uuid;

use super::carrying::end_cause;
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ids::{RequestId, WorkspaceId};
use crate::store::phases as rows;
use crate::store::rules::Phase;
use crate::store::tx::Tx;
use crate::store::workspaces::{self, Sweep};

/// Moves the rules on whose time has come; tells how many.
pub async fn turn(app: &App) -> Result<usize> {
    let at = app.clock.now();
    let mut tx = app.db.one().await?;
    let due = rows::list_due(&mut tx, at).await?;
    drop(tx);
    let (mut moved, mut failed) = (0, None);
    for workspace in due {
        let outcome =
            app.write(move |tx| Box::pin(async move { move_on(tx, workspace, at).await }));
        match outcome.await {
            Ok(count) => moved += count,
            // What is wrong with one workspace does not keep the others waiting.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(moved), Err)
}

async fn move_on(tx: &mut Tx, workspace: WorkspaceId, at: Timestamp) -> Result<usize> {
    let act = Act {
        origin: Origin::worker(RequestId::new()),
        workspace,
        directory: None,
        at,
    };
    workspaces::lock(tx, workspace).await?;
    let moved = rows::update_due(tx, workspace, at).await?;
    if moved.is_empty() {
        return Ok(0);
    }
    let mut told = Vec::with_capacity(moved.len());
    for rule in &moved {
        let kind = match rule.phase {
            Phase::Over => {
                // That it ends is what was said of it: the brake has no word in it.
                rows::insert_losses(tx, workspace, rule, at).await?;
                end_cause(tx, &act, Some(rule.cause), None).await?;
                "rule.lapsed"
            }
            Phase::Open | Phase::Ahead => "rule.began",
        };
        told.push(act.change(kind, ("rule", rule.id.0), None, &json!({})));
    }
    workspaces::update_rules_mark(tx, workspace, Uuid::new_v4(), Sweep::Needed).await?;
    changes::record(tx, workspace, &told).await?;
    Ok(moved.len())
}
