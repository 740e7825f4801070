//! What acts of an admin upon many would come to, in counts.

use uuid::Uuid;

use super::error::Result;
use super::grants::GrantKind;
use super::tx::Tx;
use super::users::Place;
use crate::ids::{MemberId, RoleId, WorkspaceId};

/// A grant that has effect, of a member who is in.
const EFFECTIVE: &str = "grants g CROSS JOIN causes c CROSS JOIN members m \
                         WHERE g.workspace = $1 AND g.to_at IS NULL AND c.workspace = $1 \
                         AND c.id = g.cause AND m.workspace = $1 AND m.id = g.member \
                         AND (c.ended_at IS NULL OR g.hold IS NOT NULL) AND m.status = 'active' \
                         AND m.held_at IS NULL AND m.waiting_at IS NULL";

/// How many members who are in have a team or a role.
pub async fn count_having(
    tx: &mut Tx,
    workspace: WorkspaceId,
    (kind, target): (GrantKind, Uuid),
) -> Result<i64> {
    let sql = format!(
        "SELECT COUNT(DISTINCT g.member) AS total FROM {EFFECTIVE} AND g.kind = $2 \
         AND g.target = $3"
    );
    let row: (i64,) = tx
        .query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(kind)
        .bind(target)
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// How many members who are in have a role and a permission by nothing else.
pub async fn count_by_role_alone(
    tx: &mut Tx,
    workspace: WorkspaceId,
    (role, permission): (RoleId, &str),
) -> Result<i64> {
    let sql = format!(
        "SELECT COUNT(DISTINCT g.member) AS total FROM {EFFECTIVE} AND g.kind = 'role' \
         AND g.target = $2 AND NOT EXISTS (SELECT o.id FROM grants o JOIN causes k \
         ON k.workspace = o.workspace AND k.id = o.cause WHERE o.workspace = $1 \
         AND o.member = g.member AND o.to_at IS NULL \
         AND (k.ended_at IS NULL OR o.hold IS NOT NULL) AND (o.kind = 'permission' \
         AND o.target = (SELECT p.id FROM permissions p WHERE p.workspace = $1 AND p.name = $3) \
         OR o.kind = 'role' AND o.target <> $2 AND EXISTS (SELECT r.role FROM role_permissions r \
         WHERE r.workspace = $1 AND r.role = o.target AND r.permission = $3)))"
    );
    let row: (i64,) = tx
        .query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(role)
        .bind(permission.to_owned())
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// The members of a directory, by whom else has them.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct Linked {
    /// Who it is.
    pub member: MemberId,
    /// Whether it is in.
    pub is_in: bool,
    /// Whether it has left.
    pub is_gone: bool,
    /// Whether no directory takes it away, nor an admin: it is protected.
    pub protected: bool,
    /// How many other Users it is linked to, and how many of these are active.
    pub others: i64,
    pub active: i64,
}

/// The members whom a directory has.
pub async fn list_linked(tx: &mut Tx, place: Place) -> Result<Vec<Linked>> {
    tx.query(
        "SELECT m.id AS member, m.status = 'active' AS is_in, m.status = 'removed' AS is_gone, \
         m.protected, (SELECT COUNT(*) FROM users o WHERE o.workspace = u.workspace \
         AND o.member = u.member AND o.directory <> u.directory) AS others, \
         (SELECT COUNT(*) FROM users o WHERE o.workspace = u.workspace AND o.member = u.member \
         AND o.directory <> u.directory AND o.active) AS active FROM users u CROSS JOIN members m \
         WHERE u.workspace = $1 AND u.directory = $2 AND m.workspace = $1 AND m.id = u.member",
    )
    .bind(place.workspace)
    .bind(place.directory)
    .fetch_all()
    .await
}

/// A right that somebody has.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct Has {
    /// Who has it.
    pub member: MemberId,
    /// What it is.
    pub kind: GrantKind,
    /// The team, role or permission.
    pub target: Uuid,
    /// Whether rules of the directory alone give it.
    pub is_given: bool,
}

/// The rights of members of a directory who are in.
pub async fn list_rights(tx: &mut Tx, place: Place) -> Result<Vec<Has>> {
    let sql = format!(
        "SELECT g.member, g.kind, g.target, MIN(CASE WHEN g.hold IS NULL AND EXISTS \
         (SELECT r.id FROM rules r WHERE r.workspace = $1 AND r.id = c.rule AND r.directory = $2) \
         THEN 1 ELSE 0 END) = 1 AS is_given FROM users u CROSS JOIN {EFFECTIVE} \
         AND u.workspace = $1 AND u.directory = $2 AND u.member = g.member \
         GROUP BY g.member, g.kind, g.target"
    );
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(place.workspace)
        .bind(place.directory)
        .fetch_all()
        .await
}
