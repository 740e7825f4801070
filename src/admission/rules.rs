//! Adding a rule: it is bound to groups, and what it gives is settled at once or by a run.

use serde_json::json;
use uuid::Uuid;

use super::runs;
use super::settle::{Rules, settle};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::ids::{CauseId, GroupId, RoleId, RuleId, RunId, TeamId};
use crate::store::db::Tx;
use crate::store::directories::{self, Directory};
use crate::store::grants::GrantKind;
use crate::store::rules::{self as rows, Rule, RuleGroup, RuleState};
use crate::store::runs::{Run, RunKind, RunState};
use crate::store::users::{self, Place};
use crate::store::workspaces::{self, Sweep};
use crate::store::{groups, members, memberships};
use crate::workspace::{Workspace, name_key};

/// What a rule is made of.
#[derive(Debug, Clone)]
pub struct NewRule {
    /// The name of the directory whose groups it looks at.
    pub directory: String,
    /// The names of the groups that must all hold; a name that no group has yet waits for one.
    pub groups: Vec<String>,
    /// The names of the teams that it gives; unknown ones are made.
    pub teams: Vec<String>,
    /// The names of the roles that it gives; unknown ones are made, empty.
    pub roles: Vec<String>,
}

/// A rule that was added.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Added {
    /// Its id.
    pub id: RuleId,
    /// Its version.
    pub version: i64,
    /// Whether all its groups exist.
    pub bound: bool,
    /// How far it is.
    pub state: RuleState,
    /// Its groups, with the ids of those that exist.
    pub groups: Vec<Target>,
    /// The run that settles the members concerned, where they are many.
    pub run: Option<RunId>,
    /// How many members changed at once.
    pub changed: usize,
}

/// A group of a rule.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Target {
    /// The name that was given.
    pub name: String,
    /// The group's id, once there is one.
    pub id: Option<GroupId>,
}

/// Adds a rule to a workspace. Without groups, or without anything to give, it is refused.
pub async fn add(
    app: &App,
    origin: &Origin,
    workspace: &Workspace,
    rule: NewRule,
) -> Result<Added> {
    if rule.groups.is_empty() {
        return Err(Error::value("a rule needs at least one group"));
    }
    if rule.teams.is_empty() && rule.roles.is_empty() {
        return Err(Error::value("a rule must give at least one team or role"));
    }
    let act = Act {
        origin: origin.clone(),
        workspace: workspace.id,
        directory: None,
        at: app.clock.now(),
    };
    let app_ = app.clone();
    app.write(move |tx| {
        let (app, act, rule) = (app_.clone(), act.clone(), rule.clone());
        Box::pin(async move { insert(tx, &app, act, &rule).await })
    })
    .await
}

async fn insert(tx: &mut Tx, app: &App, mut act: Act, new: &NewRule) -> Result<Added> {
    workspaces::lock(tx, act.workspace).await?;
    let key = name_key(&new.directory, "directory")?;
    let directory = directories::find_by_name(tx, act.workspace, &key)
        .await?
        .ok_or(Error::NotFound("directory"))?;
    act.directory = Some(directory.id);
    let place = Place {
        workspace: act.workspace,
        directory: directory.id,
    };
    let id = RuleId::new();
    let groups = bind(tx, place, id, &new.groups).await?;
    let grants = targets(tx, &act, new).await?;
    let bound: Vec<GroupId> = groups.iter().filter_map(|group| group.group_id).collect();
    let is_bound = bound.len() == groups.len();
    let smallest = if is_bound {
        Some(smallest(tx, place, &bound).await?)
    } else {
        None
    };
    let threshold = app.config.scim.run_threshold;
    let state = match smallest {
        None => RuleState::Pending,
        Some((_, count)) if count > threshold => RuleState::Planned,
        Some(_) => RuleState::Live,
    };
    let rule = Rule {
        id,
        directory: directory.id,
        version: 1,
        state,
        cause: CauseId::new(),
        created_at: act.at,
    };
    let actor = act.origin.actor.clone().unwrap_or_default();
    rows::insert_cause(tx, act.workspace, &rule, &actor).await?;
    rows::insert(tx, act.workspace, &rule, &groups, &grants).await?;
    let detail = json!({
        "directory": directory.id, "groups": bound, "state": state,
        "grants": grants.iter().map(|(kind, id)| json!({"kind": kind, "target": id}))
            .collect::<Vec<_>>(),
    });
    let change = act.change("rule.added", ("rule", id.0), Some(1), &detail);
    changes::record(tx, act.workspace, &[change]).await?;
    let mut added = Added {
        id,
        version: rule.version,
        bound: is_bound,
        state,
        groups: groups
            .into_iter()
            .map(|group| Target {
                name: group.name,
                id: group.group_id,
            })
            .collect(),
        run: None,
        changed: 0,
    };
    match (state, smallest) {
        (RuleState::Live, Some((group, _))) => {
            workspaces::update_rules_mark(tx, act.workspace, Uuid::new_v4(), Sweep::Needed).await?;
            added.changed = settle_now(tx, app, &act, &directory, group).await?;
        }
        (RuleState::Planned, Some((group, total))) => {
            let run = Run {
                id: RunId::new(),
                workspace: act.workspace,
                kind: RunKind::Rule,
                state: RunState::Planned,
                directory: directory.id,
                group_id: group,
                rule: Some(id),
                position: None,
                total,
                processed: 0,
                request: act.origin.request,
                created_at: act.at,
                finished_at: None,
            };
            runs::plan(tx, &run).await?;
            added.run = Some(run.id);
        }
        _ => {}
    }
    Ok(added)
}

