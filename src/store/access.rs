//! What decides who has access in which teams.

use super::error::Result;
use super::tx::Tx;
use super::workspaces::Named;
use crate::ids::{RoleId, WorkspaceId};

/// Whether admins have access in every enabled team, and which role makes one.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct Setting {
    /// Whether they have, or in those teams alone that they are in.
    pub admins_in_all_teams: bool,
    /// The role `admin`.
    pub admin: RoleId,
}

/// The setting of a workspace.
pub async fn find(tx: &mut Tx, workspace: WorkspaceId) -> Result<Setting> {
    tx.query(
        "SELECT w.admins_in_all_teams, r.id AS admin FROM workspaces w JOIN roles r \
         ON r.workspace = w.id AND r.name_key = 'admin' WHERE w.id = $1",
    )
    .bind(workspace)
    .fetch_one()
    .await
}

/// Writes the setting of a locked workspace; false if it is so already.
pub async fn update(tx: &mut Tx, workspace: WorkspaceId, in_all_teams: bool) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE workspaces SET admins_in_all_teams = $2 WHERE id = $1 \
             AND admins_in_all_teams <> $2",
        )
        .bind(workspace)
        .bind(in_all_teams)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// The teams in which somebody can have access: enabled, and not put away.
pub async fn list_open(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<Named>> {
    tx.query(
        "SELECT id, name FROM teams WHERE workspace = $1 AND enabled = $2 \
         AND archived_at IS NULL",
    )
    .bind(workspace)
    .bind(true)
    .fetch_all()
    .await
}
