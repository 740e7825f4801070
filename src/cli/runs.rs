//! `gatehouse run …`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::{Settings, table};
use crate::admission::runs::{self, RunState, Shown};
use crate::app::App;
use crate::changes::Origin;
use crate::clock::Timestamp;
use crate::ids::{RunId, WorkspaceId};
use crate::worker::{self, Round, Worker};
use crate::workspace::keys::Scopes;
use crate::workspace::{self, Workspace};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the last runs of a workspace.
    List {
        /// The workspace's slug.
        #[arg(long)]
        workspace: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Show how far a run is.
    Show(Named),
    /// Let a run wait after the batch that it is at.
    Pause(Named),
    /// Let a paused run go on.
    Resume(Named),
    /// Undo a run that wrote a rule: the rule says again what it said before.
    Undo(Named),
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// The workspace's slug.
    #[arg(long)]
    workspace: String,
    /// The run's id.
    #[arg(long, value_name = "ID")]
    run: RunId,
    #[command(flatten)]
    settings: Settings,
}

impl Named {
    async fn open(&self) -> anyhow::Result<(App, Workspace)> {
        let app = self.settings.open().await?;
        let workspace = workspace::find(&app, &self.workspace).await?;
        Ok((app, workspace))
    }

    fn print(&self, run: &Shown) -> anyhow::Result<()> {
        self.settings.print(run, || text(std::slice::from_ref(run)))
    }
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let (origin, scopes) = (Origin::cli(), Scopes::everything());
        let by = (&origin, &scopes);
        match self {
            Self::List {
                workspace,
                settings,
            } => {
                let app = settings.open().await?;
                let workspace = workspace::find(&app, &workspace).await?;
                let listed = runs::list(&app, workspace.id).await?;
                settings.print(&listed, || text(&listed))?;
            }
            Self::Show(named) => {
                let (app, workspace) = named.open().await?;
                named.print(&runs::show(&app, workspace.id, named.run).await?)?;
            }
            Self::Pause(named) => {
                let (app, workspace) = named.open().await?;
                let which = (workspace.id, named.run);
                named.print(&runs::pause(&app, by, which).await?)?;
            }
            Self::Resume(named) => {
                let (app, workspace) = named.open().await?;
                let which = (workspace.id, named.run);
                named.print(&runs::resume(&app, by, which).await?)?;
            }
            Self::Undo(named) => {
                let (app, workspace) = named.open().await?;
                let which = (workspace.id, named.run);
                let made = runs::undo(&app, by, which).await?;
                work_off(&app, workspace.id, made.run.id).await?;
                named.print(&runs::show(&app, workspace.id, made.run.id).await?)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Works a run off where no server holds the lease; where one does, it has the run already.
pub(super) async fn work_off(app: &App, workspace: WorkspaceId, id: RunId) -> anyhow::Result<()> {
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(
        "{bar:40} {pos}/{len} members settled",
    )?);
    let mut worker = Worker::new(app.clone());
    loop {
        let Some(run) = runs::find(app, workspace, id).await? else {
            break;
        };
        bar.set_length(u64::try_from(run.total).unwrap_or(0));
        bar.set_position(u64::try_from(run.processed).unwrap_or(0));
        let is_waiting = run.of.paused_at.is_some();
        // Nothing to do: it failed, and is tried again later.
        if run.state == RunState::Done || is_waiting || worker.round().await? != Round::Worked {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(worker::release(app).await?)
}

fn text(runs: &[Shown]) -> String {
    let rows = runs.iter().map(|shown| {
        let run = &shown.run;
        let of = run.of.rule.map(|rule| format!("rule {rule}"));
        vec![
            run.id.to_string(),
            format!("{:?}", run.kind).to_lowercase(),
            format!("{:?}", shown.standing).to_lowercase(),
            format!("{} of {}", run.processed, run.total),
            run.of.changed.to_string(),
            run.of.held.to_string(),
            of.unwrap_or_default(),
        ]
    });
    let header = ["id", "kind", "state", "users", "changed", "held", "of"];
    let mut told = table(&header, rows);
    for shown in runs {
        told.push_str(&failing(
            shown.run.of.last_error.as_deref(),
            shown.run.of.next_at,
        ));
        let since: Vec<_> = shown.changed_since.iter().flatten().collect();
        if !since.is_empty() {
            let ids: Vec<_> = since.iter().map(ToString::to_string).collect();
            told.push_str("\nchanged since by something else: ");
            told.push_str(&ids.join(", "));
        }
    }
    told
}

/// Why a run gets no further, if it does not.
pub(super) fn failing(error: Option<&str>, next_at: Option<Timestamp>) -> String {
    let at = next_at.map(|at| format!("; it is tried again at {at}"));
    let told = |error: &str| format!("\nfailed: {error}{}", at.unwrap_or_default());
    error.map(told).unwrap_or_default()
}
