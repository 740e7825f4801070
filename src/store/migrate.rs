//! Brings the schema up to date, once however many nodes start together, and says of which version
//! it is. A step that is broken off leaves nothing behind; the next start goes on from there.
//!
//! A step that was released is never changed, and a new one only adds to what the version before
//! reads and writes: nodes of that version go on beside the new ones, though none of them starts
//! any more. What is to go away is left unused by one version and dropped by the next.

use std::str::FromStr;
use std::time::{Duration, Instant};

use sqlx::Connection;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::aside;
use super::db::{Options, sqlite_options};
use super::error::{DbError, Result};
use super::postgres::refuse_standby;
use super::tx::{Conn, Tx};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How long a node waits for another one that brings a file's schema up to date.
const TURN: Duration = Duration::from_mins(1);

/// A step of the schema that a database has taken.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Applied {
    /// Its number.
    pub version: i64,
    /// The checksum of its text.
    pub checksum: Vec<u8>,
}

/// Applies what is pending. A schema that a newer Gatehouse made is refused and left as it is.
pub async fn run(options: &Options) -> Result<()> {
    if options.url.starts_with("sqlite:") {
        let file = sqlite_options(&options.url)?.create_if_missing(true);
        return sqlite(&file, &migrations(is_in_file)).await;
    }
    let server = PgConnectOptions::from_str(&options.url)?.application_name("gatehouse");
    let mut conn = PgConnection::connect_with(&server).await?;
    refuse_standby(&mut conn).await?;
    // Holds a lock of the server meanwhile, which ends with the connection.
    migrations(is_on_postgres).run(&mut conn).await?;
    Ok(conn.close().await?)
}

/// Brings a file up to date. With foreign keys on, rebuilding a table would delete the rows that refer
/// to it.
pub(super) async fn sqlite(file: &SqliteConnectOptions, migrator: &Migrator) -> Result<()> {
    let file = file.clone().foreign_keys(false).busy_timeout(TURN);
    let deadline = Instant::now() + TURN;
    let mut conn = loop {
        match SqliteConnection::connect_with(&file)
            .await
            .map_err(DbError::from)
        {
            // Of several that switch a new file to its journal, SQLite sends all but one away.
            Err(error) if error.is_away() && !error.is_damaged() && Instant::now() < deadline => {}
            connected => break connected?,
        }
    };
    if !is_current(&mut conn, migrator).await {
        // All steps or none, and one node at a time.
        let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
        migrator.run_direct(None, &mut *tx, false).await?;
        tx.commit().await?;
    }
    Ok(conn.close().await?)
}

/// Whether nothing is pending, so that a start beside a busy server need not wait for its turn.
async fn is_current(conn: &mut SqliteConnection, migrator: &Migrator) -> bool {
    let applied: Vec<Applied> = sqlx::query_as(APPLIED)
        .fetch_all(conn)
        .await
        .unwrap_or_default();
    let known = migrator.iter().map(|known| Applied {
        version: known.version,
        checksum: known.checksum.to_vec(),
    });
    known.eq(applied)
}

const APPLIED: &str =
    "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";

/// The steps that a database has taken; an error if it has no schema.
pub async fn list(tx: &mut Tx) -> Result<Vec<Applied>> {
    tx.query(APPLIED).fetch_all().await
}

/// The steps that this program knows for any engine.
pub fn known() -> Vec<Applied> {
    let known = MIGRATIONS.iter().map(|known| Applied {
        version: known.version,
        checksum: known.checksum.to_vec(),
    });
    known.collect()
}

/// The tables that the steps make.
pub(super) fn tables() -> Vec<String> {
    let lines = MIGRATIONS.iter().flat_map(|step| step.sql.as_str().lines());
    let names = lines.filter_map(|line| line.strip_prefix("CREATE TABLE "));
    names
        .filter_map(|rest| rest.split([' ', '(']).next())
        .map(str::to_owned)
        .collect()
}

/// Takes the steps up to a version inside a transaction; all of them if none is named.
pub(super) async fn up_to(tx: &mut Tx, version: Option<i64>) -> Result<()> {
    let last = version.unwrap_or(i64::MAX);
    match &mut tx.conn {
        Conn::PostgresAlone(conn, _) => {
            let mut steps = migrations(is_on_postgres);
            steps
                .migrations
                .to_mut()
                .retain(|step| step.version <= last);
            steps.run_direct(None, &mut **conn, false).await?;
        }
        Conn::SqliteAlone(conn) => {
            let mut steps = migrations(is_in_file);
            steps
                .migrations
                .to_mut()
                .retain(|step| step.version <= last);
            steps.run_direct(None, &mut **conn, false).await?;
        }
        _ => return Err(DbError::Closed),
    }
    Ok(())
}

fn is_on_postgres(description: &str) -> bool {
    !description.starts_with("sqlite only")
}

fn is_in_file(description: &str) -> bool {
    ["postgres only", aside::MIGRATIONS]
        .iter()
        .all(|start| !description.starts_with(start))
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
