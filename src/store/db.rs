//! One SQL text, two engines.
//!
//! The rest of `store` writes PostgreSQL-flavoured SQL with `$1` placeholders and calls
//! [`Tx::query`]. Only this file, `writer.rs`, `postgres.rs` and `aside.rs` know that two engines
//! exist.

use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool,
    SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{
    Connection, Encode, FromRow, Postgres, SqlSafeStr, Sqlite, Transaction, Type,
    query::Query as Raw,
};

use super::aside::{self, Aside};
use super::error::{DbError, Result};
use super::faults::{Around, Faults, within};
use super::postgres::Server;
use super::stats::Stats;
use super::writer::{BEGIN_TRY, Writer};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Kept small for readers, since each holds its own cache.
const READERS: u32 = 4;
/// The page cache of the writer and of each reader, in KiB as the pragma wants it: negative.
const WRITER_CACHE: &str = "-16384";
const READER_CACHE: &str = "-4096";
/// How many pages the log grows by before a commit also writes them into the database.
const CHECKPOINT_PAGES: &str = "4000";
/// Prepared statements a connection keeps.
pub(super) const STATEMENTS: usize = 512;

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
    Postgres(Server),
}

impl Db {
    /// Connects by URL scheme and applies pending migrations.
    pub async fn open(options: &Options) -> Result<Self> {
        let faults = Arc::new(Faults::default());
        if options.url.starts_with("sqlite:") {
            let file = sqlite_options(&options.url)?;
            migrate_sqlite(&file).await?;
            let aside = Aside::beside(&file);
            let writer = file
                .clone()
                .busy_timeout(BEGIN_TRY)
                .pragma("cache_size", WRITER_CACHE)
                .pragma("wal_autocheckpoint", CHECKPOINT_PAGES);
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
                writer: Writer::sqlite(writer, conn, options.shared_commits, Arc::clone(&faults)),
                faults,
            })
        } else {
            let server = Server::open(options).await?;
            Ok(Self {
                engine: Engine::Postgres(server.clone()),
                aside: Aside::Postgres(server.clone()),
                writer: Writer::postgres(server, Arc::clone(&faults)),
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
            Engine::Postgres(server) => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                server.begin_with(begin).await?
            }
        };
        Ok(Tx::new(conn, None, stats))
    }

    /// A connection without a transaction: for reads of one statement.
    pub async fn one(&self) -> Result<Tx> {
        let conn = match &self.engine {
            Engine::Sqlite(pool) => Conn::SqliteOne(pool.acquire().await?),
            Engine::Postgres(server) => server.one().await?,
        };
        Ok(Tx::new(conn, None, Stats::current()))
    }

    /// Renews what `PostgreSQL` knows of the sizes of tables, and with it the plans that it keeps:
    /// those made while the tables were empty would go on reading them whole in the middle of a
    /// first sync, long before its own housekeeping comes by.
    pub async fn analyze(&self) -> Result<()> {
        if let Engine::Postgres(server) = &self.engine {
            sqlx::query(
                "ANALYZE users, user_emails, user_groups, group_touches, memberships, nestings, \
                 members, login_names, person_keys, rules, rule_groups, causes, grants, changes",
            )
            .execute(&server.pool)
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
            Engine::Postgres(server) => server.pool.close().await,
        }
    }
}

fn sqlite_options(url: &str) -> Result<SqliteConnectOptions> {
    Ok(SqliteConnectOptions::from_str(url)?
        .create_if_missing(true)
        .foreign_keys(true)
        .collation("C", Ord::cmp)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .statement_cache_capacity(STATEMENTS)
        .busy_timeout(Duration::from_secs(5)))
}

/// With foreign keys on, rebuilding a table would delete the rows that refer to it.
async fn migrate_sqlite(file: &SqliteConnectOptions) -> Result<()> {
    let mut conn = SqliteConnection::connect_with(&file.clone().foreign_keys(false)).await?;
    let is_other = |description: &str| {
        ["postgres only", aside::MIGRATIONS]
            .iter()
            .any(|start| description.starts_with(start))
    };
    migrations(|description| !is_other(description))
        .run(&mut conn)
        .await?;
    conn.close().await?;
    Ok(())
}

/// The migrations whose descriptions fit: some are marked for one engine, or for a file of its own.
pub(super) fn migrations(fits: impl Fn(&str) -> bool) -> Migrator {
    let migrations: Vec<_> = MIGRATIONS
        .iter()
        .filter(|migration| fits(&migration.description))
        .cloned()
        .collect();
    Migrator::with_migrations(migrations)
}

/// A transaction or connection on either engine; the only handle that storage functions take.
pub struct Tx {
    conn: Conn,
    statements: u32,
    pub(super) stats: Arc<Stats>,
    faults: Option<Arc<Faults>>,
}

