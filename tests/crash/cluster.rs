//! A PostgreSQL server that a test stops and starts.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

/// A PostgreSQL server of the test's own, by the programs of the one that the test runner names.
pub(crate) struct Cluster {
    folder: TempDir,
    programs: PathBuf,
}

impl Cluster {
    /// A new one, by the programs of the server of that URL.
    pub(crate) async fn beside(url: &str) -> Self {
        let mut conn = PgConnection::connect(url).await.expect("connects");
        let programs: String =
            sqlx::query_scalar("SELECT setting FROM pg_config WHERE name = 'BINDIR'")
                .fetch_one(&mut conn)
                .await
                .expect("a row");
        let cluster = Self {
            folder: tempfile::tempdir().expect("a folder"),
            programs: PathBuf::from(programs),
        };
        if is_root() {
            let owned = Command::new("chown")
                .arg("postgres:")
                .arg(cluster.folder.path())
                .status();
            assert!(owned.expect("chown is there").success());
        }
        let new = "--username=postgres --auth=trust --encoding=UTF8 --no-locale --no-sync";
        cluster.run("initdb", &new.split(' ').collect::<Vec<_>>());
        cluster.start();
        cluster
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        let folder = self.folder.path().display();
        format!("postgres://postgres@localhost/postgres?host={folder}")
    }

    /// Runs a program on its data; PostgreSQL refuses to be started by root.
    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.programs.join(program);
        let mut command = Command::new(if is_root() {
            "runuser".as_ref()
        } else {
            program.as_os_str()
        });
        if is_root() {
            command.args(["-u", "postgres", "--"]).arg(&program);
        }
        let done = command
            .args(arguments)
            .env("PGDATA", self.folder.path().join("data"))
            .current_dir("/")
            .stdout(Stdio::null())
            .status()
            .expect("the program starts");
        assert!(done.success(), "{} {arguments:?}", program.display());
    }

    /// Ends it: `fast` closes connections in order, `immediate` is as if it had crashed.
    pub(crate) fn stop(&self, mode: &str) {
        self.run("pg_ctl", &["stop", "--wait", "--mode", mode]);
    }

    /// Starts it, and waits until it answers.
    pub(crate) fn start(&self) {
        let folder = self.folder.path().display().to_string();
        let options =
            format!("-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off");
        let log = format!("{folder}/log");
        self.run(
            "pg_ctl",
            &["start", "--wait", "--log", &log, "--options", &options],
        );
    }

    /// Starts it anew as one that only repeats what a primary writes.
    pub(crate) fn demote(&self) {
        self.stop("fast");
        let signal = self.folder.path().join("data/standby.signal");
        fs::write(signal, "").expect("written");
        self.start();
    }

    /// Makes the standby a primary.
    pub(crate) fn promote(&self) {
        self.run("pg_ctl", &["promote", "--wait"]);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.folder.path().join("data/postmaster.pid").exists() {
            self.stop("immediate");
        }
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").expect("is there").uid() == 0
}
