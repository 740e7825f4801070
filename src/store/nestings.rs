//! Which groups are members of which: the edges of a graph without circles, and what follows from
//! it for users.
//!
//! An edge is written and taken away under the lock of the workspace, so that whoever holds it reads
//! a graph that stands still. It also holds every group below the edge for update: whoever changes
//! the members of one of those meanwhile would settle them with facts that are about to change.

use super::error::Result;
use super::memberships;
use super::tx::{Lock, Tx};
use super::users::Place;
use super::values::{MOST, list as placeholders, pad};
use crate::ids::{GroupId, MemberId, UserId, WorkspaceId};

/// A group that is a member of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::FromRow)]
pub struct Nesting {
    /// The group that holds.
    pub group_id: GroupId,
    /// The group that is held.
    pub member_id: GroupId,
}

/// Takes a Group out of all others, and all others out of it; tells which edges those were.
pub async fn delete_by_group(tx: &mut Tx, place: Place, group: GroupId) -> Result<Vec<Nesting>> {
    // With an OR, SQLite goes through all of the directory.
    const HALVES: [&str; 2] = [
        "DELETE FROM nestings WHERE workspace = $1 AND directory = $2 AND group_id = $3 \
         RETURNING group_id, member_id",
        "DELETE FROM nestings WHERE workspace = $1 AND directory = $2 AND member_id = $3 \
         RETURNING group_id, member_id",
    ];
    let mut gone = Vec::new();
    for sql in HALVES {
        let query = tx.query(sql).bind(place.workspace).bind(place.directory);
        gone.extend(query.bind(group).fetch_all::<Nesting>().await?);
    }
    Ok(gone)
}

