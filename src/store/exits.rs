//! Users of a directory that ends, and what they are unlinked from and linked to again.

use uuid::Uuid;

use super::error::Result;
use super::grants::GrantKind;
use super::members::Status;
use super::retention;
use super::tx::{Lock, Tx};
use super::users::Place;
use super::values::{MOST, list as placeholders, pad};
use crate::clock::Timestamp;
use crate::ids::{MemberId, UserId, WorkspaceId};

/// A User whose member a directory lets go, or let go.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Left {
    /// The User.
    pub id: UserId,
    /// The folded userName.
    pub user_name_key: String,
    /// The member that it is linked to.
    pub member: Option<MemberId>,
    /// The member that it was linked to before the end.
    pub former_member: Option<MemberId>,
}

/// How many other Users a member is linked to.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct Others {
    /// All of them.
    pub linked: i64,
    /// Those that say that the person is in.
    pub active: i64,
}

/// The next Users of a directory in id order, locked.
pub async fn lock_users(
    tx: &mut Tx,
    place: Place,
    after: Option<UserId>,
    most: i64,
) -> Result<Vec<Left>> {
    tx.locked(
        "SELECT id, user_name_key, member, former_member FROM users WHERE workspace = $1 \
         AND directory = $2 AND id > $3 ORDER BY id LIMIT $4",
        Lock::Update,
        "users",
    )
    .bind(place.workspace)
    .bind(place.directory)
    .bind(after.map_or(uuid::Uuid::nil(), |id| id.0))
    .bind(most)
    .fetch_all()
    .await
}

/// Unlinks locked Users from their members, and notes whose they were.
pub async fn unlink(tx: &mut Tx, place: Place, users: &[Left]) -> Result<()> {
    let ids: Vec<_> = users.iter().map(|user| user.id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "UPDATE users SET former_member = member, member = NULL WHERE workspace = $1 \
         AND directory = $2 AND id IN ({})",
        placeholders(3, ids.len())
    );
    let mut query = tx
        .query(sqlx::AssertSqlSafe(sql))
        .bind(place.workspace)
        .bind(place.directory);
    for id in pad(&ids) {
        query = query.bind(id);
    }
    query.execute().await?;
    Ok(())
}

/// Links a locked User to the member that it had.
pub async fn link(tx: &mut Tx, place: Place, user: UserId, member: MemberId) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE users SET member = $4, former_member = NULL WHERE workspace = $1 \
             AND directory = $2 AND id = $3",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(user)
        .bind(member)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// How many Users a member is linked to now.
pub async fn count_others(tx: &mut Tx, workspace: WorkspaceId, member: MemberId) -> Result<Others> {
    tx.query(
        "SELECT COUNT(*) AS linked, COUNT(CASE WHEN active THEN id END) AS active \
         FROM users WHERE workspace = $1 AND member = $2",
    )
    .bind(workspace)
    .bind(member)
    .fetch_one()
    .await
}

/// The member that a User had which is linked to nobody now.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Had {
    /// The User.
    #[sqlx(flatten)]
    pub user: Left,
    /// How far the member is in.
    pub status: Status,
    /// Whether the member takes no seat by it: it keeps one while it is suspended, or an admin shuts it out.
    pub takes_none: bool,
}

/// Those of the Users that are linked to nobody and had a member, who was not brought in anew by hand
/// since and was not erased.
pub async fn list_had(tx: &mut Tx, place: Place, users: &[UserId]) -> Result<Vec<Had>> {
    let mut had = Vec::new();
    for users in users.chunks(MOST) {
        let sql = format!(
            "SELECT u.id, u.user_name_key, u.member, u.former_member, m.status, \
             (m.seat_kept_at IS NOT NULL OR m.barred_at IS NOT NULL) AS takes_none FROM users u CROSS JOIN members m \
             WHERE u.workspace = $1 AND u.directory = $2 AND u.id IN ({}) \
             AND u.member IS NULL AND m.workspace = u.workspace AND m.id = u.former_member \
             AND m.status NOT IN ('draft', 'invited') AND m.erased_at IS NULL ORDER BY u.id",
            placeholders(3, users.len())
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(place.workspace)
            .bind(place.directory);
        for user in pad(users) {
            query = query.bind(user);
        }
        had.extend(query.fetch_all::<Had>().await?);
    }
    Ok(had)
}

/// How a member came in by a directory.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Arrived {
    /// The member.
    pub member: MemberId,
    /// The kind of the change that tells: `member.added`, `member.revived` or `member.linked`.
    pub kind: String,
    /// What that says, as JSON.
    pub detail: String,
}

