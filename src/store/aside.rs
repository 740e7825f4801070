//! Where the request log is: on `PostgreSQL` in the database itself, on `SQLite` in a file of its
//! own beside it, so that its writes neither wait for those of use cases nor hold them up, and so
//! that it can be deleted alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::Sqlite;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use tokio::sync::OnceCell;

use super::begun::Begun;
use super::error::Result;
use super::migrate::{self, migrations};
use super::postgres::Server;
use super::stats::Stats;
use super::stock::Stock;
use super::tx::{Conn, Tx};
use super::writer::BoxFuture;

/// What the descriptions of its migrations begin with.
pub(super) const MIGRATIONS: &str = "request log";

/// One writes, others read.
const CONNECTIONS: u32 = 2;
/// The page cache of a connection, in KiB as the pragma wants it: negative.
const CACHE: &str = "-2048";

/// The database of the request log.
#[derive(Clone)]
pub(super) enum Aside {
    /// A file that is made when it is first written to.
    Sqlite {
        file: Arc<SqliteConnectOptions>,
        stock: Arc<OnceCell<Stock<Sqlite>>>,
    },
    /// The database itself.
    Postgres(Server),
}

impl Aside {
    /// The file beside that of the database.
    pub(super) fn beside(database: &SqliteConnectOptions) -> Self {
        let mut name = database.get_filename().as_os_str().to_owned();
        name.push(".log.db");
        let file = database
            .clone()
            .create_if_missing(true)
            .filename(PathBuf::from(name))
            // After a power cut its last lines may be missing; it is never broken.
            .synchronous(SqliteSynchronous::Normal)
            .pragma("cache_size", CACHE);
        Self::Sqlite {
            file: Arc::new(file),
            stock: Arc::default(),
        }
    }

    /// Whether there is something to read.
    pub(super) fn is_there(&self) -> bool {
        match self {
            Self::Sqlite { file, .. } => Path::new(file.get_filename()).exists(),
            Self::Postgres(_) => true,
        }
    }

    pub(super) async fn read(&self) -> Result<Tx> {
        let conn = match self {
            Self::Sqlite { file, stock } => {
                Conn::SqliteOne(opened(file, stock).await?.one().await?)
            }
            Self::Postgres(server) => server.one().await?,
        };
        Ok(Tx::new(conn, None, Stats::current()))
    }

    pub(super) async fn write(&self) -> Result<Tx> {
        let conn = match self {
            Self::Sqlite { file, stock } => {
                let kept = opened(file, stock).await?.one().await?;
                Conn::Sqlite(Begun::begin(kept, "BEGIN IMMEDIATE").await?)
            }
            Self::Postgres(server) => server.begin().await?,
        };
        Ok(Tx::new(conn, None, Stats::current()))
    }

    /// Takes the file away, which nobody has open.
    pub(super) fn remove(&self) -> std::io::Result<()> {
        let Self::Sqlite { file, .. } = self else {
            return Ok(());
        };
        for end in ["", "-wal", "-shm"] {
            let mut name = file.get_filename().as_os_str().to_owned();
            name.push(end);
            match std::fs::remove_file(PathBuf::from(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Closes its connections; those of `PostgreSQL` are the database's.
    pub(super) async fn close(&self) {
        if let Self::Sqlite { stock, .. } = self
            && let Some(stock) = stock.get()
        {
            stock.close().await;
        }
    }
}

/// Opened when it is first needed: most commands never do.
async fn opened<'p>(
    file: &SqliteConnectOptions,
    stock: &'p OnceCell<Stock<Sqlite>>,
) -> Result<&'p Stock<Sqlite>> {
    stock.get_or_try_init(|| open(file.clone())).await
}

fn open(file: SqliteConnectOptions) -> BoxFuture<'static, Result<Stock<Sqlite>>> {
    Box::pin(async move {
        // A server and a command may both be the first.
        let steps = migrations(|description| description.starts_with(MIGRATIONS));
        migrate::sqlite(&file, &steps).await?;
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .test_before_acquire(false)
            .connect_with(file)
            .await?;
        Ok(Stock::new(pool))
    })
}
