//! The roles of a workspace.

use crate::app::App;
use crate::error::Result;
use crate::ids::WorkspaceId;
use crate::store::workspaces as rows;

pub use crate::store::workspaces::Role;

/// The roles of a workspace, oldest first.
pub async fn list(app: &App, workspace: WorkspaceId) -> Result<Vec<Role>> {
    let mut tx = app.db.one().await?;
    Ok(rows::list_roles(&mut tx, workspace).await?)
}
