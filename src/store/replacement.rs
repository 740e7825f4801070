//! A database whose whole content is put in place in one transaction: before its commit it is as it
//! was, after it as it was to be.

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteLockingMode, SqlitePool, SqlitePoolOptions,
};

use super::aside::Aside;
use super::db::{Options, sqlite_options};
use super::erasures::{self, Erased};
use super::error::{DbError, Result};
use super::migrate;
use super::stats::Stats;
use super::tables::Table;
use super::tx::{Conn, Tx};

/// How long a statement may take: an index over a large table is made in one.
const STATEMENT: Duration = Duration::from_hours(1);
/// How long a file is waited for that others have open.
const TURN: Duration = Duration::from_millis(500);

/// A database that this process has for itself, in one open transaction.
pub struct Replacement {
    /// The transaction.
    pub tx: Tx,
    pool: Pool,
}

enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Replacement {
    /// Connects; [`DbError::InUse`] while anybody else is connected, [`DbError::Damaged`] where a
    /// file cannot be read. What may hold anything that is not ours to take away is refused.
    pub async fn begin(options: &Options) -> Result<Self> {
        let mut begun = if options.url.starts_with("sqlite:") {
            Self::sqlite(options).await?
        } else {
            Self::postgres(options).await?
        };
        match begun.refuse_what_is_not_ours().await {
            Ok(()) => Ok(begun),
            Err(error) => {
                begun.close().await;
                Err(error)
            }
        }
    }

    async fn sqlite(options: &Options) -> Result<Self> {
        let file = sqlite_options(&options.url)?;
        probe(&file).await?;
        let file = file
            .create_if_missing(true)
            // Rows come in an order of their own, and are checked before the commit.
            .foreign_keys(false)
            .locking_mode(SqliteLockingMode::Exclusive)
            .busy_timeout(TURN);
        let pool = SqlitePoolOptions::new().max_connections(1);
        let pool = pool.connect_with(file).await.map_err(of_file)?;
        let conn = pool.begin_with("BEGIN EXCLUSIVE").await.map_err(of_file)?;
        Ok(Self {
            tx: Tx::new(Conn::SqliteAlone(conn), None, Stats::current()),
            pool: Pool::Sqlite(pool),
        })
    }

    async fn postgres(options: &Options) -> Result<Self> {
        let server = PgConnectOptions::from_str(&options.url)?.application_name("gatehouse");
        let pool = PgPoolOptions::new().max_connections(1);
        let pool = pool.connect_with(server).await?;
        alone(&pool).await?;
        let conn = pool.begin().await?;
        Ok(Self {
            tx: Tx::new(Conn::PostgresAlone(conn, STATEMENT), None, Stats::current()),
            pool: Pool::Postgres(pool),
        })
    }

    /// Whether nothing was ever written to it: there may be a schema, but no workspace.
    pub async fn is_empty(&mut self) -> Result<bool> {
        if !self.has_table("workspaces").await? {
            return Ok(true);
        }
        let rows: (i64,) = self
            .tx
            .query("SELECT COUNT(*) FROM workspaces")
            .fetch_one()
            .await?;
        Ok(rows.0 == 0)
    }

    /// Who was erased in what is there now.
    pub async fn list_erasures(&mut self) -> Result<Vec<Erased>> {
        if self.has_table("erasures").await? {
            erasures::list(&mut self.tx).await
        } else {
            Ok(Vec::new())
        }
    }

    /// Takes everything of ours away and makes the schema of a version anew. A file is ours as a
    /// whole, with what a newer program made in it; on a server others may have tables beside ours.
    pub async fn clear(&mut self, version: i64) -> Result<()> {
        let statements: Vec<String> = if self.tx.is_postgres() {
            let tables = migrate::tables().into_iter();
            let tables = tables.chain(["_sqlx_migrations".to_owned()]);
            tables
                .map(|table| format!("DROP TABLE IF EXISTS {table} CASCADE"))
                .collect()
        } else {
            let listed = self.list_all().await?.into_iter();
            listed
                .map(|(kind, name)| {
                    let name = name.replace('"', "\"\"");
                    format!("DROP {kind} IF EXISTS \"{name}\"")
                })
                .collect()
        };
        for sql in statements {
            let query = self.tx.query(sqlx::AssertSqlSafe(sql));
            query.once().execute().await?;
        }
        migrate::up_to(&mut self.tx, Some(version)).await
    }

    /// Leaves it as it was.
    pub async fn close(self) {
        drop(self.tx);
        match self.pool {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
    }

    /// Brings the schema up to date.
    pub async fn migrate(&mut self) -> Result<()> {
        migrate::up_to(&mut self.tx, None).await
    }

    /// How many rows refer to rows that are not there; a server refuses them by itself.
    pub async fn count_dangling(&mut self) -> Result<i64> {
        if self.tx.is_postgres() {
            return Ok(0);
        }
        let rows: (i64,) = self
            .tx
            .query("SELECT COUNT(*) FROM pragma_foreign_key_check")
            .fetch_one()
            .await?;
        Ok(rows.0)
    }

    /// Makes it all hold. On SQLite the request log of what was there before goes with it.
    pub async fn commit(self, options: &Options) -> Result<()> {
        self.tx.commit().await?;
        match self.pool {
            Pool::Sqlite(pool) => {
                pool.close().await;
                Aside::beside(&sqlite_options(&options.url)?).remove()?;
            }
            Pool::Postgres(pool) => pool.close().await,
        }
        Ok(())
    }

    async fn refuse_what_is_not_ours(&mut self) -> Result<()> {
        if !self.tx.is_postgres() {
            let is_new = self.list_all().await?.is_empty();
            let is_ours = is_new
                || self.has_table("_sqlx_migrations").await?
                    && self.has_table("deployment").await?;
            return if is_ours {
                Ok(())
            } else {
                Err(DbError::NotOurs)
            };
        }
        if !self.has_table("_sqlx_migrations").await? {
            return Ok(());
        }
        let known = migrate::known();
        let applied = migrate::list(&mut self.tx).await?;
        match applied.iter().find(|step| !known.contains(step)) {
            Some(step) => Err(DbError::UnknownStep(step.version)),
            None => Ok(()),
        }
    }

    /// The tables and views of a file, each with the word for what it is.
    async fn list_all(&mut self) -> Result<Vec<(String, String)>> {
        self.tx
            .query(
                "SELECT m.type, m.name FROM sqlite_schema m WHERE m.type IN ('table', 'view') \
                 AND substr(m.name, 1, 7) <> 'sqlite_'",
            )
            .fetch_all()
            .await
    }

    async fn has_table(&mut self, name: &str) -> Result<bool> {
        let sql = if self.tx.is_postgres() {
            "SELECT COUNT(*) FROM pg_class c WHERE c.relname = $1 \
             AND c.relnamespace = CAST(current_schema() AS REGNAMESPACE)"
        } else {
            "SELECT COUNT(*) FROM sqlite_schema m WHERE m.name = $1"
        };
        let query = self.tx.query(sql).bind(name.to_owned());
        let rows: (i64,) = query.fetch_one().await?;
        Ok(rows.0 > 0)
    }
}

/// Whether a file can be read and nobody has it open; one that is not there yet is fine. The
/// connection does nothing else and is closed before anything else happens, since one that ended
/// later could take the files of a new database for its own.
async fn probe(file: &SqliteConnectOptions) -> Result<()> {
    if !file.get_filename().exists() {
        return Ok(());
    }
    let bare = SqliteConnectOptions::new()
        .filename(file.get_filename())
        .collation("C", Ord::cmp)
        // A file that others have open cannot be had like this.
        .locking_mode(SqliteLockingMode::Exclusive)
        .busy_timeout(TURN);
    let mut conn = SqliteConnection::connect_with(&bare)
        .await
        .map_err(of_file)?;
    let looked = sqlx::query("SELECT COUNT(*) FROM sqlite_schema")
        .fetch_one(&mut conn)
        .await;
    let closed = conn.close().await;
    looked.map_err(of_file)?;
    closed.map_err(of_file)
}

/// What an error says of a file that is to be replaced.
fn of_file(error: sqlx::Error) -> DbError {
    match DbError::from(error) {
        error if error.is_busy() => DbError::InUse,
        error if error.is_damaged() => DbError::Damaged(error.to_string()),
        error => error,
    }
}

/// Moves a file that cannot be read out of the way, with its log of writes; gives its new name.
pub fn set_aside(options: &Options) -> Result<PathBuf> {
    let file = sqlite_options(&options.url)?;
    let with = |path: &Path, end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let path = file.get_filename();
    let names = (1_u32..).map(|count| match count {
        1 => with(path, ".damaged"),
        _ => with(path, &format!(".damaged.{count}")),
    });
    let mut free = names.filter(|name| !name.exists());
    let aside = free.next().unwrap_or_default();
    // The file itself goes last: if this is broken off, it is still where it is looked for.
    for end in ["-wal", "-shm", ""] {
        match std::fs::rename(with(path, end), with(&aside, end)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(aside)
}

/// Waits a moment for connections of nodes that have just stopped to end.
async fn alone(pool: &PgPool) -> Result<()> {
    for _ in 0..20 {
        let others: (i64,) = sqlx::query_as(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
             AND application_name = 'gatehouse' AND pid <> pg_backend_pid()",
        )
        .fetch_one(pool)
        .await?;
        if others.0 == 0 {
            return Ok(());
        }
        sqlx::query("SELECT pg_sleep(0.05)").execute(pool).await?;
    }
    Err(DbError::InUse)
}

/// Whether a database is there to be filled; one that is not there yet is not made.
pub async fn is_empty(options: &Options) -> Result<bool> {
    if options.url.starts_with("sqlite:") {
        let file = sqlite_options(&options.url)?;
        if !file.get_filename().exists() {
            return Ok(true);
        }
    }
    let mut there = Replacement::begin(options).await?;
    let is_empty = there.is_empty().await;
    there.close().await;
    is_empty
}

/// Whether two tables have the same columns, in whatever order.
pub fn has_columns(table: &Table, columns: &[(String, super::tables::Kind)]) -> bool {
    let mut own = table.columns.clone();
    let mut others = columns.to_vec();
    own.sort_by(|one, other| one.0.cmp(&other.0));
    others.sort_by(|one, other| one.0.cmp(&other.0));
    own == others
}
