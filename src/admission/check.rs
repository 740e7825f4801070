//! Whether every member has what the rules want: the evaluator held against the whole ledger.

use super::settle::{self, Rules};
use crate::app::App;
use crate::error::Result;
use crate::ids::WorkspaceId;
use crate::mapping::rules;
use crate::store::members::Member;
use crate::store::{members, workspaces};

/// How many members are read at a time.
const PAGE: i64 = 500;

/// How many members of a workspace have other grants of rules than its live rules want. None while
/// a run or the sweeper still has to settle some.
pub async fn count_unsettled(app: &App, workspace: WorkspaceId) -> Result<i64> {
    let mut tx = app.db.read().await?;
    if workspaces::is_unswept(&mut tx, workspace).await? {
        return Ok(0);
    }
    let (version, live) = rules::current(&mut tx, app, workspace).await?;
    let rules = Rules { version, live };
    let mut unsettled = 0;
    let mut after = None;
    loop {
        let page: Vec<Member> = members::list(&mut tx, workspace, after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(unsettled);
        };
        after = Some(last.id);
        let mut found = settle::differences(&mut tx, workspace, &page, &rules).await?;
        // What is the last admin's stays until there is another one.
        for (_, difference) in found.values_mut() {
            difference.ended.retain(|grant| !grant.is_kept);
        }
        found.retain(|_, (_, it)| !it.begun.is_empty() || !it.ended.is_empty());
        unsettled += i64::try_from(found.len()).unwrap_or(i64::MAX);
    }
}
