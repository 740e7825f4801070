//! The commands. Each opens the same database as a running server and calls the same use cases;
//! what it changes holds there within a second.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage or wrong settings, 3 not found, 4 conflict, 5 a check
//! found faults, 6 the database or backup was made by another version and is left alone, 7 some rows
//! of an import were refused.

mod adoption;
mod api_keys;
mod backup;
mod brake;
mod configuration;
mod connections;
mod demo;
mod directories;
mod directory_runs;
mod domains;
mod doors;
mod export;
mod group_restores;
mod health;
mod import;
mod join_requests;
mod members;
mod passages;
mod people;
mod person;
mod plans;
mod replay;
mod request_log;
mod rules;
mod runs;
mod schemas;
mod seats;
mod selftest;
mod serve;
mod service;
mod sign_in;
mod teams;
mod verify;
mod workspaces;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use crate::app::App;
use crate::backup::Failure;
use crate::clock::Clock;
use crate::config::{Config, Overrides, Problems, WrongSetting};
use crate::error::Error;
use crate::store::error::DbError;
use crate::virtual_idp::selftest::NotRun;

/// Gatehouse: a SCIM 2.0 and OAuth identity provisioning gateway.
#[derive(Debug, Parser)]
#[command(name = "gatehouse", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve SCIM, and work runs and changes off.
    Serve(serve::Serve),
    /// Show it all in a minute: two IdPs sync 200 people, and why each has what.
    Demo(demo::Demo),
    /// Workspaces.
    #[command(subcommand)]
    Workspace(workspaces::Command),
    /// The operator's own way in.
    #[command(subcommand)]
    Operator(doors::Operator),
    /// Keys of the management API.
    #[command(subcommand)]
    ApiKey(api_keys::Command),
    /// Directories and their tokens.
    #[command(subcommand)]
    Directory(directories::Command),
    /// Schemas and resource types that a workspace has beside the built-in ones.
    #[command(subcommand)]
    Schema(schemas::Command),
    /// Rules: which groups and attributes give which teams and roles.
    #[command(subcommand)]
    Rule(Box<rules::Command>),
    /// Runs: what touches many members, with how far it is.
    #[command(subcommand)]
    Run(runs::Command),
    /// Members.
    #[command(subcommand)]
    Members(Box<members::Command>),
    /// The brake: past so many people who lose access, what more of it comes waits.
    #[command(subcommand)]
    Brake(brake::Command),
    /// Teams.
    #[command(subcommand)]
    Team(teams::TeamCommand),
    /// Roles.
    #[command(subcommand)]
    Role(teams::RoleCommand),
    /// Say why a member has what.
    Explain(people::Explain),
    /// Check the configuration and print it with secrets masked.
    CheckConfig(Settings),
    /// Bring the database's schema up to date.
    Migrate(Settings),
    /// Ask a server whether it can do its work; exit code 0 if it can.
    Health(health::Health),
    /// Tell what would have to change for a workspace to be like a document.
    Plan(configuration::Wanted),
    /// Make a workspace like a document.
    Apply(configuration::Apply),
    /// Print a workspace as such a document.
    Export(configuration::Export),
    /// Write everything into one file, while the server goes on.
    Backup(backup::Backup),
    /// Put a backup into an empty database, of whichever engine.
    Restore(backup::Restore),
    /// Check a SCIM service, this one or any other, as an identity provider's client would.
    Selftest(selftest::Selftest),
    /// Check the whole database against what is promised.
    Verify(verify::Verify),
}

/// Where settings come from; each command takes these.
#[derive(Debug, Clone, Args)]
pub(crate) struct Settings {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The database: `sqlite:PATH` or `postgres://…`.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// The URL under which this deployment is reached.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Settings {
    fn load(&self, listen: Option<String>) -> anyhow::Result<Config> {
        let overrides = Overrides {
            database: self.database.clone(),
            listen,
            public_url: self.public_url.clone(),
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the environment"
        )]
        let environment = std::env::vars();
        Ok(Config::load(
            self.config.as_deref(),
            environment,
            overrides,
        )?)
    }

    async fn open(&self) -> anyhow::Result<App> {
        let config = self.load(None)?;
        crate::telemetry::start_quiet();
        Ok(App::open(config, Clock::system()).await?)
    }

    /// Prints a value as JSON where that was asked for, otherwise as `text` says.
    fn print<T: serde::Serialize>(
        &self,
        value: &T,
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        let told = if self.json {
            serde_json::to_string_pretty(value)?
        } else {
            legible(&text())
        };
        print_line(told)
    }
}

