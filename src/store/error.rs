//! What storage reports, and what use cases make of it.

use std::sync::Arc;

use sqlx::migrate::MigrateError;

use crate::error::Error;

/// What storage reports.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// A row with the same unique key exists.
    #[error("a row with the same unique key exists")]
    Duplicate,
    /// A statement that must find a row found none.
    #[error("row not found")]
    NotFound,
    /// The database refused or is away.
    #[error(transparent)]
    Sql(sqlx::Error),
    /// The schema could not be brought up to date.
    #[error(transparent)]
    Migrate(MigrateError),
    /// The schema is a newer one than this program knows.
    #[error(
        "the database has version {0} of the schema, which a newer Gatehouse made; start that one, \
         or restore a backup from before the upgrade"
    )]
    Newer(i64),
    /// A step of the schema is not the one that this program knows under its number.
    #[error("step {0} of the database's schema was made by another build of Gatehouse")]
    OtherBuild(i64),
    /// A database that is to be replaced has others connected to it.
    #[error("the database is in use; stop every Gatehouse on it first")]
    InUse,
    /// A database that is to be replaced was made by steps that this program does not know, which
    /// may have made tables that it would leave behind.
    #[error(
        "the database has step {0} of the schema, which this Gatehouse does not know, nor therefore \
         which tables to take away; make an empty database and restore into that one"
    )]
    UnknownStep(i64),
    /// A file that is to be replaced holds tables, but not those of a Gatehouse.
    #[error("the file is the database of something else; name another one")]
    NotOurs,
    /// A file that is to be replaced cannot be read.
    #[error("the database's file is damaged ({0}); restore --replace moves it aside")]
    Damaged(String),
    /// The catalog holds what no backup knows how to keep.
    #[error("{0}")]
    Catalog(String),
    /// A file beside the database could not be taken away.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// The writer has stopped.
    #[error("the writer has stopped")]
    Closed,
    /// The commit that this write shared with others failed.
    #[error("the shared commit failed: {0}")]
    Commit(Arc<DbError>),
    /// The server did not answer in time: the statement may have been done.
    #[error("the database did not answer in time")]
    Silent,
    /// The closure of a write panicked; it was undone.
    #[error("a write panicked")]
    Panicked,
    /// A fail point struck.
    #[error("a fail point struck")]
    Fault,
}

/// The result of a storage function.
pub type Result<T, E = DbError> = std::result::Result<T, E>;

impl DbError {
    /// Whether the whole transaction may be tried again: serialization failure, deadlock, or a row
    /// that went away between two statements.
    fn is_retryable(&self) -> bool {
        matches!(self, Self::Sql(sqlx::Error::Database(error))
            if matches!(error.code().as_deref(), Some("40001" | "40P01" | "23503")))
    }

    /// Why PostgreSQL wants a transaction run again.
    pub(super) fn retry_reason(&self) -> &'static str {
        let Self::Sql(sqlx::Error::Database(error)) = self else {
            return "serialization";
        };
        match error.code().as_deref() {
            Some("40P01") => "deadlock",
            Some("23503") => "reference",
            _ => "serialization",
        }
    }

    /// Whether the database cannot be reached, is overloaded or cannot store for the moment.
    pub(super) fn is_away(&self) -> bool {
        match self {
            Self::Sql(
                sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) | sqlx::Error::BeginFailed,
            )
            | Self::Closed
            | Self::Silent => true,
            Self::Sql(sqlx::Error::Database(error)) => match self.sqlite_kind() {
                Some(kind) => is_trouble_of_a_file(kind),
                None => error.code().is_some_and(|code| is_trouble(&code)),
            },
            // What `SQLite` says of a transaction that it gave up by itself, such as when the disk
            // is full, is that there is none: whatever it was, nobody's input is to blame.
            Self::Commit(error) => !matches!(**error, Self::Duplicate),
            _ => false,
        }
    }

    /// Whether another process holds the `SQLite` file.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.sqlite_kind(), Some(5 | 6))
    }

    /// Whether a `SQLite` file is none, or not whole.
    pub(crate) fn is_damaged(&self) -> bool {
        matches!(self, Self::Damaged(_)) || matches!(self.sqlite_kind(), Some(11 | 26))
    }

    /// The low byte of `SQLite`'s code, which says what kind of error it is.
    fn sqlite_kind(&self) -> Option<u32> {
        let Self::Sql(sqlx::Error::Database(error)) = self else {
            return None;
        };
        let code = error.code().filter(|code| code.len() < 5)?;
        code.parse::<u32>().ok().map(|code| code & 0xff)
    }
}

/// Kinds of trouble that a `SQLite` file has of its own: busy, locked, read-only, an I/O error,
/// malformed (which is also what it calls a page that cannot be read), full, cannot be opened, no
/// database.
fn is_trouble_of_a_file(kind: u32) -> bool {
    matches!(kind, 5 | 6 | 8 | 10 | 11 | 13 | 14 | 26)
}

/// Codes of a server that is in trouble of its own: five characters, of which the first two are the
/// class.
fn is_trouble(code: &str) -> bool {
    // Connection lost, out of resources, shutdown, an error of the system; then: a read-only
    // server, a lock that was not to be had, a statement that took too long.
    matches!(&code[..2], "08" | "53" | "58")
        || code.starts_with("57P")
        || matches!(code, "25006" | "55P03" | "57014")
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::RowNotFound => Self::NotFound,
            sqlx::Error::Database(e) if e.is_unique_violation() => Self::Duplicate,
            other => Self::Sql(other),
        }
    }
}

impl From<MigrateError> for DbError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) => Self::Newer(version),
            MigrateError::VersionMismatch(version) => Self::OtherBuild(version),
            // The database itself is away or busy.
            MigrateError::Execute(error) => error.into(),
            other => Self::Migrate(other),
        }
    }
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        if error.is_retryable() {
            Self::Retry(error.into())
        } else if error.is_away() {
            tracing::warn!(error = %error, "the database is away");
            Self::Unavailable
        } else {
            Self::Internal(error.into())
        }
    }
}

/// Says which attribute a duplicate key means; only the caller knows.
pub trait OnDuplicate<T> {
    /// Turns [`DbError::Duplicate`] into [`Error::Taken`] of that attribute.
    fn on_duplicate(self, attribute: &'static str) -> Result<T, Error>;
}

impl<T> OnDuplicate<T> for Result<T> {
    fn on_duplicate(self, attribute: &'static str) -> Result<T, Error> {
        self.map_err(|error| match error {
            DbError::Duplicate => Error::Taken(attribute),
            other => other.into(),
        })
    }
}
