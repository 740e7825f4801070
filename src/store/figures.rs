//! What an operator wants to know of the database as a whole.

use std::time::Duration;

use super::error::Result;
use super::tx::Tx;
use crate::clock::Timestamp;

/// How long before its end a token is counted.
const ENDING: Duration = Duration::from_hours(14 * 24);

/// Counts over all workspaces.
#[derive(Debug, sqlx::FromRow)]
pub struct Figures {
    /// Changes without a number.
    pub unnumbered: i64,
    /// When the oldest of them happened.
    pub oldest: Option<Timestamp>,
    /// Runs that are not done.
    pub runs: i64,
    /// Workspaces that the sweeper has yet to look at.
    pub unswept: i64,
    /// Live tokens of directories that end soon and have no successor yet.
    pub ending: i64,
    /// Workspaces in which all seats are taken.
    #[sqlx(rename = "full_of")]
    pub full: i64,
    /// Members who wait for a seat.
    pub waiting: i64,
    /// Members for whom the brake keeps something.
    pub braked: i64,
    /// Workspaces.
    pub workspaces: i64,
    /// Directories.
    pub directories: i64,
    /// Users of directories.
    pub users: i64,
    /// Groups of directories.
    pub groups: i64,
}

/// The counts now. Users and groups come from the slotted counters and the rest from small tables
/// and partial indexes, so that it costs the same at a thousand users as at a million. Members have
/// no counter and are not among them.
pub async fn find(tx: &mut Tx, now: Timestamp) -> Result<Figures> {
    tx.query(
        "SELECT c.unnumbered, c.oldest, \
         (SELECT COUNT(*) FROM runs WHERE state <> 'done') AS runs, \
         (SELECT COUNT(*) FROM workspaces WHERE rules_swept < rules_floor) AS unswept, \
         (SELECT COUNT(*) FROM credentials e WHERE e.revoked_at IS NULL AND e.expires_at > $1 \
         AND e.expires_at <= $2 AND NOT EXISTS (SELECT l.id FROM credentials l \
         WHERE l.workspace = e.workspace AND l.directory = e.directory AND l.revoked_at IS NULL \
         AND (l.expires_at IS NULL OR l.expires_at > $2))) AS ending, \
         (SELECT COUNT(*) FROM seats f JOIN workspaces w ON w.id = f.workspace \
         WHERE f.taken >= w.seat_limit + w.seat_grace) AS full_of, \
         (SELECT COUNT(*) FROM members WHERE waiting_at IS NOT NULL) AS waiting, \
         (SELECT COUNT(*) FROM members WHERE braked_at IS NOT NULL) AS braked, \
         (SELECT COUNT(*) FROM workspaces) AS workspaces, \
         (SELECT COUNT(*) FROM directories) AS directories, \
         (SELECT CAST(COALESCE(SUM(total), 0) AS BIGINT) FROM counters WHERE kind = 'users') \
         AS users, \
         (SELECT CAST(COALESCE(SUM(total), 0) AS BIGINT) FROM counters WHERE kind = 'groups') \
         AS groups \
         FROM (SELECT COUNT(*) AS unnumbered, MIN(at) AS oldest FROM changes \
         WHERE number IS NULL) c",
    )
    .bind(now)
    .bind(now.after(ENDING))
    .fetch_one()
    .await
}