/// What names and addresses hold must not steer the terminal, nor turn the text around.
fn legible(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' => c,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}

/// Prints a text and ends its line.
fn print_line(mut text: String) -> anyhow::Result<()> {
    text.push('\n');
    match std::io::stdout().write_all(text.as_bytes()) {
        // Whoever reads may have seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// Runs the command that the arguments name.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Serve(command) => command.run().await,
        Command::Demo(command) => Box::pin(command.run()).await,
        Command::Workspace(command) => command.run().await,
        Command::Operator(command) => command.run().await,
        Command::ApiKey(command) => command.run().await,
        Command::Brake(command) => command.run().await,
        Command::Directory(command) => Box::pin(command.run()).await,
        Command::Schema(command) => command.run().await,
        Command::Rule(command) => Box::pin((*command).run()).await,
        Command::Run(command) => Box::pin(command.run()).await,
        Command::Members(command) => Box::pin((*command).run()).await,
        Command::Team(command) => command.run().await,
        Command::Role(command) => command.run().await,
        Command::Explain(command) => command.run().await,
        Command::CheckConfig(settings) => check_config(&settings),
        Command::Migrate(settings) => migrate(&settings).await,
        Command::Health(command) => command.run().await,
        Command::Plan(command) => Box::pin(command.plan()).await,
        Command::Apply(command) => Box::pin(command.run()).await,
        Command::Export(command) => command.run().await,
        Command::Backup(command) => Box::pin(command.run()).await,
        Command::Restore(command) => Box::pin(command.run()).await,
        Command::Selftest(command) => command.run().await,
        Command::Verify(command) => command.run().await,
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("gatehouse: {}", legible(&told(&error)));
            exit_code(&error)
        }
    }
}

fn check_config(settings: &Settings) -> anyhow::Result<ExitCode> {
    let config = settings.load(None)?;
    for warning in config.warnings() {
        eprintln!("gatehouse: {warning}");
    }
    print_line(config.effective_toml())?;
    Ok(ExitCode::SUCCESS)
}

async fn migrate(settings: &Settings) -> anyhow::Result<ExitCode> {
    let app = settings.open().await?;
    for finding in verify::ownerless(&app).await? {
        if finding.faults > 0 {
            anyhow::bail!("{} rows break this: {}", finding.faults, finding.holds);
        }
    }
    app.db.close().await;
    settings.print(&serde_json::json!({"migrated": true}), || {
        "the schema is up to date".to_owned()
    })?;
    Ok(ExitCode::SUCCESS)
}

/// An error with its causes: at the command line nothing is kept back.
fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if !text.contains(&cause) && cause != "internal error" {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    text
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    if let Some(NotRun::UnknownCase { .. }) = error.downcast_ref::<NotRun>() {
        return ExitCode::from(2);
    }
    match error.downcast_ref::<Failure>() {
        Some(Failure::Broken { .. } | Failure::Db(DbError::Damaged(_))) => {
            return ExitCode::from(5);
        }
        Some(Failure::NotEmpty | Failure::Db(DbError::InUse | DbError::NotOurs)) => {
            return ExitCode::from(4);
        }
        Some(Failure::Db(error)) if is_of_another_version(error) => return ExitCode::from(6),
        _ => {}
    }
    let mut causes = error.chain();
    if error.is::<WrongSetting>()
        || causes.any(|cause| cause.is::<Problems>() || cause.is::<WrongSetting>())
    {
        return ExitCode::from(2);
    }
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref());
    if causes.any(is_of_another_version) {
        return ExitCode::from(6);
    }
    match error.downcast_ref::<Error>() {
        Some(Error::Invalid { .. }) => ExitCode::from(2),
        Some(Error::NotFound(_)) => ExitCode::from(3),
        Some(Error::Taken(_) | Error::Conflict(_)) => ExitCode::from(4),
        _ => ExitCode::FAILURE,
    }
}

fn is_of_another_version(error: &DbError) -> bool {
    matches!(
        error,
        DbError::Newer(_) | DbError::OtherBuild(_) | DbError::UnknownStep(_)
    )
}

/// A new file that its owner alone reads.
fn private_file(file: &Path) -> anyhow::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let made = options.open(file);
    made.with_context(|| format!("{} cannot be made", file.display()))
}

/// A table of rows for people.
fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = comfy_table::Table::new();
    table
        .load_style(comfy_table::presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(comfy_table::ContentArrangement::Dynamic)
        .set_header(header.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    table.to_string()
}
