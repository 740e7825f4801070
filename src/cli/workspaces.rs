//! `gatehouse workspace …`

use std::process::ExitCode;

use clap::Subcommand;

use super::{Settings, table};
use crate::changes::Origin;
use crate::workspace::keys::Scopes;
use crate::workspace::settings::{Edit, edit as edit_workspace};
use crate::workspace::{self, deletion, lifecycle};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Domains that a workspace says are its own.
    #[command(subcommand)]
    Domain(super::domains::Command),
    /// Connections, through which people sign in.
    #[command(subcommand)]
    Connection(super::connections::Command),
    /// Show how people may sign in to a workspace, and for how long, or set it.
    SignIn(super::sign_in::SignIn),
    /// Sessions of members.
    #[command(subcommand)]
    Session(super::sign_in::Command),
    /// People who signed in for the first time and ask to be let in.
    #[command(subcommand)]
    JoinRequest(super::join_requests::Command),
    /// Make a workspace.
    Create {
        /// Its name in commands and URLs: 1 to 64 of a-z, 0-9 and -.
        slug: String,
        /// Its name for people.
        #[arg(long)]
        name: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Shut a workspace: nothing of it opens anything until it is resumed.
    Suspend {
        /// Its slug.
        slug: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Open a suspended workspace again.
    Resume {
        /// Its slug.
        slug: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Delete a workspace: nothing of it opens anything from now on, and its rows go once the time
    /// of grace is over. Its slug is not given out again.
    Delete {
        /// Its slug.
        slug: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Have a deleted workspace back, within the time of grace.
    Undelete {
        /// Its slug.
        slug: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Give a workspace another name for people, or say how far admins have access.
    Set {
        /// Its slug, which stays.
        slug: String,
        /// The name.
        #[arg(long, required_unless_present = "admins_in_all_teams")]
        name: Option<String>,
        /// Whether admins have access in every enabled team, or in those alone that they are in.
        #[arg(long, value_name = "BOOL")]
        admins_in_all_teams: Option<bool>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Make a link that signs in an admin, once; the member of that address, or a new one.
    AdminLink(super::doors::AdminLink),
    /// Show how the seats of a workspace stand, or set how many there are.
    Seats(super::seats::Seats),
    /// List who signed in, and who was refused and why, newest first.
    Logins(super::doors::Logins),
    /// List the workspaces.
    List {
        #[command(flatten)]
        settings: Settings,
    },
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Domain(command) => command.run().await?,
            Self::Connection(command) => Box::pin(command.run()).await?,
            Self::SignIn(command) => command.run().await?,
            Self::Session(command) => command.run().await?,
            Self::JoinRequest(command) => Box::pin(command.run()).await?,
            Self::AdminLink(link) => link.run().await?,
            Self::Logins(logins) => logins.run().await?,
            Self::Create {
                slug,
                name,
                settings,
            } => {
                let app = settings.open().await?;
                let workspace = workspace::create(&app, &Origin::cli(), &slug, &name).await?;
                settings.print(&workspace, || format!("workspace {slug} is there"))?;
            }
            Self::Suspend { slug, settings } => {
                let app = settings.open().await?;
                let workspace = workspace::find(&app, &slug).await?;
                lifecycle::suspend(&app, &Origin::cli(), &workspace).await?;
                say(&settings, &slug, "is suspended")?;
            }
            Self::Resume { slug, settings } => {
                let app = settings.open().await?;
                let workspace = workspace::find(&app, &slug).await?;
                lifecycle::resume(&app, &Origin::cli(), &workspace).await?;
                say(&settings, &slug, "is active")?;
            }
            Self::Delete { slug, settings } => {
                let app = settings.open().await?;
                let workspace = workspace::find(&app, &slug).await?;
                let until = deletion::delete(&app, &Origin::cli(), &workspace).await?;
                let value = serde_json::json!({"workspace": slug, "purged_after": until});
                settings.print(&value, || {
                    format!("workspace {slug} is deleted; it can be had back until {until}")
                })?;
            }
            Self::Undelete { slug, settings } => {
                let app = settings.open().await?;
                let workspace = workspace::find_any(&app, &slug).await?;
                deletion::undelete(&app, &Origin::cli(), &workspace).await?;
                say(&settings, &slug, "is there again")?;
            }
            Self::Set {
                slug,
                name,
                admins_in_all_teams,
                settings,
            } => {
                let app = settings.open().await?;
                let workspace = workspace::find(&app, &slug).await?;
                let edit = Edit {
                    name,
                    admins_in_all_teams,
                };
                let by = (&Origin::cli(), &Scopes::everything());
                edit_workspace(&app, by, &workspace, edit).await?;
                let now = workspace::find(&app, &slug).await?;
                settings.print(&now, || {
                    let reach = if now.admins_in_all_teams {
                        "every enabled team"
                    } else {
                        "the enabled teams that they are in"
                    };
                    format!(
                        "workspace {slug} is \"{}\"; admins have access in {reach}",
                        now.name
                    )
                })?;
            }
            Self::Seats(seats) => seats.run().await?,
            Self::List { settings } => {
                let app = settings.open().await?;
                let workspaces = workspace::list(&app).await?;
                settings.print(&workspaces, || {
                    let rows = workspaces.iter().map(|workspace| {
                        vec![
                            workspace.slug.clone(),
                            workspace.name.clone(),
                            workspace.status.clone(),
                        ]
                    });
                    table(&["slug", "name", "status"], rows)
                })?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn say(settings: &Settings, slug: &str, told: &str) -> anyhow::Result<()> {
    settings.print(&serde_json::json!({"workspace": slug}), || {
        format!("workspace {slug} {told}")
    })
}
