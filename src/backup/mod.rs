//! Backups: all that a deployment holds in one file, which either engine takes back.
//!
//! * One instant: the rows are read in one snapshot while the server goes on writing.
//! * One form for both engines, so that a file from SQLite is taken by `PostgreSQL` and the other way
//!   round; the catalog says which tables there are, so that none is forgotten. Row by row, so that
//!   memory does not grow with the deployment.
//! * Not in it are the leases and quotas of running nodes and the request log, which is kept for
//!   days only; nor is the master key, of which the file names the id. What is sealed stays sealed.
//! * A file of an older schema is loaded into that schema and brought up to date in the same
//!   transaction; one of a newer schema is refused.
//! * Access that was taken away since must not come back. A restore raises the deployment's access
//!   epoch, on which every session, code, refresh token, invite and reset hangs, so that none from
//!   before opens anything; `SCIM` tokens and API keys hang on none and are held one by one; members have no
//!   rights until a request of their directory writes them as active or an admin releases them.
//!   Whoever only moves to another database, with nothing written since, says so and keeps it all.
//! * Groups, who is in them, and rules are those of the backup and are not held: a member who is let
//!   in has what they give until the directory sends them again, which the operator is told to have
//!   done first. Holding them too would leave a directory that sends only what changes held for good.
//! * Whoever was erased since is erased again, in the same transaction: by the list of the database
//!   that is replaced, and by the file of `retention.erasure_list`, which no backup replaces.
//! * Changes come back with their ids and numbers, so that none is told twice under a new name.
//!   Numbers given out after the backup are given again: a reader's place therefore is the
//!   deployment's epoch with the number, and one of another epoch has to read anew.
//!
//! `pg_dump` and copies of files were left out: they tie a backup to an engine and its version, and
//! nobody checks them before they are needed.

mod format;
mod load;
mod make;

use std::io;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::store::error::DbError;

pub use format::Header;
pub use load::{How, Loaded, check, load};
pub use make::{Draft, make};

/// Why a backup is not made or not taken back.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The file is not what was written.
    #[error("the backup is broken at line {line}: {what}")]
    Broken {
        /// The line.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// Its secrets are sealed with another key.
    #[error("the backup needs the master key {needed}, but secrets.key is {given}")]
    OtherKey {
        /// The id of the key that it needs.
        needed: String,
        /// The id of the key at hand.
        given: String,
    },
    /// There is something to be lost.
    #[error("the database is not empty; --replace puts the backup in its place")]
    NotEmpty,
    /// The database refused.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] io::Error),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] Error),
}

/// What a file holds, as it was counted and summed.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Content {
    /// When its instant was.
    pub made_at: Timestamp,
    /// The version of its schema.
    pub schema: i64,
    /// The id of the master key that it needs.
    pub key: String,
    /// How many tables it has.
    pub tables: u64,
    /// How many rows.
    pub rows: u64,
    /// The checksum over all of it but its last line.
    pub sha256: String,
}

/// Is told which table is at work, and how many rows of it are done.
pub type Progress<'p> = &'p (dyn Fn(&str, u64) + Sync);

/// After how many rows progress is told.
const TELL: u64 = 5_000;
