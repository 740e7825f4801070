//! The disk is full, fails or has become read-only under a running server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::bed::{Bed, pause, seed};
use crate::client::Client;
use crate::deployment::Server;
use crate::load::Load;

/// A disk whose faults can be switched on and off.
pub(crate) struct Disk {
    library: PathBuf,
    fault: PathBuf,
    under: PathBuf,
    /// Where the database puts what it needs for the time of a statement; its path begins as that
    /// of the database does.
    temporary: PathBuf,
}

impl Disk {
    /// The disk of a deployment.
    pub(crate) fn new(bed: &Bed) -> Self {
        let folder = bed.deployment.folder();
        let library = folder.join("disk.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/crash/disk.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([library.as_path(), Path::new(source)])
            .arg("-ldl")
            .output()
            .expect("a C compiler, which Rust needs as well");
        let told = String::from_utf8_lossy(&built.stderr).into_owned();
        assert!(built.status.success(), "{told}");
        let disk = Self {
            library,
            fault: folder.join("fault"),
            under: folder.join("gatehouse.db"),
            temporary: folder.join("gatehouse.db-temporary"),
        };
        fs::create_dir(&disk.temporary).expect("made");
        fs::write(&disk.fault, [0; 4096]).expect("written");
        disk
    }

    pub(crate) async fn serve(&self, bed: &Bed) -> Server {
        let text = |path: &Path| path.to_str().expect("text").to_owned();
        let variables = [
            ("LD_PRELOAD", text(&self.library)),
            ("DISK_FAULT", text(&self.fault)),
            ("DISK_UNDER", text(&self.under)),
            ("SQLITE_TMPDIR", text(&self.temporary)),
        ];
        let variables: Vec<_> = variables
            .iter()
            .map(|(key, it)| (*key, it.as_str()))
            .collect();
        bed.deployment.serve_with(&variables).await
    }

    /// How much of the write-ahead log was flushed when it last was.
    pub(crate) fn flushed(&self) -> usize {
        let noted = fs::read(&self.fault).expect("is there");
        let end = noted[2056..2064].try_into().expect("eight bytes");
        usize::from_ne_bytes(end)
    }

    /// How many calls have failed.
    fn struck(&self) -> usize {
        let noted = fs::read(&self.fault).expect("is there");
        let struck = noted[2064..2072].try_into().expect("eight bytes");
        usize::from_ne_bytes(struck)
    }

    /// Waits until further calls have failed.
    async fn until_struck(&self, more: usize) {
        let (from, begun) = (self.struck(), Instant::now());
        while self.struck() < from + more {
            let waited = begun.elapsed();
            assert!(waited < Duration::from_mins(1), "in time: the disk fails");
            pause(20).await;
        }
    }

    /// Lets calls on files with that in their name fail; the file is changed in place, since the
    /// process has it in its memory.
    fn fail(&self, how: u8, files: &str) {
        use std::os::unix::fs::FileExt;
        let file = fs::OpenOptions::new().write(true).open(&self.fault);
        let file = file.expect("is there");
        file.write_all_at(&[0], 0).expect("written");
        let mut files = files.as_bytes().to_vec();
        files.push(0);
        file.write_all_at(&files, 1).expect("written");
        file.write_all_at(&[how], 0).expect("written");
    }

    fn mend(&self) {
        self.fail(0, "");
    }
}

/// Reads go on; they may be refused for the moment, and nothing worse.
async fn reads(client: &Client, allowed: &[u16]) {
    for path in [
        "/Users?count=5",
        "/Groups?excludedAttributes=members",
        "/Schemas",
    ] {
        let status = client.call("GET", path, None).await.status;
        assert!(allowed.contains(&status), "{path}: {status}");
    }
    assert_eq!(client.probe("/healthz").await, Some(200));
}

/// Nothing of a fault stays behind: every reader sees what is there now, and the request log goes on.
async fn recovered(bed: &Bed, server: &Server, client: &Client) {
    for _ in 0..3 {
        let total =
            async || client.call("GET", "/Users?count=1", None).await.body["totalResults"].clone();
        let before = total().await.as_u64().expect("a number");
        let user = json!({"userName": format!("{}@after.example", uuid::Uuid::new_v4())});
        client.created("/Users", &user).await;
        let readers = futures_util::future::join_all((0..32).map(|_| total())).await;
        assert!(
            readers.iter().all(|told| *told == before + 1),
            "{before} and {readers:?}"
        );
    }
    let last = format!("/Users?filter=title%20eq%20%22{}%22", uuid::Uuid::new_v4());
    assert_eq!(client.call("GET", &last, None).await.status, 200);
    let id = &last[last.len() - 39..last.len() - 3];
    let log = [
        "directory",
        "log",
        "--workspace",
        "acme",
        "--name",
        "idp",
        "--limit",
        "20",
    ];
    server
        .until("the log goes on", async || {
            bed.deployment.json(&log).to_string().contains(id)
        })
        .await;
}

// C222
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_and_loses_none() {
    let bed = Bed::new().await;
    if !bed.is_sqlite() {
        // The disk of a PostgreSQL server is not this process's.
        return;
    }
    let disk = Disk::new(&bed);
    let server = disk.serve(&bed).await;
    let client = bed.client(&server);
    let load = Load::start(&client, bed.writers(&server, seed()).await);
    load.until_done(100).await;
    // The log, then what a write needs for its own time, then everything.
    for files in ["gatehouse.db-wal", "-temporary", ""] {
        disk.fail(b'F', files);
        load.until_unavailable(40).await;
        reads(&client, &[200]).await;
        disk.mend();
        load.until_done(100).await;
    }
    // The request log has files of its own; no request waits for it, and none fails for it.
    let refused = load.counts().1;
    disk.fail(b'F', ".log.db");
    load.until_done(200).await;
    assert_eq!(
        load.counts().1,
        refused,
        "nothing is refused for a line of the log"
    );
    disk.mend();
    load.end(&client).await;
    recovered(&bed, &server, &client).await;
    bed.check().await;
    server.stop();
}

// C223
#[tokio::test(flavor = "multi_thread")]
async fn a_failing_disk_refuses_for_the_moment_and_loses_nothing() {
    let bed = Bed::new().await;
    if !bed.is_sqlite() {
        return;
    }
    let disk = Disk::new(&bed);
    let mut server = disk.serve(&bed).await;
    let mut writers = bed.writers(&server, seed()).await;
    for (fault, allowed) in [
        (b'W', &[200][..]),
        (b'S', &[200]),
        (b'O', &[200]),
        (b'R', &[200, 503]),
    ] {
        let client = bed.client(&server);
        let load = Load::start(&client, writers);
        load.until_done(50).await;
        disk.fail(fault, "");
        if fault == b'R' {
            // Pages in memory may be enough for some to go on with.
            disk.until_struck(40).await;
        } else {
            load.until_unavailable(40).await;
        }
        reads(&client, allowed).await;
        disk.mend();
        load.until_done(50).await;
        // A single flush that fails, of which the next one says nothing any more.
        for _ in 0..5 {
            let refused = load.counts().1;
            disk.fail(b's', "-wal");
            load.until_done(20).await;
            assert!(
                load.counts().1 > refused,
                "whoever waited for it learns of it"
            );
        }
        writers = load.end(&client).await;
        recovered(&bed, &server, &client).await;
        bed.check().await;
        // What was acknowledged around the fault is on the disk and not only in memory.
        server.child.kill().expect("killed");
        server = disk.serve(&bed).await;
        for writer in &mut writers {
            writer.check(&bed.client(&server)).await;
        }
    }
    server.stop();
}
