//! The life of a rule: it is added, changed and ended. Each version is a cause of its own; what a
//! version gives is settled at once, or by a run where many are concerned.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::carrying::{Outcome, Step, carry_out};
use super::defining::{check_rights, define};
use super::definition::Definition;
use super::runs;
use crate::app::App;
use crate::changes::{Act, Origin};
use crate::error::{Error, Result};
use crate::ids::{GroupId, RuleId, RunId, WorkspaceId};
use crate::scim::etag::Precondition;
use crate::store::directories::{self, Directory};
use crate::store::rule_sources::RuleSource;
use crate::store::rules::{self as rows, Rule, RuleState};
use crate::store::tx::Tx;
use crate::store::workspaces;
use crate::workspace::keys::Scopes;
use crate::workspace::profile::Say;
use crate::workspace::{Workspace, name_key};

pub use super::defining::{Missing, RuleEdit};

/// What a rule is made of at least.
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

/// A rule that was written.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "RuleWritten")]
pub struct Added {
    /// Its id.
    pub id: RuleId,
    /// What it looks at.
    pub source: RuleSource,
    /// Its version; while a run is still to change it, the one before.
    pub version: i64,
    /// Whether all its groups exist.
    pub bound: bool,
    /// How far it is.
    pub state: RuleState,
    /// Its groups, with the ids of those that exist.
    pub groups: Vec<Target>,
    /// What must hold of the user's own attributes, or of the member's profile, in canonical text.
    pub when: Option<String>,
    /// The run that settles the members concerned, where they are many.
    pub run: Option<RunId>,
    /// How many members changed at once.
    pub changed: usize,
    /// How many are to lose something and keep it for now, because the brake holds it.
    pub held: usize,
}

/// A group of a rule.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "RuleGroup")]
pub struct Target {
    /// The name that was given.
    pub name: String,
    /// The group's id, once there is one.
    pub id: Option<GroupId>,
}

/// A rule that ended.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "RuleEnded")]
pub struct Ended {
    /// Its id.
    pub id: RuleId,
    /// The run that takes what it gave from the members concerned, where they are many. It has no
    /// effect any more all the same.
    pub run: Option<RunId>,
    /// How many members changed at once.
    pub changed: usize,
    /// How many are to lose something and keep it for now, because the brake holds it.
    pub held: usize,
}

/// Adds a rule to a workspace, as an operator.
pub async fn add(
    app: &App,
    origin: &Origin,
    workspace: &Workspace,
    rule: NewRule,
) -> Result<Added> {
    let edit = RuleEdit {
        directory: Some(rule.directory),
        groups: Some(rule.groups),
        when: rule.when.map_or(Say::Nothing, Say::Set),
        teams: Some(rule.teams),
        roles: Some(rule.roles),
        ..RuleEdit::default()
    };
    let by = (origin, &Scopes::everything());
    create(app, by, workspace.id, edit, Missing::Make).await
}

/// Adds a rule to a workspace. Without groups and without `when`, without anything to give, or if one
/// of its examples does not come out, it is refused; what `scopes` do not cover, here and below, is
/// [`Error::Forbidden`].
pub async fn create(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    workspace: WorkspaceId,
    edit: RuleEdit,
    missing: Missing,
) -> Result<Added> {
    let (act, scopes) = (Act::of(app, origin, workspace), scopes.clone());
    let app_ = app.clone();
    app.write(move |tx| {
        let (app, act, scopes) = (app_.clone(), act.clone(), scopes.clone());
        let edit = edit.clone();
        Box::pin(async move { create_within(tx, &app, (act, &scopes), (&edit, missing)).await })
    })
    .await
}

/// The same in the transaction of a wider change.
pub async fn create_within(
    tx: &mut Tx,
    app: &App,
    (act, scopes): (Act, &Scopes),
    (edit, missing): (&RuleEdit, Missing),
) -> Result<Added> {
    let (act, directory) = open(tx, act, edit).await?;
    let (by, of) = ((&act, scopes), (directory.as_ref(), None));
    let after = define(tx, app, by, of, (edit, missing)).await?;
    let step = Step::add(RuleId::new(), after.clone());
    let done = carry_out(tx, app, &act, &step).await?;
    Ok(told(step.id, after, done))
}

