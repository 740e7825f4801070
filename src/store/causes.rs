//! Causes: single acts of somebody, and rules.

use super::error::Result;
use super::tx::Tx;
use super::values::{self, MOST, pad};
use crate::clock::Timestamp;
use crate::ids::{CauseId, MemberId, RuleId, WorkspaceId};

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

/// Makes the cause by which somebody keeps what another cause gave.
pub async fn insert_keeping(
    tx: &mut Tx,
    workspace: WorkspaceId,
    (id, keeps): (CauseId, CauseId),
    kind: CauseKind,
    actor: &str,
    at: Timestamp,
) -> Result<()> {
    tx.query(
        "INSERT INTO causes (workspace, id, kind, actor, created_at, keeps) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(workspace)
    .bind(id)
    .bind(kind)
    .bind(actor.to_owned())
    .bind(at)
    .bind(keeps)
    .execute()
    .await?;
    Ok(())
}

/// What gave something.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Cause {
    /// Its id.
    pub id: CauseId,
    /// `rule`, `admin`, `api_key` or `import`.
    pub kind: String,
    /// The rule, where it is one.
    pub rule: Option<RuleId>,
    /// Who it was, where it is none.
    pub actor: Option<String>,
}

/// The causes of those ids, ended ones included.
pub async fn list(tx: &mut Tx, workspace: WorkspaceId, ids: &[CauseId]) -> Result<Vec<Cause>> {
    let mut causes = Vec::with_capacity(ids.len());
    for ids in ids.chunks(MOST) {
        let sql = format!(
            "SELECT id, kind, rule, actor FROM causes WHERE workspace = $1 AND id IN ({})",
            values::list(2, ids.len())
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace);
        for id in pad(ids) {
            query = query.bind(id);
        }
        causes.extend(query.fetch_all::<Cause>().await?);
    }
    Ok(causes)
}

/// A role or permission that somebody gave by hand.
#[derive(Debug, Clone, serde::Serialize, sqlx::FromRow)]
pub struct ByHand {
    /// The workspace's slug.
    pub workspace: String,
    /// Who has it.
    pub member: MemberId,
    /// The member's address or the name it signs in with.
    pub shown: Option<String>,
    /// `role` or `permission`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// Roles and permissions that members of a workspace have by hand, who are not out: up to so many.
pub async fn list_by_hand(tx: &mut Tx, workspace: WorkspaceId, most: i64) -> Result<Vec<ByHand>> {
    tx.query(
        "SELECT w.slug AS workspace, g.member, COALESCE(m.email, m.user_name) AS shown, g.kind, \
         COALESCE(r.name, p.name) AS name FROM causes c \
         JOIN grants g ON g.workspace = c.workspace AND g.cause = c.id AND g.to_at IS NULL \
         JOIN workspaces w ON w.id = g.workspace \
         JOIN members m ON m.workspace = g.workspace AND m.id = g.member \
         LEFT JOIN roles r ON r.workspace = g.workspace AND r.id = g.target \
         LEFT JOIN permissions p ON p.workspace = g.workspace AND p.id = g.target \
         WHERE c.workspace = $1 AND c.kind <> 'rule' AND g.kind IN ('role', 'permission') \
         AND COALESCE(r.name, p.name) IS NOT NULL ORDER BY g.member, g.kind, name LIMIT $2",
    )
    .bind(workspace)
    .bind(most)
    .fetch_all()
    .await
}
