//! Connections at hand. A pool asks a connection that comes back whether it still lives, and on
//! SQLite one that goes out as well: a round trip each, for a read of one statement as much as the
//! statement itself. One that comes back from a statement that succeeded has just answered: it is
//! kept here for whoever needs one next. All others go by the pool, which tests them, and which
//! would wait for the answer for ever: a server that vanished must not keep their places.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{Database, Pool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// For how long the pool need not see a connection. It ends those that are old or were idle for
/// long, and one that a network has forgotten must be found out before it is used.
const TRUST: Duration = Duration::from_secs(10);

/// How long a connection that comes back may take to say that it still lives.
pub(super) const RETURN: Duration = Duration::from_secs(1);

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

    /// A connection.
    pub(super) async fn one(&self) -> sqlx::Result<Kept<DB>> {
        let (conn, place) = self.acquired().await?;
        Ok(Kept {
            conn: Some(conn),
            stock: self.clone(),
            is_sound: true,
            place: Some(place),
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
            old => {
                // The pool tests what it gets back.
                if let Some((mut old, _)) = old {
                    let _ = tokio::time::timeout(RETURN, old.return_to_pool()).await;
                }
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

    /// Takes a connection that has just answered, if it need not be seen by the pool.
    fn put(&self, conn: At<DB>) -> Option<At<DB>> {
        let mut idle = self.idle();
        // Asked under the lock under which the rest is closed.
        if conn.1.elapsed() >= TRUST || self.pool().is_closed() {
            return Some(conn);
        }
        idle.push(conn);
        None
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
    place: Option<Place>,
}

impl<DB: Database> Kept<DB> {
    /// The connection, and where to note that its statement succeeded.
    pub(super) fn parts(&mut self) -> (&mut DB::Connection, &mut bool) {
        let (conn, _) = self.conn.as_mut().expect("it is there until the drop");
        (conn, &mut self.is_sound)
    }

    pub(super) fn conn(&self) -> &DB::Connection {
        let (conn, _) = self.conn.as_ref().expect("it is there until the drop");
        conn
    }

    /// Gives it up without a farewell, for which a server that is silent would be waited for.
    pub(super) fn discard(mut self) {
        if let Some((conn, _)) = self.conn.take() {
            drop(conn.detach());
        }
    }
}

impl<DB: Database> Drop for Kept<DB> {
    fn drop(&mut self) {
        let (conn, place) = (self.conn.take(), self.place.take());
        let conn = match conn {
            Some(conn) if self.is_sound => self.stock.put(conn),
            conn => conn,
        };
        if let Some((mut conn, _)) = conn {
            // Ended in the middle, this closes the connection.
            let back = conn.return_to_pool();
            on_the_way_back(async move {
                let _ = tokio::time::timeout(RETURN, back).await;
                drop(place);
            });
        }
    }
}

/// Lets a connection find its way back after whoever used it; the close of the pool waits for it.
pub(super) fn on_the_way_back(way: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(way);
    }
}
