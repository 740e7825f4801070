//! `gatehouse team …` and `gatehouse role …`

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::plans::outlook_text;
use super::{Settings, table};
use crate::admission::outlook;
use crate::app::App;
use crate::changes::Origin;
use crate::error::Error;
use crate::ids::{RoleId, TeamId};
use crate::scim::fold;
use crate::workspace::keys::Scopes;
use crate::workspace::roles::{self, Full, RoleEdit};
use crate::workspace::teams::{self, Team, TeamEdit};
use crate::workspace::{self, Workspace};

#[derive(Debug, Args)]
pub(super) struct Named {
    /// The workspace's slug.
    #[arg(long)]
    workspace: String,
    /// Its name; once it is there, its id will do as well.
    #[arg(long)]
    name: String,
}

#[derive(Debug, Subcommand)]
pub(super) enum TeamCommand {
    /// Make a team.
    Create {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        settings: Settings,
    },
    /// List the teams of a workspace.
    List {
        /// The workspace's slug.
        #[arg(long)]
        workspace: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Rename a team, enable or disable it for the app, or put it away.
    Edit {
        #[command(flatten)]
        named: Named,
        /// Its new name.
        #[arg(long, value_name = "NAME")]
        rename: Option<String>,
        /// Whether the app works with it.
        #[arg(long, value_name = "BOOL")]
        enabled: Option<bool>,
        /// Whether it is put away.
        #[arg(long, value_name = "BOOL")]
        archived: Option<bool>,
        /// Only tell how many would lose and gain what. The brake lets such an act pass.
        #[arg(long)]
        plan: bool,
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum RoleCommand {
    /// Make a role of the workspace's own.
    Create {
        #[command(flatten)]
        named: Named,
        /// A permission that it has.
        #[arg(long = "permission", value_name = "NAME")]
        permissions: Vec<String>,
        #[command(flatten)]
        settings: Settings,
    },
    /// List the roles of a workspace with their permissions.
    List {
        /// The workspace's slug.
        #[arg(long)]
        workspace: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Rename a role, or give it other permissions.
    Edit {
        #[command(flatten)]
        named: Named,
        /// Its new name.
        #[arg(long, value_name = "NAME")]
        rename: Option<String>,
        /// A permission; those that are given are all that it has then.
        #[arg(long = "permission", value_name = "NAME")]
        permissions: Vec<String>,
        /// Take all permissions from it.
        #[arg(long, conflicts_with = "permissions")]
        no_permissions: bool,
        /// Only tell how many would lose and gain what. The brake lets such an act pass.
        #[arg(long)]
        plan: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Delete a role that nobody has and no rule gives.
    Delete {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        settings: Settings,
    },
}

impl TeamCommand {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Create { named, settings } => {
                let (app, workspace) = open(&named.workspace, &settings).await?;
                let made = teams::create(&app, &Origin::cli(), workspace.id, &named.name).await?;
                settings.print(&made, || format!("team \"{}\" is there", made.name))?;
            }
            Self::List {
                workspace,
                settings,
            } => {
                let (app, workspace) = open(&workspace, &settings).await?;
                let listed = teams::list(&app, workspace.id).await?;
                settings.print(&listed, || {
                    let rows = listed
                        .iter()
                        .map(|team| vec![team.name.clone(), state(team).to_owned()]);
                    table(&["team", ""], rows)
                })?;
            }
            Self::Edit {
                named,
                rename,
                enabled,
                archived,
                plan,
                settings,
            } => {
                let (app, workspace) = open(&named.workspace, &settings).await?;
                let listed = teams::list(&app, workspace.id).await?;
                let key = fold::key(&named.name);
                let found = listed
                    .into_iter()
                    .find(|team| team.id.to_string() == named.name || fold::key(&team.name) == key);
                let id: TeamId = found.ok_or(Error::NotFound("team"))?.id;
                let edit = TeamEdit {
                    name: rename,
                    enabled,
                    archived,
                };
                if plan {
                    let outlook = outlook::of_team(&app, workspace.id, (id, edit)).await?;
                    settings.print(&outlook, || outlook_text(&outlook))?;
                    return Ok(ExitCode::SUCCESS);
                }
                let team = teams::edit(&app, &Origin::cli(), (workspace.id, id), edit).await?;
                settings.print(&team, || {
                    format!("team \"{}\" is {}", team.name, state(&team))
                })?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl RoleCommand {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let by = (&Origin::cli(), &Scopes::everything());
        match self {
            Self::Create {
                named,
                permissions,
                settings,
            } => {
                let (app, workspace) = open(&named.workspace, &settings).await?;
                let new = RoleEdit {
                    name: Some(named.name),
                    permissions: Some(permissions.into_iter().collect()),
                };
                let made = roles::create(&app, by, workspace.id, new).await?;
                settings.print(&made, || format!("role \"{}\" is there", made.role.name))?;
            }
            Self::List {
                workspace,
                settings,
            } => {
                let (app, workspace) = open(&workspace, &settings).await?;
                let listed = roles::list_full(&app, workspace.id).await?;
                settings.print(&listed, || {
                    let rows = listed.iter().map(|full| {
                        let permissions: Vec<_> = full.permissions.iter().cloned().collect();
                        vec![full.role.name.clone(), permissions.join(", ")]
                    });
                    table(&["role", "permissions"], rows)
                })?;
            }
            Self::Edit {
                named,
                rename,
                permissions,
                no_permissions,
                plan,
                settings,
            } => {
                let (app, workspace) = open(&named.workspace, &settings).await?;
                let id = role(&app, &workspace, &named.name).await?;
                let is_said = no_permissions || !permissions.is_empty();
                let edit = RoleEdit {
                    name: rename,
                    permissions: is_said.then(|| permissions.into_iter().collect()),
                };
                if plan {
                    let outlook = outlook::of_role(&app, workspace.id, (id, edit)).await?;
                    settings.print(&outlook, || outlook_text(&outlook))?;
                    return Ok(ExitCode::SUCCESS);
                }
                let full: Full = roles::edit(&app, by, (workspace.id, id), edit).await?;
                settings.print(&full, || format!("role \"{}\" is written", full.role.name))?;
            }
            Self::Delete { named, settings } => {
                let (app, workspace) = open(&named.workspace, &settings).await?;
                let id = role(&app, &workspace, &named.name).await?;
                roles::delete(&app, by, (workspace.id, id)).await?;
                let value = serde_json::json!({"deleted": id});
                settings.print(&value, || "the role is gone".to_owned())?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn open(workspace: &str, settings: &Settings) -> anyhow::Result<(App, Workspace)> {
    let app = settings.open().await?;
    let workspace = workspace::find(&app, workspace).await?;
    Ok((app, workspace))
}

async fn role(app: &App, workspace: &Workspace, name: &str) -> anyhow::Result<RoleId> {
    let listed = roles::list(app, workspace.id).await?;
    let key = fold::key(name);
    let mut all = listed.into_iter();
    let found = all.find(|role| role.id.to_string() == name || role.name_key == key);
    Ok(found.ok_or(Error::NotFound("role"))?.id)
}

fn state(team: &Team) -> &'static str {
    match (team.archived_at, team.enabled) {
        (Some(_), _) => "archived",
        (None, true) => "enabled",
        (None, false) => "disabled",
    }
}