/// Changes a rule, at a version that the precondition allows: a further version, with a cause of its
/// own. While a run writes it, it stays as it is: [`Error::Conflict`].
pub async fn change(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    (workspace, id): (WorkspaceId, RuleId),
    precondition: Precondition,
    (edit, missing): (RuleEdit, Missing),
) -> Result<Added> {
    let (act, scopes) = (Act::of(app, origin, workspace), scopes.clone());
    let app_ = app.clone();
    app.write(move |tx| {
        let (app, act, scopes) = (app_.clone(), act.clone(), scopes.clone());
        let (edit, precondition) = (edit.clone(), precondition.clone());
        Box::pin(async move {
            let by = (act, &scopes);
            change_within(tx, &app, by, (id, &precondition), (&edit, missing)).await
        })
    })
    .await
}

/// The same in the transaction of a wider change.
pub async fn change_within(
    tx: &mut Tx,
    app: &App,
    (act, scopes): (Act, &Scopes),
    (id, precondition): (RuleId, &Precondition),
    (edit, missing): (&RuleEdit, Missing),
) -> Result<Added> {
    let (act, directory, before) = reopen(tx, act, scopes, id).await?;
    precondition.check_match(before.0.version)?;
    let by = (&act, scopes);
    let of = (directory.as_ref(), Some(&before.1));
    let after = define(tx, app, by, of, (edit, missing)).await?;
    if edit.directory.is_some() || edit.source.is_some() {
        return Err(Error::value(
            "source and directory are said once; end the rule and add another one",
        ));
    }
    if after == before.1 {
        let done = Outcome::nothing(&before.0);
        return Ok(told(id, after, done));
    }
    let step = Step::change(before, Some(after.clone()));
    let done = carry_out(tx, app, &act, &step).await?;
    Ok(told(id, after, done))
}

/// Ends a rule, at a version that the precondition allows: what it gave ends.
pub async fn end(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    (workspace, id): (WorkspaceId, RuleId),
    precondition: Precondition,
) -> Result<Ended> {
    let (act, scopes) = (Act::of(app, origin, workspace), scopes.clone());
    let app_ = app.clone();
    app.write(move |tx| {
        let (app, act, scopes) = (app_.clone(), act.clone(), scopes.clone());
        let precondition = precondition.clone();
        Box::pin(async move { end_within(tx, &app, (act, &scopes), (id, &precondition)).await })
    })
    .await
}

/// The same in the transaction of a wider change.
pub async fn end_within(
    tx: &mut Tx,
    app: &App,
    (act, scopes): (Act, &Scopes),
    (id, precondition): (RuleId, &Precondition),
) -> Result<Ended> {
    let (act, _, before) = reopen(tx, act, scopes, id).await?;
    precondition.check_match(before.0.version)?;
    let step = Step::change(before, None);
    let done = carry_out(tx, app, &act, &step).await?;
    Ok(Ended {
        id,
        run: done.run,
        changed: done.changed,
        held: done.held,
    })
}

/// Binds a rule to the groups that have the names of its groups now: what a broken rule needs.
pub async fn rebind(
    app: &App,
    by: (&Origin, &Scopes),
    (workspace, id): (WorkspaceId, RuleId),
) -> Result<Added> {
    let rule = crate::mapping::rules::show(app, workspace, id).await?;
    let edit = RuleEdit {
        groups: Some(rule.groups),
        ..RuleEdit::default()
    };
    let what = (edit, Missing::Refuse);
    change(app, by, (workspace, id), Precondition::default(), what).await
}

