//! What was done to the operators' keys.

use uuid::Uuid;

use super::error::Result;
use super::tx::Tx;
use crate::clock::Timestamp;
use crate::ids::{ApiKeyId, RequestId};

/// One act.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema, sqlx::FromRow)]
pub struct OperatorAct {
    /// Its id, which ascends with time.
    pub id: Uuid,
    /// What was done, as changes call it.
    pub kind: String,
    /// The key.
    pub key: ApiKeyId,
    /// JSON without the key's text.
    pub detail: String,
    /// The request.
    pub request: RequestId,
    /// Who did it: `cli`, or an operator with the id of the key.
    pub actor: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Keeps an act; nothing takes one away.
pub async fn insert(tx: &mut Tx, act: OperatorAct) -> Result<()> {
    tx.query(
        "INSERT INTO operator_acts (id, kind, key, detail, request, actor, at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(act.id)
    .bind(act.kind)
    .bind(act.key)
    .bind(act.detail)
    .bind(act.request)
    .bind(act.actor)
    .bind(act.at)
    .execute()
    .await?;
    Ok(())
}

/// The latest so many acts, the newest first.
pub async fn list(tx: &mut Tx, most: i64) -> Result<Vec<OperatorAct>> {
    tx.query(
        "SELECT id, kind, key, detail, request, actor, at FROM operator_acts \
         ORDER BY id DESC LIMIT $1",
    )
    .bind(most)
    .fetch_all()
    .await
}
