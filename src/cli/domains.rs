//! `gatehouse workspace domain …`

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Settings, table};
use crate::app::App;
use crate::changes::Origin;
use crate::workspace::domains::{self, Shown};
use crate::workspace::keys::Scopes;
use crate::workspace::{self, Workspace};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a domain, and say what proves that it is the workspace's own.
    Add(Named),
    /// List the domains of a workspace.
    List {
        /// The workspace's slug.
        #[arg(long)]
        workspace: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Look whether a domain is proved.
    Check(Named),
    /// Say that a domain is the workspace's own, whatever the DNS says.
    Attest(Named),
    /// Say whether Users of a proved domain link to whom the workspace has.
    Set {
        #[command(flatten)]
        named: Named,
        /// Link them.
        #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set)]
        adoption: bool,
    },
    /// Take a domain away.
    Remove(Named),
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// The workspace's slug.
    #[arg(long)]
    workspace: String,
    /// The domain, such as acme.example.
    #[arg(long)]
    domain: String,
    #[command(flatten)]
    settings: Settings,
}

impl Named {
    async fn open(&self) -> anyhow::Result<(App, Workspace)> {
        let app = self.settings.open().await?;
        let workspace = workspace::find(&app, &self.workspace).await?;
        Ok((app, workspace))
    }

    fn print(&self, domain: &Shown) -> anyhow::Result<()> {
        self.settings.print(domain, || text(domain))
    }
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let origin = Origin::cli();
        match self {
            Self::Add(named) => {
                let (app, workspace) = named.open().await?;
                let added = domains::add(&app, &origin, workspace.id, &named.domain).await?;
                named.print(&added)
            }
            Self::List {
                workspace,
                settings,
            } => {
                let app = settings.open().await?;
                let workspace = workspace::find(&app, &workspace).await?;
                let all = domains::list(&app, workspace.id).await?;
                settings.print(&all, || {
                    let rows = all.iter().map(|it| {
                        vec![
                            it.domain.name.clone(),
                            state(it),
                            it.domain.adoption.to_string(),
                        ]
                    });
                    table(&["domain", "state", "adoption"], rows)
                })
            }
            Self::Check(named) => {
                let (app, workspace) = named.open().await?;
                let checked = domains::check(&app, &origin, workspace.id, &named.domain).await?;
                named.print(&checked)
            }
            Self::Attest(named) => {
                let (app, workspace) = named.open().await?;
                let attested = domains::attest(&app, &origin, workspace.id, &named.domain).await?;
                named.print(&attested)
            }
            Self::Set { named, adoption } => {
                let (app, workspace) = named.open().await?;
                let everything = Scopes::everything();
                let (by, domain) = ((&origin, &everything), &named.domain);
                let set = domains::set_adoption(&app, by, workspace.id, domain, adoption).await?;
                named.print(&set)
            }
            Self::Remove(named) => {
                let (app, workspace) = named.open().await?;
                domains::remove(&app, &origin, workspace.id, &named.domain).await?;
                let value = json!({"domain": named.domain, "removed": true});
                let told = || format!("{} is removed", named.domain);
                named.settings.print(&value, told)
            }
        }
    }
}

fn state(shown: &Shown) -> String {
    let domain = &shown.domain;
    match (domain.proved_at, domain.failing_at) {
        (_, Some(at)) => format!("fails since {at}"),
        (Some(at), None) => format!("proved since {at}"),
        (None, _) => "not proved".to_owned(),
    }
}

fn text(shown: &Shown) -> String {
    let domain = &shown.domain;
    let text = format!("{} is {}", domain.name, state(shown));
    if domain.proved_at.is_some() {
        return text;
    }
    format!(
        "{text}\nto prove it, put this text into a TXT record of {}, or into the file {}:\n{}",
        shown.record, shown.file, domain.challenge
    )
}
