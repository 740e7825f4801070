//! `gatehouse backup` and `gatehouse restore`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use indicatif::ProgressBar;

use super::verify::{self, Finding};
use super::{Settings, print_line, serve, table};
use crate::app::App;
use crate::backup::{self, Draft, How, Loaded};
use crate::clock::Clock;
use crate::config::Config;
use crate::error::Error;
use crate::secrets::{self, Keyring};
use crate::store::db::{Db, Options};
use crate::store::replacement;
use crate::telemetry;
use crate::workspace::erasure_list;

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file to make; one that is there is never written over.
    file: PathBuf,
    /// Trust the checksums: load no copy and check nothing of what it says.
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The file that `backup` made.
    file: PathBuf,
    /// Put it in the place of everything that the database holds.
    #[arg(long)]
    replace: bool,
    /// Nothing was written since the backup, as when moving to another database: hold nothing.
    #[arg(long)]
    as_is: bool,
    /// Trust the checksums: load no copy first and check nothing of what it says.
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    settings: Settings,
}

/// What both commands work with.
struct Place {
    config: Config,
    keys: Arc<Keyring>,
    options: Options,
    clock: Clock,
    bar: ProgressBar,
}

impl Place {
    fn new(settings: &Settings) -> anyhow::Result<Self> {
        let config = settings.load(None)?;
        telemetry::start_quiet();
        Ok(Self {
            keys: Arc::new(secrets::load(&config)?),
            options: Options::from(&config.database),
            config,
            clock: Clock::system(),
            bar: ProgressBar::new_spinner(),
        })
    }

    /// Says on standard error what is being done, where somebody looks at it.
    fn tell(&self, what: &str, table: &str, rows: u64) {
        self.bar
            .set_message(format!("{what}: {table}, {rows} rows"));
        self.bar.tick();
    }

    /// Loads a backup into a database of its own, with the schema of today, and checks all of it.
    async fn rehearse(&self, file: &Path) -> anyhow::Result<Vec<Finding>> {
        let beside = folder_of(file);
        let folder = tempfile::tempdir_in(beside)
            // The file may lie where nothing can be written.
            .or_else(|_| tempfile::tempdir())?;
        let path = folder.path().join("copy.db").display().to_string();
        let path = path
            .replace('%', "%25")
            .replace('?', "%3F")
            .replace('#', "%23");
        let mut config = self.config.clone();
        config.database.url = format!("sqlite:{path}");
        let how = How {
            replace: false,
            as_is: true,
            erased: Vec::new(),
        };
        let options = Options::from(&config.database);
        let tell = |table: &str, rows| self.tell("checking a copy", table, rows);
        backup::load(&options, &self.keys, self.clock.now(), file, &how, &tell).await?;
        let app = App::with_keys(config, self.clock.clone(), Arc::clone(&self.keys)).await?;
        self.bar.set_message("checking what it says");
        let findings = verify::verify(&app).await?;
        app.db.close().await;
        Ok(findings)
    }
}

