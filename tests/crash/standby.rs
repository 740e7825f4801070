//! The server is a standby from one moment to the next, as after a failover that leads to the wrong
//! one: it answers, and what it shows may be out of date.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use crate::away::{SECONDS_TO_BE_BACK, SECONDS_TO_NOTICE, refuses, until};
use crate::bed::Bed;
use crate::deployment::Deployment;

/// A PostgreSQL server of the test's own, by the programs of the one that the test runner names.
struct Cluster {
    folder: TempDir,
    programs: PathBuf,
}

impl Cluster {
    async fn beside(url: &str) -> Self {
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

    fn url(&self) -> String {
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

    fn start(&self) {
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
    fn demote(&self) {
        self.run("pg_ctl", &["stop", "--wait", "--mode", "fast"]);
        let signal = self.folder.path().join("data/standby.signal");
        fs::write(signal, "").expect("written");
        self.start();
    }

    fn promote(&self) {
        self.run("pg_ctl", &["promote", "--wait"]);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.folder.path().join("data/postmaster.pid").exists() {
            self.run("pg_ctl", &["stop", "--wait", "--mode", "immediate"]);
        }
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").expect("is there").uid() == 0
}

// C228
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_asked_nothing() {
    let mut deployment = Deployment::new().await;
    if deployment.url().starts_with("sqlite:") {
        return;
    }
    let cluster = Cluster::beside(deployment.url()).await;
    deployment.database.url = cluster.url();
    let bed = Bed::on(deployment);
    let server = bed.deployment.serve().await;
    let client = bed.client(&server);
    assert_eq!(client.call("GET", "/Users", None).await.status, 200);

    cluster.demote();
    let rows = bed.count("SELECT COUNT(*) FROM deployment WHERE pg_is_in_recovery()");
    assert_eq!(rows.await, 1, "it could be read from");
    until(&client, "/readyz", 503, SECONDS_TO_NOTICE).await;
    refuses(&client).await;
    assert_eq!(client.probe("/readyz").await, Some(503));
    assert_eq!(client.probe("/healthz").await, Some(200));
    let (_, port) = server.url.rsplit_once(':').expect("a port");
    let log = fs::read_to_string(bed.deployment.folder().join(format!("{port}.log")));
    let log = log.expect("a log");
    assert!(log.contains("the database server is a standby"), "{log}");
    let started = bed.deployment.run(&["workspace", "list"]);
    let told = String::from_utf8_lossy(&started.stderr).into_owned();
    assert!(!started.status.success(), "{told}");
    assert!(told.contains("the database server is a standby"), "{told}");

    cluster.promote();
    until(&client, "/readyz", 200, SECONDS_TO_BE_BACK).await;
    assert_eq!(client.call("GET", "/Users", None).await.status, 200);
    bed.check().await;
    server.stop();
}
