//! `gatehouse workspace …`

use std::process::ExitCode;

use clap::Subcommand;

use super::{Settings, table};
use crate::changes::Origin;
use crate::workspace::seats::{self, Limit, SeatPolicy};
use crate::workspace::{self, deletion, lifecycle};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Domains that a workspace says are its own.
    #[command(subcommand)]
    Domain(super::domains::Command),
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
    /// Give a workspace another name for people.
    Set {
        /// Its slug, which stays.
        slug: String,
        /// The name.
        #[arg(long)]
        name: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Show how the seats of a workspace stand, or set how many there are.
    Seats {
        /// Its slug.
        slug: String,
        /// How many members may be in at a time, 3 at least.
        #[arg(long, conflicts_with = "no_limit")]
        limit: Option<i64>,
        /// Let in as many as come.
        #[arg(long)]
        no_limit: bool,
        /// What becomes of whoever finds no seat: refuse, or hold until one is free.
        #[arg(long, value_parser = policy)]
        policy: Option<SeatPolicy>,
        /// How many more are let in for the time being.
        #[arg(long)]
        grace: Option<i64>,
        /// Whom to ask for more.
        #[arg(long)]
        contact: Option<String>,
        #[command(flatten)]
        settings: Settings,
    },
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
                settings,
            } => {
                let app = settings.open().await?;
                let workspace = workspace::find(&app, &slug).await?;
                lifecycle::rename(&app, &Origin::cli(), &workspace, &name).await?;
                say(&settings, &slug, "has its name")?;
            }
            Self::Seats {
                slug,
                limit,
                no_limit,
                policy,
                grace,
                contact,
                settings,
            } => {
                let app = settings.open().await?;
                let workspace = workspace::find(&app, &slug).await?;
                let before = seats::show(&app, workspace.id).await?.limit;
                let wanted = Limit {
                    seat_limit: limit.or(before.seat_limit).filter(|_| !no_limit),
                    seat_policy: policy.unwrap_or(before.seat_policy),
                    seat_grace: grace.unwrap_or(before.seat_grace),
                    seat_contact: contact.or(before.seat_contact),
                };
                seats::set(&app, &Origin::cli(), workspace.id, wanted).await?;
                let now = seats::show(&app, workspace.id).await?;
                settings.print(&now, || match (now.limit.seat_limit, now.taken) {
                    (Some(limit), Some(taken)) => {
                        format!("{taken} of {limit} seats are taken, {} wait", now.waiting)
                    }
                    _ => "there is no limit".to_owned(),
                })?;
            }
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

fn policy(text: &str) -> Result<SeatPolicy, String> {
    match text {
        "refuse" => Ok(SeatPolicy::Refuse),
        "hold" => Ok(SeatPolicy::Hold),
        _ => Err("expected refuse or hold".to_owned()),
    }
}
