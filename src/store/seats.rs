//! Seats of a workspace: the limit beside the workspace, the count in a row of its own. Whoever reads
//! the limit keeps it from being changed until the transaction ends, so that nobody is let in
//! uncounted.

use super::error::Result;
use super::tx::{Lock, Tx};
use crate::clock::Timestamp;
use crate::ids::{MemberId, WorkspaceId};

/// What becomes of somebody for whom there is no seat.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
    sqlx::Type,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum SeatPolicy {
    /// Refused.
    Refuse,
    /// In, without rights, until a seat is free.
    Hold,
}

/// When a member gives its seat back.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
    sqlx::Type,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum SeatRelease {
    /// Once it is suspended.
    #[default]
    OnSuspend,
    /// Once it is removed: one who is suspended keeps the seat that it had.
    OnRemove,
}

/// How many may be in.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema, sqlx::FromRow)]
pub struct Limit {
    /// How many seats there are; none without a limit.
    #[serde(rename = "limit")]
    pub seat_limit: Option<i64>,
    /// What becomes of whoever finds none.
    #[serde(rename = "policy")]
    pub seat_policy: SeatPolicy,
    /// When a member gives its seat back.
    #[serde(rename = "release")]
    pub seat_release: SeatRelease,
    /// How many more an operator lets in for the time being.
    #[serde(rename = "grace")]
    pub seat_grace: i64,
    /// Whom to ask for more.
    #[serde(rename = "contact")]
    pub seat_contact: Option<String>,
}

const LIMIT: &str = "SELECT seat_limit, seat_policy, seat_release, seat_grace, seat_contact FROM workspaces \
                     WHERE id = $1";

/// The limit, which stays as it is until the transaction ends.
pub async fn keep_limit(tx: &mut Tx, workspace: WorkspaceId) -> Result<Limit> {
    tx.locked(LIMIT, Lock::KeyShare, "workspaces")
        .bind(workspace)
        .fetch_one()
        .await
}

/// The limit, after everybody who was let in under it.
pub async fn lock_limit(tx: &mut Tx, workspace: WorkspaceId) -> Result<Limit> {
    tx.locked(LIMIT, Lock::Update, "workspaces")
        .bind(workspace)
        .fetch_one()
        .await
}

/// The limit as it is.
pub async fn find_limit(tx: &mut Tx, workspace: WorkspaceId) -> Result<Limit> {
    tx.query(LIMIT).bind(workspace).fetch_one().await
}

/// Sets the limit of a locked workspace.
pub async fn update_limit(tx: &mut Tx, workspace: WorkspaceId, limit: &Limit) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE workspaces SET seat_limit = $2, seat_policy = $3, seat_grace = $4, \
             seat_contact = $5, seat_release = $6 WHERE id = $1",
        )
        .bind(workspace)
        .bind(limit.seat_limit)
        .bind(limit.seat_policy)
        .bind(limit.seat_grace)
        .bind(limit.seat_contact.clone())
        .bind(limit.seat_release)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Takes a seat while fewer than so many are taken; gives how many are taken then.
pub async fn take(tx: &mut Tx, workspace: WorkspaceId, most: i64) -> Result<Option<i64>> {
    let row: Option<(i64,)> = tx
        .query(
            "UPDATE seats SET taken = taken + 1 WHERE workspace = $1 AND taken < $2 \
             RETURNING taken",
        )
        .bind(workspace)
        .bind(most)
        .fetch_optional()
        .await?;
    Ok(row.map(|row| row.0))
}

/// The same for who comes in now, which is nobody's turn while others wait. Whoever is made to wait
/// by another transaction that has not ended came no earlier.
pub async fn take_in_turn(tx: &mut Tx, workspace: WorkspaceId, most: i64) -> Result<Option<i64>> {
    let row: Option<(i64,)> = tx
        .query(
            "UPDATE seats SET taken = taken + 1 WHERE workspace = $1 AND taken < $2 \
             AND NOT EXISTS (SELECT m.id FROM members m WHERE m.workspace = $1 \
             AND m.waiting_at IS NOT NULL) RETURNING taken",
        )
        .bind(workspace)
        .bind(most)
        .fetch_optional()
        .await?;
    Ok(row.map(|row| row.0))
}

