//! Rules that ended, as the log tells of them: what the brake keeps cites them, and so do explanations
//! of what somebody had.

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::App;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{RuleId, WorkspaceId};
use crate::store::changes as log;
use crate::workspace::{history, members};

/// A rule that ended.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct EndedRule {
    /// Its id.
    pub id: RuleId,
    /// Its last version.
    pub version: Option<i64>,
    /// Since when it gives nothing.
    pub ended_at: Timestamp,
    /// What it said last, with the ids of groups, and the present names of what it gave.
    pub was: Value,
}

/// A rule that ended; one that has not, or was never there, is [`Error::NotFound`].
pub async fn show(app: &App, workspace: WorkspaceId, id: RuleId) -> Result<EndedRule> {
    // What happened last may not be numbered yet.
    let moment = history::moment(app, workspace, app.clock.now()).await?;
    let mut tx = app.db.one().await?;
    let subjects = [id.0];
    let changes = log::list_of_subjects(&mut tx, workspace, &subjects, moment.at).await?;
    let (mut was, mut version, mut ended_at) = (Value::Null, None, None);
    for numbered in changes {
        let change = numbered.change;
        match change.kind.as_str() {
            "rule.added" | "rule.changed" => {
                was = serde_json::from_str(&change.detail).map_err(Error::internal)?;
                (version, ended_at) = (change.subject_version, None);
            }
            "rule.ended" => ended_at = Some(change.at),
            _ => {}
        }
    }
    let ended_at = ended_at.ok_or(Error::NotFound("rule"))?;
    let names = members::names(&mut tx, workspace).await?;
    for grant in was["grants"].as_array_mut().into_iter().flatten() {
        let target = grant["target"].as_str();
        let target = target.and_then(|target| target.parse::<Uuid>().ok());
        grant["name"] = json!(target.and_then(|target| names.get(&target)));
    }
    Ok(EndedRule {
        id,
        version,
        ended_at,
        was,
    })
}
