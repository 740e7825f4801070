//! Members.

use super::error::Result;
use super::identities;
use super::tx::{Lock, Tx};
use super::values::{MOST, list as placeholders, pad};
use crate::clock::Timestamp;
use crate::ids::{MemberId, PersonId, WorkspaceId};
use crate::scim::fold;

pub use super::standing::{Source, Status};

/// One person in one workspace.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Member {
    /// Its id, which stays.
    pub id: MemberId,
    /// How far the member is in.
    pub status: Status,
    /// Which way the member came in.
    pub source: Source,
    /// The key under which personal values are sealed.
    pub person: PersonId,
    /// The name that the directory signs in with.
    pub user_name: Option<String>,
    /// The name for people.
    pub display_name: Option<String>,
    /// First name.
    pub given_name: Option<String>,
    /// Last name.
    pub family_name: Option<String>,
    /// The address.
    pub email: Option<String>,
    /// Under which rules the member was settled.
    pub rules_version: i64,
    /// Counts the member's changes.
    pub version: i64,
    /// When the member came in first.
    pub created_at: Timestamp,
    /// When the member changed last.
    pub updated_at: Timestamp,
    /// Since when the member has no rights until it is released: a restore brought it back.
    pub held_at: Option<Timestamp>,
    /// Since when an admin shuts the member out, whatever its directory says.
    pub barred_at: Option<Timestamp>,
    /// Since when the member waits for a seat, without rights.
    pub waiting_at: Option<Timestamp>,
    /// Since when the brake keeps something of what the member is to lose.
    pub braked_at: Option<Timestamp>,
    /// When that is carried out; none while an admin has it wait.
    pub brake_until: Option<Timestamp>,
    /// The status that waits, if one does.
    pub brake_wants: Option<Status>,
    /// The status that a directory wants and an admin rejected.
    pub brake_rejected: Option<Status>,
    /// An admin whom no directory and no other admin takes away.
    pub protected: bool,
    /// The fields that an admin wrote, names with commas between.
    pub manual: String,
    /// The fields that rules filled in, names with commas between.
    pub ruled: String,
}

impl Member {
    /// Whether the member has its rights now.
    pub fn is_in(&self) -> bool {
        self.status == Status::Active && self.held_at.is_none() && self.waiting_at.is_none()
    }
}

/// What a directory says about a person and a member shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// The name that the directory signs in with.
    pub user_name: Option<String>,
    /// The name for people.
    pub display_name: Option<String>,
    /// First name.
    pub given_name: Option<String>,
    /// Last name.
    pub family_name: Option<String>,
    /// The address.
    pub email: Option<String>,
    /// The address, folded.
    pub email_key: Option<String>,
}

/// What becomes of a hold where a member is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// It stays, if there is one.
    Keep,
    /// It ends.
    End,
}

pub(super) const COLUMNS: &str = "SELECT id, status, source, person, user_name, display_name, \
     given_name, family_name, email, rules_version, version, created_at, updated_at, held_at, \
     barred_at, waiting_at, braked_at, brake_until, brake_wants, brake_rejected, protected, \
     manual, ruled FROM members";

/// Makes a member.
pub async fn insert(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: &Member,
    email_key: Option<&str>,
) -> Result<()> {
    tx.query(
        "INSERT INTO members (workspace, id, status, source, person, user_name, display_name, \
         given_name, family_name, email, email_key, access_epoch, rules_version, version, \
         created_at, updated_at, suspended_at, manual, user_name_key, display_key, invited_at, \
         activated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, $12, $13, $14, $15, $16, $17, \
         $18, $19, CASE WHEN $3 = 'invited' THEN $15 END, CASE WHEN $3 = 'active' THEN $15 END)",
    )
    .bind(workspace)
    .bind(member.id)
    .bind(member.status)
    .bind(member.source)
    .bind(member.person)
    .bind(member.user_name.clone())
    .bind(member.display_name.clone())
    .bind(member.given_name.clone())
    .bind(member.family_name.clone())
    .bind(member.email.clone())
    .bind(email_key.map(str::to_owned))
    .bind(member.rules_version)
    .bind(member.version)
    .bind(member.created_at)
    .bind(member.updated_at)
    .bind((member.status == Status::Suspended).then_some(member.updated_at))
    .bind(member.manual.clone())
    .bind(member.user_name.as_deref().map(fold::key))
    .bind(fold::key(
        member.display_name.as_deref().unwrap_or_default(),
    ))
    .execute()
    .await?;
    Ok(())
}

/// The members of those ids, locked in id order.
pub async fn lock(tx: &mut Tx, workspace: WorkspaceId, ids: &[MemberId]) -> Result<Vec<Member>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let mut locked = Vec::with_capacity(ids.len());
    for ids in ids.chunks(super::values::MOST) {
        let sql = format!(
            "{COLUMNS} WHERE workspace = $1 AND id IN ({}) ORDER BY id",
            placeholders(2, ids.len())
        );
        let mut query = tx
            .locked_list(&sql, Lock::Update, "members")
            .bind(workspace);
        for id in pad(ids) {
            query = query.bind(id);
        }
        locked.extend(query.fetch_all::<Member>().await?);
    }
    Ok(locked)
}