/// Gives a seat back.
pub async fn release(tx: &mut Tx, workspace: WorkspaceId) -> Result<bool> {
    let rows = tx
        .query("UPDATE seats SET taken = taken - 1 WHERE workspace = $1 AND taken > 0")
        .bind(workspace)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Says that a locked member who is suspended keeps its seat since then, or keeps none any more; false
/// if it is so already.
pub async fn update_kept(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
    kept_at: Option<Timestamp>,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE members SET seat_kept_at = $3 WHERE workspace = $1 AND id = $2 \
             AND (seat_kept_at IS NULL) = $4",
        )
        .bind(workspace)
        .bind(member)
        .bind(kept_at)
        .bind(kept_at.is_some())
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Since when a member who is suspended keeps its seat; none if it keeps none.
pub async fn find_kept(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
) -> Result<Option<Timestamp>> {
    let row: Option<(Option<Timestamp>,)> = tx
        .query("SELECT seat_kept_at FROM members WHERE workspace = $1 AND id = $2")
        .bind(workspace)
        .bind(member)
        .fetch_optional()
        .await?;
    Ok(row.and_then(|row| row.0))
}

/// Who of a workspace is suspended and keeps a seat.
pub async fn list_kept(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<MemberId>> {
    let rows: Vec<(MemberId,)> = tx
        .query("SELECT id FROM members WHERE workspace = $1 AND seat_kept_at IS NOT NULL")
        .bind(workspace)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Takes the seats back that members of a locked workspace keep who are suspended; tells how many.
pub async fn release_kept(tx: &mut Tx, workspace: WorkspaceId) -> Result<u64> {
    let freed = tx
        .query(
            "UPDATE members SET seat_kept_at = NULL WHERE workspace = $1 \
             AND seat_kept_at IS NOT NULL",
        )
        .bind(workspace)
        .execute()
        .await?;
    tx.query("UPDATE seats SET taken = taken - $2 WHERE workspace = $1")
        .bind(workspace)
        .bind(i64::try_from(freed).unwrap_or(i64::MAX))
        .execute()
        .await?;
    Ok(freed)
}

/// How many members are suspended and keep a seat.
pub async fn count_kept(tx: &mut Tx, workspace: WorkspaceId) -> Result<i64> {
    let row: (i64,) = tx
        .query("SELECT COUNT(*) FROM members WHERE workspace = $1 AND seat_kept_at IS NOT NULL")
        .bind(workspace)
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// How many seats are taken; none where nothing is counted.
pub async fn find_taken(tx: &mut Tx, workspace: WorkspaceId) -> Result<Option<i64>> {
    let row: Option<(i64,)> = tx
        .query("SELECT taken FROM seats WHERE workspace = $1")
        .bind(workspace)
        .fetch_optional()
        .await?;
    Ok(row.map(|row| row.0))
}

/// How many seats are taken or waited for, and so are not there for whoever comes now; none where
/// nothing is counted.
pub async fn find_claimed(tx: &mut Tx, workspace: WorkspaceId) -> Result<Option<i64>> {
    let row: Option<(i64,)> = tx
        .query(
            "SELECT s.taken + (SELECT COUNT(*) FROM members m WHERE m.workspace = s.workspace \
             AND m.waiting_at IS NOT NULL) AS claimed FROM seats s WHERE s.workspace = $1",
        )
        .bind(workspace)
        .fetch_optional()
        .await?;
    Ok(row.map(|row| row.0))
}

/// Counts who has a seat, from now on.
pub async fn insert_count(tx: &mut Tx, workspace: WorkspaceId) -> Result<()> {
    tx.query(
        "INSERT INTO seats (workspace, taken) SELECT $1, COUNT(*) FROM members m \
         WHERE m.workspace = $1 AND m.status = 'active' AND m.waiting_at IS NULL",
    )
    .bind(workspace)
    .execute()
    .await?;
    Ok(())
}

/// Counts no longer; whoever waited is in. Tells who those were, with their versions.
pub async fn delete_count(
    tx: &mut Tx,
    workspace: WorkspaceId,
    at: Timestamp,
) -> Result<Vec<(MemberId, i64)>> {
    tx.query("DELETE FROM seats WHERE workspace = $1")
        .bind(workspace)
        .execute()
        .await?;
    tx.query(
        "UPDATE members SET waiting_at = NULL, version = version + 1, updated_at = $2 \
         WHERE workspace = $1 AND waiting_at IS NOT NULL RETURNING id, version",
    )
    .bind(workspace)
    .bind(at)
    .fetch_all()
    .await
}

/// Says that a locked member waits for a seat since then, or does no longer.
pub async fn update_waiting(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
    waiting_at: Option<Timestamp>,
) -> Result<bool> {
    let rows = tx
        .query("UPDATE members SET waiting_at = $3 WHERE workspace = $1 AND id = $2")
        .bind(workspace)
        .bind(member)
        .bind(waiting_at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// How many members wait for a seat.
pub async fn count_waiting(tx: &mut Tx, workspace: WorkspaceId) -> Result<i64> {
    let row: (i64,) = tx
        .query("SELECT COUNT(*) FROM members WHERE workspace = $1 AND waiting_at IS NOT NULL")
        .bind(workspace)
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// Who waits for a seat, the longest first.
pub async fn list_waiting(tx: &mut Tx, workspace: WorkspaceId, most: i64) -> Result<Vec<MemberId>> {
    let rows: Vec<(MemberId,)> = tx
        .query(
            "SELECT id FROM members WHERE workspace = $1 AND waiting_at IS NOT NULL \
             ORDER BY waiting_at, id LIMIT $2",
        )
        .bind(workspace)
        .bind(most)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Workspaces in which somebody waits and a seat is free.
pub async fn list_seatable(tx: &mut Tx) -> Result<Vec<WorkspaceId>> {
    let rows: Vec<(WorkspaceId,)> = tx
        .query(
            "SELECT w.id FROM seats s JOIN workspaces w ON w.id = s.workspace \
             WHERE s.taken < w.seat_limit + w.seat_grace AND EXISTS (SELECT m.id FROM members m \
             WHERE m.workspace = w.id AND m.waiting_at IS NOT NULL)",
        )
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}
