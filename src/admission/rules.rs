//! Adding a rule: it is bound to groups, looks at attributes or both, and what it gives is settled
//! at once or by a run.

use serde_json::json;
use uuid::Uuid;

use super::runs;
use super::settle::{Rules, settle};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::ids::{CauseId, GroupId, RoleId, RuleId, RunId, TeamId};
use crate::mapping::when;
use crate::store::directories::{self, Directory};
use crate::store::grants::GrantKind;
use crate::store::rules::{self as rows, Rule, RuleGroup, RuleState};
use crate::store::runs::{Run, RunKind, RunState};
use crate::store::tx::Tx;
use crate::store::users::{self, Place};
use crate::store::workspaces::{self, Sweep};
use crate::store::{groups, members, nestings};
use crate::workspace::{Workspace, name_key, schemas};

/// What a rule is made of.
#[derive(Debug, Clone, Default)]
pub struct NewRule {
    /// The name of the directory whose groups and users it looks at.
    pub directory: String,
    /// The names of the groups that must all hold; a name that no group has yet waits for one.
    pub groups: Vec<String>,
    /// What must hold of the user's own attributes: a filter.
    pub when: Option<String>,
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
    /// What must hold of the user's own attributes, in canonical text.
    pub when: Option<String>,
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

/// Adds a rule to a workspace. Without groups and without `when`, or without anything to give, it is
/// refused.
pub async fn add(
    app: &App,
    origin: &Origin,
    workspace: &Workspace,
    rule: NewRule,
) -> Result<Added> {
    if rule.groups.is_empty() && rule.when.is_none() {
        return Err(Error::value("a rule needs at least one group or `when`"));
    }
    if rule.teams.is_empty() && rule.roles.is_empty() {
        return Err(Error::value("a rule must give at least one team or role"));
    }
    let act = Act::of(app, origin, workspace.id);
    let app_ = app.clone();
    app.write(move |tx| {
        let (app, act, rule) = (app_.clone(), act.clone(), rule.clone());
        Box::pin(async move { insert(tx, &app, act, &rule).await })
    })
    .await
}

async fn insert(tx: &mut Tx, app: &App, act: Act, new: &NewRule) -> Result<Added> {
    let (act, directory) = open(tx, act, &new.directory).await?;
    let place = place(&directory);
    let user = schemas::registry_within(tx, app, act.workspace)
        .await?
        .user();
    let when = new.when.as_deref().map(|text| when::canonical(text, user));
    let when = when.transpose()?;
    let id = RuleId::new();
    let groups = bind(tx, place, id, &new.groups).await?;
    let grants = targets(tx, &act, new).await?;
    let bound: Vec<GroupId> = groups.iter().filter_map(|group| group.group_id).collect();
    let reach = if bound.len() == groups.len() {
        Some(Reach::of(tx, app, place, &bound).await?)
    } else {
        None
    };
    let rule = Rule {
        id,
        directory: directory.id,
        version: 1,
        state: reach.as_ref().map_or(RuleState::Pending, Reach::state),
        cause: CauseId::new(),
        when,
        run: reach.as_ref().and_then(|reach| reach.run),
        created_at: act.at,
    };
    write(tx, &act, &rule, &groups, &grants).await?;
    let changed = match &reach {
        Some(reach) => apply(tx, app, &act, &directory, reach).await?,
        None => 0,
    };
    Ok(Added {
        id,
        version: rule.version,
        bound: reach.is_some(),
        state: rule.state,
        groups: groups
            .into_iter()
            .map(|group| Target {
                name: group.name,
                id: group.group_id,
            })
            .collect(),
        when: rule.when,
        run: rule.run,
        changed,
    })
}

/// Keeps other changes of rules away and finds the directory.
pub(super) async fn open(tx: &mut Tx, mut act: Act, directory: &str) -> Result<(Act, Directory)> {
    workspaces::lock(tx, act.workspace).await?;
    let key = name_key(directory, "directory")?;
    let directory = directories::find_by_name(tx, act.workspace, &key)
        .await?
        .ok_or(Error::NotFound("directory"))?;
    act.directory = Some(directory.id);
    Ok((act, directory))
}

/// Whom new rules can concern.
pub(super) struct Reach {
    group: Option<GroupId>,
    total: i64,
    /// The run that settles them, where they are many.
    pub(super) run: Option<RunId>,
}

impl Reach {
    /// Whom a rule over these groups can concern; without a group, all users of the directory.
    pub(super) async fn of(
        tx: &mut Tx,
        app: &App,
        place: Place,
        bound: &[GroupId],
    ) -> Result<Self> {
        let (group, total) = if bound.is_empty() {
            let directory = (place.workspace, place.directory);
            (None, directories::count(tx, directory, "users").await?)
        } else {
            let (group, total) = smallest(tx, place, bound).await?;
            (Some(group), total)
        };
        Ok(Self {
            group,
            total,
            run: (total > app.config.scim.run_threshold).then(RunId::new),
        })
    }

