//! What admins keep of a member beside its profile, and who stands between them and a change.

use std::collections::HashSet;

use super::error::Result;
use super::members::Status;
use super::tx::Tx;
use super::values::{MOST, list as placeholders, pad};
use crate::clock::Timestamp;
use crate::ids::{MemberId, WorkspaceId};

/// When a member took the steps on its way in and out. It was a draft from its making on.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    schemars::JsonSchema,
    sqlx::FromRow,
)]
pub struct Steps {
    /// When the member was told last.
    pub invited_at: Option<Timestamp>,
    /// When the member came in last; none if that was before this was noted.
    pub activated_at: Option<Timestamp>,
    /// Since when the member is suspended.
    pub suspended_at: Option<Timestamp>,
    /// Since when the member is removed.
    pub removed_at: Option<Timestamp>,
}

/// What a member shows beside its profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Details {
    /// The `UserID`, as it was written.
    pub user_id: Option<String>,
    /// The number under which the person is reached, E.164.
    pub phone: Option<String>,
    /// `numberless` or `numbered`.
    pub line: Option<String>,
    /// The line's number, E.164.
    pub line_number: Option<String>,
    /// A language tag.
    pub language: Option<String>,
    /// A time zone.
    pub time_zone: Option<String>,
    /// Whom the member reports to.
    pub manager: Option<MemberId>,
    /// The address of a picture.
    pub picture: Option<String>,
    /// When it took which step.
    #[sqlx(flatten)]
    pub steps: Steps,
}

/// The details of one of several members.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Of {
    /// Whose they are.
    pub id: MemberId,
    /// What they are.
    #[sqlx(flatten)]
    pub details: Details,
}

/// The details of members.
pub async fn list(tx: &mut Tx, workspace: WorkspaceId, members: &[MemberId]) -> Result<Vec<Of>> {
    let mut found = Vec::new();
    for members in members.chunks(MOST) {
        let sql = format!(
            "SELECT id, user_id, phone, line, line_number, language, time_zone, manager, picture, \
             invited_at, activated_at, suspended_at, removed_at \
             FROM members WHERE workspace = $1 AND id IN ({})",
            placeholders(2, members.len())
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace);
        for member in pad(members) {
            query = query.bind(member);
        }
        found.extend(query.fetch_all::<Of>().await?);
    }
    Ok(found)
}

/// The details of members as they are shown: nobody reports to a member who was removed. The row keeps
/// whom the member reported to, for one who comes back.
pub async fn list_shown(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
) -> Result<Vec<Of>> {
    let mut found = list(tx, workspace, members).await?;
    let mut managers: Vec<_> = found.iter().filter_map(|of| of.details.manager).collect();
    managers.sort_unstable();
    managers.dedup();
    let mut removed = HashSet::new();
    for managers in managers.chunks(MOST) {
        let sql = format!(
            "SELECT id FROM members WHERE workspace = $1 AND id IN ({}) AND status = 'removed'",
            placeholders(2, managers.len())
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace);
        for manager in pad(managers) {
            query = query.bind(manager);
        }
        let rows = query.fetch_all::<(MemberId,)>().await?;
        removed.extend(rows.into_iter().map(|row| row.0));
    }
    for of in &mut found {
        of.details.manager = of.details.manager.filter(|id| !removed.contains(id));
    }
    Ok(found)
}

/// What one of several members shows, and who says it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Filled {
    /// Whose it is.
    pub id: MemberId,
    /// How far the member is in.
    pub status: Status,
    /// The fields that an admin wrote.
    pub manual: String,
    /// The fields that rules filled in.
    pub ruled: String,
    /// What it is.
    #[sqlx(flatten)]
    pub details: Details,
}

/// What members show, and who says it.
pub async fn list_filled(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
) -> Result<Vec<Filled>> {
    let mut found = Vec::new();
    for members in members.chunks(MOST) {
        let sql = format!(
            "SELECT id, status, manual, ruled, user_id, phone, line, line_number, language, \
             time_zone, manager, picture, invited_at, activated_at, suspended_at, removed_at FROM members WHERE workspace = $1 AND id IN ({})",
            placeholders(2, members.len())
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace);
        for member in pad(members) {
            query = query.bind(member);
        }
        found.extend(query.fetch_all::<Filled>().await?);
    }
    Ok(found)
}

/// What members are named by, of what they are found by: address, user name or `UserID`.
pub async fn list_named(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
) -> Result<Vec<(MemberId, Option<String>)>> {
    let mut found = Vec::new();
    for members in members.chunks(MOST) {
        let sql = format!(
            "SELECT id, COALESCE(email, user_name, user_id) AS name FROM members \
             WHERE workspace = $1 AND id IN ({})",
            placeholders(2, members.len())
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace);
        for member in pad(members) {
            query = query.bind(member);
        }
        found.extend(query.fetch_all::<(MemberId, Option<String>)>().await?);
    }
    Ok(found)
}

