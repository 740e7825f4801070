//! SCIM resources of types that a workspace registered.

use super::error::Result;
use super::tx::{Lock, Tx};
use super::users::Place;
use crate::clock::Timestamp;
use crate::ids::{ResourceId, WorkspaceId};

/// A resource: its document and the keys by which it is found.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Resource {
    /// Its id.
    pub id: ResourceId,
    /// The sender's own id for it.
    pub external_id: Option<String>,
    /// The resource without server parts, as JSON text.
    pub document: String,
    /// Counts its written versions.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was written last.
    pub updated_at: Timestamp,
}

pub(super) const COLUMNS: &str = "SELECT u.id, u.external_id, u.document, u.version, \
     u.created_at, u.updated_at FROM resources u";

/// Makes a resource.
pub async fn insert(tx: &mut Tx, place: Place, kind: &str, resource: &Resource) -> Result<()> {
    tx.query(
        "INSERT INTO resources (workspace, directory, kind, id, external_id, document, version, \
         created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(place.workspace)
    .bind(place.directory)
    .bind(kind.to_owned())
    .bind(resource.id)
    .bind(resource.external_id.clone())
    .bind(resource.document.clone())
    .bind(resource.version)
    .bind(resource.created_at)
    .bind(resource.updated_at)
    .execute()
    .await?;
    Ok(())
}

/// Writes a locked resource anew.
pub async fn update(tx: &mut Tx, place: Place, kind: &str, resource: &Resource) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE resources SET external_id = $5, document = $6, version = $7, updated_at = $8 \
             WHERE workspace = $1 AND directory = $2 AND kind = $3 AND id = $4",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(kind.to_owned())
        .bind(resource.id)
        .bind(resource.external_id.clone())
        .bind(resource.document.clone())
        .bind(resource.version)
        .bind(resource.updated_at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Takes a resource away.
pub async fn delete(tx: &mut Tx, place: Place, kind: &str, id: ResourceId) -> Result<bool> {
    let rows = tx
        .query(
            "DELETE FROM resources WHERE workspace = $1 AND directory = $2 AND kind = $3 \
             AND id = $4",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(kind.to_owned())
        .bind(id)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// The resource of that id.
pub async fn find(
    tx: &mut Tx,
    place: Place,
    kind: &str,
    id: ResourceId,
) -> Result<Option<Resource>> {
    let sql = format!(
        "{COLUMNS} WHERE u.workspace = $1 AND u.directory = $2 AND u.kind = $3 AND u.id = $4"
    );
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(place.workspace)
        .bind(place.directory)
        .bind(kind.to_owned())
        .bind(id)
        .fetch_optional()
        .await
}

/// The resource of that id, locked.
pub async fn lock(
    tx: &mut Tx,
    place: Place,
    kind: &str,
    id: ResourceId,
) -> Result<Option<Resource>> {
    let sql = format!(
        "{COLUMNS} WHERE u.workspace = $1 AND u.directory = $2 AND u.kind = $3 AND u.id = $4"
    );
    tx.locked_list(&sql, Lock::Update, "u")
        .bind(place.workspace)
        .bind(place.directory)
        .bind(kind.to_owned())
        .bind(id)
        .fetch_optional()
        .await
}

/// Whether a workspace has any resource of a type, in whatever directory.
pub async fn is_any(tx: &mut Tx, workspace: WorkspaceId, kind: &str) -> Result<bool> {
    let found: Option<(ResourceId,)> = tx
        .query(
            "SELECT u.id FROM directories d JOIN resources u ON u.workspace = d.workspace \
             AND u.directory = d.id WHERE d.workspace = $1 AND u.kind = $2 LIMIT 1",
        )
        .bind(workspace)
        .bind(kind.to_owned())
        .fetch_optional()
        .await?;
    Ok(found.is_some())
}
