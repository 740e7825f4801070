//! Who is an admin: a member who is in and has the role `admin`. The lock of that role keeps apart
//! whatever takes admins away.

use super::error::Result;
use super::tx::{Lock, Tx};
use crate::clock::Timestamp;
use crate::ids::{GrantId, MemberId, RoleId, WorkspaceId};

/// The grants of a role that have effect once their members are in. One is certain that no rule ends,
/// or that is kept already.
const ACTIVE: &str = "SELECT g.id, g.member, (c.kind <> 'rule' OR m.protected \
     OR COALESCE(g.hold, '') = 'last_admin') AS is_certain FROM grants g JOIN causes c \
     ON c.workspace = g.workspace AND c.id = g.cause JOIN members m ON m.workspace = g.workspace \
     AND m.id = g.member WHERE g.workspace = $1 AND g.kind = 'role' AND g.target = $2 \
     AND g.to_at IS NULL AND (c.ended_at IS NULL OR g.hold IS NOT NULL) AND m.status = 'active'";
/// Whose members have their rights now.
const UNHELD: &str = "m.held_at IS NULL AND m.waiting_at IS NULL";
/// Who has been an admin longest comes first; among equals, who was there first.
const LONGEST_FIRST: &str = "ORDER BY g.from_at, g.member, g.id";

/// A grant of the role, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Admin {
    /// The grant.
    pub id: GrantId,
    /// Whose it is.
    pub member: MemberId,
    /// Whether it stays whatever rules say: it is of another cause, of a protected member, or kept
    /// already.
    pub is_certain: bool,
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

