//! Schemas and resource types that a workspace registered.

use uuid::Uuid;

use super::error::Result;
use super::tx::Tx;
use crate::clock::Timestamp;
use crate::ids::WorkspaceId;

/// A registered document.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Registered {
    /// The id of a schema or the name of a resource type, in lower case.
    pub key: String,
    /// `schema` or `resource_type`.
    pub kind: String,
    /// Its canonical text.
    pub document: String,
    /// When it was registered first.
    pub created_at: Timestamp,
    /// When it was last registered.
    pub updated_at: Timestamp,
}

/// What a workspace registered, in the order of keys.
pub async fn list(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<Registered>> {
    tx.query(
        "SELECT key, kind, document, created_at, updated_at FROM schemas \
         WHERE workspace = $1 ORDER BY key",
    )
    .bind(workspace)
    .fetch_all()
    .await
}

/// The workspaces that registered something, and their slugs.
pub async fn list_workspaces(tx: &mut Tx) -> Result<Vec<(WorkspaceId, String)>> {
    tx.query("SELECT id, slug FROM workspaces WHERE schemas_tag IS NOT NULL ORDER BY slug")
        .fetch_all()
        .await
}

/// Registers a document, in the place of one with the same key.
pub async fn upsert(tx: &mut Tx, workspace: WorkspaceId, document: &Registered) -> Result<()> {
    tx.query(
        "INSERT INTO schemas (workspace, key, kind, document, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (workspace, key) DO UPDATE SET \
         kind = excluded.kind, document = excluded.document, updated_at = excluded.updated_at",
    )
    .bind(workspace)
    .bind(document.key.clone())
    .bind(document.kind.clone())
    .bind(document.document.clone())
    .bind(document.created_at)
    .bind(document.updated_at)
    .execute()
    .await?;
    Ok(())
}

/// Takes a document away.
pub async fn delete(tx: &mut Tx, workspace: WorkspaceId, key: &str) -> Result<bool> {
    let rows = tx
        .query("DELETE FROM schemas WHERE workspace = $1 AND key = $2")
        .bind(workspace)
        .bind(key.to_owned())
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Names the new set of documents.
pub async fn update_tag(tx: &mut Tx, workspace: WorkspaceId, tag: Option<Uuid>) -> Result<bool> {
    let rows = tx
        .query("UPDATE workspaces SET schemas_tag = $2 WHERE id = $1")
        .bind(workspace)
        .bind(tag)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// The name of the present set of documents.
pub async fn find_tag(tx: &mut Tx, workspace: WorkspaceId) -> Result<Option<Uuid>> {
    let row: (Option<Uuid>,) = tx
        .query("SELECT schemas_tag FROM workspaces WHERE id = $1")
        .bind(workspace)
        .fetch_one()
        .await?;
    Ok(row.0)
}
