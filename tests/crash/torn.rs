//! Power loss: the database file as it was at one moment, and its log cut where it was last flushed,
//! or cut or scrambled anywhere behind a state of rest.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::Connection;

use crate::bed::{Bed, integrity, knob, pause, seed, signal, sqlite};
use crate::client::Random;
use crate::disk::Disk;
use crate::load::{finished, repeated, streaming};

/// Where the frames of a write-ahead log begin, and what stands before each page.
const HEADER: usize = 32;
const FRAME: usize = 24;

/// The files of a database at one moment.
struct Copy {
    database: Vec<u8>,
    log: Vec<u8>,
}

impl Copy {
    /// The process must be at rest or stopped.
    fn of(file: &Path) -> Self {
        Self {
            database: fs::read(file).expect("the database"),
            log: fs::read(beside(file, "-wal")).unwrap_or_default(),
        }
    }

    /// Writes them into a folder, the log as given; gives the URL.
    fn placed(&self, folder: &Path, log: &[u8]) -> String {
        let file = folder.join("torn.db");
        let _ = fs::remove_file(beside(&file, "-shm"));
        fs::write(&file, &self.database).expect("written");
        fs::write(beside(&file, "-wal"), log).expect("written");
        format!("sqlite:{}", file.display())
    }

    /// Where each commit of the log ends, that is: what a reader may stop at.
    fn commits(&self) -> Vec<usize> {
        let number = |at: usize| {
            let bytes = self.log.get(at..at + 4)?;
            Some(u32::from_be_bytes(bytes.try_into().expect("four bytes")))
        };
        let mut ends = vec![HEADER.min(self.log.len())];
        let Some(page) = number(8) else {
            return ends;
        };
        let length = FRAME + page as usize;
        let mut at = HEADER;
        // The salts of the header are those of every frame that counts.
        while at + length <= self.log.len() && self.log[at + 8..at + 16] == self.log[16..24] {
            let is_commit = number(at + 4).is_some_and(|size| size > 0);
            at += length;
            if is_commit {
                ends.push(at);
            }
        }
        ends
    }
}

fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// The records of all acts, by id.
async fn records(url: &str) -> BTreeSet<Vec<u8>> {
    let mut conn = sqlite(url).await.expect("opens");
    let rows: Vec<(Vec<u8>,)> = sqlx::query_as("SELECT id FROM changes")
        .fetch_all(&mut conn)
        .await
        .expect("is read");
    // It is gone before its files are: dropped, it would still write to them for a moment.
    conn.close().await.expect("closed");
    rows.into_iter().map(|row| row.0).collect()
}

// C221
#[tokio::test(flavor = "multi_thread")]
async fn a_torn_log_loses_nothing_that_was_acknowledged_and_gives_nothing_half() {
    let tears = usize::try_from(knob("CRASH_TEARS", 40)).expect("it fits");
    let seed = seed();
    let mut random = Random(seed);
    let bed = Bed::new().await;
    if !bed.is_sqlite() {
        // PostgreSQL's own log is PostgreSQL's own matter.
        return;
    }
    let disk = Disk::new(&bed);
    let mut server = disk.serve(&bed).await;
    let mut writers = bed.writers(&server, seed).await;
    let client = bed.client(&server);
    for writer in &mut writers {
        for _ in 0..10 {
            writer.step(&client).await;
        }
    }
    // At rest: the sequencer may still write, so that the process is stopped for the copy.
    let acknowledged = records(&bed.deployment.database.url).await;
    signal(&server, "STOP");
    let before = Copy::of(&bed.file());
    let flushed = *before.commits().last().expect("there is one");
    signal(&server, "CONT");
    let streams = streaming(&client, writers);
    let deadline = Instant::now() + Duration::from_secs(30);
    while records(&bed.deployment.database.url).await.len() < acknowledged.len() + 60 {
        assert!(Instant::now() < deadline, "in time: work");
        pause(20).await;
    }
    server.child.kill().expect("killed");
    server.child.wait().expect("it is gone");
    let after = Copy::of(&bed.file());
    let (_, writers) = finished(streams).await;

    let folder = tempfile::tempdir().expect("a folder");
    // The power goes: what was written and not flushed is lost, and none of it was acknowledged.
    let kept = disk.flushed();
    println!("{kept} bytes of log were flushed");
    let url = after.placed(folder.path(), &after.log[..kept]);
    let revived = bed.deployment.serve_as(&url, &[], &[]).await;
    repeated(&bed.client(&revived), writers).await;
    revived.stop();

    let commits = after.commits();
    println!(
        "{} commits in {} bytes of log",
        commits.len(),
        after.log.len()
    );
    // The log began anew only if a checkpoint came by; what was flushed is then in the database.
    let is_same = before.log.get(16..24) == after.log.get(16..24);
    let flushed = if is_same { flushed } else { HEADER };
    let later: Vec<_> = commits.iter().filter(|end| **end > flushed).collect();
    assert!(later.len() > 3, "there was work in the meantime");
    let end = *commits.last().expect("there is one");
    for tear in 0..tears {
        let at = flushed + random.below(end - flushed);
        let whole = *commits
            .iter()
            .rfind(|end| **end <= at)
            .expect("there is one");
        let url = after.placed(folder.path(), &after.log[..whole]);
        let expected = records(&url).await;
        let mut torn = after.log.clone();
        match tear % 3 {
            0 => torn.truncate(at),
            1 => torn[at..].fill(0),
            _ => torn[at..].iter_mut().for_each(|byte| {
                *byte ^= u8::try_from(1 + random.below(255)).expect("a byte");
            }),
        }
        let url = after.placed(folder.path(), &torn);
        assert_eq!(integrity(&url).await, "ok", "torn at {at}");
        let found = records(&url).await;
        assert_eq!(
            found, expected,
            "torn at {at}: what was whole, and nothing else"
        );
        assert!(found.is_superset(&acknowledged), "torn at {at}");
        if tear % 10 == 0 {
            let verified = bed.verify_at(&url);
            let told = String::from_utf8_lossy(&verified.stdout).into_owned();
            assert!(verified.status.success(), "torn at {at}: {told}");
        }
    }
    // A page that was cut in the part that was flushed is no power loss, but it must open as well.
    for _ in 0..5 {
        let at = HEADER + random.below(flushed.max(HEADER + 1) - HEADER);
        let url = after.placed(folder.path(), &after.log[..at]);
        assert_eq!(integrity(&url).await, "ok", "cut at {at}");
    }
}
