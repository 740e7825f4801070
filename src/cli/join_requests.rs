//! `gatehouse workspace join-request …`

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Settings, table};
use crate::admission::join_requests;
use crate::app::App;
use crate::changes::Origin;
use crate::ids::JoinRequestId;
use crate::workspace::keys::Scopes;
use crate::workspace::{self, Workspace};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List who signed in for the first time and asks to be let in.
    List {
        /// The workspace's slug.
        #[arg(long)]
        workspace: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Let in who asked, with the teams and roles of the connection.
    Approve(Named),
    /// Decline a request; the person is refused from then on.
    Decline(Named),
    /// Forget a request; whoever made it may ask again.
    Remove(Named),
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// The workspace's slug.
    #[arg(long)]
    workspace: String,
    /// The request's id.
    id: JoinRequestId,
    #[command(flatten)]
    settings: Settings,
}

impl Named {
    async fn open(&self) -> anyhow::Result<(App, Workspace)> {
        let app = self.settings.open().await?;
        let workspace = workspace::find(&app, &self.workspace).await?;
        Ok((app, workspace))
    }
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (origin, everything) = (Origin::cli(), Scopes::everything());
        match self {
            Self::List {
                workspace,
                settings,
            } => {
                let app = settings.open().await?;
                let workspace = workspace::find(&app, &workspace).await?;
                let all = join_requests::list(&app, workspace.id).await?;
                settings.print(&all, || {
                    let rows = all.iter().map(|it| {
                        let name = it.display_name.clone().or_else(|| it.email.clone());
                        let state = match it.declined_at {
                            Some(_) => "declined",
                            None => "open",
                        };
                        vec![
                            it.id.to_string(),
                            name.unwrap_or_else(|| it.subject.clone()),
                            it.connection.clone(),
                            state.to_owned(),
                        ]
                    });
                    table(&["request", "who", "connection", "state"], rows)
                })
            }
            Self::Approve(named) => {
                let (app, workspace) = named.open().await?;
                let by = (&origin, &everything);
                let approved = join_requests::approve(&app, by, workspace.id, named.id).await?;
                named
                    .settings
                    .print(&approved, || format!("{} is a member", approved.member))
            }
            Self::Decline(named) => {
                let (app, workspace) = named.open().await?;
                join_requests::decline(&app, &origin, workspace.id, named.id).await?;
                let value = json!({"request": named.id, "declined": true});
                named
                    .settings
                    .print(&value, || format!("{} is declined", named.id))
            }
            Self::Remove(named) => {
                let (app, workspace) = named.open().await?;
                join_requests::remove(&app, &origin, workspace.id, named.id).await?;
                let value = json!({"request": named.id, "removed": true});
                named
                    .settings
                    .print(&value, || format!("{} is forgotten", named.id))
            }
        }
    }
}
