//! `gatehouse directory log`: what the client of a directory sent, and what it was answered.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::{Settings, private_file};
use crate::app::App;
use crate::changes::Origin;
use crate::clock::Timestamp;
use crate::directory;
use crate::directory::request_log::bundle;
use crate::directory::request_log::{self, Entry, Follower, Wanted};
use crate::error::Error;
use crate::ids::{DirectoryId, RequestId, WorkspaceId};
use crate::workspace;

/// How long to wait before looking for new ones.
const POLL: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub(super) struct Log {
    /// The workspace's slug.
    #[arg(long, required_unless_present = "request", requires = "name")]
    workspace: Option<String>,
    /// The directory's name.
    #[arg(long, required_unless_present = "request", requires = "workspace")]
    name: Option<String>,
    /// One request, by the id that its answer carries as X-Request-Id, in full.
    #[arg(long, value_name = "ID", conflicts_with = "follow")]
    request: Option<RequestId>,
    /// Those of a status: `409`, `4xx`, `5xx`, or `errors` for both.
    #[arg(long, value_name = "STATUS", value_parser = request_log::statuses)]
    status: Option<(u16, u16)>,
    /// Those of a method.
    #[arg(long)]
    method: Option<String>,
    /// Those with this text in path or query.
    #[arg(long, value_name = "TEXT")]
    path: Option<String>,
    /// Those about a resource.
    #[arg(long, value_name = "ID")]
    resource: Option<uuid::Uuid>,
    /// Those answered since: `90s`, `15m`, `2h`, `3d` ago, or an RFC 3339 date-time.
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Since>,
    /// Those answered until then, written alike.
    #[arg(long, value_name = "WHEN", value_parser = since, conflicts_with = "follow")]
    until: Option<Since>,
    /// The latest so many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// With the bodies, secrets removed.
    #[arg(long)]
    bodies: bool,
    /// Go on printing new ones until you press Ctrl+C.
    #[arg(long)]
    follow: bool,
    /// Write all of them with their bodies into a file, for whoever is asked for help. Secrets are in
    /// none of it; what people are called is.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["request", "follow", "bodies"])]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Clone, Copy)]
enum Since {
    Ago(Duration),
    At(Timestamp),
}

impl Since {
    fn instant(self, app: &App) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(span) => app.clock.now().before(span),
        }
    }
}

impl Log {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let app = self.settings.open().await?;
        let named = match (&self.workspace, &self.name) {
            (Some(workspace), Some(name)) => {
                let workspace = workspace::find(&app, workspace).await?;
                let directory = directory::find(&app, workspace.id, name).await?;
                Some((workspace.id, directory.id))
            }
            _ => None,
        };
        match (self.request, named) {
            (Some(request), named) => self.show(&app, named, request).await?,
            (None, Some(directory)) if self.follow => self.follow(&app, directory).await?,
            (None, Some(directory)) if let Some(file) = &self.bundle => {
                self.bundle(&app, directory, file).await?;
            }
            (None, Some(directory)) => {
                let wanted = self.wanted(&app);
                let mut listed = request_log::list(&app, directory, &wanted, self.limit).await?;
                self.strip(&mut listed);
                self.settings.print(&listed, || {
                    let lines: Vec<_> = listed.iter().map(line).collect();
                    lines.join("\n")
                })?;
            }
            (None, None) => anyhow::bail!("--workspace and --name are needed"),
        }
        app.db.close().await;
        Ok(ExitCode::SUCCESS)
    }

    async fn bundle(
        &self,
        app: &App,
        (workspace, directory): (WorkspaceId, DirectoryId),
        file: &Path,
    ) -> anyhow::Result<()> {
        let directory = directory::find_by_id(app, workspace, directory).await?;
        // What people are called is the operator's to read alone.
        let mut out = private_file(file)?;
        let mut bundle = bundle::begin(app, &Origin::cli(), &directory, self.wanted(app)).await?;
        while let Some(text) = bundle.next().await? {
            out.write_all(text.as_bytes())?;
        }
        out.sync_all()?;
        let value = json!({"file": file, "requests": bundle.count()});
        self.settings.print(&value, || {
            format!(
                "{} requests are written to {}",
                bundle.count(),
                file.display()
            )
        })
    }

    fn wanted(&self, app: &App) -> Wanted {
        Wanted {
            status: self.status,
            method: self.method.clone(),
            path: self.path.clone(),
            resource: self.resource,
            since: self.since.map(|since| since.instant(app)),
            until: self.until.map(|until| until.instant(app)),
            request: None,
        }
    }

    /// Bodies are long, and most often not what is looked for.
    fn strip(&self, entries: &mut [Entry]) {
        if !self.bodies {
            for entry in entries {
                entry.request = None;
                entry.response = None;
            }
        }
    }

    /// A request's id is enough: whoever runs the deployment has every directory's log.
    async fn show(
        &self,
        app: &App,
        named: Option<(WorkspaceId, DirectoryId)>,
        request: RequestId,
    ) -> anyhow::Result<()> {
        let directories = match named {
            Some(directory) => vec![directory],
            None => request_log::directories(app).await?,
        };
        for directory in directories {
            if let Some(entry) = request_log::find(app, directory, request).await? {
                return self.settings.print(&entry, || in_full(&entry));
            }
        }
        Err(Error::NotFound("request").into())
    }

    async fn follow(&self, app: &App, directory: (WorkspaceId, DirectoryId)) -> anyhow::Result<()> {
        let wanted = self.wanted(app);
        let mut follower = Follower::start(app, directory, wanted.clone()).await?;
        let mut listed = request_log::list(app, directory, &wanted, self.limit).await?;
        follower.saw(&listed);
        let stop = super::serve::stopped();
        loop {
            self.strip(&mut listed);
            if !self.tell(&listed)? {
                return Ok(());
            }
            #[expect(clippy::disallowed_methods, reason = "a command that waits for people")]
            let pause = tokio::time::sleep(POLL);
            if stop.run_until_cancelled(pause).await.is_none() {
                return Ok(());
            }
            listed = follower.next(app).await?;
        }
    }

    /// Prints one line each at once; false when nobody reads any more.
    fn tell(&self, entries: &[Entry]) -> anyhow::Result<bool> {
        let mut out = std::io::stdout().lock();
        for entry in entries {
            let told = if self.settings.json {
                serde_json::to_string(entry)?
            } else {
                line(entry)
            };
            match writeln!(out, "{told}").and_then(|()| out.flush()) {
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(false),
                written => written?,
            }
        }
        Ok(true)
    }
}

