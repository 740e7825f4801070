//! `gatehouse plan`, `gatehouse apply` and `gatehouse export`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::plans::told_lines;
use super::{Settings, print_line};
use crate::app::App;
use crate::changes::Origin;
use crate::configuration::{self, Applied, Configuration, Options, Plan};
use crate::error::Error;
use crate::workspace::keys::Scopes;
use crate::workspace::{self, Workspace};

#[derive(Debug, Args)]
pub(super) struct Wanted {
    /// The document, TOML: what the workspace is to be like. `gatehouse export` writes one.
    #[arg(short, long)]
    file: PathBuf,
    /// The workspace's slug, if the document does not say it.
    #[arg(long)]
    workspace: Option<String>,
    /// End teams and roles that the document does not name: teams are put away, roles deleted.
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Args)]
pub(super) struct Apply {
    #[command(flatten)]
    wanted: Wanted,
    /// The hash of the plan that was agreed to; another plan is not applied.
    #[arg(long, value_name = "HASH")]
    plan: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    /// The workspace's slug.
    #[arg(long)]
    workspace: String,
    #[command(flatten)]
    settings: Settings,
}

impl Wanted {
    async fn open(&self) -> anyhow::Result<(App, Workspace, Configuration)> {
        let wanted = read(&self.file)?;
        let slug = self.workspace.as_ref().or(wanted.workspace.as_ref());
        let slug = slug.context("--workspace is missing, and the document does not say it")?;
        let app = self.settings.open().await?;
        let workspace = workspace::find(&app, slug).await?;
        Ok((app, workspace, wanted))
    }

    /// Tells what would have to change.
    pub(super) async fn plan(self) -> anyhow::Result<ExitCode> {
        let (app, workspace, wanted) = self.open().await?;
        let by = (&Origin::cli(), &Scopes::everything());
        let plan = configuration::plan(&app, by, &workspace, wanted, self.prune).await?;
        self.settings.print(&plan, || text(&plan))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Apply {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let (app, workspace, wanted) = self.wanted.open().await?;
        let by = (&Origin::cli(), &Scopes::everything());
        let options = Options {
            prune: self.wanted.prune,
            plan: self.plan,
        };
        let settings = &self.wanted.settings;
        match configuration::apply(&app, by, &workspace, wanted, options).await? {
            Applied::Done(done) => {
                settings.print(&done, || {
                    if done.effects.is_empty() {
                        "nothing to do".to_owned()
                    } else {
                        format!("{}\ndone", text(&done))
                    }
                })?;
                Ok(ExitCode::SUCCESS)
            }
            Applied::Stale(plan) => {
                settings.print(&plan, || text(&plan))?;
                let stale = "the plan is stale: the workspace or the document has changed since; \
                             look at it and apply it anew";
                Err(Error::Conflict(stale.to_owned()).into())
            }
        }
    }
}

impl Export {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let app = self.settings.open().await?;
        let workspace = workspace::find(&app, &self.workspace).await?;
        let found = configuration::export(&app, &workspace).await?;
        if self.settings.json {
            self.settings.print(&found, String::new)?;
        } else {
            print_line(toml::to_string_pretty(&found)?.trim_end().to_owned())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn read(file: &Path) -> anyhow::Result<Configuration> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is no such document", file.display()))
}

/// A plan in lines, members last.
fn text(plan: &Plan) -> String {
    let mut lines = vec![plan.to_string()];
    lines.extend(plan.members.iter().flat_map(told_lines));
    if let Some(access) = &plan.access {
        lines.push(format!(
            "{} members come to be able to do something else by that",
            access.members
        ));
        for (how, of) in [("gain", &access.gains), ("lose", &access.losses)] {
            lines.extend(
                of.iter()
                    .map(|it| format!("  {} {how} {}", it.members, it.what)),
            );
        }
    }
    lines.join("\n")
}
