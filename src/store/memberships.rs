//! Who is in which group: one row for each, never a document.

use super::error::Result;
use super::groups::{Belongs, Shown};
use super::tx::Tx;
use super::users::Place;
use super::values::{list as placeholders, pad};
use crate::ids::{GroupId, UserId};

/// Takes a User out of all Groups; tells which those were.
pub async fn delete_by_user(tx: &mut Tx, place: Place, user: UserId) -> Result<Vec<GroupId>> {
    let rows: Vec<(GroupId,)> = tx
        .query(
            "DELETE FROM memberships WHERE workspace = $1 AND directory = $2 AND user_id = $3 \
             RETURNING group_id",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(user)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// The Groups of a User, by id.
pub async fn list_groups(tx: &mut Tx, place: Place, user: UserId) -> Result<Vec<GroupId>> {
    let rows: Vec<(GroupId,)> = tx
        .query(
            "SELECT group_id FROM memberships WHERE workspace = $1 AND directory = $2 \
             AND user_id = $3 ORDER BY group_id",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(user)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// The Users of a Group after `after`, in id order.
pub async fn list_users(
    tx: &mut Tx,
    place: Place,
    group: GroupId,
    after: Option<UserId>,
    most: i64,
) -> Result<Vec<UserId>> {
    let rows: Vec<(UserId,)> = tx
        .query(
            "SELECT user_id FROM memberships WHERE workspace = $1 AND directory = $2 \
             AND group_id = $3 AND user_id > $4 ORDER BY user_id LIMIT $5",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(group)
        .bind(after.map_or(uuid::Uuid::nil(), |id| id.0))
        .bind(most)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// How many Users a Group has of its own.
pub async fn count(tx: &mut Tx, place: Place, group: GroupId) -> Result<i64> {
    let row: (i64,) = tx
        .query(
            "SELECT COUNT(*) FROM memberships WHERE workspace = $1 AND directory = $2 \
             AND group_id = $3",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(group)
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// Whether a Group has at most so many members, Users and Groups; no more are looked at.
pub async fn has_at_most(tx: &mut Tx, place: Place, group: GroupId, most: i64) -> Result<bool> {
    let row: (i64,) = tx
        .query(
            "SELECT COUNT(*) FROM (SELECT m.user_id FROM memberships m WHERE m.workspace = $1 \
             AND m.directory = $2 AND m.group_id = $3 UNION ALL SELECT n.member_id \
             FROM nestings n WHERE n.workspace = $1 AND n.directory = $2 AND n.group_id = $3 \
             LIMIT $4) shown",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(group)
        .bind(most.saturating_add(1))
        .fetch_one()
        .await?;
    Ok(row.0 <= most)
}

/// A member of one of several Groups as SCIM shows it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ShownOf {
    /// The Group.
    pub group_id: GroupId,
    /// The member.
    #[sqlx(flatten)]
    pub member: Shown,
}

/// The members of Groups without their names, by group and id.
pub async fn list_of(tx: &mut Tx, place: Place, groups: &[GroupId]) -> Result<Vec<ShownOf>> {
    shown_of(tx, place, groups, |of| {
        format!(
            "SELECT m.group_id, m.user_id AS id, CAST(NULL AS TEXT) AS display, \
             FALSE AS is_group FROM memberships m \
             WHERE m.workspace = $1 AND m.directory = $2 AND m.group_id IN ({of}) \
             UNION ALL SELECT n.group_id, n.member_id, CAST(NULL AS TEXT), TRUE FROM nestings n \
             WHERE n.workspace = $1 AND n.directory = $2 AND n.group_id IN ({of})"
        )
    })
    .await
}

/// The members of Groups with their names, by group and id.
pub async fn list_shown_of(tx: &mut Tx, place: Place, groups: &[GroupId]) -> Result<Vec<ShownOf>> {
    shown_of(tx, place, groups, |of| {
        format!(
            "SELECT m.group_id, m.user_id AS id, u.display, FALSE AS is_group FROM memberships m \
             JOIN users u ON u.workspace = m.workspace AND u.directory = m.directory \
             AND u.id = m.user_id WHERE m.workspace = $1 AND m.directory = $2 \
             AND m.group_id IN ({of}) \
             UNION ALL SELECT n.group_id, n.member_id, g.display, TRUE FROM nestings n \
             JOIN user_groups g ON g.workspace = n.workspace AND g.directory = n.directory \
             AND g.id = n.member_id WHERE n.workspace = $1 AND n.directory = $2 \
             AND n.group_id IN ({of})"
        )
    })
    .await
}

async fn shown_of(
    tx: &mut Tx,
    place: Place,
    groups: &[GroupId],
    sql: impl Fn(&str) -> String,
) -> Result<Vec<ShownOf>> {
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let sql = sql(&placeholders(3, groups.len()));
    let mut query = tx
        .query(sqlx::AssertSqlSafe(sql))
        .bind(place.workspace)
        .bind(place.directory);
    for group in pad(groups) {
        query = query.bind(group);
    }
    let mut shown: Vec<ShownOf> = query.fetch_all().await?;
    // Users and groups come one after the other, each nearly in order.
    shown.sort_by_key(|shown| (shown.group_id, shown.member.id));
    Ok(shown)
}

/// The live Groups of Users as SCIM shows them, by user and group: those that they are in, and those
/// that hold these.
pub async fn list_belongs(tx: &mut Tx, place: Place, users: &[UserId]) -> Result<Vec<Belongs>> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    // Joined otherwise, SQLite would begin with all groups of the directory.
    let sql = format!(
        "WITH RECURSIVE up (user_id, group_id, is_indirect) AS (SELECT m.user_id, m.group_id, \
         FALSE FROM memberships m WHERE m.workspace = $1 AND m.directory = $2 \
         AND m.user_id IN ({}) UNION SELECT up.user_id, n.group_id, TRUE FROM up \
         CROSS JOIN nestings n WHERE n.workspace = $1 AND n.directory = $2 \
         AND n.member_id = up.group_id) SELECT up.user_id, up.group_id, g.display, \
         up.is_indirect FROM up CROSS JOIN user_groups g WHERE g.workspace = $1 \
         AND g.directory = $2 AND g.id = up.group_id AND g.deleted_at IS NULL",
        placeholders(3, users.len())
    );
    let mut query = tx
        .query(sqlx::AssertSqlSafe(sql))
        .bind(place.workspace)
        .bind(place.directory);
    for user in pad(users) {
        query = query.bind(user);
    }
    let mut belongs: Vec<Belongs> = query.fetch_all().await?;
    belongs.sort_unstable_by_key(|group| (group.user_id, group.group_id, group.is_indirect));
    // A group that a user is in both ways is shown as a direct one.
    belongs.dedup_by_key(|group| (group.user_id, group.group_id));
    Ok(belongs)
}
