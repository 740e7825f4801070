//! One SQL text, two engines.
//!
//! The rest of `store` writes PostgreSQL-flavoured SQL with `$1` placeholders and calls
//! [`Tx::query`]. Only this file, `writer.rs`, `aside.rs`, `migrate.rs`, `tables.rs` and
//! `replacement.rs` know that two engines exist.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgRow};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool,
    SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{
    Connection, Encode, FromRow, Postgres, SqlSafeStr, Sqlite, Transaction, Type,
    query::Query as Raw,
};

use super::aside::Aside;
use super::error::{DbError, Result};
use super::faults::{Fault, Faults};
use super::migrate;
use super::stats::Stats;
use super::writer::{BEGIN_TRY, Writer};
use crate::config;

/// Kept small for readers, since each holds its own cache.
const READERS: u32 = 4;
/// The page cache of the writer and of each reader, in KiB as the pragma wants it: negative.
const WRITER_CACHE: &str = "-16384";
const READER_CACHE: &str = "-4096";
/// How many pages the log grows by before a commit also writes them into the database.
const CHECKPOINT_PAGES: &str = "4000";
/// Prepared statements a connection keeps.
const STATEMENTS: usize = 512;

/// A value that both engines can store.
pub trait Value:
    for<'q> Encode<'q, Sqlite> + Type<Sqlite> + for<'q> Encode<'q, Postgres> + Type<Postgres>
{
}
impl<T> Value for T where
    T: for<'q> Encode<'q, Sqlite> + Type<Sqlite> + for<'q> Encode<'q, Postgres> + Type<Postgres>
{
}

/// A type that both engines can build from a result row; `#[derive(FromRow)]` is enough.
pub trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}
impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{}

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
    engine: Engine,
    aside: Aside,
    writer: Writer,
    faults: Arc<Faults>,
}

