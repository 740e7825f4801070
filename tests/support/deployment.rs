//! A database of its own for a test, the commands on it, and a server beside them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::database::Database;

/// The master key of every deployment here.
pub(crate) const KEY: &str = "8f1c0a5d3b7e9246c8d01f6a4b92e7357ad2c4518e0f93b6d71a2c5e84f06b39";

/// How long anything may take; far more than it needs.
const DEADLINE: Duration = Duration::from_secs(30);

/// A database and the program.
pub(crate) struct Deployment {
    pub(crate) database: Database,
    folder: TempDir,
}

impl Deployment {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self {
            database: Database::new(folder.path(), "").await,
            folder,
        }
    }

    /// The same on a file of its own, whatever the test runner names.
    pub(crate) fn embedded() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self {
            database: Database::file(folder.path()),
            folder,
        }
    }

    /// Where the database is.
    pub(crate) fn url(&self) -> &str {
        &self.database.url
    }

    /// Where the program runs.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a command on the database.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(&[], arguments)
    }

    pub(crate) fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
        self.command(arguments)
            .envs(variables.iter().copied())
            .output()
            .expect("the program starts")
    }

    /// Runs a command that must succeed, and reads its JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        self.json_with(&[], arguments)
    }

    pub(crate) fn json_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Value {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        let output = self.run_with(variables, &arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {error}");
        serde_json::from_slice(&output.stdout).expect("JSON on standard output")
    }

    /// Starts a server on a free port and waits until it is ready.
    pub(crate) async fn serve(&self) -> Server {
        self.serve_with(&[]).await
    }

    /// The same with variables of the environment.
    pub(crate) async fn serve_with(&self, variables: &[(&str, &str)]) -> Server {
        self.serve_as(&self.database.url, &[], variables).await
    }

    /// The same on a database by another URL, started by the program whose words come `before`.
    pub(crate) async fn serve_as(
        &self,
        database: &str,
        before: &[&str],
        variables: &[(&str, &str)],
    ) -> Server {
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let listen = format!("127.0.0.1:{port}");
        let serve = ["serve", "--listen", &listen, "--public-url", &url];
        let log = self.folder().join(format!("{port}.log"));
        let child = self
            .command_on(database, before, &serve)
            .env("GATEHOUSE__LOG__FILTER", "warn")
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("a file for the log"))
            .spawn()
            .expect("the program starts");
        let http = reqwest::Client::builder().build().expect("a client");
        let server = Server {
            child,
            url,
            http,
            log,
        };
        let ready = format!("{}/readyz", server.url);
        server
            .until("the server is ready", async || {
                let answer = server.http.get(&ready).send().await;
                answer.is_ok_and(|answer| answer.status().is_success())
            })
            .await;
        server
    }

    /// A command on the database, not yet started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_on(&self.database.url, &[], arguments)
    }

    pub(crate) fn command_on(
        &self,
        database: &str,
        before: &[&str],
        arguments: &[&str],
    ) -> Command {
        let program = [before, &[env!("CARGO_BIN_EXE_gatehouse")]].concat();
        let mut command = Command::new(program[0]);
        command
            .args(&program[1..])
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("GATEHOUSE__SECRETS__KEY", KEY)
            .current_dir(self.folder())
            .args(arguments);
        if arguments != ["frobnicate"] {
            command.args(["--database", database]);
        }
        command
    }
}

/// A port that nobody has now.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}

/// A running server; it ends with the test, and a test that fails shows the end of its log.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) url: String,
    http: reqwest::Client,
    log: PathBuf,
}

impl Server {
    /// Sends a SCIM request; gives status and body.
    pub(crate) async fn send(
        &self,
        method: &str,
        url: &str,
        token: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.http.request(method, url).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Waits for something that the server does by itself.
    pub(crate) async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !holds().await {
            assert!(Instant::now() < deadline, "in time: {what}");
            #[expect(clippy::disallowed_methods, reason = "another process is waited for")]
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the database is as the design promises, sequencer and sweeper included.
    pub(crate) async fn wait_until_numbered(&self, deployment: &Deployment) {
        self.until("verify is clean", async || {
            deployment.run(&["verify"]).status.success()
        })
        .await;
    }

    /// Asks the server to stop, which it does in order.
    pub(crate) fn stop(mut self) {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(told.expect("kill is there").success());
        let code = self.child.wait().expect("the server ended").code();
        assert_eq!(
            code,
            Some(0),
            "a server that is asked to stop ends in order"
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("{}", lines[lines.len().saturating_sub(30)..].join("\n"));
        }
    }
}
