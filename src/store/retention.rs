//! What is kept for a time alone.

use super::erasures::blank_keys;
use super::error::Result;
use super::tx::Tx;
use super::users::Place;
use super::values::{list as placeholders, pad};
use crate::clock::Timestamp;
use crate::ids::{PersonId, UserId, WorkspaceId};

/// Whether a workspace has a conflict that came up last, a User that was deleted, with a member and
/// without one, or a Group that was deleted, before these instants.
pub async fn is_due(
    tx: &mut Tx,
    workspace: WorkspaceId,
    [conflicts, tombstones, buried, groups]: [Timestamp; 4],
) -> Result<bool> {
    let row: (bool,) = tx
        .query(
            "SELECT (EXISTS (SELECT c.member FROM conflicts c WHERE c.workspace = $1 \
             AND c.last_at < $2 AND NOT EXISTS (SELECT u.id FROM users u \
             WHERE u.workspace = c.workspace AND u.directory = c.directory \
             AND u.user_name_key = c.user_name_key AND u.member IS NULL)) OR EXISTS (SELECT t.member FROM tombstones t \
             WHERE t.workspace = $1 AND t.deleted_at < $3) OR EXISTS (SELECT b.user_id \
             FROM buried_users b WHERE b.workspace = $1 AND b.deleted_at < $4) \
             OR EXISTS (SELECT g.group_id FROM buried_groups g WHERE g.workspace = $1 \
             AND g.deleted_at < $5)) AS is_due",
        )
        .bind(workspace)
        .bind(conflicts)
        .bind(tombstones)
        .bind(buried)
        .bind(groups)
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// Forgets up to so many Users of a workspace that were deleted before an instant: whoever comes
/// back under the same externalId is somebody new.
pub async fn delete_tombstones(
    tx: &mut Tx,
    workspace: WorkspaceId,
    before: Timestamp,
    most: i64,
) -> Result<u64> {
    tx.query(
        "DELETE FROM tombstones WHERE workspace = $1 AND (directory, user_id) IN \
         (SELECT t.directory, t.user_id FROM tombstones t WHERE t.workspace = $1 \
         AND t.deleted_at < $2 ORDER BY t.deleted_at LIMIT $3)",
    )
    .bind(workspace)
    .bind(before)
    .bind(most)
    .execute()
    .await
}

/// Forgets up to so many conflicts of a workspace that came up last before an instant; as long as a
/// directory has the User without a member, an admin must be able to say who that is.
pub async fn delete_conflicts(
    tx: &mut Tx,
    workspace: WorkspaceId,
    before: Timestamp,
    most: i64,
) -> Result<u64> {
    tx.query(
        "DELETE FROM conflicts WHERE workspace = $1 AND (directory, user_name_key) IN \
         (SELECT c.directory, c.user_name_key FROM conflicts c WHERE c.workspace = $1 \
         AND c.last_at < $2 AND NOT EXISTS (SELECT u.id FROM users u \
         WHERE u.workspace = c.workspace AND u.directory = c.directory \
         AND u.user_name_key = c.user_name_key AND u.member IS NULL) \
         ORDER BY c.last_at LIMIT $3)",
    )
    .bind(workspace)
    .bind(before)
    .bind(most)
    .execute()
    .await
}

/// Keeps that a User was deleted which never had a member, with the key of its person.
pub async fn insert_buried(
    tx: &mut Tx,
    place: Place,
    (user, person): (UserId, PersonId),
    at: Timestamp,
) -> Result<()> {
    tx.query(
        "INSERT INTO buried_users (workspace, directory, user_id, person, deleted_at) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind(place.workspace)
    .bind(place.directory)
    .bind(user)
    .bind(person)
    .bind(at)
    .execute()
    .await?;
    Ok(())
}

/// Keeps the same of those of the Users, still there, that never had a member.
pub async fn insert_all_buried(
    tx: &mut Tx,
    place: Place,
    users: &[UserId],
    at: Timestamp,
) -> Result<()> {
    if users.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO buried_users (workspace, directory, user_id, person, deleted_at) \
         SELECT u.workspace, u.directory, u.id, u.person, $3 FROM users u WHERE u.workspace = $1 \
         AND u.directory = $2 AND u.member IS NULL AND u.former_member IS NULL \
         AND u.id IN ({}) ON CONFLICT DO NOTHING",
        placeholders(4, users.len())
    );
    let mut query = tx
        .query(sqlx::AssertSqlSafe(sql))
        .bind(place.workspace)
        .bind(place.directory)
        .bind(at);
    for user in pad(users) {
        query = query.bind(user);
    }
    query.execute().await?;
    Ok(())
}

/// Destroys the keys of up to so many Users of a workspace that never had a member and were deleted
/// before an instant: what they were cannot be read any more.
pub async fn delete_buried(
    tx: &mut Tx,
    workspace: WorkspaceId,
    before: Timestamp,
    most: i64,
) -> Result<u64> {
    let due: Vec<(UserId, PersonId)> = tx
        .query(
            "SELECT user_id, person FROM buried_users WHERE workspace = $1 AND deleted_at < $2 \
             ORDER BY deleted_at LIMIT $3",
        )
        .bind(workspace)
        .bind(before)
        .bind(most)
        .fetch_all()
        .await?;
    if due.is_empty() {
        return Ok(0);
    }
    let persons: Vec<_> = due.iter().map(|due| due.1).collect();
    blank_keys(tx, workspace, &persons).await?;
    let sql = format!(
        "DELETE FROM buried_users WHERE workspace = $1 AND deleted_at < $2 AND user_id IN ({})",
        placeholders(3, due.len())
    );
    let mut query = tx
        .query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(before);
    let users: Vec<_> = due.iter().map(|due| due.0).collect();
    for user in pad(&users) {
        query = query.bind(user);
    }
    query.execute().await
}
