//! Rules begin and end to have effect when their time comes. What one gave that is over has no effect
//! from then on; the sweeper settles everybody.
//!
//! That a rule ends when it was said to is nothing that the brake holds up. But an `until` a moment
//! ahead would be a way round it; so where the version of the rule that says it is younger than the
//! time within which losses count together, it is as if somebody ended the rule. Kept instead could be
//! which edit brought the end nearer; but whoever brings it nearer in two steps is none the wiser, and
//! an hour is long enough to see what was done.

use serde_json::json;
use uuid::Uuid;

use super::brake;
use super::carrying::{body, end_cause, of_rules};
use super::reach::Reach;
use super::rules::find_with;
use super::runs::{self, Of, Run, RunState};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ids::{RequestId, RunId, WorkspaceId};
use crate::store::phases::{self as rows, Moved};
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
        let app_ = app.clone();
        let outcome = app.write(move |tx| {
            let app = app_.clone();
            Box::pin(async move { move_on(tx, &app, workspace, at).await })
        });
        match outcome.await {
            Ok(count) => moved += count,
            // What is wrong with one workspace does not keep the others waiting.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(moved), Err)
}

async fn move_on(tx: &mut Tx, app: &App, workspace: WorkspaceId, at: Timestamp) -> Result<usize> {
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
                end(tx, app, &act, rule).await?;
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

/// Ends what a rule gave that is over. Where the brake has a word in it and may not let it pass, each
/// member is held against it by a run, and the cause ends with that one.
async fn end(tx: &mut Tx, app: &App, act: &Act, rule: &Moved) -> Result<()> {
    let said_at = rows::find_begin(tx, act.workspace, rule.cause).await?;
    if said_at <= act.at.before(brake::WINDOW) {
        brake::count(tx, act, rule.cause).await?;
    } else if !brake::admits(tx, act, &[rule.cause]).await? {
        let (_, (_, definition)) = find_with(tx, act.workspace, rule.id).await?;
        let reach = Reach::of(tx, app, act.workspace, &[definition.scope()?]).await?;
        let over_profiles = definition.directory.is_none();
        let body = over_profiles.then(|| body(&definition));
        let run = Run {
            state: RunState::Applying,
            group_id: reach.one_group(),
            of: Of {
                old_cause: Some(rule.cause),
                // By which those are found whom a rule over profiles was for.
                before_body: body.transpose()?,
                ..Of::default()
            },
            ..of_rules(act, definition.directory, RunId::new(), reach.total)
        };
        return runs::plan(tx, &run).await;
    }
    end_cause(tx, act, Some(rule.cause), None).await
}
