//! Causes that are no rule: single acts of somebody.

use super::error::Result;
use super::tx::Tx;
use crate::clock::Timestamp;
use crate::ids::{CauseId, WorkspaceId};

/// What kind of act gave something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum CauseKind {
    /// An admin's, or an operator's at the command line.
    Admin,
    /// That of an API key.
    ApiKey,
    /// An import.
    Import,
}

/// Makes a cause.
pub async fn insert(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: CauseId,
    kind: CauseKind,
    actor: &str,
    at: Timestamp,
) -> Result<()> {
    tx.query(
        "INSERT INTO causes (workspace, id, kind, actor, created_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(workspace)
    .bind(id)
    .bind(kind)
    .bind(actor.to_owned())
    .bind(at)
    .execute()
    .await?;
    Ok(())
}
