//! The `PostgreSQL` server: a pool of connections, and how long one of them is waited for. A server
//! that has fallen silent, behind a network that swallows what is sent, must not hold a request for
//! longer than a slow statement may, nor a place in the pool.
//!
//! There is one server for reads and for writes: nothing is decided by what a replica shows, and
//! one that is reached all the same, such as after a failover, is refused (C228).

use std::ops::{Deref, DerefMut};
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{Postgres, SqlSafeStr};

use super::db::{Options, STATEMENTS};
use super::error::Result;
use super::faults::within;
use super::stock::{Kept, RETURN, Stock, on_the_way_back};
use super::tx::Conn;

/// How much longer than the server's own limit an answer is waited for.
const GRACE: Duration = Duration::from_millis(500);

/// Where connections come from.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) stock: Stock<Postgres>,
    pub(super) limit: Duration,
}

impl Server {
    /// Connects to a database as it is.
    pub(super) async fn open(options: &Options) -> Result<Self> {
        let server = PgConnectOptions::from_str(&options.url)?
            .application_name("gatehouse")
            .statement_cache_capacity(STATEMENTS);
        let timeout = options.statement_timeout.as_millis().to_string();
        let pool = PgPoolOptions::new()
            .max_connections(options.max_connections)
            .acquire_timeout(options.acquire_timeout)
            // A round trip for each use; a dead connection shows as an error that is retried.
            .test_before_acquire(false)
            .after_connect(|conn, _| Box::pin(refuse_standby(conn)))
            .connect_with(server.options([
                ("statement_timeout", timeout.as_str()),
                ("idle_in_transaction_session_timeout", "60000"),
            ]))
            .await?;
        Ok(Self {
            stock: Stock::new(pool),
            limit: options.statement_timeout + GRACE,
        })
    }

    /// A connection without a transaction.
    pub(super) async fn one(&self) -> Result<Conn> {
        Ok(Conn::PostgresOne(self.stock.one().await?, self.limit))
    }

    /// A transaction.
    pub(super) async fn begin(&self) -> Result<Conn> {
        self.begin_with("BEGIN").await
    }

    /// A transaction that begins with that statement.
    pub(super) async fn begin_with(&self, statement: impl SqlSafeStr) -> Result<Conn> {
        // The wait for a free connection has a limit of its own.
        let kept = self.stock.one().await?;
        let begun = std::pin::pin!(Begun::begin(kept, statement));
        let begun = within(Some(self.limit), begun).await?;
        Ok(Conn::Postgres(begun, self.limit))
    }
}

/// A transaction. Unlike the library's own, one that is dropped does not keep its place for as long
/// as a server is silent.
pub(super) struct Begun {
    /// There until the drop, and sound once the transaction is over.
    kept: Option<Kept<Postgres>>,
}

impl Begun {
    async fn begin(kept: Kept<Postgres>, statement: impl SqlSafeStr) -> Result<Self> {
        let mut begun = Self { kept: Some(kept) };
        *begun.parts().1 = false;
        sqlx::raw_sql(statement).execute(&mut *begun).await?;
        Ok(begun)
    }

    pub(super) async fn commit(mut self) -> Result<()> {
        sqlx::raw_sql("COMMIT").execute(&mut *self).await?;
        *self.parts().1 = true;
        Ok(())
    }

    fn parts(&mut self) -> (&mut PgConnection, &mut bool) {
        let kept = self.kept.as_mut();
        kept.expect("it is there until the drop").parts()
    }
}

impl Deref for Begun {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        let kept = self.kept.as_ref();
        kept.expect("it is there until the drop").conn()
    }
}

impl DerefMut for Begun {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.parts().0
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let Some(mut kept) = self.kept.take() else {
            return;
        };
        if *kept.parts().1 {
            return;
        }
        on_the_way_back(async move {
            let (conn, is_sound) = kept.parts();
            let undone = sqlx::raw_sql("ROLLBACK").execute(conn);
            *is_sound = matches!(tokio::time::timeout(RETURN, undone).await, Ok(Ok(_)));
            if !*is_sound {
                kept.discard();
            }
        });
    }
}

/// Refuses a server that repeats what another one writes: what it shows may be long out of date.
pub(super) async fn refuse_standby(conn: &mut PgConnection) -> sqlx::Result<()> {
    let is_standby: bool = sqlx::query_scalar("SELECT pg_is_in_recovery()")
        .fetch_one(conn)
        .await?;
    if is_standby {
        let why = "the database server is a standby, which is neither written to nor believed; \
                   the URL must lead to the primary";
        return Err(sqlx::Error::Configuration(why.into()));
    }
    Ok(())
}
