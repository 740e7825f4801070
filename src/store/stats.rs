//! What a request costs at the database, counted where statements are made.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Statements and round trips of one request so far.
#[derive(Debug, Default)]
pub struct Stats {
    statements: AtomicU32,
    round_trips: AtomicU32,
}

tokio::task_local! {
    static CURRENT: Arc<Stats>;
}

impl Stats {
    /// Statements of use cases: reads and writes, without transaction control.
    pub fn statements(&self) -> u32 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Times that an answer of the database was waited for, transaction control included.
    pub fn round_trips(&self) -> u32 {
        self.round_trips.load(Ordering::Relaxed)
    }

    pub(super) fn statement(&self) {
        self.statements.fetch_add(1, Ordering::Relaxed);
        self.round_trip();
    }

    pub(super) fn round_trip(&self) {
        self.round_trips.fetch_add(1, Ordering::Relaxed);
    }

    /// The stats of the request that runs now, or ones that nobody reads.
    pub fn current() -> Arc<Self> {
        CURRENT.try_with(Arc::clone).unwrap_or_default()
    }
}

/// Runs `work` with its database costs counted into `stats`.
pub async fn counted<T>(stats: Arc<Stats>, work: impl Future<Output = T>) -> T {
    CURRENT.scope(stats, work).await
}
