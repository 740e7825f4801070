//! The Users that members had, and whatever else a member's history is about.

use uuid::Uuid;

use super::error::Result;
use super::tx::Tx;
use super::users::{Place, User};
use crate::clock::Timestamp;
use crate::ids::{DirectoryId, MemberId, PersonId, UserId, WorkspaceId};

/// A User that a member has or had.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema, sqlx::FromRow,
)]
#[schemars(rename = "HadUser")]
pub struct Had {
    /// The directory.
    pub directory: DirectoryId,
    /// The User.
    pub user_id: UserId,
    /// The key under which its values are sealed.
    #[serde(skip)]
    pub person: PersonId,
}

/// Keeps that a member had a User which is deleted.
pub async fn insert(tx: &mut Tx, place: Place, user: &User, member: MemberId) -> Result<()> {
    tx.query(
        "INSERT INTO former_users (workspace, member, user_id, directory, person) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind(place.workspace)
    .bind(member)
    .bind(user.id)
    .bind(place.directory)
    .bind(user.person)
    .execute()
    .await?;
    Ok(())
}

/// The member that a User of an ended directory had.
pub async fn find_former(tx: &mut Tx, place: Place, user: UserId) -> Result<Option<MemberId>> {
    let row: Option<(Option<MemberId>,)> = tx
        .query(
            "SELECT former_member FROM users WHERE workspace = $1 AND directory = $2 AND id = $3",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(user)
        .fetch_optional()
        .await?;
    Ok(row.and_then(|row| row.0))
}

/// A member has a User again: it is neither former nor buried.
pub async fn delete(tx: &mut Tx, place: Place, user: UserId, member: MemberId) -> Result<()> {
    tx.query("DELETE FROM former_users WHERE workspace = $1 AND member = $2 AND user_id = $3")
        .bind(place.workspace)
        .bind(member)
        .bind(user)
        .execute()
        .await?;
    tx.query("DELETE FROM tombstones WHERE workspace = $1 AND directory = $2 AND user_id = $3")
        .bind(place.workspace)
        .bind(place.directory)
        .bind(user)
        .execute()
        .await?;
    Ok(())
}

/// The Users that a member has, and those that it had.
pub async fn list(tx: &mut Tx, workspace: WorkspaceId, member: MemberId) -> Result<Vec<Had>> {
    tx.query(
        "SELECT u.directory, u.id AS user_id, u.person FROM users u WHERE u.workspace = $1 \
         AND u.member = $2 UNION SELECT u.directory, u.id, u.person FROM users u \
         WHERE u.workspace = $1 AND u.former_member = $2 \
         UNION SELECT f.directory, f.user_id, f.person FROM former_users f \
         WHERE f.workspace = $1 AND f.member = $2",
    )
    .bind(workspace)
    .bind(member)
    .fetch_all()
    .await
}

/// What changes of a member's history are about, beside the member: its Users, present and former,
/// and its own API keys.
pub async fn list_subjects(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
) -> Result<Vec<Uuid>> {
    let rows: Vec<(Uuid,)> = tx
        .query(
            "SELECT u.id FROM users u WHERE u.workspace = $1 AND u.member = $2 \
             UNION SELECT u.id FROM users u WHERE u.workspace = $1 AND u.former_member = $2 \
             UNION SELECT f.user_id FROM former_users f WHERE f.workspace = $1 AND f.member = $2 \
             UNION SELECT k.id FROM api_keys k WHERE k.workspace = $1 AND k.member = $2",
        )
        .bind(workspace)
        .bind(member)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// When a member was last there: in a session, or by an API key of its own; to the minute.
pub async fn find_last_use(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
) -> Result<Option<Timestamp>> {
    let row: (Option<Timestamp>,) = tx
        .query(
            "SELECT CAST(MAX(at) AS BIGINT) AS at FROM ( \
             SELECT last_used_at AS at FROM api_keys WHERE workspace = $1 AND member = $2 \
             UNION ALL SELECT seen_at FROM session_members \
             JOIN sessions ON sessions.id = session_members.session \
             WHERE session_members.workspace = $1 AND session_members.member = $2 \
             UNION ALL SELECT at FROM changes WHERE workspace = $1 AND subject = $2 \
             AND kind = 'session.started') AS uses",
        )
        .bind(workspace)
        .bind(member)
        .fetch_one()
        .await?;
    Ok(row.0)
}
