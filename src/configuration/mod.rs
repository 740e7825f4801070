//! Configuration as code: what a workspace is to be like, as a document that is kept beside other
//! code. A plan tells what would have to change, and who gains and loses by the rules that do: it is
//! tried, looked at and undone. To apply it is one transaction of the same use cases by which anybody
//! changes the same things, so that a right that is missing, or a role that is still in use, stops all
//! of it.
//!
//! A section that the document leaves out is left alone. What a section does not name stays too,
//! unless whoever applies asks for it to end. Directories are never ended by a document: their
//! people would go with them; a plan tells which ones it does not name. A team or role is the same one by
//! its name, whatever its case; a directory by its id, where the document has it, else by its name; a rule
//! by the directory, the groups and the attributes that it looks at.

mod directories;
mod effect;
mod plan;
mod rules;
mod standing;

use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::admission::intended::Intended;
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::store::plans::{self, Mark};
use crate::store::tx::Tx;
use crate::store::{access, directories as rows, seats, teams, workspaces};
use crate::workspace::keys::Scopes;
use crate::workspace::seats::{Limit, SeatPolicy, SeatRelease};
use crate::workspace::{Workspace, roles};

pub use directories::Directory;
pub use effect::{Action, Difference, Effect, Kind, Plan, Unnamed};
pub use rules::Rule;
pub use standing::{Reached, Standing};

use plan::Steps;
use standing::Opening;

/// How many teams, roles, directories or rules a document may name.
const MOST: usize = 2_000;

/// What a workspace is to be like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Configuration {
    /// The slug of the workspace that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// Whether admins have access in every enabled team, or in those alone that they are in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admins_in_all_teams: Option<bool>,
    /// How many may be in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seats: Option<Seats>,
    /// Its teams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teams: Option<Vec<Team>>,
    /// Its own roles; `admin` and `user` are there anyway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<Role>>,
    /// Its directories, without their secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directories: Option<Vec<Directory>>,
    /// Its rules. One is known by its source, its directory, its groups and its `when`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<Rule>>,
}

/// How many may be in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ConfiguredSeats")]
pub struct Seats {
    /// How many seats there are; as many as come if that is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// What becomes of whoever finds none.
    /// It stays as it is if that is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<SeatPolicy>,
    /// When a member gives its seat back.
    /// It stays as it is if that is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<SeatRelease>,
    /// How many more are let in for the time being.
    #[serde(default)]
    pub grace: i64,
    /// Whom to ask for more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
}

/// A team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ConfiguredTeam")]
pub struct Team {
    /// Its name.
    pub name: String,
    /// Whether the app works with it.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Whether it is put away.
    #[serde(default)]
    pub archived: bool,
}

/// A role of the workspace's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ConfiguredRole")]
pub struct Role {
    /// Its name.
    pub name: String,
    /// All its permissions.
    #[serde(default)]
    pub permissions: BTreeSet<String>,
}

fn yes() -> bool {
    true
}

/// How a document is applied.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether teams, roles and rules that it does not name end: teams are put away, roles deleted.
    pub prune: bool,
    /// The hash of the plan that somebody has agreed to; another one is not applied.
    pub plan: Option<String>,
}

/// What a workspace is like, as a document of which a plan has nothing to do.
pub async fn export(app: &App, workspace: &Workspace) -> Result<Configuration> {
    let mut tx = app.db.read().await?;
    let tx = &mut tx;
    let access = access::find(tx, workspace.id).await?;
    let limit = seats::find_limit(tx, workspace.id).await?;
    let teams = teams::list(tx, workspace.id).await?;
    let roles = roles::list_within(tx, workspace.id).await?;
    let directories = rows::list(tx, workspace.id).await?;
    let roles = roles.into_iter().filter(|role| !role.role.built_in);
    let all = rules::list(tx, workspace.id, &directories).await?;
    Ok(Configuration {
        workspace: Some(workspace.slug.clone()),
        admins_in_all_teams: Some(access.admins_in_all_teams),
        seats: Some(Seats::from(limit)),
        teams: Some(teams.into_iter().map(Team::from).collect()),
        roles: Some(roles.map(Role::from).collect()),
        directories: Some(directories.into_iter().map(Directory::from).collect()),
        rules: Some(all.into_iter().map(|(_, rule)| rule).collect()),
    })
}