/// An exchange on one line, its bodies below it.
fn line(entry: &Entry) -> String {
    let at = entry.at.to_string();
    let mut text = format!(
        "{} {} {:6} {}  {}  {}",
        at.get(..23).unwrap_or(&at),
        entry.status,
        entry.method,
        printable(&entry.path),
        took(entry.duration_us),
        entry.id,
    );
    if let Some(scim_type) = &entry.scim_type {
        text.push_str("  ");
        text.push_str(scim_type);
    }
    if let Some(detail) = &entry.detail {
        text.push_str("  ");
        text.push_str(&printable(detail));
    }
    let skipped: Vec<_> = entry.notes.iter().map(note).collect();
    if !skipped.is_empty() {
        text.push_str("  skipped: ");
        text.push_str(&skipped.join(", "));
    }
    for (arrow, body) in [(">", &entry.request), ("<", &entry.response)] {
        if let Some(body) = body {
            let body = match body {
                Value::String(cut) if entry.cut => format!("{} …", printable(cut)),
                body => printable(&body.to_string()),
            };
            let _ = write!(text, "\n  {arrow} {body}");
        }
    }
    text
}

/// Everything of an exchange.
fn in_full(entry: &Entry) -> String {
    let value = serde_json::to_value(entry).unwrap_or_default();
    let shown = value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| {
            let value = match value {
                Value::String(text) => printable(text),
                Value::Object(_) => {
                    let pretty = serde_json::to_string_pretty(value).unwrap_or_default();
                    let lines: Vec<_> = pretty.lines().map(printable).collect();
                    lines.join("\n")
                }
                other => printable(&other.to_string()),
            };
            format!("{name:12} {value}")
        });
    shown.collect::<Vec<_>>().join("\n")
}

fn note(note: &Value) -> String {
    let part = |name: &str| note[name].as_str().unwrap_or_default();
    format!("{} ({})", printable(part("path")), part("reason"))
}

/// What clients sent must not steer the terminal.
fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

fn took(micros: i64) -> String {
    match micros {
        0..=9_999 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        _ => format!("{} ms", micros / 1_000),
    }
}

fn since(text: &str) -> Result<Since, String> {
    let wrong = || "must be such as 90s, 15m, 2h, 3d, or an RFC 3339 date-time".to_owned();
    if let Some(at) = Timestamp::parse(text) {
        return Ok(Since::At(at));
    }
    let (number, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    Ok(Since::Ago(Duration::from_secs(seconds * u64::from(number))))
}

#[cfg(test)]
mod tests {
    use super::{Since, printable, request_log::statuses, since, took};

    #[test]
    fn filters_are_read_as_people_write_them() {
        let check = |text: &str, seconds: Option<u64>| {
            let found = match since(text) {
                Ok(Since::Ago(span)) => Some(span.as_secs()),
                Ok(Since::At(_)) => Some(0),
                Err(_) => None,
            };
            assert_eq!(found, seconds, "{text}");
        };
        check("90s", Some(90));
        check("15m", Some(900));
        check("2h", Some(7_200));
        check("3d", Some(259_200));
        check("2026-01-01T00:00:00Z", Some(0));
        for wrong in ["", "m", "15", "15 m", "-1m", "1w", "ä"] {
            check(wrong, None);
        }
        assert_eq!(statuses("409").ok(), Some((409, 409)));
        assert_eq!(statuses("4XX").ok(), Some((400, 499)));
        assert_eq!(statuses("errors").ok(), Some((400, 599)));
        assert!(statuses("42").is_err() && statuses("x").is_err());
    }

    #[test]
    fn what_clients_sent_does_not_steer_the_terminal() {
        assert_eq!(
            printable("a\u{1b}[2Jb\r\n"),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}"
        );
        assert_eq!(
            (took(840), took(12_900)),
            ("0.8 ms".to_owned(), "12 ms".to_owned())
        );
    }
}
