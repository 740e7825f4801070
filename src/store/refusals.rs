//! What is kept of somebody who is nobody's member, found by whatever an admin knows of them.

use super::directories::Mode;
use super::error::Result;
use super::tx::Tx;
use crate::clock::Timestamp;
use crate::ids::{MemberId, UserId, WorkspaceId};

/// The most rows of a kind that are told of one person.
const MOST: i64 = 20;

/// By what somebody is looked for.
#[derive(Debug, Clone)]
pub struct Person {
    /// The text as it was asked for: an externalId.
    pub text: String,
    /// The same folded: a userName or an address.
    pub key: String,
}

/// A User of a directory that may be the person.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Sent {
    /// The directory's name.
    pub directory: String,
    /// What becomes of its facts.
    pub mode: Mode,
    /// Since when it is switched off.
    pub ended_at: Option<Timestamp>,
    /// The User.
    pub user_id: UserId,
    /// The folded userName.
    pub user_name: String,
    /// The member that it is linked to.
    pub member: Option<MemberId>,
    /// Why it was not admitted, if that was tried and nobody stood in its way.
    pub refused: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The Users of a workspace's directories that have this userName, externalId or address.
pub async fn list_sent(tx: &mut Tx, workspace: WorkspaceId, person: &Person) -> Result<Vec<Sent>> {
    const SENT: &str = "SELECT d.name AS directory, d.mode, d.ended_at, u.id AS user_id, \
         u.user_name_key AS user_name, u.member, u.refused, u.created_at FROM directories d";
    const OF: &str = "WHERE d.workspace = $1 AND u.workspace = $1 AND u.directory = d.id";
    let sql = format!(
        "{SENT} CROSS JOIN users u {OF} AND u.user_name_key = $2 \
         UNION {SENT} CROSS JOIN users u {OF} AND u.external_id = $3 \
         UNION {SENT} CROSS JOIN user_emails e CROSS JOIN users u {OF} AND e.workspace = $1 \
         AND e.directory = d.id AND e.value_key = $2 AND u.id = e.user_id \
         ORDER BY directory, user_name LIMIT $4"
    );
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(person.key.clone())
        .bind(person.text.clone())
        .bind(MOST)
        .fetch_all()
        .await
}

/// The members of that userName, those who left among them.
pub async fn list_named(
    tx: &mut Tx,
    workspace: WorkspaceId,
    person: &Person,
) -> Result<Vec<MemberId>> {
    let rows: Vec<(MemberId,)> = tx
        .query("SELECT id FROM members WHERE workspace = $1 AND user_name_key = $2 LIMIT $3")
        .bind(workspace)
        .bind(person.key.clone())
        .bind(MOST)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// A create that met a member of another way, and was not settled since: that member is still there, or
/// the one whom an admin named.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Met {
    /// The directory's name.
    pub directory: String,
    /// The folded userName.
    pub user_name: String,
    /// Whom it met.
    pub member: MemberId,
    /// Whom an admin allows it to be linked to by its next create.
    pub adopted: Option<MemberId>,
    /// When it came first.
    pub first_at: Timestamp,
    /// When it came last.
    pub last_at: Timestamp,
    /// How often it came.
    pub times: i64,
}

/// The creates of this userName or externalId that met somebody.
pub async fn list_met(tx: &mut Tx, workspace: WorkspaceId, person: &Person) -> Result<Vec<Met>> {
    const MET: &str = "SELECT d.name AS directory, c.user_name_key AS user_name, c.member, \
         (SELECT a.member FROM adoptions a CROSS JOIN members n WHERE a.workspace = c.workspace \
         AND a.directory = c.directory AND a.user_name_key = c.user_name_key \
         AND n.workspace = a.workspace AND n.id = a.member AND n.status <> 'removed') AS adopted, \
         c.first_at, c.last_at, c.times FROM directories d CROSS JOIN conflicts c \
         WHERE d.workspace = $1 AND c.workspace = $1 AND c.directory = d.id \
         AND (EXISTS (SELECT m.id FROM members m WHERE m.workspace = c.workspace \
         AND m.id = c.member AND m.status <> 'removed') OR EXISTS (SELECT a.member \
         FROM adoptions a CROSS JOIN members n WHERE a.workspace = c.workspace \
         AND a.directory = c.directory AND a.user_name_key = c.user_name_key \
         AND n.workspace = a.workspace AND n.id = a.member AND n.status <> 'removed')) \
         AND NOT EXISTS (SELECT u.id FROM users u WHERE u.workspace = c.workspace \
         AND u.directory = c.directory AND u.user_name_key = c.user_name_key \
         AND u.member IS NOT NULL)";
    let sql = format!(
        "{MET} AND c.user_name_key = $2 UNION {MET} AND c.external_id = $3 \
         ORDER BY directory, user_name LIMIT $4"
    );
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(person.key.clone())
        .bind(person.text.clone())
        .bind(MOST)
        .fetch_all()
        .await
}

/// A User that its directory deleted.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Buried {
    /// The directory's name.
    pub directory: String,
    /// The User.
    pub user_id: UserId,
    /// The member that it was linked to.
    pub member: MemberId,
    /// When it was deleted.
    pub deleted_at: Timestamp,
}

/// The deleted Users of this externalId.
pub async fn list_buried(
    tx: &mut Tx,
    workspace: WorkspaceId,
    person: &Person,
) -> Result<Vec<Buried>> {
    tx.query(
        "SELECT d.name AS directory, t.user_id, t.member, t.deleted_at FROM directories d \
         CROSS JOIN tombstones t WHERE d.workspace = $1 AND t.workspace = $1 \
         AND t.directory = d.id AND t.external_id = $2 ORDER BY t.deleted_at LIMIT $3",
    )
    .bind(workspace)
    .bind(person.text.clone())
    .bind(MOST)
    .fetch_all()
    .await
}