    /// How far a rule is that was added with it.
    pub(super) fn state(&self) -> RuleState {
        match self.run {
            Some(_) => RuleState::Planned,
            None => RuleState::Live,
        }
    }
}

/// Writes a rule down and tells of it.
pub(super) async fn write(
    tx: &mut Tx,
    act: &Act,
    rule: &Rule,
    groups: &[RuleGroup],
    grants: &[(GrantKind, Uuid)],
) -> Result<()> {
    let actor = act.origin.actor.clone().unwrap_or_default();
    rows::insert_cause(tx, act.workspace, rule, &actor).await?;
    rows::insert(tx, act.workspace, rule, groups, grants).await?;
    let bound: Vec<_> = groups.iter().filter_map(|group| group.group_id).collect();
    let grants = grants
        .iter()
        .map(|(kind, id)| json!({"kind": kind, "target": id}));
    let detail = json!({
        "directory": rule.directory, "groups": bound, "when": rule.when, "state": rule.state,
        "grants": grants.collect::<Vec<_>>(),
    });
    let change = act.change(
        "rule.added",
        ("rule", rule.id.0),
        Some(rule.version),
        &detail,
    );
    changes::record(tx, act.workspace, &[change]).await
}

/// Settles whom the rules just written can concern, or plans the run that will; tells how many
/// members changed at once.
pub(super) async fn apply(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    directory: &Directory,
    reach: &Reach,
) -> Result<usize> {
    let Some(id) = reach.run else {
        workspaces::update_rules_mark(tx, act.workspace, Uuid::new_v4(), Sweep::Needed).await?;
        return settle_now(tx, app, act, directory, reach.group).await;
    };
    let run = Run {
        id,
        workspace: act.workspace,
        kind: RunKind::Rule,
        state: RunState::Planned,
        directory: directory.id,
        group_id: reach.group,
        position: None,
        total: reach.total,
        processed: 0,
        request: act.origin.request,
        created_at: act.at,
        finished_at: None,
    };
    runs::plan(tx, &run).await?;
    Ok(0)
}

pub(super) fn place(directory: &Directory) -> Place {
    Place {
        workspace: directory.workspace,
        directory: directory.id,
    }
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
        let count = nestings::count_users(tx, place, *group).await?;
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
    group: Option<GroupId>,
) -> Result<usize> {
    let place = place(directory);
    let most = app.config.scim.run_threshold + 1;
    let users = runs::concerned(tx, place, group, None, most).await?;
    let linked = users::lock_linked(tx, place, &users).await?;
    let ids: Vec<_> = linked.iter().filter_map(|user| user.member).collect();
    let locked = members::lock(tx, act.workspace, &ids).await?;
    let rules = Rules::current(tx, app, act).await?;
    settle(tx, act, &locked, &rules, None).await
}
