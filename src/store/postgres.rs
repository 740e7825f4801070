//! The `PostgreSQL` server: a pool of connections, and how long one of them is waited for. A server
//! that has fallen silent, behind a network that swallows what is sent, must not hold a request for
//! longer than a slow statement may.
//!
//! There is one server for reads and for writes: nothing is decided by what a replica shows (C228).

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Postgres, SqlSafeStr, Transaction};

use super::db::{Options, STATEMENTS};
use super::error::Result;
use super::faults::within;
use super::stock::Stock;
use super::tx::Conn;

/// How much longer than the server's own limit an answer is waited for.
const GRACE: Duration = Duration::from_millis(500);

/// Where connections come from.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) stock: Stock<Postgres>,
    limit: Duration,
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
    pub(super) async fn begin_with(&self, begin: impl SqlSafeStr) -> Result<Conn> {
        // The wait for a free connection has a limit of its own.
        let (conn, place) = self.stock.acquire().await?;
        let conn = std::pin::pin!(async {
            Ok(Transaction::begin(conn, Some(begin.into_sql_str())).await?)
        });
        let conn = within(Some(self.limit), conn).await?;
        Ok(Conn::Postgres(conn, Some(place), self.limit))
    }
}
