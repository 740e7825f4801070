//! Who was erased, and what goes with it.

use uuid::Uuid;

use super::error::Result;
use super::tx::Tx;
use super::values::{MOST, list as placeholders, pad};
use crate::clock::Timestamp;
use crate::ids::{MemberId, PersonId, WorkspaceId};

/// That a member was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::FromRow)]
pub struct Erased {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The member.
    pub member: MemberId,
    /// When.
    pub at: Timestamp,
}

/// Keeps that members were erased; one that is known stays as it is.
pub async fn insert(tx: &mut Tx, erased: &[Erased]) -> Result<()> {
    for erased in erased.chunks(MOST) {
        let sql = format!(
            "INSERT INTO erasures (workspace, member, at) VALUES {} ON CONFLICT DO NOTHING",
            super::values::rows(erased.len(), 3)
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).once();
        for one in erased {
            query = query.bind(one.workspace).bind(one.member).bind(one.at);
        }
        query.execute().await?;
    }
    Ok(())
}

/// Everybody who was erased.
pub async fn list(tx: &mut Tx) -> Result<Vec<Erased>> {
    tx.query("SELECT e.workspace, e.member, e.at FROM erasures e ORDER BY e.workspace, e.member")
        .fetch_all()
        .await
}

/// Those of them who are there again: a restore brought them back.
pub async fn list_back(tx: &mut Tx) -> Result<Vec<Erased>> {
    tx.query(
        "SELECT e.workspace, e.member, e.at FROM erasures e CROSS JOIN members m \
         WHERE m.workspace = e.workspace AND m.id = e.member AND m.erased_at IS NULL",
    )
    .fetch_all()
    .await
}

/// When a member was erased.
pub async fn find_at(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
) -> Result<Option<Timestamp>> {
    let row: Option<(Option<Timestamp>,)> = tx
        .query("SELECT erased_at FROM members WHERE workspace = $1 AND id = $2")
        .bind(workspace)
        .bind(member)
        .fetch_optional()
        .await?;
    Ok(row.and_then(|row| row.0))
}

