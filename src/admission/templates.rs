//! Rule templates: for each role of a workspace a rule that gives it to whom the directory gives
//! the role of that name.
//!
//! A role that an IdP writes at a user is plain data until an admin maps it; a template is that act
//! for many roles at once. `admin` is mapped only by its name: a directory must not make admins
//! because somebody mapped all roles.

use serde_json::Value;

use super::carrying::{apply, write_one};
use super::definition::Definition;
use super::reach::{Reach, Scope};
use super::rules;
use crate::app::App;
use crate::changes::{Act, Origin};
use crate::error::{Error, Result};
use crate::ids::{RuleId, RunId};
use crate::mapping::when;
use crate::scim::schema::ResourceType;
use crate::store::grants::GrantKind;
use crate::store::rules::{self as rows, Rule, RuleState};
use crate::store::tx::Tx;
use crate::store::workspaces::{self, Role};
use crate::workspace::{Workspace, name_key, schemas};

/// How an IdP names a role in `roles.value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// Okta reads the roles of an app from `/Roles` and sends the id.
    OktaRoles,
    /// Entra sends the value of an app role, which the admin chose: the role's name.
    EntraRoles,
}

/// A role with the rule that gives it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Mapped {
    /// The rule.
    pub id: RuleId,
    /// Its version.
    pub version: i64,
    /// How far it is.
    pub state: RuleState,
    /// The name of the role.
    pub role: String,
    /// What must hold of the user's own attributes.
    pub when: String,
    /// Whether it is new; one that was there already stays as it is.
    pub added: bool,
    /// The run that brings it to life, where it was planned.
    pub run: Option<RunId>,
}

impl Template {
    fn when(self, role: &Role, user: &'static ResourceType) -> Result<String> {
        let value = match self {
            Self::OktaRoles => role.id.to_string(),
            Self::EntraRoles => role.name.clone(),
        };
        when::canonical(&format!("roles.value eq {}", Value::from(value)), user)
    }
}

/// Maps the roles of those names, or without names all but `admin`; adds what is missing.
pub async fn add(
    app: &App,
    origin: &Origin,
    workspace: &Workspace,
    (template, directory): (Template, &str),
    names: &[String],
) -> Result<Vec<Mapped>> {
    let act = Act {
        origin: origin.clone(),
        workspace: workspace.id,
        directory: None,
        at: app.clock.now(),
    };
    let (app_, directory, names) = (app.clone(), directory.to_owned(), names.to_vec());
    app.write(move |tx| {
        let (app, act) = (app_.clone(), act.clone());
        let (directory, names) = (directory.clone(), names.clone());
        Box::pin(async move { insert(tx, &app, act, (template, &directory), &names).await })
    })
    .await
}

async fn insert(
    tx: &mut Tx,
    app: &App,
    act: Act,
    (template, directory): (Template, &str),
    names: &[String],
) -> Result<Vec<Mapped>> {
    let (act, directory) = rules::open_directory(tx, act, directory).await?;
    let roles = select(workspaces::list_roles(tx, act.workspace).await?, names)?;
    let present = present(tx, &act).await?;
    let user = schemas::registry_within(tx, app, act.workspace)
        .await?
        .user();
    let whole = Scope::Users(directory.id, Vec::new());
    let reach = Reach::of(tx, app, act.workspace, &[whole]).await?;
    let mut mapped = Vec::with_capacity(roles.len());
    for role in roles {
        let when = template.when(&role, user)?;
        let known = present.iter().find(|(rule, gives)| {
            rule.directory == Some(directory.id)
                && rule.when.as_ref() == Some(&when)
                && *gives == [(GrantKind::Role, role.id.0)]
        });
        let rule = match known {
            Some((rule, _)) => rule.clone(),
            None => {
                let grants = [(GrantKind::Role, role.id.0)].into();
                let rule = Definition::of_attributes(directory.id, when.clone(), grants);
                write_one(tx, &act, &rule, &reach).await?
            }
        };
        mapped.push(Mapped {
            id: rule.id,
            version: rule.version,
            state: rule.state,
            role: role.name,
            when,
            added: known.is_none(),
            run: rule.run,
        });
    }
    if mapped.iter().any(|mapped| mapped.added) {
        apply(tx, app, &act, directory.id, &reach).await?;
    }
    Ok(mapped)
}

fn select(roles: Vec<Role>, names: &[String]) -> Result<Vec<Role>> {
    if names.is_empty() {
        let is_admin = |role: &Role| role.built_in && role.name_key == "admin";
        return Ok(roles.into_iter().filter(|role| !is_admin(role)).collect());
    }
    let mut keys = Vec::with_capacity(names.len());
    for name in names {
        keys.push(name_key(name, "role")?);
    }
    if keys
        .iter()
        .any(|key| roles.iter().all(|role| role.name_key != *key))
    {
        return Err(Error::NotFound("role"));
    }
    let is_named = |role: &Role| keys.contains(&role.name_key);
    Ok(roles.into_iter().filter(is_named).collect())
}

/// The rules that look at attributes alone, with what they give.
async fn present(tx: &mut Tx, act: &Act) -> Result<Vec<(Rule, Vec<(GrantKind, uuid::Uuid)>)>> {
    let groups = rows::list_groups(tx, act.workspace).await?;
    let grants = rows::list_grants(tx, act.workspace).await?;
    let rules = rows::list(tx, act.workspace).await?;
    let alone = rules
        .into_iter()
        .filter(|rule| groups.iter().all(|group| group.rule != rule.id));
    let with_grants = alone.map(|rule| {
        let own = grants.iter().filter(|grant| grant.rule == rule.id);
        let gives = own.map(|grant| (grant.kind, grant.target)).collect();
        (rule, gives)
    });
    Ok(with_grants.collect())
}
