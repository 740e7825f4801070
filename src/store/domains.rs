//! Domains that workspaces say are their own. The name alone crosses workspaces: it has one holder.

use super::error::Result;
use super::tx::{Lock, Tx};
use crate::clock::Timestamp;
use crate::ids::{DomainId, WorkspaceId};

/// How a domain was proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema, sqlx::Type)]
#[schemars(rename = "DomainProof")]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Proof {
    /// By a TXT record.
    Dns,
    /// By a file.
    Https,
    /// An operator attested it.
    Operator,
}

/// A domain of a workspace.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema, sqlx::FromRow)]
pub struct Domain {
    /// Its id.
    pub id: DomainId,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// Its name as the DNS has it: A-labels, lower case.
    pub name: String,
    /// The text that proves it, in a TXT record or a file.
    pub challenge: String,
    /// How it was proved.
    pub proof: Option<Proof>,
    /// Since when it is proved; only then is it relied on.
    pub proved_at: Option<Timestamp>,
    /// When it was checked last.
    pub checked_at: Option<Timestamp>,
    /// Since when checks of the proved domain fail.
    pub failing_at: Option<Timestamp>,
    /// Whether a directory's User of the domain links to whom the workspace has.
    pub adoption: bool,
    /// When it was added.
    pub created_at: Timestamp,
}

const COLUMNS: &str = "SELECT id, workspace, name, challenge, proof, proved_at, checked_at, \
                       failing_at, adoption, created_at FROM domains";

/// Adds a domain that is not proved; one that the workspace has is
/// [`super::error::DbError::Duplicate`].
pub async fn insert(tx: &mut Tx, domain: &Domain) -> Result<()> {
    tx.query(
        "INSERT INTO domains (workspace, id, name, challenge, adoption, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(domain.workspace)
    .bind(domain.id)
    .bind(domain.name.clone())
    .bind(domain.challenge.clone())
    .bind(domain.adoption)
    .bind(domain.created_at)
    .execute()
    .await?;
    Ok(())
}

/// The domains of a workspace, oldest first.
pub async fn list(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<Domain>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE workspace = $1 ORDER BY id"
    )))
    .bind(workspace)
    .fetch_all()
    .await
}

/// The domain of that id, locked.
pub async fn lock(tx: &mut Tx, workspace: WorkspaceId, id: DomainId) -> Result<Option<Domain>> {
    let sql = format!("{COLUMNS} WHERE workspace = $1 AND id = $2");
    tx.locked_list(&sql, Lock::Update, "domains")
        .bind(workspace)
        .bind(id)
        .fetch_optional()
        .await
}

/// Whether another workspace holds a domain of that name.
pub async fn is_held(tx: &mut Tx, workspace: WorkspaceId, name: &str) -> Result<bool> {
    let row: (bool,) = tx
        .query(
            "SELECT EXISTS (SELECT id FROM domains WHERE name = $1 AND proved_at IS NOT NULL \
             AND workspace <> $2) AS is_held",
        )
        .bind(name.to_owned())
        .bind(workspace)
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// Writes how a locked domain stands; a name that another workspace holds meanwhile is
/// [`super::error::DbError::Duplicate`].
pub async fn update(tx: &mut Tx, domain: &Domain) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE domains SET proof = $3, proved_at = $4, checked_at = $5, failing_at = $6, \
             adoption = $7 WHERE workspace = $1 AND id = $2",
        )
        .bind(domain.workspace)
        .bind(domain.id)
        .bind(domain.proof)
        .bind(domain.proved_at)
        .bind(domain.checked_at)
        .bind(domain.failing_at)
        .bind(domain.adoption)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Takes a domain away.
pub async fn delete(tx: &mut Tx, workspace: WorkspaceId, id: DomainId) -> Result<bool> {
    let rows = tx
        .query("DELETE FROM domains WHERE workspace = $1 AND id = $2")
        .bind(workspace)
        .bind(id)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// A proved domain of any workspace that was not checked since then; not one that an operator attests.
pub async fn find_due(tx: &mut Tx, since: Timestamp) -> Result<Option<Domain>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE proved_at IS NOT NULL AND proof <> 'operator' AND checked_at < $1 \
         ORDER BY checked_at, id LIMIT 1"
    )))
    .bind(since)
    .fetch_optional()
    .await
}
