//! Roles with their permissions, and permissions that are granted singly.

use uuid::Uuid;

use super::error::Result;
use super::tx::{Lock, Tx};
use super::workspaces::{Named, Role};
use crate::ids::{RoleId, WorkspaceId};

/// A permission of a role.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct RolePermission {
    /// The role.
    pub role: RoleId,
    /// The permission.
    pub permission: String,
}

/// A role, locked against changes of its permissions.
pub async fn lock(tx: &mut Tx, workspace: WorkspaceId, id: RoleId) -> Result<Option<Role>> {
    tx.locked(
        "SELECT id, name, name_key, built_in, created_at, version FROM roles \
         WHERE workspace = $1 AND id = $2",
        Lock::Update,
        "roles",
    )
    .bind(workspace)
    .bind(id)
    .fetch_optional()
    .await
}

/// The role of that id, which stays until the transaction ends.
pub async fn keep(tx: &mut Tx, workspace: WorkspaceId, id: RoleId) -> Result<Option<Named>> {
    tx.locked(
        "SELECT id, name FROM roles WHERE workspace = $1 AND id = $2",
        Lock::KeyShare,
        "roles",
    )
    .bind(workspace)
    .bind(id)
    .fetch_optional()
    .await
}

/// The role of that id.
pub async fn find(tx: &mut Tx, workspace: WorkspaceId, id: RoleId) -> Result<Option<Named>> {
    tx.query("SELECT id, name FROM roles WHERE workspace = $1 AND id = $2")
        .bind(workspace)
        .bind(id)
        .fetch_optional()
        .await
}

/// The id by which grants point at a permission, if it was ever noted.
pub async fn find_noted(tx: &mut Tx, workspace: WorkspaceId, name: &str) -> Result<Option<Uuid>> {
    let row: Option<(Uuid,)> = tx
        .query("SELECT id FROM permissions WHERE workspace = $1 AND name = $2")
        .bind(workspace)
        .bind(name.to_owned())
        .fetch_optional()
        .await?;
    Ok(row.map(|row| row.0))
}

/// The permissions of all roles of a workspace.
pub async fn list_permissions(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<RolePermission>> {
    tx.query(
        "SELECT role, permission FROM role_permissions WHERE workspace = $1 \
         ORDER BY role, permission",
    )
    .bind(workspace)
    .fetch_all()
    .await
}

/// Renames a locked role and raises its version; a taken name is
/// [`super::error::DbError::Duplicate`].
pub async fn update(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: RoleId,
    (name, key): (&str, &str),
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE roles SET name = $3, name_key = $4, version = version + 1 \
             WHERE workspace = $1 AND id = $2",
        )
        .bind(workspace)
        .bind(id)
        .bind(name.to_owned())
        .bind(key.to_owned())
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Takes all permissions of a locked role away.
pub async fn delete_permissions(tx: &mut Tx, workspace: WorkspaceId, id: RoleId) -> Result<u64> {
    tx.query("DELETE FROM role_permissions WHERE workspace = $1 AND role = $2")
        .bind(workspace)
        .bind(id)
        .execute()
        .await
}

/// Whether somebody has the role or a rule gives it.
pub async fn is_used(tx: &mut Tx, workspace: WorkspaceId, id: RoleId) -> Result<bool> {
    let row: (i64,) = tx
        .query(
            "SELECT (SELECT COUNT(*) FROM rule_grants r WHERE r.workspace = $1 \
             AND r.kind = 'role' AND r.target = $2) + CASE WHEN EXISTS (SELECT g.id FROM grants g \
             WHERE g.workspace = $1 AND g.kind = 'role' AND g.target = $2 AND g.to_at IS NULL) \
             OR EXISTS (SELECT g.id FROM grants g WHERE g.workspace = $1 AND g.target = $2 \
             AND g.awaiting IS NOT NULL) THEN 1 ELSE 0 END",
        )
        .bind(workspace)
        .bind(id)
        .fetch_one()
        .await?;
    Ok(row.0 > 0)
}

/// Deletes a locked role that nobody uses and whose permissions are gone.
pub async fn delete(tx: &mut Tx, workspace: WorkspaceId, id: RoleId) -> Result<bool> {
    let rows = tx
        .query("DELETE FROM roles WHERE workspace = $1 AND id = $2")
        .bind(workspace)
        .bind(id)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Notes a permission that is granted singly, unless it is noted already.
pub async fn insert_permission(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: Uuid,
    name: &str,
) -> Result<()> {
    tx.query(
        "INSERT INTO permissions (workspace, id, name) VALUES ($1, $2, $3) \
         ON CONFLICT (workspace, name) DO NOTHING",
    )
    .bind(workspace)
    .bind(id)
    .bind(name.to_owned())
    .execute()
    .await?;
    Ok(())
}

/// The id by which grants point at a noted permission.
pub async fn find_permission(tx: &mut Tx, workspace: WorkspaceId, name: &str) -> Result<Uuid> {
    let row: (Uuid,) = tx
        .query("SELECT id FROM permissions WHERE workspace = $1 AND name = $2")
        .bind(workspace)
        .bind(name.to_owned())
        .fetch_one()
        .await?;
    Ok(row.0)
}