/// How members came in by a directory since an instant, oldest first.
pub async fn list_arrivals(
    tx: &mut Tx,
    place: Place,
    members: &[MemberId],
    since: Timestamp,
) -> Result<Vec<Arrived>> {
    let mut arrived = Vec::new();
    for members in members.chunks(MOST) {
        let sql = format!(
            "SELECT subject AS member, kind, detail FROM changes WHERE workspace = $1 \
             AND directory = $2 AND at >= $3 AND subject IN ({}) \
             AND kind IN ('member.added', 'member.revived', 'member.linked') ORDER BY at, id",
            placeholders(4, members.len())
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(place.workspace)
            .bind(place.directory)
            .bind(since);
        for member in pad(members) {
            query = query.bind(member);
        }
        arrived.extend(query.fetch_all::<Arrived>().await?);
    }
    Ok(arrived)
}

/// Those of the members whom somebody let in by hand since an instant.
pub async fn list_let_in(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
    since: Timestamp,
) -> Result<Vec<MemberId>> {
    let mut let_in = Vec::new();
    for members in members.chunks(MOST) {
        let sql = format!(
            "SELECT DISTINCT subject FROM changes WHERE workspace = $1 AND at >= $2 \
             AND subject IN ({}) AND kind = 'member.reactivated' AND directory IS NULL",
            placeholders(3, members.len())
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(workspace)
            .bind(since);
        for member in pad(members) {
            query = query.bind(member);
        }
        let rows: Vec<(MemberId,)> = query.fetch_all().await?;
        let_in.extend(rows.into_iter().map(|row| row.0));
    }
    Ok(let_in)
}

/// What rules over a directory give a locked member.
pub async fn list_given(
    tx: &mut Tx,
    place: Place,
    member: MemberId,
) -> Result<Vec<(GrantKind, Uuid)>> {
    tx.query(
        "SELECT DISTINCT g.kind, g.target FROM grants g JOIN causes c ON c.workspace = g.workspace \
         AND c.id = g.cause JOIN rules r ON r.workspace = c.workspace AND r.id = c.rule \
         WHERE g.workspace = $1 AND g.member = $3 AND g.to_at IS NULL AND c.ended_at IS NULL \
         AND g.hold IS NULL AND r.directory = $2",
    )
    .bind(place.workspace)
    .bind(place.directory)
    .bind(member)
    .fetch_all()
    .await
}

/// Deletes locked Users of a directory that ended, with everything that hangs on them.
pub async fn delete_users(tx: &mut Tx, place: Place, users: &[Left], at: Timestamp) -> Result<()> {
    let ids: Vec<_> = users.iter().map(|user| user.id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let former: Vec<_> = users.iter().filter_map(|user| user.former_member).collect();
    if !former.is_empty() {
        let sql = format!(
            "UPDATE grants SET awaiting = NULL WHERE workspace = $1 AND member IN ({}) \
             AND awaiting = 'undo'",
            placeholders(2, former.len())
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(place.workspace);
        for member in pad(&former) {
            query = query.bind(member);
        }
        query.execute().await?;
    }
    let sql = format!(
        "INSERT INTO former_users (workspace, member, user_id, directory, person) \
         SELECT u.workspace, u.former_member, u.id, u.directory, u.person FROM users u \
         WHERE u.workspace = $1 AND u.directory = $2 AND u.former_member IS NOT NULL \
         AND u.id IN ({}) ON CONFLICT DO NOTHING",
        placeholders(3, ids.len())
    );
    let mut query = tx
        .query(sqlx::AssertSqlSafe(sql))
        .bind(place.workspace)
        .bind(place.directory);
    for id in pad(&ids) {
        query = query.bind(id);
    }
    query.execute().await?;
    retention::insert_all_buried(tx, place, &ids, at).await?;
    for (table, column) in [("memberships", "user_id"), ("users", "id")] {
        let sql = format!(
            "DELETE FROM {table} WHERE workspace = $1 AND directory = $2 AND {column} IN ({})",
            placeholders(3, ids.len())
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(place.workspace)
            .bind(place.directory);
        for id in pad(&ids) {
            query = query.bind(id);
        }
        query.execute().await?;
    }
    Ok(())
}

/// Deletes what else a directory that ended said, and what was noted of it.
pub async fn delete_rest(tx: &mut Tx, place: Place) -> Result<()> {
    for table in [
        "memberships",
        "nestings",
        "user_groups",
        "buried_groups",
        "resources",
        "unique_values",
        "tombstones",
        "conflicts",
        "adoptions",
    ] {
        let sql = format!("DELETE FROM {table} WHERE directory = $2 AND workspace = $1");
        tx.query(sqlx::AssertSqlSafe(sql))
            .bind(place.workspace)
            .bind(place.directory)
            .execute()
            .await?;
    }
    tx.query("UPDATE counters SET total = $3 WHERE workspace = $1 AND directory = $2")
        .bind(place.workspace)
        .bind(place.directory)
        .bind(0_i64)
        .execute()
        .await?;
    Ok(())
}
