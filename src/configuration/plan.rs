//! What has to change: the difference of a document and a workspace, in steps.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::directories as named;
use super::effect::{Action, Difference, Effect, Kind, Unnamed};
use super::{Configuration, Directory, Role, Seats, Team, rules};
use crate::admission::rules::{self as admission, Missing, RuleEdit};
use crate::app::App;
use crate::changes::Act;
use crate::directory::{self, NewDirectory};
use crate::error::{Error, Result};
use crate::ids::{RoleId, RuleId, TeamId, WorkspaceId};
use crate::scim::etag::Precondition;
use crate::store::tx::Tx;
use crate::store::{access, directories, seats as limits, teams as team_rows};
use crate::workspace::keys::Scopes;
use crate::workspace::roles::{self, RoleEdit};
use crate::workspace::settings::{self, Edit};
use crate::workspace::teams::{self, TeamEdit};
use crate::workspace::{name_key, seats};

/// How an effect comes about.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Access(Edit),
    Seats(Seats),
    AddTeam(Team),
    EditTeam(TeamId, TeamEdit),
    AddRole(Role),
    EditRole(RoleId, RoleEdit),
    EndRole(RoleId),
    AddDirectory(Directory),
    EditDirectory(directories::Directory),
    AddRule(Box<RuleEdit>),
    EditRule(RuleId, Box<RuleEdit>),
    EndRule(RuleId),
}

/// An effect, and how it comes about.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub(super) effect: Effect,
    step: Step,
}

impl Planned {
    pub(super) fn of(
        (action, kind, name): (Action, Kind, &str),
        differences: Vec<Difference>,
        step: Step,
    ) -> Self {
        let name = name.to_owned();
        let effect = Effect {
            action,
            kind,
            name,
            differences,
        };
        Self { effect, step }
    }

    /// Whether a role ends by it.
    pub(super) fn ends_role(&self) -> bool {
        matches!(self.step, Step::EndRole(_))
    }

    /// Takes the step; an error says of what.
    pub(super) async fn take(&self, tx: &mut Tx, app: &App, by: (&Act, &Scopes)) -> Result<()> {
        let effect = &self.effect;
        if !by.1.allow(effect.kind.permission()) {
            return Err(Error::Forbidden);
        }
        let told = |text: String| format!("{} \"{}\": {text}", effect.kind, effect.name);
        match self.step(tx, app, by).await {
            Err(Error::Conflict(text)) => Err(Error::Conflict(told(text))),
            Err(Error::Invalid { kind, detail }) => Err(Error::invalid(kind, told(detail))),
            other => other,
        }
    }

    async fn step(&self, tx: &mut Tx, app: &App, by: (&Act, &Scopes)) -> Result<()> {
        let act = by.0;
        match self.step.clone() {
            Step::Access(edit) => settings::edit_within(tx, by, &edit).await,
            Step::Seats(seats) => seats::set_within(tx, act, &seats.into()).await,
            Step::AddTeam(team) => {
                let made = teams::create_within(tx, act, &team.name).await?;
                let edit = TeamEdit {
                    name: None,
                    enabled: Some(team.enabled),
                    archived: Some(team.archived),
                };
                teams::edit_within(tx, act, made.id, edit).await.map(|_| ())
            }
            Step::EditTeam(id, edit) => teams::edit_within(tx, act, id, edit).await.map(|_| ()),
            Step::AddRole(role) => {
                let new = RoleEdit {
                    name: Some(role.name),
                    permissions: Some(role.permissions),
                };
                roles::create_within(tx, app, by, new).await.map(|_| ())
            }
            Step::EditRole(id, edit) => roles::edit_within(tx, app, by, id, edit).await.map(|_| ()),
            Step::EndRole(id) => roles::delete_within(tx, by, id).await,
            Step::AddDirectory(new) => {
                let new = NewDirectory {
                    name: new.name,
                    kind: new.kind,
                    mode: new.mode,
                    strict: new.strict,
                    restore_inactive: new.restore_inactive,
                };
                let made = directory::create_within(tx, act.clone(), new).await;
                made.map(|_| ())
            }
            Step::EditDirectory(changed) => {
                directory::update_within(tx, act.clone(), &changed).await
            }
            Step::AddRule(rule) => {
                let by = (act.clone(), by.1);
                let what = (&*rule, Missing::Refuse);
                let made = admission::create_within(tx, app, by, what).await;
                made.map(|_| ())
            }
            Step::EditRule(id, rule) => {
                let (by, which) = ((act.clone(), by.1), (id, &Precondition::default()));
                let what = (&*rule, Missing::Refuse);
                let changed = admission::change_within(tx, app, by, which, what).await;
                changed.map(|_| ())
            }
            Step::EndRule(id) => {
                let (by, which) = ((act.clone(), by.1), (id, &Precondition::default()));
                let ended = admission::end_within(tx, app, by, which).await;
                ended.map(|_| ())
            }
        }
    }
}

