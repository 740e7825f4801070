//! The rules of a workspace: reading, and what of them waits or broke.

use std::sync::Arc;

use serde_json::json;
use uuid::Uuid;

use super::examples::Example;
use crate::app::App;
use crate::changes::{self, Act};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{CauseId, DirectoryId, GroupId, RuleId, RunId, WorkspaceId};
use crate::store::grants::GrantKind;
use crate::store::live_rules;
use crate::store::rules as rows;
use crate::store::tx::Tx;
use crate::store::users::Place;
use crate::store::workspaces::{self, RulesMark, Sweep};
use crate::workspace::{guard, schemas};

pub use crate::store::live_rules::LiveRule;
pub use crate::store::rule_sources::RuleSource;
pub use crate::store::rules::{LinePolicy, Phase, Rule, RuleGroup, RuleState};

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
    if let Some((tag, live)) = app.rules.get(&workspace)
        && tag == mark.rules_tag
    {
        return Ok((mark.rules_version, live));
    }
    let registry = schemas::registry_within(tx, app, workspace).await?;
    let live = Arc::new(live_rules::list_live(tx, workspace, registry.user()).await?);
    app.rules
        .insert(workspace, (mark.rules_tag, Arc::clone(&live)));
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
    workspaces::update_rules_mark(tx, act.workspace, Uuid::new_v4(), Sweep::NotNeeded).await?;
    let changes: Vec<_> = bound
        .iter()
        .map(|rule| told(act, "rule.bound", *rule, group))
        .collect();
    changes::record(tx, act.workspace, &changes).await
}

/// Breaks the rules that look at a group which goes away: only an admin binds them anew. Gives their
/// causes.
pub async fn break_rules(tx: &mut Tx, act: &Act, group: GroupId) -> Result<Vec<CauseId>> {
    let broken = rows::update_broken(tx, act.workspace, group).await?;
    if broken.is_empty() {
        return Ok(Vec::new());
    }
    // Whoever had the rule's grants has them ended with the group, inline or by the run.
    workspaces::update_rules_mark(tx, act.workspace, Uuid::new_v4(), Sweep::Needed).await?;
    let changes: Vec<_> = broken
        .iter()
        .map(|(rule, _)| told(act, "rule.broken", *rule, group))
        .collect();
    changes::record(tx, act.workspace, &changes).await?;
    tracing::warn!(rules = broken.len(), group.id = %group, "a deleted group broke rules");
    Ok(broken.into_iter().map(|(_, cause)| cause).collect())
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
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "Rule")]
pub struct Listed {
    /// Its id.
    pub id: RuleId,
    /// Its version.
    pub version: i64,
    /// How far it is.
    pub state: RuleState,
    /// Whether it is switched on.
    pub enabled: bool,
    /// Whether it gives rights now.
    pub in_effect: bool,
    /// What it looks at.
    pub source: RuleSource,
    /// The directory whose groups and users it looks at; null for a rule over profiles.
    pub directory: Option<DirectoryId>,
    /// The names of its groups, as it was made with them.
    pub groups: Vec<String>,
    /// The ids of its groups, in the same order; null for one that it waits for.
    pub group_ids: Vec<Option<GroupId>>,
    /// What must hold of the user's own attributes, or of the member's profile.
    pub when: Option<String>,
    /// What it gives: `team NAME`, `role NAME` or `permission NAME`.
    pub grants: Vec<String>,
    /// The teams that it gives.
    pub teams: Vec<Named>,
    /// The roles that it gives.
    pub roles: Vec<Named>,
    /// The permissions that it gives.
    pub permissions: Vec<String>,
    /// Rules of a higher priority come first; among equals, older ones.
    pub priority: i64,
    /// Whether later rules are not looked at for whom it holds.
    pub stop: bool,
    /// Since when it has effect.
    pub from: Option<Timestamp>,
    /// Until when it has effect.
    pub until: Option<Timestamp>,
    /// The line of members who have none of an admin's choice.
    pub line: Option<LinePolicy>,
    /// The language of members who have none of an admin's choice.
    pub language: Option<String>,
    /// What its maker expects of it.
    pub examples: Vec<Example>,
    /// The run that wrote it last, where it was one.
    pub run: Option<RunId>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A team or role, by id and name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Named {
    /// Its id.
    pub id: Uuid,
    /// Its name now.
    pub name: String,
}

/// The rules of a workspace, oldest first.
pub async fn list(app: &App, workspace: WorkspaceId) -> Result<Vec<Listed>> {
    let mut tx = app.db.read().await?;
    list_within(&mut tx, workspace).await
}

/// The rule of that id.
pub async fn show(app: &App, workspace: WorkspaceId, id: RuleId) -> Result<Listed> {
    let all = list(app, workspace).await?;
    let found = all.into_iter().find(|rule| rule.id == id);
    found.ok_or(Error::NotFound("rule"))
}

/// The rules of a workspace, oldest first.
pub async fn list_within(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<Listed>> {
    let names = crate::workspace::members::names(tx, workspace).await?;
    let groups = rows::list_groups(tx, workspace).await?;
    let grants = rows::list_grants(tx, workspace).await?;
    let all = rows::list(tx, workspace).await?;
    let listed = all.into_iter().map(|rule| {
        let groups = groups.iter().filter(|group| group.rule == rule.id);
        let (names_of, group_ids) = groups
            .map(|group| (group.name.clone(), group.group_id))
            .unzip();
        let given = |kind: GrantKind| {
            let own = grants.iter();
            let own = own.filter(move |grant| (grant.rule, grant.kind) == (rule.id, kind));
            let of = own.map(|grant| Named {
                id: grant.target,
                name: names.get(&grant.target).cloned().unwrap_or_default(),
            });
            of.collect::<Vec<_>>()
        };
        let (teams, roles) = (given(GrantKind::Team), given(GrantKind::Role));
        let permissions = given(GrantKind::Permission);
        let told = |kind: &'static str, of: &[Named]| {
            let told = of.iter().map(|named| format!("{kind} {}", named.name));
            told.collect::<Vec<_>>()
        };
        let kinds = [
            ("team", &teams),
            ("role", &roles),
            ("permission", &permissions),
        ];
        Listed {
            id: rule.id,
            version: rule.version,
            state: rule.state,
            enabled: rule.terms.enabled,
            in_effect: rule.has_effect(),
            source: RuleSource::of(rule.directory),
            directory: rule.directory,
            groups: names_of,
            group_ids,
            when: rule.when,
            grants: kinds.iter().flat_map(|(kind, of)| told(kind, of)).collect(),
            teams,
            roles,
            permissions: permissions.into_iter().map(|named| named.name).collect(),
            priority: rule.terms.priority,
            stop: rule.terms.stop,
            from: rule.terms.from,
            until: rule.terms.until,
            line: rule.terms.line,
            language: rule.terms.language,
            examples: serde_json::from_str(&rule.terms.examples).unwrap_or_default(),
            run: rule.run,
            created_at: rule.created_at,
        }
    });
    Ok(listed.collect())
}