/// The role `admin` of a workspace.
pub async fn find_role(tx: &mut Tx, workspace: WorkspaceId) -> Result<RoleId> {
    let row: (RoleId,) = tx
        .query("SELECT id FROM roles WHERE workspace = $1 AND name_key = 'admin'")
        .bind(workspace)
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// Whether a member is an admin; if so, whether it has no rights for the moment, held or waiting.
pub async fn find_admin(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
) -> Result<Option<bool>> {
    let found: Option<(bool,)> = tx
        .query(
            "SELECT m.held_at IS NOT NULL OR m.waiting_at IS NOT NULL AS is_held \
             FROM grants g JOIN roles r ON r.workspace = g.workspace \
             AND r.id = g.target JOIN causes c ON c.workspace = g.workspace AND c.id = g.cause \
             JOIN members m ON m.workspace = g.workspace AND m.id = g.member \
             WHERE g.workspace = $1 AND g.member = $2 AND g.kind = 'role' \
             AND r.name_key = 'admin' AND g.to_at IS NULL \
             AND (c.ended_at IS NULL OR g.hold IS NOT NULL) AND m.status = 'active' LIMIT 1",
        )
        .bind(workspace)
        .bind(member)
        .fetch_optional()
        .await?;
    Ok(found.map(|row| row.0))
}

/// Whether somebody else is an admin who is in, or one who has no rights for the moment if those
/// count.
pub async fn has_other(
    tx: &mut Tx,
    workspace: WorkspaceId,
    role: RoleId,
    member: MemberId,
    with_held: bool,
) -> Result<bool> {
    let sql = if with_held {
        format!("{ACTIVE} AND g.member <> $3 LIMIT 1")
    } else {
        format!("{ACTIVE} AND {UNHELD} AND g.member <> $3 LIMIT 1")
    };
    let found: Option<Admin> = tx
        .query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(role)
        .bind(member)
        .fetch_optional()
        .await?;
    Ok(found.is_some())
}

/// Members who are kept as admins, because there was no other or they are protected.
pub async fn list_kept(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<MemberId>> {
    let rows: Vec<(MemberId,)> = tx
        .query(
            "SELECT DISTINCT member FROM grants WHERE workspace = $1 AND hold = 'last_admin' \
             AND to_at IS NULL",
        )
        .bind(workspace)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Lets go of what is kept of members who are not protected, and asks for them to be settled.
pub async fn let_go(tx: &mut Tx, workspace: WorkspaceId) -> Result<()> {
    let kept = "SELECT g.member FROM grants g WHERE g.workspace = $1 AND g.hold = 'last_admin' \
                AND g.to_at IS NULL";
    let unsettle = format!(
        "UPDATE members SET rules_version = 0 WHERE workspace = $1 AND protected = $2 \
         AND id IN ({kept})"
    );
    tx.query(sqlx::AssertSqlSafe(unsettle))
        .bind(workspace)
        .bind(false)
        .execute()
        .await?;
    tx.query(
        "UPDATE grants SET hold = NULL WHERE workspace = $1 AND hold = 'last_admin' AND to_at IS NULL \
         AND EXISTS (SELECT m.id FROM members m WHERE m.workspace = $1 AND m.id = grants.member \
         AND m.protected = $2)",
    )
    .bind(workspace)
    .bind(false)
    .execute()
    .await?;
    tx.query("UPDATE workspaces SET rules_swept = rules_floor - 1 WHERE id = $1")
        .bind(workspace)
        .execute()
        .await?;
    Ok(())
}

/// Keeps the grants of protected members whose causes ended at that instant.
pub async fn hold_protected(
    tx: &mut Tx,
    workspace: WorkspaceId,
    role: RoleId,
    ended_at: Timestamp,
) -> Result<u64> {
    tx.query(
        "UPDATE grants SET hold = 'last_admin' WHERE workspace = $1 AND kind = 'role' \
         AND target = $2 AND to_at IS NULL AND hold IS NULL AND EXISTS (SELECT c.id \
         FROM causes c WHERE c.workspace = $1 AND c.id = grants.cause AND c.ended_at = $3) \
         AND EXISTS (SELECT m.id FROM members m WHERE m.workspace = $1 AND m.id = grants.member \
         AND m.protected = $4)",
    )
    .bind(workspace)
    .bind(role)
    .bind(ended_at)
    .bind(true)
    .execute()
    .await
}

/// Grants by which somebody is an admin who is in, so many at most; or, if those count, one who has no
/// rights for the moment. The grants that began first come first.
pub async fn list(
    tx: &mut Tx,
    workspace: WorkspaceId,
    role: RoleId,
    most: i64,
    with_held: bool,
) -> Result<Vec<Admin>> {
    let sql = if with_held {
        format!("{ACTIVE} {LONGEST_FIRST} LIMIT $3")
    } else {
        format!("{ACTIVE} AND {UNHELD} {LONGEST_FIRST} LIMIT $3")
    };
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(role)
        .bind(most)
        .fetch_all()
        .await
}

/// Whether somebody is an admin who is in, and stays one without being kept or is protected. Whom a run
/// or the sweeper has yet to come to may be about to lose what rules gave.
pub async fn has_lasting(tx: &mut Tx, workspace: WorkspaceId, role: RoleId) -> Result<bool> {
    let sql = format!(
        "{ACTIVE} AND {UNHELD} AND (m.protected OR (g.hold IS NULL AND c.ended_at IS NULL \
         AND (c.kind <> 'rule' OR m.rules_version >= (SELECT w.rules_floor FROM workspaces w \
         WHERE w.id = $1)))) LIMIT 1"
    );
    let found: Option<Admin> = tx
        .query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(role)
        .fetch_optional()
        .await?;
    Ok(found.is_some())
}

/// Of the grants by which somebody was an admin until their cause ended at that instant, the one that
/// began first.
pub async fn find_ended(
    tx: &mut Tx,
    workspace: WorkspaceId,
    role: RoleId,
    ended_at: Timestamp,
    with_held: bool,
) -> Result<Option<Admin>> {
    let ended = "SELECT g.id, g.member, m.protected AS is_certain FROM grants g \
                 JOIN causes c ON c.workspace = g.workspace AND c.id = g.cause JOIN members m ON m.workspace = g.workspace \
                 AND m.id = g.member WHERE g.workspace = $1 AND g.kind = 'role' \
                 AND g.target = $2 AND g.to_at IS NULL AND c.ended_at = $3 \
                 AND m.status = 'active'";
    let sql = if with_held {
        format!("{ended} {LONGEST_FIRST} LIMIT 1")
    } else {
        format!("{ended} AND {UNHELD} {LONGEST_FIRST} LIMIT 1")
    };
    tx.query(sqlx::AssertSqlSafe(sql))
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