#[derive(Clone)]
enum Engine {
    Sqlite(SqlitePool),
    Postgres(PgPool),
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
                .connect_with(
                    file.pragma("query_only", "ON")
                        .pragma("cache_size", READER_CACHE),
                )
                .await?;
            Ok(Self {
                engine: Engine::Sqlite(reader),
                aside,
                writer: Writer::sqlite(conn, options.shared_commits, Arc::clone(&faults)),
                faults,
            })
        } else {
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
                engine: Engine::Postgres(pool.clone()),
                aside: Aside::Postgres(pool.clone()),
                writer: Writer::postgres(pool, Arc::clone(&faults)),
                faults,
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
            Engine::Sqlite(pool) => Conn::Sqlite(pool.begin().await?),
            Engine::Postgres(pool) => Conn::Postgres(
                pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    .await?,
            ),
        };
        Ok(Tx::new(conn, None, stats))
    }

    /// A connection without a transaction: for reads of one statement.
    pub async fn one(&self) -> Result<Tx> {
        let conn = match &self.engine {
            Engine::Sqlite(pool) => Conn::SqliteOne(pool.acquire().await?),
            Engine::Postgres(pool) => Conn::PostgresOne(pool.acquire().await?),
        };
        Ok(Tx::new(conn, None, Stats::current()))
    }

    /// Renews what `PostgreSQL` knows of the sizes of tables, and with it the plans that it keeps:
    /// those made while the tables were empty would go on reading them whole in the middle of a
    /// first sync, long before its own housekeeping comes by.
    pub async fn analyze(&self) -> Result<()> {
        if let Engine::Postgres(pool) = &self.engine {
            sqlx::query(
                "ANALYZE users, user_emails, user_groups, group_touches, memberships, nestings, \
                 members, login_names, person_keys, rules, rule_groups, causes, grants, changes",
            )
            .execute(pool)
            .await?;
        }
        Ok(())
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
            Engine::Sqlite(pool) => pool.close().await,
            Engine::Postgres(pool) => pool.close().await,
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

/// A transaction or connection on either engine; the only handle that storage functions take.
pub struct Tx {
    pub(super) conn: Conn,
    statements: u32,
    pub(super) stats: Arc<Stats>,
    faults: Option<Arc<Faults>>,
}

pub(super) enum Conn {
    /// The writer task's connection, inside a savepoint.
    Shared(SqliteConnection),
    Sqlite(Transaction<'static, Sqlite>),
    SqliteOne(PoolConnection<Sqlite>),
    Postgres(Transaction<'static, Postgres>),
    PostgresOne(PoolConnection<Postgres>),
}

/// How rows are locked on PostgreSQL; SQLite has one writer and needs no row locks.
#[derive(Debug, Clone, Copy)]
pub enum Lock {
    /// Nobody else may change or lock the row.
    Update,
    /// Nobody else may change the row; rows that refer to it may still be written.
    NoKeyUpdate,
    /// The row may change but not go away, nor be locked for update.
    KeyShare,
}

impl Tx {
    pub(super) fn new(conn: Conn, faults: Option<Arc<Faults>>, stats: Arc<Stats>) -> Self {
        Self {
            conn,
            statements: 0,
            stats,
            faults,
        }
    }

    /// Starts a query. A `&'static str` passes as it is; built SQL must be vouched for with
    /// [`sqlx::AssertSqlSafe`].
    pub fn query(&mut self, sql: impl SqlSafeStr) -> Query<'_> {
        self.statements += 1;
        self.stats.statement();
        let fault = self
            .faults
            .as_ref()
            .and_then(|faults| faults.strike(self.statements));
        let raw = match &mut self.conn {
            Conn::Shared(conn) => RawQuery::Sqlite(&mut *conn, sqlx::query(sql)),
            Conn::Sqlite(tx) => RawQuery::Sqlite(&mut *tx, sqlx::query(sql)),
            Conn::SqliteOne(conn) => RawQuery::Sqlite(&mut *conn, sqlx::query(sql)),
            Conn::Postgres(tx) => RawQuery::Postgres(&mut *tx, sqlx::query(sql)),
            Conn::PostgresOne(conn) => RawQuery::Postgres(&mut *conn, sqlx::query(sql)),
        };
        Query { raw, fault }
    }

    /// Like [`Tx::query`], with the rows locked on PostgreSQL. `of` names the table to lock, which
    /// `FOR UPDATE` of a join needs.
    pub fn locked(&mut self, sql: &'static str, lock: Lock, of: &'static str) -> Query<'_> {
        if matches!(self.conn, Conn::Postgres(_)) {
            self.locked_list(sql, lock, of)
        } else {
            self.query(sql)
        }
    }

    /// [`Tx::locked`] for a statement that was built.
    pub(super) fn locked_list(&mut self, sql: &str, lock: Lock, of: &'static str) -> Query<'_> {
        let clause = match lock {
            _ if !matches!(self.conn, Conn::Postgres(_)) => String::new(),
            Lock::Update => format!(" FOR UPDATE OF {of}"),
            Lock::NoKeyUpdate => format!(" FOR NO KEY UPDATE OF {of}"),
            Lock::KeyShare => format!(" FOR KEY SHARE OF {of}"),
        };
        self.query(sqlx::AssertSqlSafe(format!("{sql}{clause}")))
    }

    /// Whether it is at a server, whose catalog and settings have a language of their own.
    pub(super) fn is_postgres(&self) -> bool {
        matches!(self.conn, Conn::Postgres(_) | Conn::PostgresOne(_))
    }

    /// Counts fail points from here on: a new use case begins.
    pub(super) fn begin_work(&mut self, stats: Arc<Stats>) {
        self.statements = 0;
        self.stats = stats;
    }

    /// A statement of transaction control, without values, rows or fail points.
    pub(super) async fn command(&mut self, sql: &'static str) -> Result<()> {
        if let Conn::Shared(conn) = &mut self.conn {
            sqlx::query(sql).execute(&mut *conn).await?;
        }
        Ok(())
    }

    /// Commits a transaction that is not the writer's.
    pub async fn commit(self) -> Result<()> {
        self.stats.round_trip();
        match self.conn {
            Conn::Postgres(tx) => tx.commit().await?,
            Conn::Sqlite(tx) => tx.commit().await?,
            Conn::Shared(_) | Conn::SqliteOne(_) | Conn::PostgresOne(_) => {}
        }
        Ok(())
    }

    pub(super) async fn close(self) -> Result<()> {
        if let Conn::Shared(conn) = self.conn {
            conn.close().await?;
        }
        Ok(())
    }
}

enum RawQuery<'c> {
    Sqlite(
        &'c mut SqliteConnection,
        Raw<'static, Sqlite, SqliteArguments>,
    ),
    Postgres(&'c mut PgConnection, Raw<'static, Postgres, PgArguments>),
}

/// A statement on its way to one of the engines.
#[must_use = "a query does nothing until it is executed or fetched"]
pub struct Query<'c> {
    raw: RawQuery<'c>,
    fault: Option<Fault>,
}

