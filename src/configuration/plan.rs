//! What has to change: the difference of a document and a workspace, in steps.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Configuration, Directory, Role, Seats, Team};
use crate::app::App;
use crate::changes::Act;
use crate::directory::{self, NewDirectory};
use crate::error::{Error, Result};
use crate::ids::{RoleId, TeamId, WorkspaceId};
use crate::secrets::sha256;
use crate::store::tx::Tx;
use crate::store::{directories, seats as limits, teams as team_rows};
use crate::workspace::keys::{Permission, Scopes};
use crate::workspace::roles::{self, RoleEdit};
use crate::workspace::teams::{self, TeamEdit};
use crate::workspace::{name_key, seats};

/// What becomes of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is made.
    Add,
    /// It is changed.
    Change,
    /// It ends.
    End,
}

/// What something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// How many may be in.
    Seats,
    /// A team.
    Team,
    /// A role.
    Role,
    /// A directory.
    Directory,
}

impl Kind {
    /// The permission that it takes to change such things.
    fn permission(self) -> Permission {
        match self {
            Self::Seats => Permission::Everything,
            Self::Team => Permission::TeamsManage,
            Self::Role => Permission::RolesManage,
            Self::Directory => Permission::DirectoriesManage,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seats => "seats",
            Self::Team => "team",
            Self::Role => "role",
            Self::Directory => "directory",
        })
    }
}

/// A field that changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Its name in the document.
    pub field: &'static str,
    /// What it is.
    pub from: Value,
    /// What it is to be.
    pub to: Value,
}

/// One thing that is made, changed or ends.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effect {
    /// What becomes of it.
    pub action: Action,
    /// What it is.
    pub kind: Kind,
    /// Its name; empty for what a workspace has one of.
    pub name: String,
    /// What changes of it; of a new one all that is not as usual.
    pub differences: Vec<Difference>,
}

/// What has to change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// Names the effects: the same ones have the same hash, whenever they are planned.
    pub hash: String,
    /// The effects, in the order in which they are taken.
    pub effects: Vec<Effect>,
}

impl Plan {
    pub(super) fn of(steps: &[Planned]) -> Result<Self> {
        let effects: Vec<_> = steps.iter().map(|step| step.effect.clone()).collect();
        let text = serde_json::to_vec(&effects).map_err(Error::internal)?;
        Ok(Self {
            hash: HEXLOWER.encode(&sha256(&text)[..16]),
            effects,
        })
    }

    /// How many things come to that.
    pub fn count(&self, action: Action) -> usize {
        let mut effects = self.effects.iter();
        effects.by_ref().filter(|it| it.action == action).count()
    }
}

impl fmt::Display for Plan {
    /// A line for each effect and each field, and the counts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for effect in &self.effects {
            let sign = match effect.action {
                Action::Add => '+',
                Action::Change => '~',
                Action::End => '-',
            };
            write!(f, "{sign} {}", effect.kind)?;
            if !effect.name.is_empty() {
                write!(f, " \"{}\"", effect.name.escape_debug())?;
            }
            writeln!(f)?;
            for it in &effect.differences {
                match effect.action {
                    Action::Add => writeln!(f, "    {}: {}", it.field, it.to)?,
                    _ => writeln!(f, "    {}: {} -> {}", it.field, it.from, it.to)?,
                }
            }
        }
        write!(
            f,
            "{} to add, {} to change, {} to end; plan {}",
            self.count(Action::Add),
            self.count(Action::Change),
            self.count(Action::End),
            self.hash
        )
    }
}

/// How an effect comes about.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Seats(Seats),
    AddTeam(Team),
    EditTeam(TeamId, TeamEdit),
    AddRole(Role),
    EditRole(RoleId, RoleEdit),
    EndRole(RoleId),
    AddDirectory(Directory),
    EditDirectory(directories::Directory),
}

/// An effect, and how it comes about.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    effect: Effect,
    step: Step,
}

impl Planned {
    fn of(
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
        }
    }
}

/// The steps from a workspace as it is to what is wanted.
pub(super) async fn steps(
    tx: &mut Tx,
    workspace: WorkspaceId,
    wanted: &Configuration,
    prune: bool,
) -> Result<Vec<Planned>> {
    let mut steps = Vec::new();
    if let Some(seats) = &wanted.seats {
        steps.extend(seats_step(tx, workspace, seats).await?);
    }
    // What ends does so after what may have needed it.
    let mut ends = Vec::new();
    if let Some(wanted) = &wanted.teams {
        let there = team_rows::list(tx, workspace).await?;
        team_steps(&mut steps, &mut ends, there, (wanted, prune))?;
    }
    if let Some(wanted) = &wanted.roles {
        let there = roles::list_within(tx, workspace).await?;
        role_steps(&mut steps, &mut ends, there, (wanted, prune))?;
    }
    if let Some(wanted) = &wanted.directories {
        let there = directories::list(tx, workspace).await?;
        directory_steps(&mut steps, there, wanted)?;
    }
    steps.extend(ends);
    Ok(steps)
}

/// What a section names, by folded name.
fn keyed<'a, T>(
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
fn differences<const N: usize>(fields: [(&'static str, Value, Value); N]) -> Vec<Difference> {
    let differ = fields.into_iter().filter(|(_, from, to)| from != to);
    differ
        .map(|(field, from, to)| Difference { field, from, to })
        .collect()
}

async fn seats_step(
    tx: &mut Tx,
    workspace: WorkspaceId,
    wanted: &Seats,
) -> Result<Option<Planned>> {
    let there = Seats::from(limits::find_limit(tx, workspace).await?);
    let differ = differences([
        ("limit", json!(there.limit), json!(wanted.limit)),
        ("policy", json!(there.policy), json!(wanted.policy)),
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

fn directory_steps(
    steps: &mut Vec<Planned>,
    there: Vec<directories::Directory>,
    wanted: &[Directory],
) -> Result<()> {
    let mut wanted = keyed("directories", wanted, |directory| &directory.name)?;
    for mut row in there {
        let Some(to) = wanted.remove(&name_key(&row.name, "directories")?) else {
            continue;
        };
        if (row.kind, row.mode, &row.name) != (to.kind, to.mode, &to.name) {
            return Err(Error::value(format!(
                "directories: name, kind and mode of \"{}\" stay as they are",
                row.name
            )));
        }
        let differ = differences([
            ("strict", json!(row.strict), json!(to.strict)),
            (
                "restore_inactive",
                json!(row.restore_inactive),
                json!(to.restore_inactive),
            ),
        ]);
        if differ.is_empty() {
            continue;
        }
        let name = row.name.clone();
        (row.strict, row.restore_inactive) = (to.strict, to.restore_inactive);
        let what = (Action::Change, Kind::Directory, name.as_str());
        steps.push(Planned::of(what, differ, Step::EditDirectory(row)));
    }
    for directory in wanted.into_values() {
        let differ = differences([
            ("kind", Value::Null, json!(directory.kind)),
            ("mode", Value::Null, json!(directory.mode)),
            ("strict", json!(false), json!(directory.strict)),
            (
                "restore_inactive",
                json!(false),
                json!(directory.restore_inactive),
            ),
        ]);
        let step = Step::AddDirectory(directory.clone());
        let what = (Action::Add, Kind::Directory, directory.name.as_str());
        steps.push(Planned::of(what, differ, step));
    }
    Ok(())
}
