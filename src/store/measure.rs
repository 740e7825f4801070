//! What the database costs and how busy it is. Handles are taken once: a request passes here.

use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use metrics::{Histogram, histogram};

use super::db::{Db, Engine, READERS};

/// The metrics of a database.
pub(super) struct Measures {
    /// How many wait for a connection now.
    waiting: AtomicI64,
    acquire: Histogram,
    write_wait: Histogram,
    commit: Histogram,
    commit_writes: Histogram,
}

/// How busy the database is.
#[derive(Debug, Clone, Copy)]
pub struct Pool {
    /// How many connections there may be.
    pub max: i64,
    /// How many there are.
    pub open: i64,
    /// How many of these nobody uses.
    pub idle: i64,
    /// How many wait for one.
    pub waiting: i64,
    /// How many writes wait for the SQLite writer.
    pub write_queue: i64,
}

impl Measures {
    pub(super) fn new() -> Self {
        Self {
            waiting: AtomicI64::new(0),
            acquire: histogram!("gatehouse_pool_acquire_seconds"),
            write_wait: histogram!("gatehouse_write_wait_seconds"),
            commit: histogram!("gatehouse_commit_seconds"),
            commit_writes: histogram!("gatehouse_commit_writes"),
        }
    }

    /// Waits for a connection.
    pub(super) async fn acquired<T>(&self, connection: impl Future<Output = T>) -> T {
        let _waiting = Waiting::new(&self.waiting);
        let started = Instant::now();
        let connection = connection.await;
        self.acquire.record(started.elapsed());
        connection
    }

    /// How many wait for a connection now.
    pub(super) fn waiting(&self) -> i64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// A write begins that has waited since then.
    pub(super) fn begun(&self, queued: Instant) {
        self.write_wait.record(queued.elapsed());
    }

    /// So many writes were committed together, from then until now.
    pub(super) fn committed(&self, started: Instant, writes: usize) {
        self.commit.record(started.elapsed());
        let writes = u32::try_from(writes).unwrap_or(u32::MAX);
        self.commit_writes.record(writes);
    }
}

impl Db {
    /// How busy it is.
    pub fn pool(&self) -> Pool {
        let (max, open, idle) = match &self.engine {
            Engine::Sqlite(stock) => (READERS, stock.pool().size(), stock.count_idle()),
            Engine::Postgres(server) => {
                let stock = &server.stock;
                let max = stock.pool().options().get_max_connections();
                (max, stock.pool().size(), stock.count_idle())
            }
        };
        Pool {
            max: max.into(),
            open: open.into(),
            idle: i64::try_from(idle).unwrap_or(i64::MAX),
            waiting: self.measures.waiting(),
            write_queue: self.writer().waiting(),
        }
    }
}

/// Somebody who waits, or goes away.
struct Waiting<'a>(&'a AtomicI64);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicI64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
