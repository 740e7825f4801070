//! A database whose whole content is put in place in one transaction: before its commit it is as it
//! was, after it as it was to be.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteLockingMode, SqlitePool, SqlitePoolOptions};

use super::aside::Aside;
use super::db::{Options, sqlite_options};
use super::error::{DbError, Result};
use super::migrate;
use super::stats::Stats;
use super::tables::Table;
use super::tx::{Conn, Tx};

/// How long a statement may take: an index over a large table is made in one.
const STATEMENT: Duration = Duration::from_hours(1);

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
    /// Connects; [`DbError::InUse`] while anybody else is connected.
    pub async fn begin(options: &Options) -> Result<Self> {
        if options.url.starts_with("sqlite:") {
            let file = sqlite_options(&options.url)?
                .create_if_missing(true)
                // Rows come in an order of their own, and are checked before the commit.
                .foreign_keys(false)
                // A file that others have open cannot be had like this.
                .locking_mode(SqliteLockingMode::Exclusive)
                .busy_timeout(std::time::Duration::from_millis(500));
            let in_use = |error: sqlx::Error| match DbError::from(error) {
                error if error.is_away() => DbError::InUse,
                error => error,
            };
            let pool = SqlitePoolOptions::new().max_connections(1);
            let pool = pool.connect_with(file).await.map_err(in_use)?;
            let conn = pool.begin_with("BEGIN EXCLUSIVE").await.map_err(in_use)?;
            return Ok(Self {
                tx: Tx::new(Conn::Sqlite(conn, None), None, Stats::current()),
                pool: Pool::Sqlite(pool),
            });
        }
        let server = PgConnectOptions::from_str(&options.url)?.application_name("gatehouse");
        let pool = PgPoolOptions::new().max_connections(1);
        let pool = pool.connect_with(server).await?;
        alone(&pool).await?;
        let conn = pool.begin().await?;
        Ok(Self {
            tx: Tx::new(
                Conn::Postgres(conn, None, STATEMENT),
                None,
                Stats::current(),
            ),
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

    /// Takes everything of ours away and makes the schema of a version anew.
    pub async fn clear(&mut self, version: i64) -> Result<()> {
        let is_postgres = self.tx.is_postgres();
        let cascade = if is_postgres { " CASCADE" } else { "" };
        let mut tables = migrate::tables();
        tables.push("_sqlx_migrations".to_owned());
        for table in tables {
            let sql = format!("DROP TABLE IF EXISTS {table}{cascade}");
            let query = self.tx.query(sqlx::AssertSqlSafe(sql));
            query.once().execute().await?;
        }
        migrate::up_to(&mut self.tx, Some(version)).await
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
    let is_empty = there.is_empty().await?;
    drop(there.tx);
    match there.pool {
        Pool::Sqlite(pool) => pool.close().await,
        Pool::Postgres(pool) => pool.close().await,
    }
    Ok(is_empty)
}

/// Whether two tables have the same columns, in whatever order.
pub fn has_columns(table: &Table, columns: &[(String, super::tables::Kind)]) -> bool {
    let mut own = table.columns.clone();
    let mut others = columns.to_vec();
    own.sort_by(|one, other| one.0.cmp(&other.0));
    others.sort_by(|one, other| one.0.cmp(&other.0));
    own == others
}
