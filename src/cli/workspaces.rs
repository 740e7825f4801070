//! `gatehouse workspace …`

use std::process::ExitCode;

use clap::Subcommand;

use super::{Settings, table};
use crate::changes::Origin;
use crate::workspace;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
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
    /// List the workspaces.
    List {
        #[command(flatten)]
        settings: Settings,
    },
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Create {
                slug,
                name,
                settings,
            } => {
                let app = settings.open().await?;
                let workspace = workspace::create(&app, &Origin::cli(), &slug, &name).await?;
                settings.print(&workspace, || format!("workspace {slug} is there"))?;
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