/// What would have to change for a workspace to be like that. Everything is tried and undone, so
/// that what could not be applied is an error here already.
pub async fn plan(
    app: &App,
    by: (&Origin, &Scopes),
    workspace: &Workspace,
    wanted: Configuration,
    prune: bool,
) -> Result<Plan> {
    let options = Options { prune, plan: None };
    run(app, by, workspace, (wanted, options), Purpose::Plan).await
}

/// What became of a document.
#[derive(Debug)]
pub enum Applied {
    /// The workspace is like it; what was changed.
    Done(Plan),
    /// Another plan was agreed to than it would be now, and nothing was done.
    Stale(Plan),
}

/// Makes a workspace like that; gives what was changed. Nothing is, where nothing has to be.
pub async fn apply(
    app: &App,
    by: (&Origin, &Scopes),
    workspace: &Workspace,
    wanted: Configuration,
    options: Options,
) -> Result<Applied> {
    let agreed = options.plan.clone();
    let plan = run(app, by, workspace, (wanted, options), Purpose::Apply).await?;
    if agreed.is_some_and(|agreed| agreed != plan.hash) {
        return Ok(Applied::Stale(plan));
    }
    let mut effects = plan.effects.iter();
    if effects.any(|effect| matches!(effect.kind, Kind::Directory | Kind::Access)) {
        app.credentials.invalidate_all();
        app.api_keys.invalidate_all();
    }
    Ok(Applied::Done(plan))
}

/// Whether it is done, or only tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Plan,
    Apply,
}

async fn run(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    workspace: &Workspace,
    (wanted, options): (Configuration, Options),
    purpose: Purpose,
) -> Result<Plan> {
    check(workspace, &wanted)?;
    let act = Act::of(app, origin, workspace.id);
    let foreseen = foresee(app, (&act, scopes), (&wanted, &options)).await?;
    if purpose == Purpose::Plan {
        return Ok(foreseen.plan);
    }
    let (app_, scopes, foreseen) = (app.clone(), scopes.clone(), Arc::new(foreseen));
    app.write(move |tx| {
        let (app, act, scopes) = (app_.clone(), act.clone(), scopes.clone());
        let (wanted, options) = (wanted.clone(), options.clone());
        let foreseen = Arc::clone(&foreseen);
        Box::pin(async move {
            let by = (&act, &scopes);
            within(tx, &app, by, (&wanted, &options), &foreseen).await
        })
    })
    .await
}

/// What has to change, and how the workspace stood when that was looked at.
struct Foreseen {
    mark: Mark,
    steps: Steps,
    plan: Plan,
}

/// What is intended and open before a document is applied, and after it.
struct Tried {
    before: (Intended, Opening),
    after: (Intended, Opening),
}

/// Tries a document, which is undone; whom it concerns is looked at beside other writes.
async fn foresee(
    app: &App,
    (act, scopes): (&Act, &Scopes),
    (wanted, options): (&Configuration, &Options),
) -> Result<Foreseen> {
    let (app_, act_, by) = (app.clone(), act.clone(), scopes.clone());
    let (wanted, prune) = (wanted.clone(), options.prune);
    let attempt = app.attempt(move |tx| {
        let (app, act, scopes) = (app_.clone(), act_.clone(), by.clone());
        let wanted = wanted.clone();
        Box::pin(async move {
            workspaces::lock(tx, act.workspace).await?;
            let mark = plans::find_mark(tx, act.workspace).await?;
            let steps = plan::steps(tx, &app, act.workspace, &wanted, prune).await?;
            let tried = tried(tx, &app, (&act, &scopes), &steps).await?;
            Ok((mark, steps, tried))
        })
    });
    let (mark, steps, tried) = attempt.await?;
    let mut tx = app.db.read().await?;
    let plan = plan_of(&mut tx, app, (act, scopes), (&steps, tried.as_ref())).await?;
    Ok(Foreseen { mark, steps, plan })
}

async fn plan_of(
    tx: &mut Tx,
    app: &App,
    by: (&Act, &Scopes),
    (steps, tried): (&Steps, Option<&Tried>),
) -> Result<Plan> {
    let (mut outlook, mut access) = (None, None);
    if let Some(Tried { before, after }) = tried {
        outlook = before.0.become_of(tx, app, by, &after.0).await?;
        let workspace = by.0.workspace;
        access = before.1.become_of(tx, workspace, &after.1).await?;
    }
    let effects = steps.all.iter().map(|step| step.effect.clone());
    Plan::of(effects.collect(), outlook, access, steps.unnamed.clone())
}