/// All steps, and what is told beside them.
#[derive(Debug, Clone, Default)]
pub(super) struct Steps {
    pub(super) all: Vec<Planned>,
    pub(super) unnamed: Vec<Unnamed>,
}

/// The steps from a workspace as it is to what is wanted.
pub(super) async fn steps(
    tx: &mut Tx,
    app: &App,
    workspace: WorkspaceId,
    wanted: &Configuration,
    prune: bool,
) -> Result<Steps> {
    let mut steps = Vec::new();
    if let Some(wanted) = wanted.admins_in_all_teams {
        steps.extend(access_step(tx, workspace, wanted).await?);
    }
    if let Some(seats) = &wanted.seats {
        steps.extend(seats_step(tx, workspace, seats).await?);
    }
    // What ends does so after what may have needed it.
    let mut ends = Vec::new();
    if let Some(wanted) = &wanted.teams {
        let there = team_rows::list(tx, workspace).await?;
        team_steps(&mut steps, &mut ends, there, (wanted, prune))?;
    }
    let mut rows = directories::list(tx, workspace).await?;
    let (mut directory_steps, mut unnamed) = (Vec::new(), Vec::new());
    if let Some(wanted) = &wanted.directories {
        let steps = &mut directory_steps;
        unnamed = named::steps(tx, workspace, &mut rows, wanted, steps).await?;
    }
    // A rule that ends does so before the roles that it gives.
    let mut rule_steps = Vec::new();
    if let Some(wanted) = &wanted.rules {
        let wanted = (&wanted[..], prune);
        rule_steps = rules::steps(tx, app, (workspace, &rows), wanted, &mut ends).await?;
    }
    if let Some(wanted) = &wanted.roles {
        let there = roles::list_within(tx, workspace).await?;
        role_steps(&mut steps, &mut ends, there, (wanted, prune))?;
    }
    steps.extend(directory_steps);
    steps.extend(rule_steps);
    steps.extend(ends);
    Ok(Steps {
        all: steps,
        unnamed,
    })
}

/// What a section names, by folded name.
pub(super) fn keyed<'a, T>(
    section: &'static str,
    wanted: &'a [T],
    name: impl Fn(&T) -> &str,
) -> Result<BTreeMap<String, &'a T>> {
    let mut keyed = BTreeMap::new();
    for item in wanted {
        let key = name_key(name(item), section)?;
        if keyed.insert(key, item).is_some() {
            let name = name(item);
            return Err(Error::value(format!(
                "{section}: \"{name}\" is there twice"
            )));
        }
    }
    Ok(keyed)
}

