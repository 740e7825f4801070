//! `gatehouse members import`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Settings, table};
use crate::admission::import::{self, Format, Options, Outcome, RowShown, Shown};
use crate::app::App;
use crate::changes::Origin;
use crate::workspace::keys::Scopes;
use crate::workspace::{self, Workspace};

/// The exit code that tells of refused rows.
const REFUSED: u8 = 7;
/// How many rows are read at a time.
const PAGE: i64 = 500;

#[derive(Debug, Args)]
pub(super) struct Import {
    /// The table: CSV, or JSON if its name ends with .json. Columns are id, email, firstName,
    /// lastName, displayName, userId, roles, permissions, teams, language, timeZone, phone, line,
    /// lineNumber, manager, picture and revive; several names of a cell have ; between.
    file: PathBuf,
    /// The workspace's slug.
    #[arg(long)]
    workspace: String,
    /// Only tell what would become of each row.
    #[arg(long)]
    preview: bool,
    /// Bring those back who had left, where the column revive does not say yes or no.
    #[arg(long)]
    revive: bool,
    #[command(flatten)]
    settings: Settings,
}

/// An import that is done, with its rows.
#[derive(serde::Serialize)]
struct Told {
    #[serde(flatten)]
    shown: Shown,
    rows: Vec<RowShown>,
}

impl Import {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let bytes = std::fs::read(&self.file)
            .with_context(|| format!("{} cannot be read", self.file.display()))?;
        let app = self.settings.open().await?;
        let workspace = workspace::find(&app, &self.workspace).await?;
        let by = (&Origin::cli(), &Scopes::everything());
        let options = Options {
            preview: self.preview,
            revive: self.revive,
        };
        let table = (&*bytes, format(&self.file));
        let started = import::start(&app, by, workspace.id, table, options).await?;
        let shown = finished(&app, &workspace, started).await?;
        let rows = rows(&app, &workspace, &shown).await?;
        let told = Told { shown, rows };
        self.settings.print(&told, || text(&told))?;
        Ok(if told.shown.refused() > 0 {
            ExitCode::from(REFUSED)
        } else {
            ExitCode::SUCCESS
        })
    }
}

fn format(file: &Path) -> Format {
    let end = file.extension().unwrap_or_default();
    if end.eq_ignore_ascii_case("json") {
        Format::Json
    } else {
        Format::Csv
    }
}

/// Works the import off; a server beside this may do some of it.
async fn finished(app: &App, workspace: &Workspace, started: Shown) -> anyhow::Result<Shown> {
    let mut shown = started;
    let id = shown.import.id;
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} rows, {eta} to go")?;
    let bar = ProgressBar::new(shown.import.total.unsigned_abs()).with_style(style);
    while shown.import.finished_at.is_none() {
        import::step_of(app, workspace.id, id).await?;
        shown = import::show(app, workspace.id, id).await?;
        bar.set_position(shown.import.processed.unsigned_abs());
    }
    bar.finish_and_clear();
    Ok(shown)
}

async fn rows(app: &App, workspace: &Workspace, shown: &Shown) -> anyhow::Result<Vec<RowShown>> {
    let (mut rows, mut after) = (Vec::new(), 0);
    loop {
        let id = shown.import.id;
        let page = import::list_rows(app, workspace.id, id, after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(rows);
        };
        after = last.row;
        rows.extend(page);
    }
}

fn text(told: &Told) -> String {
    let worthy = told.rows.iter().filter(|row| {
        row.problem.is_some() || !row.kept.is_empty() || row.outcome == Outcome::Left
    });
    let worthy = worthy.map(|row| {
        vec![
            row.row.to_string(),
            word(row.outcome),
            row.field.clone().unwrap_or_default(),
            match (&row.problem, row.outcome) {
                (Some(problem), _) => problem.clone(),
                (None, Outcome::Left) => {
                    "has left; --revive, or yes in the column revive, brings back".to_owned()
                }
                (None, _) => format!("kept by a directory: {}", row.kept.join(", ")),
            },
        ]
    });
    let worthy: Vec<_> = worthy.collect();
    let counts = told.shown.outcomes.iter();
    let counts: Vec<_> = counts
        .map(|(outcome, count)| format!("{count} {}", word(*outcome)))
        .collect();
    let counts = format!("{} rows: {}", told.shown.import.total, counts.join(", "));
    let counts = if told.shown.import.preview {
        format!("{counts}; nothing is written")
    } else {
        counts
    };
    if worthy.is_empty() {
        counts
    } else {
        let names = ["row", "outcome", "column", "why"];
        format!("{}\n{counts}", table(&names, worthy))
    }
}

fn word(outcome: Outcome) -> String {
    format!("{outcome:?}").to_lowercase()
}
