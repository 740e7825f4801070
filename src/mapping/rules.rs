//! The rules of a workspace: reading, and what of them waits or broke.

use std::sync::Arc;

use serde_json::json;

use crate::app::App;
use crate::changes::{self, Act};
use crate::error::Result;
use crate::ids::{DirectoryId, GroupId, RuleId, WorkspaceId};
use crate::store::rules as rows;
use crate::store::tx::Tx;
use crate::store::users::Place;
use crate::store::workspaces::{self, RulesMark, Sweep};
use crate::workspace::{guard, schemas};

pub use crate::store::rules::{LiveRule, Rule, RuleGroup, RuleState};

/// The version and the live rules of a workspace, from the cache while their tag is the same.
pub async fn current(
    tx: &mut Tx,
    app: &App,
    workspace: WorkspaceId,
) -> Result<(i64, Arc<Vec<LiveRule>>)> {
    let mark = workspaces::find_rules_mark(tx, workspace).await?;
    of(tx, app, workspace, mark).await
}

/// The same for the workspace of a group; and whether other groups hold that one.
pub async fn current_for(
    tx: &mut Tx,
    app: &App,
    place: Place,
    group: GroupId,
) -> Result<(i64, Arc<Vec<LiveRule>>, bool)> {
    let found = workspaces::find_group_mark(tx, place, group).await?;
    let (version, live) = of(tx, app, place.workspace, found.mark).await?;
    Ok((version, live, found.is_held))
}

/// The same, where the mark was read already.
pub async fn of(
    tx: &mut Tx,
    app: &App,
    workspace: WorkspaceId,
    mark: RulesMark,
) -> Result<(i64, Arc<Vec<LiveRule>>)> {
    if let Some(live) = app.rules.get(&mark.rules_tag) {
        return Ok((mark.rules_version, live));
    }
    let registry = schemas::registry_within(tx, app, workspace).await?;
    let live = Arc::new(rows::list_live(tx, workspace, registry.user()).await?);
    app.rules.insert(mark.rules_tag, Arc::clone(&live));
    Ok((mark.rules_version, live))
}

/// Binds rules that wait for a group of that name to the group just made. A rule binds once; a
/// rename binds nothing. Nobody but the group's first members can be concerned. The workspace is
/// locked by the caller, so that no rule is being added meanwhile.
pub async fn bind(
    tx: &mut Tx,
    act: &Act,
    directory: DirectoryId,
    (group, name_key): (GroupId, &str),
) -> Result<()> {
    let bound = rows::bind(tx, act.workspace, directory, name_key, group).await?;
    if bound.is_empty() {
        return Ok(());
    }
    rows::update_bound(tx, act.workspace).await?;
    workspaces::update_rules_mark(tx, act.workspace, uuid::Uuid::new_v4(), Sweep::NotNeeded)
        .await?;
    let changes: Vec<_> = bound
        .iter()
        .map(|rule| told(act, "rule.bound", *rule, group))
        .collect();
    changes::record(tx, act.workspace, &changes).await
}

/// Breaks the rules that look at a group which goes away: only an admin binds them anew. Tells whether
/// there are any.
pub async fn break_rules(tx: &mut Tx, act: &Act, group: GroupId) -> Result<bool> {
    let broken = rows::update_broken(tx, act.workspace, group).await?;
    if broken.is_empty() {
        return Ok(false);
    }
    // Whoever had the rule's grants has them ended with the group, inline or by the run.
    workspaces::update_rules_mark(tx, act.workspace, uuid::Uuid::new_v4(), Sweep::Needed).await?;
    let changes: Vec<_> = broken
        .iter()
        .map(|rule| told(act, "rule.broken", *rule, group))
        .collect();
    changes::record(tx, act.workspace, &changes).await?;
    tracing::warn!(rules = broken.len(), group.id = %group, "a deleted group broke rules");
    Ok(true)
}

/// Ends the causes of the rules that a group broke which goes away: what they gave has no effect from
/// now on, but for the last admin and for what the brake keeps.
pub async fn end_broken(tx: &mut Tx, act: &Act, group: GroupId) -> Result<()> {
    if rows::end_broken(tx, act.workspace, group, act.at).await? > 0 {
        guard::keep_ended(tx, act).await?;
    }
    Ok(())
}

fn told(act: &Act, kind: &str, rule: RuleId, group: GroupId) -> changes::Change {
    // A rule's state has no version of its own; the workspace's lock orders these changes.
    act.change(kind, ("rule", rule.0), None, &json!({ "group": group }))
}

/// A rule as admins see it, with names.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Listed {
    /// Its id.
    pub id: RuleId,
    /// Its version.
    pub version: i64,
    /// How far it is.
    pub state: RuleState,
    /// The directory whose groups and users it looks at.
    pub directory: DirectoryId,
    /// The names of its groups, as it was made with them.
    pub groups: Vec<String>,
    /// What must hold of the user's own attributes.
    pub when: Option<String>,
    /// What it gives: `team NAME` or `role NAME`.
    pub grants: Vec<String>,
}

/// The rules of a workspace, oldest first.
pub async fn list(app: &App, workspace: WorkspaceId) -> Result<Vec<Listed>> {
    let mut tx = app.db.read().await?;
    let names = crate::workspace::members::names(&mut tx, workspace).await?;
    let groups = rows::list_groups(&mut tx, workspace).await?;
    let grants = rows::list_grants(&mut tx, workspace).await?;
    let rules = rows::list(&mut tx, workspace).await?;
    let listed = rules.into_iter().map(|rule| Listed {
        id: rule.id,
        version: rule.version,
        state: rule.state,
        directory: rule.directory,
        groups: groups
            .iter()
            .filter(|group| group.rule == rule.id)
            .map(|group| group.name.clone())
            .collect(),
        when: rule.when,
        grants: grants
            .iter()
            .filter(|grant| grant.rule == rule.id)
            .map(|grant| {
                let name = names.get(&grant.target).map_or("", String::as_str);
                format!("{} {name}", grant.kind)
            })
            .collect(),
    });
    Ok(listed.collect())
}
