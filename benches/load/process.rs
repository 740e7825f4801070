//! The servers under load as child processes, and what the kernel says they used.

use std::fs;
use std::ops::Sub;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// The master key of the databases here; they hold nobody's secrets.
const KEY: &str = "8f1c0a5d3b7e9246c8d01f6a4b92e7357ad2c4518e0f93b6d71a2c5e84f06b39";

/// Where the provider of the logins is.
const NEAR: &str = "127.0.0.0/8";

/// Clock ticks of `/proc/PID/stat` in a second (`USER_HZ`), 100 on every Linux of today.
const TICK_MS: f64 = 10.0;
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// A server process that ends with this value.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    /// From the start of the process to the first answer.
    pub started_in: Duration,
}

impl Drop for Server {
    fn drop(&mut self) {
        // A child that is gone already is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts `program` and waits until `/readyz` answers 200. `{listen}` and `{url}` in the
    /// arguments stand for the address it gets.
    pub(crate) async fn start(program: &Path, arguments: &[String], log: &Path) -> Result<Self> {
        let listen = format!("127.0.0.1:{}", free_port()?);
        let url = format!("http://{listen}");
        let arguments = arguments
            .iter()
            .map(|a| a.replace("{listen}", &listen).replace("{url}", &url));
        let log = fs::File::create(log)?;
        let started = Instant::now();
        let child = Command::new(program)
            .env("GATEHOUSE__SECRETS__KEY", KEY)
            .env("GATEHOUSE__OUTBOUND__OPEN_NETWORKS", NEAR)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let mut server = Self {
            child,
            url,
            started_in: Duration::ZERO,
        };
        server.ready(started).await?;
        server.started_in = started.elapsed();
        Ok(server)
    }

    async fn ready(&mut self, started: Instant) -> Result<()> {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(2))
            .build()?;
        let url = format!("{}/readyz", self.url);
        while started.elapsed() < START_TIMEOUT {
            if http
                .get(&url)
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status} before it was ready");
            }
            #[expect(clippy::disallowed_methods, reason = "another process is waited for")]
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("{url} did not answer 200 within {START_TIMEOUT:?}")
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port())
}

/// Runs a command that answers with JSON.
pub(crate) fn json_command(program: &Path, arguments: &[&str]) -> Result<Value> {
    let output = Command::new(program)
        .env("GATEHOUSE__SECRETS__KEY", KEY)
        .env("GATEHOUSE__OUTBOUND__OPEN_NETWORKS", NEAR)
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    let output = output.with_context(|| format!("starting {}", program.display()))?;
    let shown = arguments.join(" ");
    ensure!(
        output.status.success(),
        "`gatehouse {shown}` ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
    );
    serde_json::from_slice(&output.stdout).with_context(|| {
        let text = String::from_utf8_lossy(&output.stdout);
        format!("`gatehouse {shown}` should have answered with JSON: {text}")
    })
}

/// CPU time used so far, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpu {
    /// The server process, all threads.
    pub server_ms: f64,
    /// The postmaster and its children, living and dead.
    pub database_ms: Option<f64>,
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        let database_ms = self
            .database_ms
            .zip(before.database_ms)
            .map(|(now, then)| now - then);
        Self {
            server_ms: self.server_ms - before.server_ms,
            database_ms,
        }
    }
}

/// Which processes are watched while a scenario runs.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Which database, for the report.
    pub engine: String,
    /// Which server, for the report.
    pub subject: String,
    /// The server's process id.
    pub server: u32,
    /// The postmaster's process id.
    pub postmaster: Option<u32>,
}

impl Watch {
    /// CPU used up to now.
    pub(crate) fn cpu(&self) -> Result<Cpu> {
        let server_ms = Stat::read(self.server)?.own_ms;
        let database_ms = self.postmaster.map(postgres_ms).transpose()?;
        Ok(Cpu {
            server_ms,
            database_ms,
        })
    }

    /// Resident memory of the server.
    pub(crate) fn rss_mib(&self) -> Result<f64> {
        self.memory_mib("VmRSS:")
    }

    /// The most that it was since the last [`Self::forget_peak`].
    pub(crate) fn peak_rss_mib(&self) -> Result<f64> {
        self.memory_mib("VmHWM:")
    }

    /// Begins a new peak.
    pub(crate) fn forget_peak(&self) -> Result<()> {
        let file = format!("/proc/{}/clear_refs", self.server);
        fs::write(&file, "5").with_context(|| format!("writing {file}"))
    }

    fn memory_mib(&self, field: &str) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib = line.and_then(|value| value.trim().trim_end_matches("kB").trim().parse().ok());
        let kib: f64 = kib.with_context(|| format!("/proc/PID/status should have {field}"))?;
        Ok(kib / 1024.0)
    }
}

/// Backends that ended are in the postmaster's times of waited-for children.
fn postgres_ms(postmaster: u32) -> Result<f64> {
    let stat = Stat::read(postmaster)?;
    let mut total = stat.own_ms + stat.children_ms;
    for entry in fs::read_dir("/proc")? {
        let Ok(pid) = entry?.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        // A process may end while the folder is read.
        if let Ok(child) = Stat::read(pid)
            && child.parent == postmaster
        {
            total += scheduled_ms(pid).unwrap_or_default().max(child.own_ms);
        }
    }
    Ok(total)
}

/// The scheduler's own count in nanoseconds. Only for processes of one thread, where it is
/// complete; without it many backends would each lose up to a clock tick.
fn scheduled_ms(pid: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    let nanoseconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds / 1e6)
}

struct Stat {
    parent: u32,
    own_ms: f64,
    children_ms: f64,
}

impl Stat {
    /// Fields are counted from behind the command's closing parenthesis: it may hold blanks.
    fn read(pid: u32) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))
            .with_context(|| format!("process {pid} should be running"))?;
        let (_, rest) = text
            .rsplit_once(')')
            .context("/proc/PID/stat should have a command")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = |index: usize| -> Result<f64> {
            Ok(fields
                .get(index)
                .context("/proc/PID/stat is too short")?
                .parse::<f64>()?
                * TICK_MS)
        };
        Ok(Self {
            parent: fields
                .get(1)
                .context("/proc/PID/stat is too short")?
                .parse()?,
            own_ms: ticks(11)? + ticks(12)?,
            children_ms: ticks(13)? + ticks(14)?,
        })
    }
}