/// Writes the details of a locked member, and which fields an admin wrote. A `UserID` that another
/// member has is [`super::error::DbError::Duplicate`].
pub async fn update(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
    details: &Details,
    (user_id_key, manual): (Option<&str>, &str),
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE members SET user_id = $3, user_id_key = $4, phone = $5, line = $6, \
             line_number = $7, language = $8, time_zone = $9, manager = $10, picture = $11, \
             manual = $12 WHERE workspace = $1 AND id = $2",
        )
        .bind(workspace)
        .bind(member)
        .bind(details.user_id.clone())
        .bind(user_id_key.map(str::to_owned))
        .bind(details.phone.clone())
        .bind(details.line.clone())
        .bind(details.line_number.clone())
        .bind(details.language.clone())
        .bind(details.time_zone.clone())
        .bind(details.manager)
        .bind(details.picture.clone())
        .bind(manual.to_owned())
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Says which fields of a locked member an admin wrote.
pub async fn update_manual(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
    manual: &str,
) -> Result<bool> {
    let rows = tx
        .query("UPDATE members SET manual = $3 WHERE workspace = $1 AND id = $2")
        .bind(workspace)
        .bind(member)
        .bind(manual.to_owned())
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Writes what rules fill in for a locked member, and which fields those are; at an instant, if the
/// member shows something else with it, which raises its version. Gives the version.
pub async fn update_ruled(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
    (line, number): (Option<&str>, Option<&str>),
    (language, ruled): (Option<&str>, &str),
    at: Option<Timestamp>,
) -> Result<i64> {
    let row: (i64,) = tx
        .query(
            "UPDATE members SET line = $3, line_number = $4, language = $5, ruled = $6, \
             version = version + CASE WHEN $7 THEN 1 ELSE 0 END, \
             updated_at = COALESCE($8, updated_at) WHERE workspace = $1 AND id = $2 \
             RETURNING version",
        )
        .bind(workspace)
        .bind(member)
        .bind(line.map(str::to_owned))
        .bind(number.map(str::to_owned))
        .bind(language.map(str::to_owned))
        .bind(ruled.to_owned())
        .bind(at.is_some())
        .bind(at)
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// The member of that folded `UserID`.
pub async fn find_by_user_id(
    tx: &mut Tx,
    workspace: WorkspaceId,
    key: &str,
) -> Result<Option<MemberId>> {
    let row: Option<(MemberId,)> = tx
        .query("SELECT id FROM members WHERE workspace = $1 AND user_id_key = $2")
        .bind(workspace)
        .bind(key.to_owned())
        .fetch_optional()
        .await?;
    Ok(row.map(|row| row.0))
}

/// Whether a member is another one or reports to it, through however many others.
pub async fn reports_to(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
    other: MemberId,
) -> Result<bool> {
    let found: (i64,) = tx
        .query(
            "WITH RECURSIVE up (id) AS (SELECT m.id FROM members m WHERE m.workspace = $1 \
             AND m.id = $2 UNION SELECT m.manager FROM up CROSS JOIN members m \
             WHERE m.workspace = $1 AND m.id = up.id AND m.manager IS NOT NULL) \
             SELECT COUNT(*) FROM up WHERE id = $3",
        )
        .bind(workspace)
        .bind(member)
        .bind(other)
        .fetch_one()
        .await?;
    Ok(found.0 > 0)
}

/// A directory that has somebody as a User.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Holder {
    /// The directory's name.
    pub name: String,
    /// Whether it lets the person in.
    pub active: bool,
}

/// The directories that have a member as a User.
pub async fn list_holders(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
) -> Result<Vec<Holder>> {
    tx.query(
        "SELECT d.name, u.active FROM users u JOIN directories d ON d.workspace = u.workspace \
         AND d.id = u.directory WHERE u.workspace = $1 AND u.member = $2 ORDER BY d.name",
    )
    .bind(workspace)
    .bind(member)
    .fetch_all()
    .await
}

/// The names of the directories that have each of several members as a User.
pub async fn list_directories(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
) -> Result<Vec<(MemberId, String)>> {
    let mut found = Vec::new();
    for members in members.chunks(MOST) {
        let sql = format!(
            "SELECT u.member, d.name FROM users u JOIN directories d ON d.workspace = u.workspace \
             AND d.id = u.directory WHERE u.workspace = $1 AND u.member IN ({}) ORDER BY d.name",
            placeholders(2, members.len())
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace);
        for member in pad(members) {
            query = query.bind(member);
        }
        found.extend(query.fetch_all::<(MemberId, String)>().await?);
    }
    Ok(found)
}

/// Shuts a locked member out, or takes that back; what follows from it for the status is the
/// caller's.
pub async fn update_barred(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
    barred_at: Option<Timestamp>,
) -> Result<bool> {
    let rows = tx
        .query("UPDATE members SET barred_at = $3 WHERE workspace = $1 AND id = $2")
        .bind(workspace)
        .bind(member)
        .bind(barred_at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Says whether a locked member is protected.
pub async fn update_protected(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
    protected: bool,
) -> Result<bool> {
    let rows = tx
        .query("UPDATE members SET protected = $3 WHERE workspace = $1 AND id = $2")
        .bind(workspace)
        .bind(member)
        .bind(protected)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// The one removed member who had that address, if exactly one had.
pub async fn find_left(
    tx: &mut Tx,
    workspace: WorkspaceId,
    email_key: &str,
) -> Result<Option<MemberId>> {
    let mut found: Vec<(MemberId,)> = tx
        .query(
            "SELECT id FROM members WHERE workspace = $1 AND left_email_key = $2 \
             AND status = 'removed' LIMIT 2",
        )
        .bind(workspace)
        .bind(email_key.to_owned())
        .fetch_all()
        .await?;
    Ok(found.pop().filter(|_| found.is_empty()).map(|row| row.0))
}
