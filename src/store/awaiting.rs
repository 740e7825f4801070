//! Grants that ended and begin again.

use uuid::Uuid;

use super::error::Result;
use super::grants::GrantKind;
use super::tx::Tx;
use super::values::{MOST, list as placeholders, pad};
use crate::clock::Timestamp;
use crate::ids::{CauseId, GrantId, MemberId, WorkspaceId};

/// What a grant waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Reason {
    /// That the person proves to be the one who was meant.
    Proof,
    /// That what ended it is undone.
    Undo,
}

/// A grant that waits.
#[derive(Debug, Clone, serde::Serialize, sqlx::FromRow)]
pub struct Awaiting {
    /// The grant that ended.
    pub id: GrantId,
    /// What it gives.
    pub kind: GrantKind,
    /// The team, role or permission.
    pub target: Uuid,
    /// Because of what.
    pub cause: CauseId,
    /// For what it waits.
    pub awaiting: Reason,
    /// The permission's name, if it is one.
    pub name: Option<String>,
}

/// What a member waits for.
pub async fn list(tx: &mut Tx, workspace: WorkspaceId, member: MemberId) -> Result<Vec<Awaiting>> {
    tx.query(
        "SELECT g.id, g.kind, g.target, g.cause, g.awaiting, (SELECT p.name FROM permissions p \
         WHERE p.workspace = g.workspace AND p.id = g.target) AS name FROM grants g \
         WHERE g.workspace = $1 AND g.member = $2 AND g.awaiting IS NOT NULL",
    )
    .bind(workspace)
    .bind(member)
    .fetch_all()
    .await
}

/// Says for what ended grants wait, or that they wait no longer.
pub async fn update(
    tx: &mut Tx,
    workspace: WorkspaceId,
    grants: &[GrantId],
    awaiting: Option<Reason>,
) -> Result<()> {
    for grants in grants.chunks(MOST) {
        let sql = format!(
            "UPDATE grants SET awaiting = $2 WHERE workspace = $1 AND id IN ({})",
            placeholders(3, grants.len())
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(workspace)
            .bind(awaiting);
        for grant in pad(grants) {
            query = query.bind(grant);
        }
        query.execute().await?;
    }
    Ok(())
}

/// Says since when nobody has proved that a locked member is the one who was expected; or that it is
/// proved. Tells whether that is new.
pub async fn update_unproved(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
    unproved_at: Option<Timestamp>,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE members SET unproved_at = $3 WHERE workspace = $1 AND id = $2 \
             AND (unproved_at IS NULL) = $4",
        )
        .bind(workspace)
        .bind(member)
        .bind(unproved_at)
        .bind(unproved_at.is_some())
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Since when nobody has proved that a member is the one who was expected.
pub async fn find_unproved(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
) -> Result<Option<Timestamp>> {
    let row: Option<(Option<Timestamp>,)> = tx
        .query("SELECT unproved_at FROM members WHERE workspace = $1 AND id = $2")
        .bind(workspace)
        .bind(member)
        .fetch_optional()
        .await?;
    Ok(row.and_then(|row| row.0))
}

/// Lets a member wait for nothing any more.
pub async fn delete(tx: &mut Tx, workspace: WorkspaceId, member: MemberId) -> Result<u64> {
    tx.query(
        "UPDATE grants SET awaiting = NULL WHERE workspace = $1 AND member = $2 \
         AND awaiting IS NOT NULL",
    )
    .bind(workspace)
    .bind(member)
    .execute()
    .await
}