/// Takes everything personal out of a locked member's row, and raises its version.
pub async fn blank(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
    at: Timestamp,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE members SET user_name = NULL, display_name = NULL, display_key = '', given_name = NULL, \
             family_name = NULL, email = NULL, email_key = NULL, left_email_key = NULL, \
             user_id = NULL, user_id_key = NULL, phone = NULL, line = NULL, line_number = NULL, \
             language = NULL, time_zone = NULL, manager = NULL, picture = NULL, manual = '', \
             ruled = '', user_name_key = NULL, \
             barred_at = NULL, braked_at = NULL, brake_until = NULL, brake_wants = NULL, brake_rejected = NULL, \
             erased_at = $3, updated_at = $3, version = version + 1 \
             WHERE workspace = $1 AND id = $2",
        )
        .bind(workspace)
        .bind(member)
        .bind(at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Takes away what else tells who a member was: what its IdP called it, the names that others asked
/// for, the names of its own API keys.
pub async fn delete_names(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
    at: Timestamp,
) -> Result<()> {
    tx.query(
        "UPDATE tombstones SET external_id = NULL WHERE workspace = $1 AND member = $2 \
         AND external_id IS NOT NULL",
    )
    .bind(workspace)
    .bind(member)
    .execute()
    .await?;
    for sql in [
        "DELETE FROM conflicts WHERE workspace = $1 AND member = $2",
        "DELETE FROM adoptions WHERE workspace = $1 AND member = $2",
    ] {
        tx.query(sql).bind(workspace).bind(member).execute().await?;
    }
    tx.query(
        "UPDATE api_keys SET name = 'erased', revoked_at = COALESCE(revoked_at, $3) \
         WHERE workspace = $1 AND member = $2",
    )
    .bind(workspace)
    .bind(member)
    .bind(at)
    .execute()
    .await?;
    Ok(())
}

/// Destroys keys of persons: what was sealed with them says nothing any more. Their rows stay, since
/// to delete one is to look through all Users for one that refers to it.
pub async fn blank_keys(tx: &mut Tx, workspace: WorkspaceId, persons: &[PersonId]) -> Result<u64> {
    if persons.is_empty() {
        return Ok(0);
    }
    let mut blanked = 0;
    // Keys that were joined to these are of the same person.
    for column in ["id", "joined"] {
        let sql = format!(
            "UPDATE person_keys SET sealed = $2 WHERE workspace = $1 AND {column} IN ({})",
            placeholders(3, persons.len())
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(workspace)
            .bind(Vec::<u8>::new());
        for person in pad(persons) {
            query = query.bind(person);
        }
        blanked += query.execute().await?;
    }
    Ok(blanked)
}

/// What IdPs called the deleted Users of a member.
pub async fn list_external_ids(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = tx
        .query(
            "SELECT external_id FROM tombstones WHERE workspace = $1 AND member = $2 \
             AND external_id IS NOT NULL",
        )
        .bind(workspace)
        .bind(member)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Erasures before an instant for which the request log is to be looked through once more.
pub async fn list_open(tx: &mut Tx, before: Timestamp, most: i64) -> Result<Vec<Erased>> {
    tx.query(
        "SELECT o.workspace, o.member, o.at FROM erasures o WHERE o.log_at IS NULL AND o.at < $1 \
         ORDER BY o.at LIMIT $2",
    )
    .bind(before)
    .bind(most)
    .fetch_all()
    .await
}

/// Says that the request log was looked through once more.
pub async fn update_log_at(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
    at: Timestamp,
) -> Result<bool> {
    let rows = tx
        .query("UPDATE erasures SET log_at = $3 WHERE workspace = $1 AND member = $2")
        .bind(workspace)
        .bind(member)
        .bind(at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Says that the request log is to be looked through again, for one who was brought back.
pub async fn reopen(tx: &mut Tx, workspace: WorkspaceId, member: MemberId) -> Result<bool> {
    let rows = tx
        .query("UPDATE erasures SET log_at = NULL WHERE workspace = $1 AND member = $2")
        .bind(workspace)
        .bind(member)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Members of a workspace who left before an instant and are not erased.
pub async fn list_left(
    tx: &mut Tx,
    workspace: WorkspaceId,
    before: Timestamp,
    most: i64,
) -> Result<Vec<MemberId>> {
    let rows: Vec<(MemberId,)> = tx
        .query(
            "SELECT id FROM members WHERE workspace = $1 AND removed_at IS NOT NULL \
             AND erased_at IS NULL AND removed_at < $2 ORDER BY removed_at LIMIT $3",
        )
        .bind(workspace)
        .bind(before)
        .bind(most)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// A conflict that names a member.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema, sqlx::FromRow)]
#[schemars(rename = "MetConflict")]
pub struct Conflict {
    /// The directory that asked for the name.
    pub directory: Uuid,
    /// The folded name.
    pub user_name: String,
    /// What the IdP calls whom it meant.
    pub external_id: Option<String>,
    /// When it asked first.
    pub first_at: Timestamp,
    /// When it asked last.
    pub last_at: Timestamp,
    /// How often.
    pub times: i64,
}

/// The conflicts that name a member.
pub async fn list_conflicts(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
) -> Result<Vec<Conflict>> {
    tx.query(
        "SELECT directory, user_name_key AS user_name, external_id, first_at, last_at, times \
         FROM conflicts WHERE workspace = $1 AND member = $2 ORDER BY first_at",
    )
    .bind(workspace)
    .bind(member)
    .fetch_all()
    .await
}

/// A User that was deleted.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema, sqlx::FromRow)]
#[schemars(rename = "BuriedUser")]
pub struct Buried {
    /// The directory.
    pub directory: Uuid,
    /// The User.
    pub user_id: Uuid,
    /// What the IdP called it.
    pub external_id: Option<String>,
    /// When it was deleted.
    pub deleted_at: Timestamp,
}

/// The tombstones of a member, oldest first.
pub async fn list_buried(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
) -> Result<Vec<Buried>> {
    let mut buried: Vec<Buried> = tx
        .query(
            "SELECT directory, user_id, external_id, deleted_at FROM tombstones \
             WHERE workspace = $1 AND member = $2",
        )
        .bind(workspace)
        .bind(member)
        .fetch_all()
        .await?;
    // In the order of an index SQLite would go through those of the whole workspace.
    buried.sort_by_key(|buried| buried.deleted_at);
    Ok(buried)
}