async fn bind(tx: &mut Tx, place: Place, rule: RuleId, names: &[String]) -> Result<Vec<RuleGroup>> {
    let mut bound: Vec<RuleGroup> = Vec::with_capacity(names.len());
    for (position, name) in (0..).zip(names) {
        let key = name_key(name, "group")?;
        if bound.iter().any(|other| other.name_key == key) {
            return Err(Error::value("a rule names a group twice"));
        }
        let group = groups::find_by_name(tx, place, &key).await?;
        bound.push(RuleGroup {
            rule,
            position,
            name: name.clone(),
            name_key: key,
            group_id: group.map(|group| group.id),
        });
    }
    Ok(bound)
}

/// The teams and roles that a rule gives; those that are missing are made.
async fn targets(tx: &mut Tx, act: &Act, new: &NewRule) -> Result<Vec<(GrantKind, Uuid)>> {
    let mut targets = Vec::new();
    for name in &new.teams {
        let key = name_key(name, "team")?;
        workspaces::insert_team(tx, act.workspace, TeamId::new(), name, &key, act.at).await?;
        let team = workspaces::find_team(tx, act.workspace, &key).await?;
        targets.push((GrantKind::Team, team.ok_or(Error::NotFound("team"))?.id));
    }
    for name in &new.roles {
        let key = name_key(name, "role")?;
        let names = (name.as_str(), key.as_str());
        workspaces::insert_role(tx, act.workspace, RoleId::new(), names, false, act.at).await?;
        let role = workspaces::find_role(tx, act.workspace, &key).await?;
        targets.push((GrantKind::Role, role.ok_or(Error::NotFound("role"))?.id));
    }
    targets.sort_unstable();
    targets.dedup();
    Ok(targets)
}

/// Of groups that must all hold, the one with the fewest users: nobody else can be concerned.
async fn smallest(tx: &mut Tx, place: Place, bound: &[GroupId]) -> Result<(GroupId, i64)> {
    let mut smallest = (bound[0], i64::MAX);
    for group in bound {
        let count = memberships::count(tx, place, *group).await?;
        if count < smallest.1 {
            smallest = (*group, count);
        }
    }
    Ok(smallest)
}

async fn settle_now(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    directory: &Directory,
    group: GroupId,
) -> Result<usize> {
    let place = Place {
        workspace: act.workspace,
        directory: directory.id,
    };
    let most = app.config.scim.run_threshold + 1;
    let users = memberships::list_users(tx, place, group, None, most).await?;
    let linked = users::lock_linked(tx, place, &users).await?;
    let ids: Vec<_> = linked.iter().filter_map(|user| user.member).collect();
    let locked = members::lock(tx, act.workspace, &ids).await?;
    let rules = Rules::current(tx, app, act).await?;
    settle(tx, act, &locked, &rules, None).await
}
