//! One SQL text, two engines.
//!
//! The rest of `store` writes PostgreSQL-flavoured SQL with `$1` placeholders and calls
//! [`Tx::query`]. Only this file, `tx.rs`, `writer.rs`, `postgres.rs`, `aside.rs`, `measure.rs`,
//! `migrate.rs`, `tables.rs` and `replacement.rs` know that two engines exist.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection, Sqlite};

use super::aside::Aside;
use super::begun::Begun;
use super::error::Result;
use super::faults::Faults;
use super::measure::Measures;
use super::migrate;
use super::postgres::Server;
use super::stats::Stats;
use super::stock::Stock;
use super::tx::{Conn, Tx};
use super::writer::{BEGIN_TRY, Writer};
use crate::config;

const FORGETFUL: &str = "SELECT name FROM pg_settings WHERE setting = 'off' \
     AND name IN ('fsync', 'full_page_writes', 'synchronous_commit') ORDER BY name";
/// Kept small for readers, since each holds its own cache.
pub(super) const READERS: u32 = 4;
/// The page cache of the writer and of each reader, in KiB as the pragma wants it: negative.
const WRITER_CACHE: &str = "-16384";
const READER_CACHE: &str = "-4096";
/// How many pages the log grows by before a commit also writes them into the database.
const CHECKPOINT_PAGES: &str = "4000";
/// Prepared statements a connection keeps.
pub(super) const STATEMENTS: usize = 512;

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct Options {
    /// `sqlite:PATH` or `postgres://…`.
    pub url: String,
    /// PostgreSQL connections of this process.
    pub max_connections: u32,
    /// How long to wait for a free connection.
    pub acquire_timeout: Duration,
    /// How long one statement may take on PostgreSQL.
    pub statement_timeout: Duration,
    /// How many waiting writes may share a commit on SQLite.
    pub shared_commits: usize,
}

impl From<&config::Database> for Options {
    fn from(config: &config::Database) -> Self {
        Self {
            url: config.url.clone(),
            max_connections: config.max_connections,
            acquire_timeout: config.acquire_timeout(),
            statement_timeout: config.statement_timeout(),
            shared_commits: config.shared_commits,
        }
    }
}

/// The configured database: connections for reading and the one door for writing.
#[derive(Clone)]
pub struct Db {
    pub(super) engine: Engine,
    aside: Aside,
    writer: Writer,
    faults: Arc<Faults>,
    pub(super) measures: Arc<Measures>,
}

#[derive(Clone)]
pub(super) enum Engine {
    Sqlite(Stock<Sqlite>),
    Postgres(Server),
}

impl Db {
    /// Applies pending migrations and connects.
    pub async fn open(options: &Options) -> Result<Self> {
        migrate::run(options).await?;
        Self::attach(options).await
    }

    /// Connects by URL scheme to a database as it is.
    pub async fn attach(options: &Options) -> Result<Self> {
        let faults = Arc::new(Faults::default());
        let measures = Arc::new(Measures::new());
        if options.url.starts_with("sqlite:") {
            let file = sqlite_options(&options.url)?;
            let aside = Aside::beside(&file);
            let writer = file
                .clone()
                .pragma("cache_size", WRITER_CACHE)
                .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
                // Once it is connected, for which it may have to wait for others.
                .pragma("busy_timeout", BEGIN_TRY);
            let conn = SqliteConnection::connect_with(&writer).await?;
            let reader = SqlitePoolOptions::new()
                .max_connections(READERS)
                .acquire_timeout(options.acquire_timeout)
                // Its file does not go away.
                .test_before_acquire(false)
                .connect_with(
                    file.pragma("query_only", "ON")
                        .pragma("cache_size", READER_CACHE),
                )
                .await?;
            Ok(Self {
                engine: Engine::Sqlite(Stock::new(reader)),
                aside,
                writer: Writer::sqlite(
                    writer,
                    conn,
                    options.shared_commits,
                    Arc::clone(&faults),
                    Arc::clone(&measures),
                ),
                faults,
                measures,
            })
        } else {
            let server = Server::open(options).await?;
            Ok(Self {
                engine: Engine::Postgres(server.clone()),
                aside: Aside::Postgres(server.clone()),
                writer: Writer::postgres(server, Arc::clone(&faults), Arc::clone(&measures)),
                faults,
                measures,
            })
        }
    }

    /// The fail points of writes on this database.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Whether a second process could write to the same database at the same time as this one.
    pub fn is_shared(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// The door for writes.
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// A snapshot: every query in it sees the same state.
    pub async fn read(&self) -> Result<Tx> {
        let stats = Stats::current();
        stats.round_trip();
        let conn = match &self.engine {
            Engine::Sqlite(stock) => {
                let kept = self.measures.acquired(stock.one()).await?;
                Conn::Sqlite(Begun::begin(kept, "BEGIN").await?)
            }
            Engine::Postgres(server) => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                self.measures.acquired(server.begin_with(begin)).await?
            }
        };
        Ok(Tx::new(conn, None, stats))
    }

    /// A connection without a transaction: for reads of one statement.
    pub async fn one(&self) -> Result<Tx> {
        let conn = match &self.engine {
            Engine::Sqlite(stock) => Conn::SqliteOne(self.measures.acquired(stock.one()).await?),
            Engine::Postgres(server) => self.measures.acquired(server.one()).await?,
        };
        Ok(Tx::new(conn, None, Stats::current()))
    }

    /// Renews what `PostgreSQL` knows of the sizes of tables that have grown by half, and with it
    /// the plans that it keeps: those made while the tables were empty would go on reading them
    /// whole in the middle of a first sync, long before its own housekeeping comes by. Says which
    /// tables those were.
    pub async fn renew_statistics(&self) -> Result<Vec<String>> {
        match &self.engine {
            // Its plans do not ask how large a table is.
            Engine::Sqlite(_) => Ok(Vec::new()),
            Engine::Postgres(server) => server.renew_statistics().await,
        }
    }

    /// Settings of the database by which it may forget what was acknowledged when it is killed or its
    /// machine loses its power. On SQLite there are none: this process sets them.
    pub async fn forgetful_settings(&self) -> Result<Vec<String>> {
        if !self.is_shared() {
            return Ok(Vec::new());
        }
        let rows: Vec<(String,)> = self.one().await?.query(FORGETFUL).fetch_all().await?;
        Ok(rows.into_iter().map(|(name,)| name).collect())
    }

    /// Whether there is a request log to read.
    pub fn has_request_log(&self) -> bool {
        self.aside.is_there()
    }

    /// A connection to the request log, for reads of one statement.
    pub async fn read_log(&self) -> Result<Tx> {
        self.aside.read().await
    }

    /// A write transaction on the request log, which nothing else shares; ends with
    /// [`Tx::commit`].
    pub async fn write_log(&self) -> Result<Tx> {
        self.aside.write().await
    }

    /// Closes every connection once it is idle.
    pub async fn close(&self) {
        self.writer.close().await;
        self.aside.close().await;
        match &self.engine {
            Engine::Sqlite(stock) => stock.close().await,
            Engine::Postgres(server) => server.stock.close().await,
        }
    }
}

/// How each connection to a file is set up.
pub(super) fn sqlite_options(url: &str) -> Result<SqliteConnectOptions> {
    Ok(SqliteConnectOptions::from_str(url)?
        .foreign_keys(true)
        .collation("C", Ord::cmp)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .statement_cache_capacity(STATEMENTS)
        .busy_timeout(Duration::from_secs(5)))
}
