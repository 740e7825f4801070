//! Teams.

use uuid::Uuid;

use super::error::Result;
use super::tx::{Lock, Tx};
use super::workspaces::Named;
use crate::clock::Timestamp;
use crate::ids::{TeamId, WorkspaceId};

/// A team.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema, sqlx::FromRow)]
pub struct Team {
    /// Its id.
    pub id: TeamId,
    /// Its name.
    pub name: String,
    /// Whether the app works with it.
    pub enabled: bool,
    /// When it was put away; it takes no members any more.
    pub archived_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Counts its changes.
    pub version: i64,
}

const COLUMNS: &str =
    "SELECT id, name, enabled, archived_at, created_at, version FROM teams WHERE workspace = $1";

/// The teams of a workspace, oldest first.
pub async fn list(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<Team>> {
    tx.query(sqlx::AssertSqlSafe(format!("{COLUMNS} ORDER BY id")))
        .bind(workspace)
        .fetch_all()
        .await
}

/// The team of that id.
pub async fn find_full(tx: &mut Tx, workspace: WorkspaceId, id: TeamId) -> Result<Option<Team>> {
    tx.query(sqlx::AssertSqlSafe(format!("{COLUMNS} AND id = $2")))
        .bind(workspace)
        .bind(id)
        .fetch_optional()
        .await
}

/// A team, locked.
pub async fn lock(tx: &mut Tx, workspace: WorkspaceId, id: TeamId) -> Result<Option<Team>> {
    let sql = format!("{COLUMNS} AND id = $2");
    tx.locked_list(&sql, Lock::NoKeyUpdate, "teams")
        .bind(workspace)
        .bind(id)
        .fetch_optional()
        .await
}

/// The team of that id, unless it is put away.
pub async fn find_live(tx: &mut Tx, workspace: WorkspaceId, id: TeamId) -> Result<Option<Named>> {
    tx.query("SELECT id, name FROM teams WHERE workspace = $1 AND id = $2 AND archived_at IS NULL")
        .bind(workspace)
        .bind(id)
        .fetch_optional()
        .await
}

/// The id of a team, by its id or its folded name, even of one that is put away.
pub async fn find(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: Option<Uuid>,
    key: &str,
) -> Result<Option<Uuid>> {
    let row: Option<(Uuid,)> = match id {
        Some(id) => {
            tx.query("SELECT id FROM teams WHERE workspace = $1 AND id = $2")
                .bind(workspace)
                .bind(id)
                .fetch_optional()
                .await?
        }
        None => {
            tx.query("SELECT id FROM teams WHERE workspace = $1 AND name_key = $2")
                .bind(workspace)
                .bind(key.to_owned())
                .fetch_optional()
                .await?
        }
    };
    Ok(row.map(|row| row.0))
}

/// Writes a locked team and raises its version; a taken name is
/// [`super::error::DbError::Duplicate`].
pub async fn update(tx: &mut Tx, workspace: WorkspaceId, team: &Team, key: &str) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE teams SET name = $3, name_key = $4, enabled = $5, archived_at = $6, \
             version = version + 1 WHERE workspace = $1 AND id = $2",
        )
        .bind(workspace)
        .bind(team.id)
        .bind(team.name.clone())
        .bind(key.to_owned())
        .bind(team.enabled)
        .bind(team.archived_at)
        .execute()
        .await?;
    Ok(rows == 1)
}
