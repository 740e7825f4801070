//! `gatehouse api-key …`

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use secrecy::ExposeSecret;
use serde_json::json;

use super::{Settings, table};
use crate::app::App;
use crate::changes::Origin;
use crate::ids::{ApiKeyId, WorkspaceId};
use crate::workspace::keys::{self, ApiKey, NewKey, Permission, Scopes};
use crate::workspace::{self, members};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a key; its text is shown once.
    Create(Create),
    /// List keys, those that ended included.
    List {
        #[command(flatten)]
        of: Of,
    },
    /// End a key at once.
    Revoke {
        #[command(flatten)]
        of: Of,
        /// The key's id, as `list` shows it.
        #[arg(long, value_name = "ID")]
        id: ApiKeyId,
    },
    /// List what was done to the operators' keys, the latest first; what is done to a workspace's keys
    /// is in its log.
    Acts {
        #[command(flatten)]
        settings: Settings,
    },
    /// Let a key that a restore holds open again what it opened.
    Release {
        #[command(flatten)]
        of: Of,
        /// The key's id, as `restore` and `list` show it.
        #[arg(long, value_name = "ID")]
        id: ApiKeyId,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    #[command(flatten)]
    of: Of,
    /// The key's name.
    #[arg(long)]
    name: String,
    /// A permission that it has; repeated, all of them. `*` is every one, for operators' keys.
    #[arg(long = "scope", value_name = "PERMISSION", required = true)]
    scopes: Vec<Permission>,
    /// Make it a member's own, which ends with the member's access: id, address or user name.
    #[arg(long, value_name = "ID_OR_EMAIL", conflicts_with = "operator")]
    member: Option<String>,
    /// How many days it is good, 90 if nobody says and 365 at most.
    #[arg(long, value_name = "DAYS")]
    expires_days: Option<u32>,
}

/// Whose keys.
#[derive(Debug, Args)]
pub(super) struct Of {
    /// The workspace's slug.
    #[arg(
        long,
        required_unless_present = "operator",
        conflicts_with = "operator"
    )]
    workspace: Option<String>,
    /// The operators' keys, which open every workspace.
    #[arg(long)]
    operator: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Create(create) => create.run().await?,
            Self::List { of } => {
                let (app, workspace) = of.open().await?;
                let listed = keys::list(&app, workspace).await?;
                of.settings.print(&listed, || text(&app, &listed))?;
            }
            Self::Revoke { of, id } => {
                let (app, workspace) = of.open().await?;
                keys::revoke(&app, &Origin::cli(), workspace, id).await?;
                let value = json!({"id": id, "revoked": true});
                of.settings
                    .print(&value, || format!("key {id} is revoked"))?;
            }
            Self::Acts { settings } => {
                let app = settings.open().await?;
                let acts = keys::acts(&app).await?;
                settings.print(&acts, || {
                    let rows = acts.iter().map(|act| {
                        vec![
                            act.at.to_string(),
                            act.kind.clone(),
                            act.key.to_string(),
                            act.actor.clone().unwrap_or_default(),
                            act.detail.clone(),
                        ]
                    });
                    table(&["when", "what", "key", "who", "detail"], rows)
                })?;
            }
            Self::Release { of, id } => {
                let (app, workspace) = of.open().await?;
                keys::release(&app, &Origin::cli(), workspace, id).await?;
                let value = json!({"id": id, "released": true});
                of.settings
                    .print(&value, || format!("key {id} is good again"))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Create {
    async fn run(self) -> anyhow::Result<()> {
        let (app, workspace) = self.of.open().await?;
        let member = match (workspace, &self.member) {
            (Some(workspace), Some(member)) => {
                Some(members::find(&app, workspace, member).await?.id)
            }
            _ => None,
        };
        let new = NewKey {
            name: self.name,
            scopes: self.scopes.into_iter().collect(),
            member,
            life: self
                .expires_days
                .map(|days| Duration::from_hours(24) * days),
        };
        // Whoever has the database has everything.
        let scopes = Scopes::everything();
        let issued = keys::issue(&app, &Origin::cli(), workspace, &scopes, new).await?;
        let mut value = serde_json::to_value(&issued.key)?;
        value["key"] = issued.text.expose_secret().into();
        self.of.settings.print(&value, || {
            format!(
                "{}\nkey {} is good until {}; its text is not shown again",
                issued.text.expose_secret(),
                issued.key.id,
                issued.key.expires_at
            )
        })
    }
}

impl Of {
    async fn open(&self) -> anyhow::Result<(App, Option<WorkspaceId>)> {
        let app = self.settings.open().await?;
        let workspace = match &self.workspace {
            Some(slug) => Some(workspace::find(&app, slug).await?.id),
            None => None,
        };
        Ok((app, workspace))
    }
}

fn text(app: &App, listed: &[ApiKey]) -> String {
    let now = app.clock.now();
    let rows = listed.iter().map(|key| {
        let state = if key.revoked_at.is_some() {
            "revoked"
        } else if key.held_at.is_some() {
            "held"
        } else if key.expires_at <= now {
            "expired"
        } else {
            "live"
        };
        let scopes = key.scopes.iter().map(Permission::name);
        vec![
            key.id.to_string(),
            key.name.clone(),
            state.to_owned(),
            scopes.collect::<Vec<_>>().join(", "),
            key.expires_at.to_string(),
            key.last_used_at
                .map(|at| at.to_string())
                .unwrap_or_default(),
        ]
    });
    table(
        &["id", "name", "state", "scopes", "good until", "last used"],
        rows,
    )
}