/// The fields that differ.
pub(super) fn differences<const N: usize>(
    fields: [(&'static str, Value, Value); N],
) -> Vec<Difference> {
    let differ = fields.into_iter().filter(|(_, from, to)| from != to);
    differ
        .map(|(field, from, to)| Difference { field, from, to })
        .collect()
}

async fn access_step(tx: &mut Tx, workspace: WorkspaceId, wanted: bool) -> Result<Option<Planned>> {
    let there = access::find(tx, workspace).await?.admins_in_all_teams;
    let differ = differences([("admins_in_all_teams", json!(there), json!(wanted))]);
    let edit = Edit {
        admins_in_all_teams: Some(wanted),
        ..Edit::default()
    };
    let what = (Action::Change, Kind::Access, "");
    Ok((!differ.is_empty()).then(|| Planned::of(what, differ, Step::Access(edit))))
}

async fn seats_step(
    tx: &mut Tx,
    workspace: WorkspaceId,
    wanted: &Seats,
) -> Result<Option<Planned>> {
    let there = Seats::from(limits::find_limit(tx, workspace).await?);
    let wanted = &Seats {
        policy: wanted.policy.or(there.policy),
        release: wanted.release.or(there.release),
        ..wanted.clone()
    };
    let differ = differences([
        ("limit", json!(there.limit), json!(wanted.limit)),
        ("policy", json!(there.policy), json!(wanted.policy)),
        ("release", json!(there.release), json!(wanted.release)),
        ("grace", json!(there.grace), json!(wanted.grace)),
        ("contact", json!(there.contact), json!(wanted.contact)),
    ]);
    let what = (Action::Change, Kind::Seats, "");
    Ok((!differ.is_empty()).then(|| Planned::of(what, differ, Step::Seats(wanted.clone()))))
}

fn team_differences(from: &Team, to: &Team) -> Vec<Difference> {
    differences([
        ("name", json!(from.name), json!(to.name)),
        ("enabled", json!(from.enabled), json!(to.enabled)),
        ("archived", json!(from.archived), json!(to.archived)),
    ])
}

fn team_steps(
    steps: &mut Vec<Planned>,
    ends: &mut Vec<Planned>,
    there: Vec<team_rows::Team>,
    (wanted, prune): (&[Team], bool),
) -> Result<()> {
    let mut wanted = keyed("teams", wanted, |team| &team.name)?;
    for team in there {
        let (id, from) = (team.id, Team::from(team));
        let named = wanted.remove(&name_key(&from.name, "teams")?);
        let to = match named {
            Some(to) => to.clone(),
            None if prune => Team {
                archived: true,
                ..from.clone()
            },
            None => continue,
        };
        let differ = team_differences(&from, &to);
        if differ.is_empty() {
            continue;
        }
        let edit = TeamEdit {
            name: Some(to.name),
            enabled: Some(to.enabled),
            archived: Some(to.archived),
        };
        let step = Step::EditTeam(id, edit);
        if named.is_some() {
            steps.push(Planned::of(
                (Action::Change, Kind::Team, &from.name),
                differ,
                step,
            ));
        } else {
            ends.push(Planned::of(
                (Action::End, Kind::Team, &from.name),
                differ,
                step,
            ));
        }
    }
    for team in wanted.into_values() {
        let usual = Team {
            name: team.name.clone(),
            enabled: true,
            archived: false,
        };
        let differ = team_differences(&usual, team);
        let step = Step::AddTeam(team.clone());
        steps.push(Planned::of(
            (Action::Add, Kind::Team, &team.name),
            differ,
            step,
        ));
    }
    Ok(())
}

fn role_steps(
    steps: &mut Vec<Planned>,
    ends: &mut Vec<Planned>,
    there: Vec<roles::Full>,
    (wanted, prune): (&[Role], bool),
) -> Result<()> {
    let mut wanted = keyed("roles", wanted, |role| &role.name)?;
    for full in there {
        let named = wanted.remove(&full.role.name_key);
        if full.role.built_in {
            if named.is_some() {
                let name = &full.role.name;
                return Err(Error::value(format!(
                    "roles: \"{name}\" is built in and stays as it is"
                )));
            }
            continue;
        }
        let (id, from) = (full.role.id, Role::from(full));
        let Some(to) = named else {
            if prune {
                let what = (Action::End, Kind::Role, from.name.as_str());
                ends.push(Planned::of(what, Vec::new(), Step::EndRole(id)));
            }
            continue;
        };
        let differ = differences([
            ("name", json!(from.name), json!(to.name)),
            (
                "permissions",
                json!(from.permissions),
                json!(to.permissions),
            ),
        ]);
        if differ.is_empty() {
            continue;
        }
        let edit = RoleEdit {
            name: Some(to.name.clone()),
            permissions: Some(to.permissions.clone()),
        };
        let what = (Action::Change, Kind::Role, from.name.as_str());
        steps.push(Planned::of(what, differ, Step::EditRole(id, edit)));
    }
    for role in wanted.into_values() {
        let none: BTreeSet<String> = BTreeSet::new();
        let differ = differences([("permissions", json!(none), json!(role.permissions))]);
        let what = (Action::Add, Kind::Role, role.name.as_str());
        steps.push(Planned::of(what, differ, Step::AddRole(role.clone())));
    }
    Ok(())
}