pub(super) enum Conn {
    /// The writer task's connection, inside a savepoint.
    Shared(SqliteConnection),
    Sqlite(Transaction<'static, Sqlite>),
    SqliteOne(PoolConnection<Sqlite>),
    /// With how long an answer is waited for, as the next.
    Postgres(Transaction<'static, Postgres>, Duration),
    PostgresOne(PoolConnection<Postgres>, Duration),
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
        let faults = self.faults.as_ref();
        let around = Around {
            fault: faults.and_then(|faults| faults.around(self.statements)),
            limit: self.conn.limit(),
        };
        let raw = match &mut self.conn {
            Conn::Shared(conn) => RawQuery::Sqlite(&mut *conn, sqlx::query(sql)),
            Conn::Sqlite(tx) => RawQuery::Sqlite(&mut *tx, sqlx::query(sql)),
            Conn::SqliteOne(conn) => RawQuery::Sqlite(&mut *conn, sqlx::query(sql)),
            Conn::Postgres(tx, _) => RawQuery::Postgres(&mut *tx, sqlx::query(sql)),
            Conn::PostgresOne(conn, _) => RawQuery::Postgres(&mut *conn, sqlx::query(sql)),
        };
        Query { raw, around }
    }

    /// Like [`Tx::query`], with the rows locked on PostgreSQL. `of` names the table to lock, which
    /// `FOR UPDATE` of a join needs.
    pub fn locked(&mut self, sql: &'static str, lock: Lock, of: &'static str) -> Query<'_> {
        if matches!(self.conn, Conn::Postgres(..)) {
            self.locked_list(sql, lock, of)
        } else {
            self.query(sql)
        }
    }

    /// [`Tx::locked`] for a statement that was built.
    pub(super) fn locked_list(&mut self, sql: &str, lock: Lock, of: &'static str) -> Query<'_> {
        let clause = match lock {
            _ if !matches!(self.conn, Conn::Postgres(..)) => String::new(),
            Lock::Update => format!(" FOR UPDATE OF {of}"),
            Lock::NoKeyUpdate => format!(" FOR NO KEY UPDATE OF {of}"),
            Lock::KeyShare => format!(" FOR KEY SHARE OF {of}"),
        };
        self.query(sqlx::AssertSqlSafe(format!("{sql}{clause}")))
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
        self.at_commit().await?;
        match self.conn {
            Conn::Postgres(tx, limit) => {
                within(Some(limit), pin!(async { Ok(tx.commit().await?) })).await?;
            }
            Conn::Sqlite(tx) => tx.commit().await?,
            Conn::Shared(_) | Conn::SqliteOne(_) | Conn::PostgresOne(..) => {}
        }
        Ok(())
    }

    /// Commits what the writer's closures have done.
    pub(super) async fn commit_shared(&mut self) -> Result<()> {
        self.at_commit().await?;
        self.command("COMMIT").await
    }

    async fn at_commit(&self) -> Result<()> {
        match &self.faults {
            Some(faults) => faults.at_commit().await,
            None => Ok(()),
        }
    }

    /// Gives up the writer's connection for a new one: what the old one holds in memory is no
    /// longer known to be what the disk holds.
    pub(super) async fn reopen(&mut self, file: &SqliteConnectOptions) -> Result<()> {
        let conn = SqliteConnection::connect_with(file).await?;
        if let Conn::Shared(old) = std::mem::replace(&mut self.conn, Conn::Shared(conn)) {
            let _ = old.close_hard().await;
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

impl Conn {
    fn limit(&self) -> Option<Duration> {
        match self {
            Self::Postgres(_, limit) | Self::PostgresOne(_, limit) => Some(*limit),
            Self::Shared(_) | Self::Sqlite(_) | Self::SqliteOne(_) => None,
        }
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
    around: Around,
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
        let Self { raw, around } = self;
        let run = async {
            Ok(match raw {
                RawQuery::Sqlite(conn, query) => query.execute(conn).await?.rows_affected(),
                RawQuery::Postgres(conn, query) => query.execute(conn).await?.rows_affected(),
            })
        };
        around.run(pin!(run)).await
    }

    /// All rows.
    pub async fn fetch_all<R: Row>(self) -> Result<Vec<R>> {
        let Self { raw, around } = self;
        let run = async {
            match raw {
                RawQuery::Sqlite(conn, query) => decode(&query.fetch_all(conn).await?),
                RawQuery::Postgres(conn, query) => decode(&query.fetch_all(conn).await?),
            }
        };
        around.run(pin!(run)).await
    }

    /// The row, if there is one.
    pub async fn fetch_optional<R: Row>(self) -> Result<Option<R>> {
        let Self { raw, around } = self;
        let run = async {
            Ok(match raw {
                RawQuery::Sqlite(conn, query) => {
                    let row = query.fetch_optional(conn).await?;
                    row.map(|row| R::from_row(&row)).transpose()?
                }
                RawQuery::Postgres(conn, query) => {
                    let row = query.fetch_optional(conn).await?;
                    row.map(|row| R::from_row(&row)).transpose()?
                }
            })
        };
        around.run(pin!(run)).await
    }

    /// Like [`Query::fetch_optional`], but a missing row is [`DbError::NotFound`].
    pub async fn fetch_one<R: Row>(self) -> Result<R> {
        self.fetch_optional().await?.ok_or(DbError::NotFound)
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
