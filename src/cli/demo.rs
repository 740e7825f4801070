//! `gatehouse demo`
use clap::Args;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Demo {}

impl Demo {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        Ok(ExitCode::FAILURE)
    }
}