/// All edges on the ways down from Groups.
pub async fn list_below(tx: &mut Tx, place: Place, groups: &[GroupId]) -> Result<Vec<Nesting>> {
    let mut edges = Vec::new();
    for groups in groups.chunks(MOST) {
        let sql = format!(
            "WITH RECURSIVE edges (group_id, member_id) AS (SELECT n.group_id, n.member_id \
             FROM nestings n WHERE n.workspace = $1 AND n.directory = $2 AND n.group_id IN ({}) \
             UNION SELECT n.group_id, n.member_id FROM edges CROSS JOIN nestings n \
             WHERE n.workspace = $1 AND n.directory = $2 AND n.group_id = edges.member_id) \
             SELECT edges.group_id, edges.member_id FROM edges",
            placeholders(3, groups.len())
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(place.workspace)
            .bind(place.directory);
        for group in pad(groups) {
            query = query.bind(group);
        }
        edges.extend(query.fetch_all::<Nesting>().await?);
    }
    edges.sort_unstable();
    edges.dedup();
    Ok(edges)
}

/// All edges on the ways up from a Group.
pub async fn list_above(tx: &mut Tx, place: Place, group: GroupId) -> Result<Vec<Nesting>> {
    tx.query(
        "WITH RECURSIVE edges (group_id, member_id) AS (SELECT n.group_id, n.member_id \
         FROM nestings n WHERE n.workspace = $1 AND n.directory = $2 AND n.member_id = $3 \
         UNION SELECT n.group_id, n.member_id FROM edges CROSS JOIN nestings n \
         WHERE n.workspace = $1 AND n.directory = $2 AND n.member_id = edges.group_id) \
         SELECT edges.group_id, edges.member_id FROM edges",
    )
    .bind(place.workspace)
    .bind(place.directory)
    .bind(group)
    .fetch_all()
    .await
}

/// Locks a live Group together with all below it and those that hold it, in id order; without such
/// neighbours it is the Group alone. The workspace is locked by the caller.
pub async fn lock_around(tx: &mut Tx, place: Place, group: GroupId) -> Result<Vec<GroupId>> {
    let locked: Vec<(GroupId,)> = tx
        .locked(
            "SELECT g.id FROM user_groups g WHERE g.workspace = $1 AND g.directory = $2 \
             AND g.deleted_at IS NULL AND g.id IN (WITH RECURSIVE below (id) AS (SELECT s.id \
             FROM user_groups s WHERE s.workspace = $1 AND s.directory = $2 AND s.id = $3 \
             UNION SELECT n.member_id FROM below CROSS JOIN nestings n WHERE n.workspace = $1 \
             AND n.directory = $2 AND n.group_id = below.id) SELECT below.id FROM below \
             UNION SELECT h.group_id FROM nestings h WHERE h.workspace = $1 \
             AND h.directory = $2 AND h.member_id = $3) ORDER BY g.id",
            Lock::Update,
            "g",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(group)
        .fetch_all()
        .await?;
    Ok(locked.into_iter().map(|row| row.0).collect())
}

/// The Users who are in one of the Groups or in a group below it, in id order.
pub async fn list_users(tx: &mut Tx, place: Place, groups: &[GroupId]) -> Result<Vec<UserId>> {
    let mut users = Vec::new();
    for groups in groups.chunks(MOST) {
        let sql = format!(
            "WITH RECURSIVE below (id) AS (SELECT g.id FROM user_groups g WHERE g.workspace = $1 \
             AND g.directory = $2 AND g.id IN ({}) UNION SELECT n.member_id FROM below \
             CROSS JOIN nestings n WHERE n.workspace = $1 AND n.directory = $2 \
             AND n.group_id = below.id) SELECT DISTINCT m.user_id FROM below \
             CROSS JOIN memberships m WHERE m.workspace = $1 AND m.directory = $2 \
             AND m.group_id = below.id",
            placeholders(3, groups.len())
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(place.workspace)
            .bind(place.directory);
        for group in pad(groups) {
            query = query.bind(group);
        }
        users.extend(query.fetch_all::<(UserId,)>().await?);
    }
    let mut users: Vec<_> = users.into_iter().map(|row| row.0).collect();
    users.sort_unstable();
    users.dedup();
    Ok(users)
}

/// A batch of the Users who are in a Group or in a group below it, in id order. A group without
/// groups in it is read along its key, so that a batch costs the same however large the group is.
pub async fn list_users_after(
    tx: &mut Tx,
    place: Place,
    group: GroupId,
    after: Option<UserId>,
    most: i64,
) -> Result<Vec<UserId>> {
    if list_below(tx, place, &[group]).await?.is_empty() {
        return memberships::list_users(tx, place, group, after, most).await;
    }
    let rows: Vec<(UserId,)> = tx
        .query(
            "WITH RECURSIVE below (id) AS (SELECT g.id FROM user_groups g WHERE g.workspace = $1 \
             AND g.directory = $2 AND g.id = $3 UNION SELECT n.member_id FROM below \
             CROSS JOIN nestings n WHERE n.workspace = $1 AND n.directory = $2 \
             AND n.group_id = below.id) SELECT DISTINCT m.user_id FROM below \
             CROSS JOIN memberships m WHERE m.workspace = $1 AND m.directory = $2 \
             AND m.group_id = below.id AND m.user_id > $4 ORDER BY m.user_id LIMIT $5",
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

/// How many Users are in a Group or in a group below it.
pub async fn count_users(tx: &mut Tx, place: Place, group: GroupId) -> Result<i64> {
    let row: (i64,) = tx
        .query(
            "WITH RECURSIVE below (id) AS (SELECT g.id FROM user_groups g WHERE g.workspace = $1 \
             AND g.directory = $2 AND g.id = $3 UNION SELECT n.member_id FROM below \
             CROSS JOIN nestings n WHERE n.workspace = $1 AND n.directory = $2 \
             AND n.group_id = below.id) SELECT COUNT(DISTINCT m.user_id) AS users FROM below \
             CROSS JOIN memberships m WHERE m.workspace = $1 AND m.directory = $2 \
             AND m.group_id = below.id",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(group)
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// A step by which a member comes into a group: itself, where it names no group within.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Step {
    /// The group that it leads into.
    pub group_id: GroupId,
    /// That group's name.
    pub display: String,
    /// The group that it leads from; none where the member itself is in the group.
    pub origin: Option<GroupId>,
}

/// All steps on the ways of a member into live groups.
pub async fn list_steps(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
) -> Result<Vec<Step>> {
    tx.query(
        "WITH RECURSIVE steps (directory, group_id, origin) AS (SELECT m.directory, m.group_id, \
         CAST(NULL AS UUID) FROM users u CROSS JOIN memberships m \
         WHERE u.workspace = $1 AND u.member = $2 AND m.workspace = $1 \
         AND m.directory = u.directory AND m.user_id = u.id \
         UNION SELECT n.directory, n.group_id, n.member_id FROM steps CROSS JOIN nestings n \
         WHERE n.workspace = $1 AND n.directory = steps.directory \
         AND n.member_id = steps.group_id) \
         SELECT steps.group_id, g.display, steps.origin FROM steps CROSS JOIN user_groups g \
         WHERE g.workspace = $1 AND g.directory = steps.directory AND g.id = steps.group_id \
         AND g.deleted_at IS NULL",
    )
    .bind(workspace)
    .bind(member)
    .fetch_all()
    .await
}