/// Members after one in id order who were settled under rules older than `floor`, locked.
pub async fn lock_unsettled(
    tx: &mut Tx,
    workspace: WorkspaceId,
    floor: i64,
    after: Option<MemberId>,
    most: i64,
) -> Result<Vec<Member>> {
    let sql = format!(
        "{COLUMNS} WHERE workspace = $1 AND id > $2 AND rules_version < $3 ORDER BY id LIMIT $4"
    );
    tx.locked_list(&sql, Lock::Update, "members")
        .bind(workspace)
        .bind(after.map_or(uuid::Uuid::nil(), |id| id.0))
        .bind(floor)
        .bind(most)
        .fetch_all()
        .await
}

/// Whether some member was settled under rules older than `floor`.
pub async fn has_unsettled(tx: &mut Tx, workspace: WorkspaceId, floor: i64) -> Result<bool> {
    let row: (bool,) = tx
        .query(
            "SELECT EXISTS (SELECT id FROM members WHERE workspace = $1 AND rules_version < $2) \
             AS has_unsettled",
        )
        .bind(workspace)
        .bind(floor)
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// Says under which rules members were settled.
pub async fn update_rules_version(
    tx: &mut Tx,
    workspace: WorkspaceId,
    ids: &[MemberId],
    rules_version: i64,
) -> Result<()> {
    for ids in ids.chunks(super::values::MOST) {
        let sql = format!(
            "UPDATE members SET rules_version = $2 WHERE workspace = $1 AND id IN ({})",
            placeholders(3, ids.len())
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(workspace)
            .bind(rules_version);
        for id in pad(ids) {
            query = query.bind(id);
        }
        query.execute().await?;
    }
    Ok(())
}

/// Raises the version of members whose grants changed.
pub async fn update_versions(
    tx: &mut Tx,
    workspace: WorkspaceId,
    ids: &[MemberId],
    rules_version: i64,
    at: Timestamp,
) -> Result<()> {
    for ids in ids.chunks(super::values::MOST) {
        let sql = format!(
            "UPDATE members SET version = version + 1, rules_version = $2, updated_at = $3 \
             WHERE workspace = $1 AND id IN ({})",
            placeholders(4, ids.len())
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(workspace)
            .bind(rules_version)
            .bind(at);
        // Padding repeats an id, which changes its row once all the same.
        for id in pad(ids) {
            query = query.bind(id);
        }
        query.execute().await?;
    }
    Ok(())
}

/// Writes profile and status of a locked member and raises its version. A status that takes access
/// away raises the access epoch with it.
pub async fn update(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: MemberId,
    profile: &Profile,
    (status, hold): (Status, Hold),
    at: Timestamp,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE members SET user_name = $3, user_name_key = $12, display_name = $4, display_key = $13, given_name = $5, \
             family_name = $6, email = $7, email_key = $8, \
             access_epoch = access_epoch + CASE WHEN status = 'active' AND $9 <> 'active' \
             THEN 1 ELSE 0 END, \
             invited_at = CASE WHEN $9 = 'invited' AND status <> 'invited' THEN $10 \
             WHEN $9 <> 'draft' THEN invited_at END, \
             activated_at = CASE WHEN $9 = 'active' AND status <> 'active' THEN $10 \
             WHEN $9 <> 'draft' THEN activated_at END, \
             suspended_at = CASE WHEN $9 = 'suspended' THEN COALESCE(suspended_at, $10) END, \
             user_id = CASE WHEN $9 = 'removed' THEN NULL ELSE user_id END, \
             user_id_key = CASE WHEN $9 = 'removed' THEN NULL ELSE user_id_key END, \
             removed_at = CASE WHEN $9 = 'removed' THEN COALESCE(removed_at, $10) END, \
             left_email_key = CASE WHEN $9 = 'removed' THEN COALESCE(email_key, left_email_key) END, \
             held_at = CASE WHEN $11 THEN NULL ELSE held_at END, \
             waiting_at = CASE WHEN $9 = 'active' THEN waiting_at END, \
             brake_rejected = CASE WHEN $9 = 'active' THEN brake_rejected END, \
             status = $9, version = version + 1, updated_at = $10 \
             WHERE workspace = $1 AND id = $2",
        )
        .bind(workspace)
        .bind(id)
        .bind(profile.user_name.clone())
        .bind(profile.display_name.clone())
        .bind(profile.given_name.clone())
        .bind(profile.family_name.clone())
        .bind(profile.email.clone())
        .bind(profile.email_key.clone())
        .bind(status)
        .bind(at)
        .bind(hold == Hold::End)
        .bind(profile.user_name.as_deref().map(fold::key))
        .bind(profile.display_name.as_deref().map_or_else(String::new, fold::order_key))
        .execute()
        .await?;
    if status == Status::Removed {
        // Whoever leaves is known by no connection any more, however the member leaves.
        identities::delete_of_member(tx, workspace, id).await?;
    }
    Ok(rows == 1)
}

/// Gives a locked member who waited for a seat its rights, and raises its version.
pub async fn seat(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
    at: Timestamp,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE members SET waiting_at = NULL, version = version + 1, updated_at = $3 \
             WHERE workspace = $1 AND id = $2",
        )
        .bind(workspace)
        .bind(member)
        .bind(at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Holds every member of a workspace who is in; tells how many.
pub async fn hold(tx: &mut Tx, workspace: WorkspaceId, at: Timestamp) -> Result<u64> {
    tx.query(
        "UPDATE members SET held_at = $2 WHERE workspace = $1 AND status = 'active' \
         AND held_at IS NULL",
    )
    .bind(workspace)
    .bind(at)
    .execute()
    .await
}

/// The ids of members who are held, after one in id order, locked.
pub async fn lock_held(
    tx: &mut Tx,
    workspace: WorkspaceId,
    after: Option<MemberId>,
    most: i64,
) -> Result<Vec<MemberId>> {
    let rows: Vec<(MemberId,)> = tx
        .locked(
            "SELECT id FROM members WHERE workspace = $1 AND id > $2 AND held_at IS NOT NULL \
             ORDER BY id LIMIT $3",
            Lock::Update,
            "members",
        )
        .bind(workspace)
        .bind(after.map_or(uuid::Uuid::nil(), |id| id.0))
        .bind(most)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// A member who is held no longer.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct Released {
    /// Who it is.
    pub id: MemberId,
    /// How far the member is in.
    pub status: Status,
    /// The member's version now.
    pub version: i64,
}

/// Gives those of the members who are held back what they have, and raises their versions. Members
/// whom nothing holds are neither written nor locked.
pub async fn release(
    tx: &mut Tx,
    workspace: WorkspaceId,
    ids: &[MemberId],
    at: Timestamp,
) -> Result<Vec<Released>> {
    let mut released = Vec::new();
    for ids in ids.chunks(MOST) {
        let sql = format!(
            "UPDATE members SET held_at = NULL, version = version + 1, updated_at = $2 \
             WHERE workspace = $1 AND held_at IS NOT NULL AND id IN ({}) \
             RETURNING id, status, version",
            placeholders(3, ids.len())
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace).bind(at);
        for id in pad(ids) {
            query = query.bind(id);
        }
        released.extend(query.fetch_all::<Released>().await?);
    }
    Ok(released)
}

/// A page of members in the order of their making, those who are removed left out.
pub async fn list(
    tx: &mut Tx,
    workspace: WorkspaceId,
    after: Option<MemberId>,
    most: i64,
) -> Result<Vec<Member>> {
    let sql = format!(
        "{COLUMNS} WHERE workspace = $1 AND id > $2 AND status <> 'removed' ORDER BY id LIMIT $3"
    );
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(after.map_or(uuid::Uuid::nil(), |id| id.0))
        .bind(most)
        .fetch_all()
        .await
}

/// The member of that id.
pub async fn find(tx: &mut Tx, workspace: WorkspaceId, id: MemberId) -> Result<Option<Member>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE workspace = $1 AND id = $2"
    )))
    .bind(workspace)
    .bind(id)
    .fetch_optional()
    .await
}