fn told(id: RuleId, rule: Definition, done: Outcome) -> Added {
    Added {
        id,
        source: RuleSource::of(rule.directory),
        version: done.version,
        bound: rule.groups.iter().all(|group| group.id.is_some()) && !rule.broken,
        state: done.state,
        groups: rule
            .groups
            .into_iter()
            .map(|group| Target {
                name: group.name,
                id: group.id,
            })
            .collect(),
        when: rule.when,
        run: done.run,
        changed: done.changed,
        held: done.held,
    }
}

/// Keeps other changes of rules away and finds the directory that a new rule looks at; none for one over
/// profiles.
pub(super) async fn open(
    tx: &mut Tx,
    act: Act,
    edit: &RuleEdit,
) -> Result<(Act, Option<Directory>)> {
    match (edit.source.unwrap_or_default(), &edit.directory) {
        (RuleSource::Profile, Some(_)) => Err(Error::value(
            "a rule over profiles looks at no directory; leave directory out",
        )),
        (RuleSource::Profile, None) => {
            workspaces::lock(tx, act.workspace).await?;
            Ok((act, None))
        }
        (RuleSource::Directory, named) => {
            let named = named.as_deref().unwrap_or_default();
            let (act, directory) = open_directory(tx, act, named).await?;
            Ok((act, Some(directory)))
        }
    }
}

/// The same for a directory, by name or id.
pub(super) async fn open_directory(
    tx: &mut Tx,
    mut act: Act,
    directory: &str,
) -> Result<(Act, Directory)> {
    workspaces::lock(tx, act.workspace).await?;
    let directory = find_directory(tx, act.workspace, directory).await?;
    act.directory = Some(directory.id);
    Ok((act, directory))
}

/// The directory of that name or id.
pub(super) async fn find_directory(
    tx: &mut Tx,
    workspace: WorkspaceId,
    named: &str,
) -> Result<Directory> {
    let by_id = match named.parse() {
        Ok(id) => {
            let all = directories::list(tx, workspace).await?;
            all.into_iter().find(|directory| directory.id == id)
        }
        Err(_) => None,
    };
    let found = match by_id {
        Some(found) => Some(found),
        None => {
            let key = name_key(named, "directory")?;
            directories::find_by_name(tx, workspace, &key).await?
        }
    };
    found.ok_or(Error::NotFound("directory"))
}

/// The same for a rule that is there: refused while a run writes it, and to whom it gives more than
/// `scopes` cover.
pub(super) async fn reopen(
    tx: &mut Tx,
    mut act: Act,
    scopes: &Scopes,
    id: RuleId,
) -> Result<(Act, Option<Directory>, (Rule, Definition))> {
    workspaces::lock(tx, act.workspace).await?;
    let (directory, before) = find_with(tx, act.workspace, id).await?;
    act.directory = directory.as_ref().map(|of| of.id);
    check_rights(tx, act.workspace, scopes, &before.1.grants).await?;
    if runs::is_written(tx, act.workspace, id).await? {
        return Err(Error::Conflict(
            "a run is writing this rule; wait for its end, or undo it".to_owned(),
        ));
    }
    Ok((act, directory, before))
}

/// A rule with what it says, and its directory if it has one.
pub(super) async fn find_with(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: RuleId,
) -> Result<(Option<Directory>, (Rule, Definition))> {
    let rule = rows::find(tx, workspace, id).await?;
    let rule = rule.ok_or(Error::NotFound("rule"))?;
    let definition = Definition::stored(tx, workspace, &rule).await?;
    let Some(id) = rule.directory else {
        return Ok((None, (rule, definition)));
    };
    let all = directories::list(tx, workspace).await?;
    let directory = all.into_iter().find(|of| of.id == id);
    let directory = directory.ok_or(Error::NotFound("directory"))?;
    Ok((Some(directory), (rule, definition)))
}

/// The ids of what several rules give, each once.
pub(super) fn all_grants<'d>(
    rules: impl IntoIterator<Item = &'d Definition>,
) -> BTreeSet<(crate::store::grants::GrantKind, Uuid)> {
    let all = rules
        .into_iter()
        .flat_map(|rule| rule.grants.iter().copied());
    all.collect()
}
