//! The `PostgreSQL` server: a pool of connections, and how long one of them is waited for. A server
//! that has fallen silent, behind a network that swallows what is sent, must not hold a request for
//! longer than a slow statement may, nor a place in the pool.
//!
//! There is one server for reads and for writes: nothing is decided by what a replica shows, and
//! one that is reached all the same, such as after a failover, is refused (C228).

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, Postgres, SqlSafeStr};

use super::begun::Begun;
use super::db::{Options, STATEMENTS};
use super::error::Result;
use super::faults::within;
use super::stock::Stock;
use super::tx::Conn;

/// How much longer than the server's own limit an answer is waited for.
const GRACE: Duration = Duration::from_millis(500);
/// The tables whose statistics are out of date, with their names as a statement has them. What is
/// known of the size of a table that was never analyzed is -1.
const OUTDATED: &str = "SELECT quote_ident(s.relname) FROM pg_stat_user_tables s \
     JOIN pg_class c ON c.oid = s.relid WHERE s.schemaname = current_schema() \
     AND s.n_mod_since_analyze > 500 + GREATEST(c.reltuples, 0) / 2 ORDER BY s.relname";

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

    /// See [`super::db::Db::renew_statistics`].
    pub(super) async fn renew_statistics(&self) -> Result<Vec<String>> {
        let mut kept = self.stock.one().await?;
        let (conn, is_sound) = kept.parts();
        *is_sound = false;
        let renewed = std::pin::pin!(async move {
            let outdated: Vec<String> = sqlx::query_scalar(OUTDATED).fetch_all(&mut *conn).await?;
            if !outdated.is_empty() {
                let analyze = format!("ANALYZE {}", outdated.join(", "));
                // Names that the server itself has quoted.
                sqlx::raw_sql(AssertSqlSafe(analyze)).execute(conn).await?;
            }
            Ok(outdated)
        });
        let renewed = within(Some(self.limit), renewed).await?;
        *is_sound = true;
        Ok(renewed)
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
