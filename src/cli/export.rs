//! `gatehouse members export-all`

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Settings, private_file};
use crate::changes::Origin;
use crate::workspace;
use crate::workspace::export_many::{self, Format};

#[derive(Debug, Args)]
pub(super) struct Export {
    /// The workspace's slug.
    #[arg(long)]
    workspace: String,
    /// What the table is written in: csv or json.
    #[arg(long, default_value = "csv")]
    format: Format,
    /// Where to write it; standard output if that is not said.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

impl Export {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let app = self.settings.open().await?;
        let workspace = workspace::find(&app, &self.workspace).await?;
        let mut to: Box<dyn Write + Send> = match &self.output {
            None => Box::new(std::io::stdout()),
            Some(file) => Box::new(BufWriter::new(private_file(file)?)),
        };
        let origin = Origin::cli();
        let mut export = export_many::begin(&app, &origin, workspace.id, self.format).await?;
        while let Some(text) = export.next().await? {
            match to.write_all(&text) {
                // Whoever reads may have seen enough.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
                written => written?,
            }
        }
        to.flush()?;
        let Some(file) = &self.output else {
            return Ok(());
        };
        let count = export.count();
        let value = json!({"file": file, "members": count});
        self.settings.print(&value, || {
            format!("{count} members are written to {}", file.display())
        })
    }
}