impl Backup {
    /// A backup that has no name yet, and was looked at where it is to be; or the code to end with.
    async fn make(&self, place: &Place, db: &Db) -> anyhow::Result<Result<Draft, ExitCode>> {
        let tell = |table: &str, rows| place.tell("reading", table, rows);
        let folder = folder_of(&self.file);
        let draft = backup::make(db, &place.keys, place.clock.now(), folder, &tell).await?;
        if !self.quick {
            let findings = place.rehearse(draft.path()).await?;
            if let Some(code) = refused(&findings)? {
                return Ok(Err(code));
            }
        }
        Ok(Ok(draft))
    }

    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let place = Place::new(&self.settings)?;
        if self.file.exists() {
            let text = format!("{} is there already", self.file.display());
            return Err(Error::Conflict(text).into());
        }
        let db = Db::attach(&place.options).await.map_err(Error::from)?;
        // Whoever stops it half way finds nothing of it in the folder.
        let stop = serve::stopped();
        let Some(made) = Box::pin(stop.run_until_cancelled(self.make(&place, &db))).await else {
            return Err(anyhow::anyhow!("stopped; no backup was made"));
        };
        db.close().await;
        let draft = match made? {
            Ok(draft) => draft,
            Err(code) => return Ok(code),
        };
        place.bar.finish_and_clear();
        let (content, receipts) = (draft.content.clone(), draft.receipts.clone());
        draft.keep(&self.file)?;
        let mut value = serde_json::to_value(&content)?;
        value["file"] = self.file.display().to_string().into();
        value["verified"] = (!self.quick).into();
        value["receipts"] = serde_json::to_value(&receipts)?;
        self.settings.print(&value, || {
            let checked = if self.quick { "not checked" } else { "checked" };
            let mut lines = vec![
                format!(
                    "{}: {} rows of {} tables, {checked}",
                    self.file.display(),
                    content.rows,
                    content.tables
                ),
                format!(
                    "it needs the master key {}, which is not in it",
                    content.key
                ),
                format!("sha256 of its content {}", content.sha256),
            ];
            lines.extend(receipts.iter().map(|receipt| format!("receipt {receipt}")));
            lines.join("\n")
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Restore {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let place = Place::new(&self.settings)?;
        match replacement::is_empty(&place.options).await {
            Ok(false) if !self.replace => return Err(backup::Failure::NotEmpty.into()),
            // One that cannot be read is moved aside once the backup was found good.
            Err(error) if !(self.replace && error.is_damaged()) => {
                return Err(backup::Failure::from(error).into());
            }
            _ => {}
        }
        if self.quick {
            let tell = |table: &str, rows| place.tell("reading", table, rows);
            backup::check(&place.keys, &self.file, &tell)?;
        } else {
            let findings = place.rehearse(&self.file).await?;
            if let Some(code) = refused(&findings)? {
                return Ok(code);
            }
        }
        let how = How {
            replace: self.replace,
            as_is: self.as_is,
            erased: erasure_list::read(&place.config)?,
        };
        let tell = |table: &str, rows| place.tell("loading", table, rows);
        let at = place.clock.now();
        let (options, keys) = (&place.options, &place.keys);
        let loaded = backup::load(options, keys, at, &self.file, &how, &tell).await?;
        place.bar.finish_and_clear();
        let mut value = serde_json::to_value(&loaded)?;
        value["as_is"] = self.as_is.into();
        if !self.as_is {
            value["groups_as_of"] = serde_json::to_value(loaded.content.made_at)?;
            value["before_release"] = SEND_AGAIN.into();
        }
        self.settings.print(&value, || told(&loaded, self.as_is))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What nothing holds, and what is to be done about it before members are let in by hand.
const SEND_AGAIN: &str = "let every directory send everything again (Entra ID: Restart \
                          provisioning; Okta: push the groups again), or members have the rights \
                          of groups that they have left since";

fn told(loaded: &Loaded, as_is: bool) -> String {
    let content = &loaded.content;
    let mut lines = vec![format!(
        "{} rows of {} tables are back as they were at {}",
        content.rows, content.tables, content.made_at
    )];
    if let Some(path) = &loaded.damaged {
        lines.push(format!(
            "the file that was there could not be read, and is {path} now"
        ));
    }
    if loaded.members_erased > 0 {
        lines.push(format!(
            "{} members were erased since, and are so again",
            loaded.members_erased
        ));
    }
    if as_is {
        lines.push("nothing is held: they are taken as the present state".to_owned());
        return lines.join("\n");
    }
    lines.push(format!(
        "sessions, codes, links and invites from before open nothing any more (epoch {})",
        loaded.access_epoch
    ));
    lines.push(format!(
        "{} tokens open nothing until they are released, or replaced with rotate-token:",
        loaded.tokens_held.len()
    ));
    lines.extend(loaded.tokens_held.iter().map(|token| {
        format!(
            "  gatehouse directory release-token --workspace {} --name \"{}\" --token {}",
            token.workspace, token.directory, token.id
        )
    }));
    lines.push(format!(
        "{} API keys open nothing until they are released, or revoked and made anew:",
        loaded.keys_held.len()
    ));
    lines.extend(loaded.keys_held.iter().map(|key| {
        let of = match &key.workspace {
            Some(slug) => format!("--workspace {slug}"),
            None => "--operator".to_owned(),
        };
        format!(
            "  gatehouse api-key release {of} --id {}    # \"{}\"",
            key.id, key.name
        )
    }));
    lines.push(format!(
        "groups, who is in them, and rules are as they were at {}, and are not held:",
        content.made_at
    ));
    lines.push(format!("  {SEND_AGAIN}"));
    lines.push(format!(
        "{} roles and permissions were given by hand then, and have effect again with whoever is let in; \
         take away what was taken away since:",
        loaded.by_hand.len()
    ));
    lines.extend(loaded.by_hand.iter().map(|of| {
        format!(
            "  gatehouse members revoke --workspace {} --member {} --{} \"{}\"    # {}",
            of.workspace,
            of.member,
            of.kind,
            of.name,
            of.shown.as_deref().unwrap_or("?")
        )
    }));
    lines.push(format!(
        "{} members have no rights until their directory writes them as active, or after that:",
        loaded.members_held
    ));
    lines.push("  gatehouse members release --workspace SLUG --all".to_owned());
    lines.join("\n")
}

/// Says what a copy breaks; such a backup is not kept, and not taken back.
fn refused(findings: &[Finding]) -> anyhow::Result<Option<ExitCode>> {
    let broken: Vec<_> = findings
        .iter()
        .filter(|finding| finding.faults > 0)
        .collect();
    if broken.is_empty() {
        return Ok(None);
    }
    eprintln!("gatehouse: a copy of it does not hold what is promised; --quick does not look");
    let rows = broken
        .iter()
        .map(|finding| vec![finding.holds.clone(), format!("{} faults", finding.faults)]);
    print_line(table(&["what must hold", ""], rows))?;
    Ok(Some(ExitCode::from(5)))
}

fn folder_of(file: &Path) -> &Path {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}
