//! Directories as admins open them, in the place of a credential.

use uuid::Uuid;

use super::directories::{Authenticated, Directory};
use super::error::Result;
use super::tx::Tx;
use crate::ids::{CredentialId, DirectoryId, WorkspaceId};

/// A directory, and its workspace's schemas.
#[derive(sqlx::FromRow)]
struct OpenedRow {
    schemas_tag: Option<Uuid>,
    #[sqlx(flatten)]
    directory: Directory,
}

/// A directory as somebody would find it whose credential opens all of it; none that is switched off, or
/// in a workspace that is shut.
pub async fn find(
    tx: &mut Tx,
    (workspace, directory): (WorkspaceId, DirectoryId),
    credential: CredentialId,
) -> Result<Option<Authenticated>> {
    let row: Option<OpenedRow> = tx
        .query(
            "SELECT w.schemas_tag, d.id, d.workspace, d.name, d.kind, d.mode, d.strict, \
             d.restore_inactive, d.created_at, d.ended_at FROM directories d \
             JOIN workspaces w ON w.id = d.workspace \
             WHERE d.workspace = $1 AND d.id = $2 AND d.ended_at IS NULL \
             AND w.status = 'active'",
        )
        .bind(workspace)
        .bind(directory)
        .fetch_optional()
        .await?;
    Ok(row.map(|row| Authenticated {
        credential,
        expires_at: None,
        last_used_at: None,
        read_only: false,
        only_endpoint: None,
        hash: Vec::new(),
        schemas_tag: row.schemas_tag,
        directory: row.directory,
    }))
}