/// The members of that folded address, those who are removed left out; three at most.
pub async fn find_by_email(tx: &mut Tx, workspace: WorkspaceId, key: &str) -> Result<Vec<Member>> {
    let sql = format!(
        "{COLUMNS} WHERE workspace = $1 AND id IN (SELECT e.id FROM members e \
         WHERE e.workspace = $1 AND e.email_key = $2 UNION SELECT l.member FROM login_names l \
         WHERE l.workspace = $1 AND l.key = $2) AND status <> 'removed' ORDER BY id LIMIT 3"
    );
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(key.to_owned())
        .fetch_all()
        .await
}

/// The members of those ids, in id order.
pub async fn list_by_id(
    tx: &mut Tx,
    workspace: WorkspaceId,
    ids: &[MemberId],
) -> Result<Vec<Member>> {
    let mut found = Vec::with_capacity(ids.len());
    for ids in ids.chunks(MOST) {
        let sql = format!(
            "{COLUMNS} WHERE workspace = $1 AND id IN ({}) ORDER BY id",
            placeholders(2, ids.len())
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace);
        for id in pad(ids) {
            query = query.bind(id);
        }
        found.extend(query.fetch_all::<Member>().await?);
    }
    Ok(found)
}

/// How many members are active.
pub async fn count_active(tx: &mut Tx, workspace: WorkspaceId) -> Result<i64> {
    let row: (i64,) = tx
        .query(
            "SELECT COUNT(*) AS active FROM members m WHERE m.workspace = $1 \
             AND m.status = 'active'",
        )
        .bind(workspace)
        .fetch_one()
        .await?;
    Ok(row.0)
}
