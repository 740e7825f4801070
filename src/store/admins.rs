//! Who is an admin: a member who is in and has the role `admin`. The lock of that role keeps apart
//! whatever takes admins away.

use super::error::Result;
use super::tx::{Lock, Tx};
use crate::clock::Timestamp;
use crate::ids::{GrantId, MemberId, RoleId, WorkspaceId};

/// The effective grants of a role, each of a member who is in and not held.
const EFFECTIVE: &str = "SELECT g.id, g.member FROM grants g JOIN causes c \
     ON c.workspace = g.workspace AND c.id = g.cause JOIN members m ON m.workspace = g.workspace \
     AND m.id = g.member WHERE g.workspace = $1 AND g.kind = 'role' AND g.target = $2 \
     AND g.to_at IS NULL AND (c.ended_at IS NULL OR g.hold IS NOT NULL) AND m.status = 'active' \
     AND m.held_at IS NULL";

/// A grant of the role, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Admin {
    /// The grant.
    pub id: GrantId,
    /// Whose it is.
    pub member: MemberId,
}

/// The role `admin` of a workspace, locked against others who take admins away.
pub async fn lock(tx: &mut Tx, workspace: WorkspaceId) -> Result<RoleId> {
    let row: (RoleId,) = tx
        .locked(
            "SELECT id FROM roles WHERE workspace = $1 AND name_key = 'admin'",
            Lock::NoKeyUpdate,
            "roles",
        )
        .bind(workspace)
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// Whether a member is an admin who is in.
pub async fn is_admin(tx: &mut Tx, workspace: WorkspaceId, member: MemberId) -> Result<bool> {
    let found: Option<(GrantId,)> = tx
        .query(
            "SELECT g.id FROM grants g JOIN roles r ON r.workspace = g.workspace \
             AND r.id = g.target JOIN causes c ON c.workspace = g.workspace AND c.id = g.cause \
             JOIN members m ON m.workspace = g.workspace AND m.id = g.member \
             WHERE g.workspace = $1 AND g.member = $2 AND g.kind = 'role' \
             AND r.name_key = 'admin' AND g.to_at IS NULL \
             AND (c.ended_at IS NULL OR g.hold IS NOT NULL) AND m.status = 'active' \
             AND m.held_at IS NULL LIMIT 1",
        )
        .bind(workspace)
        .bind(member)
        .fetch_optional()
        .await?;
    Ok(found.is_some())
}

/// Whether somebody else is an admin who is in.
pub async fn has_other(
    tx: &mut Tx,
    workspace: WorkspaceId,
    role: RoleId,
    member: MemberId,
) -> Result<bool> {
    let sql = format!("{EFFECTIVE} AND g.member <> $3 LIMIT 1");
    let found: Option<Admin> = tx
        .query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(role)
        .bind(member)
        .fetch_optional()
        .await?;
    Ok(found.is_some())
}

/// Grants by which somebody is an admin who is in, so many at most.
pub async fn list(
    tx: &mut Tx,
    workspace: WorkspaceId,
    role: RoleId,
    most: i64,
) -> Result<Vec<Admin>> {
    let sql = format!("{EFFECTIVE} LIMIT $3");
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(role)
        .bind(most)
        .fetch_all()
        .await
}

/// A grant by which somebody was an admin until its cause ended at that instant.
pub async fn find_ended(
    tx: &mut Tx,
    workspace: WorkspaceId,
    role: RoleId,
    ended_at: Timestamp,
) -> Result<Option<Admin>> {
    tx.query(
        "SELECT g.id, g.member FROM grants g JOIN causes c ON c.workspace = g.workspace \
         AND c.id = g.cause JOIN members m ON m.workspace = g.workspace AND m.id = g.member \
         WHERE g.workspace = $1 AND g.kind = 'role' AND g.target = $2 AND g.to_at IS NULL \
         AND c.ended_at = $3 AND m.status = 'active' AND m.held_at IS NULL LIMIT 1",
    )
    .bind(workspace)
    .bind(role)
    .bind(ended_at)
    .fetch_optional()
    .await
}

/// Keeps a grant that would end, for it is the last admin's; false if it is kept already.
pub async fn hold(tx: &mut Tx, workspace: WorkspaceId, grant: GrantId) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE grants SET hold = 'last_admin' WHERE workspace = $1 AND id = $2 \
             AND to_at IS NULL AND hold IS NULL",
        )
        .bind(workspace)
        .bind(grant)
        .execute()
        .await?;
    Ok(rows == 1)
}
