//! `gatehouse directory runs`, `pause-run`, `resume-run` and `undo-live`.

use clap::Args;

use super::directories::Named;
use super::passages::work_off;
use super::runs::failing;
use super::table;
use crate::admission::directory_runs::{self as runs, Shown};
use crate::changes::Origin;
use crate::ids::RunId;
use crate::workspace::keys::Scopes;

#[derive(Debug, Args)]
pub(super) struct Runs {
    #[command(flatten)]
    named: Named,
}

#[derive(Debug, Args)]
pub(super) struct OneRun {
    #[command(flatten)]
    named: Named,
    /// The run's id, as `runs` lists it.
    #[arg(long, value_name = "ID")]
    run: RunId,
}

impl Runs {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (app, directory) = self.named.find().await?;
        let listed = runs::list(&app, (directory.workspace, directory.id)).await?;
        self.named.settings.print(&listed, || text(&listed))
    }
}

impl OneRun {
    pub(super) async fn pause(self) -> anyhow::Result<()> {
        let (app, directory) = self.named.find().await?;
        let of = (directory.workspace, directory.id);
        let by = (&Origin::cli(), &Scopes::everything());
        self.print(&runs::pause(&app, by, of, self.run).await?)
    }

    pub(super) async fn resume(self) -> anyhow::Result<()> {
        let (app, directory) = self.named.find().await?;
        let of = (directory.workspace, directory.id);
        let by = (&Origin::cli(), &Scopes::everything());
        let run = runs::resume(&app, by, of, self.run).await?;
        self.print(&work_off(&app, run.run).await?.into())
    }

    pub(super) async fn undo(self) -> anyhow::Result<()> {
        let (app, directory) = self.named.find().await?;
        let of = (directory.workspace, directory.id);
        let by = (&Origin::cli(), &Scopes::everything());
        let run = runs::undo(&app, by, of, self.run).await?;
        self.print(&work_off(&app, run.run).await?.into())
    }

    fn print(&self, run: &Shown) -> anyhow::Result<()> {
        let settings = &self.named.settings;
        settings.print(run, || text(std::slice::from_ref(run)))
    }
}

fn text(runs: &[Shown]) -> String {
    let lower = |text: String| text.to_lowercase();
    let rows = runs.iter().map(|shown| {
        let run = &shown.run;
        let until = run.undo_until.map(|at| at.to_string());
        vec![
            run.id.to_string(),
            lower(format!("{:?}", run.kind)),
            lower(format!("{:?}", shown.standing)),
            format!("{} of {}", run.processed, run.total),
            run.skipped.to_string(),
            until.unwrap_or_default(),
        ]
    });
    let header = ["id", "kind", "state", "users", "left out", "undo until"];
    let mut told = table(&header, rows);
    for shown in runs {
        told.push_str(&failing(shown.run.last_error.as_deref(), shown.run.next_at));
        if !shown.left_out.is_empty() {
            let ids: Vec<_> = shown.left_out.iter().map(ToString::to_string).collect();
            told.push_str("\nstay members, for an admin gave them something since: ");
            told.push_str(&ids.join(", "));
        }
    }
    told
}
