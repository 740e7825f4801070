//! The deployment's own row, and leases: who does what must be done by one process at a time.

use uuid::Uuid;

use super::error::Result;
use super::tx::Tx;
use crate::clock::Timestamp;

/// What the deployment keeps about itself.
#[derive(Debug, sqlx::FromRow)]
pub struct Deployment {
    /// The URL under which people and IdPs reach `serve`.
    pub public_url: Option<String>,
    /// The check value of the master key.
    pub key_check: Vec<u8>,
}

/// The deployment's row, if a command has made it.
pub async fn find(tx: &mut Tx) -> Result<Option<Deployment>> {
    tx.query("SELECT public_url, key_check FROM deployment WHERE id = 1")
        .fetch_optional()
        .await
}

/// Makes the row; another process may have been first.
pub async fn insert(tx: &mut Tx, key_check: &[u8], at: Timestamp) -> Result<bool> {
    let rows = tx
        .query(
            "INSERT INTO deployment (id, key_check, access_epoch, created_at) \
             VALUES (1, $1, 1, $2) ON CONFLICT DO NOTHING",
        )
        .bind(key_check.to_vec())
        .bind(at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// The access epoch, on which all access hangs.
pub async fn find_epoch(tx: &mut Tx) -> Result<i64> {
    let row: (i64,) = tx
        .query("SELECT access_epoch FROM deployment WHERE id = 1")
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// Raises the access epoch to one that was never in use: one more would come again whenever the
/// same backup is taken back again, so that it is at least the instant of the restore.
pub async fn raise_epoch(tx: &mut Tx, at: Timestamp) -> Result<i64> {
    let row: (i64,) = tx
        .query(
            "UPDATE deployment SET access_epoch = CASE WHEN access_epoch >= $1 \
             THEN access_epoch + 1 ELSE $1 END WHERE id = 1 RETURNING access_epoch",
        )
        .bind(at)
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// Stores the public URL that `serve` runs under.
pub async fn update_public_url(tx: &mut Tx, public_url: &str) -> Result<bool> {
    let rows = tx
        .query("UPDATE deployment SET public_url = $1 WHERE id = 1")
        .bind(public_url.to_owned())
        .execute()
        .await?;
    Ok(rows == 1)
}

/// The time that the database has: of its server, or of the machine that has the file. For holding
/// clocks against it and for nothing else.
pub async fn find_time(tx: &mut Tx) -> Result<Timestamp> {
    let sql = if tx.is_postgres() {
        "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) AS at"
    } else {
        "SELECT CAST(unixepoch('subsec') * 1000000 AS BIGINT) AS at"
    };
    let row: (Timestamp,) = tx.query(sql).fetch_one().await?;
    Ok(row.0)
}

/// Takes or prolongs a lease; false when another holder has it.
pub async fn take_lease(
    tx: &mut Tx,
    name: &str,
    holder: Uuid,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool> {
    let rows = tx
        .query(
            "INSERT INTO leases (name, holder, until) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until \
             WHERE leases.holder = excluded.holder OR leases.until < $4",
        )
        .bind(name.to_owned())
        .bind(holder)
        .bind(until)
        .bind(now)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Gives a lease back.
pub async fn delete_lease(tx: &mut Tx, name: &str, holder: Uuid) -> Result<bool> {
    let rows = tx
        .query("DELETE FROM leases WHERE name = $1 AND holder = $2")
        .bind(name.to_owned())
        .bind(holder)
        .execute()
        .await?;
    Ok(rows == 1)
}
