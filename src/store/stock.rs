//! Connections at hand. A pool asks a connection that comes back whether it still lives, and on
//! SQLite one that goes out as well: a round trip each, for a read of one statement as much as the
//! statement itself. One that comes back from a statement that succeeded has just answered: it is
//! kept here for whoever needs one next. All others go by the pool, which tests them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{Database, Pool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// For how long the pool need not see a connection. It ends those that are old or were idle for
/// long, and one that a network has forgotten must be found out before it is used.
const TRUST: Duration = Duration::from_secs(10);

/// A place among those who use a connection.
pub(super) type Place = OwnedSemaphorePermit;

/// A pool with connections at hand.
pub(super) struct Stock<DB: Database>(Arc<Inner<DB>>);

struct Inner<DB: Database> {
    pool: Pool<DB>,
    idle: Mutex<Vec<At<DB>>>,
    /// As many as there may be connections, so that nobody waits for the pool while one is here.
    places: Arc<Semaphore>,
}

/// A connection, and when the pool last saw it.
type At<DB> = (PoolConnection<DB>, Instant);

impl<DB: Database> Clone for Stock<DB> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<DB: Database> Stock<DB> {
    pub(super) fn new(pool: Pool<DB>) -> Self {
        let most = pool.options().get_max_connections();
        Self(Arc::new(Inner {
            idle: Mutex::default(),
            places: Arc::new(Semaphore::new(most as usize)),
            pool,
        }))
    }

    /// Where the connections come from.
    pub(super) fn pool(&self) -> &Pool<DB> {
        &self.0.pool
    }

    /// A connection for a transaction, and its place.
    pub(super) async fn acquire(&self) -> sqlx::Result<(PoolConnection<DB>, Place)> {
        let ((conn, _), place) = self.acquired().await?;
        Ok((conn, place))
    }

    /// A connection for single statements.
    pub(super) async fn one(&self) -> sqlx::Result<Kept<DB>> {
        let (conn, place) = self.acquired().await?;
        Ok(Kept {
            conn: Some(conn),
            stock: self.clone(),
            is_sound: true,
            _place: place,
        })
    }

    async fn acquired(&self) -> sqlx::Result<(At<DB>, Place)> {
        // One limit for both waits.
        let limit = self.pool().options().get_acquire_timeout();
        tokio::time::timeout(limit, self.waited())
            .await
            .unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    async fn waited(&self) -> sqlx::Result<(At<DB>, Place)> {
        let place = Arc::clone(&self.0.places).acquire_owned().await;
        let place = place.map_err(|_| sqlx::Error::PoolClosed)?;
        let idle = self.idle().pop();
        let conn = match idle {
            Some((conn, seen)) if seen.elapsed() < TRUST => (conn, seen),
            // The pool tests what it gets back.
            old => {
                drop(old);
                (self.pool().acquire().await?, Instant::now())
            }
        };
        Ok((conn, place))
    }

    /// How many nobody uses.
    pub(super) fn count_idle(&self) -> usize {
        self.pool().num_idle() + self.idle().len()
    }

    /// Closes every connection once it is idle.
    pub(super) async fn close(&self) {
        self.0.places.close();
        let closing = self.pool().close();
        self.idle().clear();
        closing.await;
    }

    fn put(&self, conn: At<DB>) {
        let mut idle = self.idle();
        // Asked under the lock under which the rest is closed.
        if conn.1.elapsed() < TRUST && !self.pool().is_closed() {
            idle.push(conn);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<At<DB>>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<DB: Database> Drop for Inner<DB> {
    fn drop(&mut self) {
        let idle = self.idle.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (conn, _) in idle.drain(..) {
            // To give it back to the pool would take a runtime, which may be gone.
            drop(conn.detach());
        }
    }
}

/// A connection that goes back into stock if its last statement succeeded.
pub(super) struct Kept<DB: Database> {
    conn: Option<At<DB>>,
    stock: Stock<DB>,
    is_sound: bool,
    _place: Place,
}

impl<DB: Database> Kept<DB> {
    /// The connection, and where to note that its statement succeeded.
    pub(super) fn parts(&mut self) -> (&mut DB::Connection, &mut bool) {
        let (conn, _) = self.conn.as_mut().expect("it is there until the drop");
        (conn, &mut self.is_sound)
    }
}

impl<DB: Database> Drop for Kept<DB> {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take()
            && self.is_sound
        {
            self.stock.put(conn);
        }
    }
}