impl Query<'_> {
    /// Binds the next placeholder.
    pub fn bind(self, value: impl Value) -> Self {
        let raw = match self.raw {
            RawQuery::Sqlite(conn, query) => RawQuery::Sqlite(conn, query.bind(value)),
            RawQuery::Postgres(conn, query) => RawQuery::Postgres(conn, query.bind(value)),
        };
        Self { raw, ..self }
    }

    /// Says that this text will hardly come again, so that it is not kept prepared.
    pub(super) fn once(self) -> Self {
        let raw = match self.raw {
            RawQuery::Sqlite(conn, query) => RawQuery::Sqlite(conn, query.persistent(false)),
            RawQuery::Postgres(conn, query) => RawQuery::Postgres(conn, query.persistent(false)),
        };
        Self { raw, ..self }
    }

    /// Runs the statement and tells how many rows it changed.
    pub async fn execute(self) -> Result<u64> {
        strike(self.fault).await?;
        Ok(match self.raw {
            RawQuery::Sqlite(conn, query) => query.execute(conn).await?.rows_affected(),
            RawQuery::Postgres(conn, query) => query.execute(conn).await?.rows_affected(),
        })
    }

    /// All rows.
    pub async fn fetch_all<R: Row>(self) -> Result<Vec<R>> {
        strike(self.fault).await?;
        match self.raw {
            RawQuery::Sqlite(conn, query) => decode(&query.fetch_all(conn).await?),
            RawQuery::Postgres(conn, query) => decode(&query.fetch_all(conn).await?),
        }
    }

    /// Hands each row on as it comes, so that no more than one is held; tells how many there were.
    pub(super) async fn each<R: Row, E: From<DbError>>(
        self,
        mut take: impl FnMut(R) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut count = 0;
        let mut one = |row: Result<R, sqlx::Error>| {
            count += 1;
            take(row.map_err(DbError::from)?)
        };
        match self.raw {
            RawQuery::Sqlite(conn, query) => {
                let mut rows = query.fetch(conn);
                while let Some(row) = rows.try_next().await.map_err(DbError::from)? {
                    one(R::from_row(&row))?;
                }
            }
            RawQuery::Postgres(conn, query) => {
                let mut rows = query.fetch(conn);
                while let Some(row) = rows.try_next().await.map_err(DbError::from)? {
                    one(R::from_row(&row))?;
                }
            }
        }
        Ok(count)
    }

    /// The row, if there is one.
    pub async fn fetch_optional<R: Row>(self) -> Result<Option<R>> {
        strike(self.fault).await?;
        Ok(match self.raw {
            RawQuery::Sqlite(conn, query) => query
                .fetch_optional(conn)
                .await?
                .map(|row| R::from_row(&row))
                .transpose()?,
            RawQuery::Postgres(conn, query) => query
                .fetch_optional(conn)
                .await?
                .map(|row| R::from_row(&row))
                .transpose()?,
        })
    }

    /// Like [`Query::fetch_optional`], but a missing row is [`DbError::NotFound`].
    pub async fn fetch_one<R: Row>(self) -> Result<R> {
        self.fetch_optional().await?.ok_or(DbError::NotFound)
    }
}

async fn strike(fault: Option<Fault>) -> Result<()> {
    match fault {
        None => Ok(()),
        Some(Fault::Error) => Err(DbError::Fault),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Panic) => panic!("a fail point struck"),
    }
}

fn decode<R, T>(rows: &[R]) -> Result<Vec<T>>
where
    R: sqlx::Row,
    T: for<'r> FromRow<'r, R>,
{
    rows.iter()
        .map(|row| T::from_row(row).map_err(DbError::from))
        .collect()
}
