//! Who has a right, and what brought it.

use uuid::Uuid;

use super::error::Result;
use super::grants::{Explained, GrantKind};
use super::tx::Tx;
use super::values::{MOST, list as placeholders, pad};
use crate::ids::{MemberId, WorkspaceId};

/// A grant of one of several members.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Held {
    /// Who has it.
    pub member: MemberId,
    /// The grant, with its cause and the request that brought it.
    #[sqlx(flatten)]
    pub explained: Explained,
}

/// Members who have one of these rights by a grant that has not ended, after one in id order.
pub async fn list(
    tx: &mut Tx,
    workspace: WorkspaceId,
    rights: &[(GrantKind, Uuid)],
    after: Option<MemberId>,
    most: i64,
) -> Result<Vec<MemberId>> {
    let mut members: Vec<MemberId> = Vec::new();
    for (kind, target) in rights {
        let rows: Vec<(MemberId,)> = tx
            .query(
                "SELECT DISTINCT g.member FROM grants g WHERE g.workspace = $1 AND g.kind = $2 \
                 AND g.target = $3 AND g.to_at IS NULL AND g.member > $4 ORDER BY g.member \
                 LIMIT $5",
            )
            .bind(workspace)
            .bind(*kind)
            .bind(*target)
            .bind(after.map_or(Uuid::nil(), |id| id.0))
            .bind(most)
            .fetch_all()
            .await?;
        members.extend(rows.into_iter().map(|row| row.0));
    }
    members.sort_unstable();
    members.dedup();
    members.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    Ok(members)
}

/// All grants of members that have not ended, with what brought them.
pub async fn list_explained(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
) -> Result<Vec<Held>> {
    let mut held = Vec::new();
    for members in members.chunks(MOST) {
        let sql = format!(
            "SELECT g.member, g.id, g.kind, g.target, g.from_at, c.kind AS cause_kind, \
             c.ended_at AS cause_ended_at, g.hold IS NOT NULL AS is_kept, \
             COALESCE(g.hold, '') = 'brake' AS is_braked, t.archived_at IS NOT NULL AS is_away, \
             c.rule, c.rule_version, k.rule AS kept_rule, k.rule_version AS kept_version, \
             h.request, h.method, h.path, h.credential, h.actor, h.at FROM grants g JOIN causes c \
             ON c.workspace = g.workspace AND c.id = g.cause LEFT JOIN causes k \
             ON k.workspace = c.workspace AND k.id = c.keeps JOIN changes h \
             ON h.workspace = g.workspace AND h.id = g.begun_change LEFT JOIN teams t \
             ON t.workspace = g.workspace AND t.id = g.target WHERE g.workspace = $1 \
             AND g.member IN ({}) AND g.to_at IS NULL ORDER BY g.from_at, g.id",
            placeholders(2, members.len())
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace);
        for member in pad(members) {
            query = query.bind(member);
        }
        held.extend(query.fetch_all::<Held>().await?);
    }
    Ok(held)
}
