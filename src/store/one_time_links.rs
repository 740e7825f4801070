//! Links that open a session once. They cross workspaces: whoever follows one shows a secret and
//! nothing else.

use super::error::Result;
use super::tx::Tx;
use crate::clock::Timestamp;
use crate::ids::{LinkId, MemberId, WorkspaceId};

/// A link as it is made.
#[derive(Debug, Clone)]
pub struct NewLink {
    /// Its id.
    pub id: LinkId,
    /// The hash of its text.
    pub hash: [u8; 32],
    /// Whose session it opens; none for an operator's.
    pub member: Option<(WorkspaceId, MemberId)>,
    /// When it is made.
    pub at: Timestamp,
    /// From when it opens nothing any more.
    pub expires_at: Timestamp,
}

/// A link that would open something now.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Link {
    /// Its id.
    pub id: LinkId,
    /// The workspace, and the member in it; none for an operator's.
    pub workspace: Option<WorkspaceId>,
    /// The member.
    pub member: Option<MemberId>,
    /// The workspace's name for people.
    pub workspace_name: Option<String>,
}

/// What must hold for a link to open something: unspent, in time, and every epoch as it was.
const OPENS: &str = "l.hash = $1 AND l.spent_at IS NULL AND l.expires_at > $2 \
     AND l.deployment_epoch = d.access_epoch AND (l.workspace IS NULL \
     OR (w.status = 'active' AND w.deleted_at IS NULL AND l.workspace_epoch = w.access_epoch \
     AND m.status = 'active' AND l.member_epoch = m.access_epoch \
     AND NOT EXISTS (SELECT p.workspace FROM sign_in_policies p WHERE p.workspace = l.workspace \
     AND p.sso_enforced)))";

/// Keeps a link that hangs on the epochs of now; false if its member is not there.
pub async fn insert(tx: &mut Tx, link: &NewLink) -> Result<bool> {
    let query = match link.member {
        Some((workspace, member)) => tx
            .query(
                "INSERT INTO one_time_links (id, hash, workspace, member, workspace_epoch, \
                 member_epoch, deployment_epoch, created_at, expires_at) \
                 SELECT $1, $2, m.workspace, m.id, w.access_epoch, m.access_epoch, d.access_epoch, \
                 $3, $4 FROM members m JOIN workspaces w ON w.id = m.workspace \
                 JOIN deployment d ON d.id = 1 WHERE m.workspace = $5 AND m.id = $6 \
                 AND m.status = 'active'",
            )
            .bind(link.id)
            .bind(link.hash.to_vec())
            .bind(link.at)
            .bind(link.expires_at)
            .bind(workspace)
            .bind(member),
        None => tx
            .query(
                "INSERT INTO one_time_links (id, hash, deployment_epoch, created_at, expires_at) \
                 SELECT $1, $2, d.access_epoch, $3, $4 FROM deployment d WHERE d.id = 1",
            )
            .bind(link.id)
            .bind(link.hash.to_vec())
            .bind(link.at)
            .bind(link.expires_at),
    };
    Ok(query.execute().await? == 1)
}

/// The link of that hash, if it would open something now.
pub async fn find(tx: &mut Tx, hash: &[u8; 32], now: Timestamp) -> Result<Option<Link>> {
    let sql = format!(
        "SELECT l.id, l.workspace, l.member, w.name AS workspace_name FROM one_time_links l \
         JOIN deployment d ON d.id = 1 LEFT JOIN workspaces w ON w.id = l.workspace \
         LEFT JOIN members m ON m.workspace = l.workspace AND m.id = l.member WHERE {OPENS}"
    );
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(hash.to_vec())
        .bind(now)
        .fetch_optional()
        .await
}

/// Spends the link of that hash; false if it opens nothing, or another has just spent it.
pub async fn spend(tx: &mut Tx, id: LinkId, now: Timestamp) -> Result<bool> {
    let rows = tx
        .query("UPDATE one_time_links SET spent_at = $2 WHERE id = $1 AND spent_at IS NULL")
        .bind(id)
        .bind(now)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Ends the links of a member that were not followed.
pub async fn delete_of_member(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
) -> Result<u64> {
    tx.query("DELETE FROM one_time_links WHERE workspace = $1 AND member = $2")
        .bind(workspace)
        .bind(member)
        .execute()
        .await
}

/// Forgets up to so many links whose time was over before an instant.
pub async fn delete_old(tx: &mut Tx, before: Timestamp, most: i64) -> Result<u64> {
    tx.query(
        "DELETE FROM one_time_links WHERE id IN (SELECT id FROM one_time_links \
         WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
    )
    .bind(before)
    .bind(most)
    .execute()
    .await
}