fn check(workspace: &Workspace, wanted: &Configuration) -> Result<()> {
    if wanted
        .workspace
        .as_ref()
        .is_some_and(|slug| *slug != workspace.slug)
    {
        return Err(Error::value(format!(
            "workspace: this is \"{}\", another one than the document is for",
            workspace.slug
        )));
    }
    let lengths = [
        ("teams", wanted.teams.as_ref().map(Vec::len)),
        ("roles", wanted.roles.as_ref().map(Vec::len)),
        ("directories", wanted.directories.as_ref().map(Vec::len)),
        ("rules", wanted.rules.as_ref().map(Vec::len)),
    ];
    for (section, length) in lengths {
        if length.is_some_and(|length| length > MOST) {
            return Err(Error::value(format!("{section}: expected at most {MOST}")));
        }
    }
    Ok(())
}

async fn within(
    tx: &mut Tx,
    app: &App,
    (act, scopes): (&Act, &Scopes),
    (wanted, options): (&Configuration, &Options),
    foreseen: &Foreseen,
) -> Result<Plan> {
    // Whoever makes rules or applies another document waits.
    workspaces::lock(tx, act.workspace).await?;
    let (mut steps, mut plan) = (foreseen.steps.clone(), foreseen.plan.clone());
    // Only what moved since makes it be looked at again among other writes.
    if plans::find_mark(tx, act.workspace).await? != foreseen.mark {
        steps = plan::steps(tx, app, act.workspace, wanted, options.prune).await?;
        let tried = tried(tx, app, (act, scopes), &steps).await?;
        plan = plan_of(tx, app, (act, scopes), (&steps, tried.as_ref())).await?;
    }
    let mut agreed = options.plan.iter();
    let is_stale = agreed.any(|agreed| *agreed != plan.hash);
    if steps.all.is_empty() || is_stale {
        return Ok(plan);
    }
    for step in &steps.all {
        step.take(tx, app, (act, scopes)).await?;
    }
    let detail = json!({"plan": plan.hash, "effects": plan.effects.len()});
    let subject = ("workspace", act.workspace.0);
    let change = act.change("configuration.applied", subject, None, &detail);
    changes::record(tx, act.workspace, &[change]).await?;
    Ok(plan)
}

/// Takes the steps and undoes them; gives what was intended before and is after them. Nobody is
/// settled meanwhile, unless a role ends: that nobody has it any more is seen by that alone.
async fn tried(
    tx: &mut Tx,
    app: &App,
    (act, scopes): (&Act, &Scopes),
    steps: &Steps,
) -> Result<Option<Tried>> {
    if steps.all.is_empty() {
        return Ok(None);
    }
    let before = (
        Intended::of(tx, app, act).await?,
        Opening::of(tx, act.workspace).await?,
    );
    if steps.all.iter().any(plan::Planned::ends_role) {
        tx.begin_part().await?;
    } else {
        tx.begin_trial().await?;
    }
    for step in &steps.all {
        step.take(tx, app, (act, scopes)).await?;
    }
    let after = (
        Intended::of(tx, app, act).await?,
        Opening::of(tx, act.workspace).await?,
    );
    tx.undo_trial().await?;
    Ok(Some(Tried { before, after }))
}

impl From<Limit> for Seats {
    fn from(limit: Limit) -> Self {
        Self {
            limit: limit.seat_limit,
            policy: Some(limit.seat_policy),
            release: Some(limit.seat_release),
            grace: limit.seat_grace,
            contact: limit.seat_contact,
        }
    }
}

impl From<Seats> for Limit {
    fn from(seats: Seats) -> Self {
        Self {
            seat_limit: seats.limit,
            seat_policy: seats.policy.unwrap_or(SeatPolicy::Refuse),
            seat_release: seats.release.unwrap_or_default(),
            seat_grace: seats.grace,
            seat_contact: seats.contact,
        }
    }
}

impl From<teams::Team> for Team {
    fn from(team: teams::Team) -> Self {
        Self {
            name: team.name,
            enabled: team.enabled,
            archived: team.archived_at.is_some(),
        }
    }
}

impl From<roles::Full> for Role {
    fn from(full: roles::Full) -> Self {
        Self {
            name: full.role.name,
            permissions: full.permissions,
        }
    }
}
