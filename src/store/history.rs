//! What was: grants past and present.

use uuid::Uuid;

use super::error::Result;
use super::grants::{Effective, GrantKind};
use super::members::Source;
use super::tx::Tx;
use super::values::{MOST, list as placeholders, pad};
use crate::clock::Timestamp;
use crate::ids::{DirectoryId, GrantId, MemberId, RuleId, UserId, WorkspaceId};

/// A grant, whether it has ended or not.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema, sqlx::FromRow)]
#[schemars(rename = "PastGrant")]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// What it gives.
    pub kind: GrantKind,
    /// The team, role or permission.
    pub target: Uuid,
    /// The present name of that.
    #[sqlx(skip)]
    pub name: Option<String>,
    /// Since when.
    pub from_at: Timestamp,
    /// Until when, if it has ended.
    pub to_at: Option<Timestamp>,
    /// What kind of cause it has.
    pub cause: String,
    /// When that ended as a whole, if it did.
    pub cause_ended_at: Option<Timestamp>,
    /// The rule.
    pub rule: Option<RuleId>,
    /// The rule's version.
    pub rule_version: Option<i64>,
    /// Who made the cause.
    pub actor: Option<String>,
    /// The request that began it.
    pub begun_by: Uuid,
    /// The request that ended it.
    pub ended_by: Option<Uuid>,
}

/// All grants that a member ever had, oldest first.
pub async fn list_grants(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
) -> Result<Vec<Grant>> {
    tx.query(
        "SELECT g.id, g.kind, g.target, g.from_at, g.to_at, c.kind AS cause, \
         c.ended_at AS cause_ended_at, c.rule, c.rule_version, c.actor, b.request AS begun_by, \
         e.request AS ended_by FROM grants g JOIN causes c ON c.workspace = g.workspace \
         AND c.id = g.cause JOIN changes b ON b.workspace = g.workspace \
         AND b.id = g.begun_change LEFT JOIN changes e ON e.workspace = g.workspace \
         AND e.id = g.ended_change WHERE g.workspace = $1 AND g.member = $2 \
         ORDER BY g.from_at, g.id",
    )
    .bind(workspace)
    .bind(member)
    .fetch_all()
    .await
}

/// What a directory says of a member.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Said {
    /// The directory.
    pub directory: DirectoryId,
    /// Its name.
    pub directory_name: String,
    /// The User.
    pub id: UserId,
    /// Whether the directory lets the person in.
    pub active: bool,
    /// The User's document, as JSON text.
    pub document: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was written last.
    pub updated_at: Timestamp,
}

/// What directories say of a member.
pub async fn list_said(tx: &mut Tx, workspace: WorkspaceId, member: MemberId) -> Result<Vec<Said>> {
    tx.query(
        "SELECT u.directory, d.name AS directory_name, u.id, u.active, u.document, u.created_at, \
         u.updated_at FROM users u JOIN directories d ON d.workspace = u.workspace \
         AND d.id = u.directory WHERE u.workspace = $1 AND u.member = $2 ORDER BY u.id",
    )
    .bind(workspace)
    .bind(member)
    .fetch_all()
    .await
}

/// A member that was there.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct Known {
    /// Its id.
    pub id: MemberId,
    /// Which way it came in.
    pub source: Source,
}

/// Members after one in id order who were made by an instant, whatever became of them.
pub async fn list_known(
    tx: &mut Tx,
    workspace: WorkspaceId,
    after: Option<MemberId>,
    until: Timestamp,
    most: i64,
) -> Result<Vec<Known>> {
    tx.query(
        "SELECT id, source FROM members WHERE workspace = $1 AND id > $2 AND created_at <= $3 \
         ORDER BY id LIMIT $4",
    )
    .bind(workspace)
    .bind(after.map_or(Uuid::nil(), |id| id.0))
    .bind(until)
    .bind(most)
    .fetch_all()
    .await
}

/// Those of the members that there are, whatever became of them.
pub async fn list_named(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
) -> Result<Vec<Known>> {
    let mut found = Vec::new();
    for members in members.chunks(MOST) {
        let sql = format!(
            "SELECT id, source FROM members WHERE workspace = $1 AND id IN ({})",
            placeholders(2, members.len())
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace);
        for member in pad(members) {
            query = query.bind(member);
        }
        found.extend(query.fetch_all::<Known>().await?);
    }
    Ok(found)
}

/// The rights that members had after a change and at its instant, be they in or not.
pub async fn list_had(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
    (number, at): (i64, Timestamp),
) -> Result<Vec<Effective>> {
    let mut rights = Vec::new();
    for members in members.chunks(MOST) {
        let sql = format!(
            "SELECT DISTINCT g.member, g.kind, g.target FROM grants g JOIN causes c \
             ON c.workspace = g.workspace AND c.id = g.cause JOIN changes b \
             ON b.workspace = g.workspace AND b.id = g.begun_change LEFT JOIN changes e \
             ON e.workspace = g.workspace AND e.id = g.ended_change WHERE g.workspace = $1 \
             AND b.number <= $2 AND (e.number IS NULL OR e.number > $2) \
             AND (c.ended_at IS NULL OR c.ended_at > $3 OR g.hold IS NOT NULL) \
             AND g.member IN ({})",
            placeholders(4, members.len())
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(workspace)
            .bind(number)
            .bind(at);
        for member in pad(members) {
            query = query.bind(member);
        }
        rights.extend(query.fetch_all::<Effective>().await?);
    }
    Ok(rights)
}

/// The rights that a member had by hand after a change and at its instant.
pub async fn list_had_by_hand(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
    (number, at): (i64, Timestamp),
) -> Result<Vec<(GrantKind, Uuid)>> {
    tx.query(
        "SELECT DISTINCT g.kind, g.target FROM grants g JOIN causes c \
         ON c.workspace = g.workspace AND c.id = g.cause JOIN changes b \
         ON b.workspace = g.workspace AND b.id = g.begun_change LEFT JOIN changes e \
         ON e.workspace = g.workspace AND e.id = g.ended_change WHERE g.workspace = $1 \
         AND g.member = $2 AND c.kind <> 'rule' AND b.number <= $3 \
         AND (e.number IS NULL OR e.number > $3) \
         AND (c.ended_at IS NULL OR c.ended_at > $4 OR g.hold IS NOT NULL)",
    )
    .bind(workspace)
    .bind(member)
    .bind(number)
    .bind(at)
    .fetch_all()
    .await
}
