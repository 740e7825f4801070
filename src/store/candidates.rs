//! Whom a User that arrives may be among those whom the workspace has, and what was allowed.

use super::error::Result;
use super::members::{self, Status};
use super::tx::Tx;
use super::users::Place;
use super::values::{list as placeholders, pad};
use crate::clock::Timestamp;
use crate::ids::{MemberId, PersonId, UserId, WorkspaceId};

/// A member who has a name or an address that a User has.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Candidate {
    /// The name or address, folded.
    pub key: String,
    /// Who has it.
    pub member: MemberId,
    /// How far the member is in.
    pub status: Status,
    /// Whether the member takes no seat by it: it keeps one while it is suspended, or an admin shuts it out.
    pub takes_none: bool,
    /// Whether the member signs in with it; else it is an address that nobody proved.
    pub is_named: bool,
    /// Whether another User of the same directory is linked to the member.
    pub is_linked: bool,
}

/// A candidate for one of several Users.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Of {
    /// For whom.
    pub user_id: UserId,
    /// Who.
    #[sqlx(flatten)]
    pub candidate: Candidate,
}

/// Whoever of the members has one of the keys, the first of which is the folded userName: by that
/// one as a login name, by each as an address. One whose removal waits is given up already.
pub async fn list(tx: &mut Tx, place: Place, keys: &[&str]) -> Result<Vec<Candidate>> {
    let Some(name) = keys.first() else {
        return Ok(Vec::new());
    };
    let linked = "EXISTS (SELECT u.id FROM users u WHERE u.workspace = $1 AND u.member = m.id \
                  AND u.directory = $2) AS is_linked";
    let sql = format!(
        "SELECT l.key, m.id AS member, m.status, \
         (m.seat_kept_at IS NOT NULL OR m.barred_at IS NOT NULL) AS takes_none, l.key IS NOT NULL AS is_named, {linked} \
         FROM login_names l CROSS JOIN members m WHERE l.workspace = $1 AND l.key = $3 \
         AND m.workspace = $1 AND m.id = l.member \
         UNION ALL SELECT m.email_key AS key, m.id AS member, m.status, \
         (m.seat_kept_at IS NOT NULL OR m.barred_at IS NOT NULL) AS takes_none, m.email_key IS NULL AS is_named, {linked} \
         FROM members m WHERE m.workspace = $1 \
         AND m.email_key IN ({}) AND m.status <> 'removed' \
         AND (m.brake_wants IS NULL OR m.brake_wants <> 'removed')",
        placeholders(4, keys.len())
    );
    let mut query = tx
        .query(sqlx::AssertSqlSafe(sql))
        .bind(place.workspace)
        .bind(place.directory)
        .bind((*name).to_owned());
    for key in pad(keys) {
        query = query.bind(key.to_owned());
    }
    query.fetch_all().await
}

/// Who is linked to a User that has an address beside those that members show, at most 2.
pub async fn list_by_alias(
    tx: &mut Tx,
    workspace: WorkspaceId,
    key: &str,
) -> Result<Vec<MemberId>> {
    let rows: Vec<(MemberId,)> = tx
        .query(
            "SELECT DISTINCT u.member FROM directories d CROSS JOIN user_emails e \
             CROSS JOIN users u WHERE d.workspace = $1 AND e.workspace = $1 \
             AND e.directory = d.id AND e.value_key = $2 AND u.workspace = $1 \
             AND u.directory = e.directory AND u.id = e.user_id AND u.member IS NOT NULL LIMIT 2",
        )
        .bind(workspace)
        .bind(key.to_owned())
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// The same for those of the Users that are linked to nobody, in one statement. Whether a directory
/// has a member already is asked of the directory as it is.
pub async fn list_of(tx: &mut Tx, place: Place, users: &[UserId]) -> Result<Vec<Of>> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let linked = "EXISTS (SELECT o.id FROM users o WHERE o.workspace = $1 AND o.member = m.id \
                  AND o.directory = $2) AS is_linked";
    let sql = format!(
        "WITH own AS MATERIALIZED (SELECT u.id, u.user_name_key FROM users u \
         WHERE u.workspace = $1 AND u.directory = $2 AND u.id IN ({}) AND u.member IS NULL), \
         keys (user_id, key) AS (SELECT own.id, own.user_name_key FROM own \
         UNION SELECT own.id, e.value_key FROM own CROSS JOIN user_emails e \
         WHERE e.workspace = $1 AND e.directory = $2 AND e.user_id = own.id) \
         SELECT own.id AS user_id, l.key, m.id AS member, m.status, \
         (m.seat_kept_at IS NOT NULL OR m.barred_at IS NOT NULL) AS takes_none, l.key IS NOT NULL AS is_named, {linked} \
         FROM own CROSS JOIN login_names l \
         CROSS JOIN members m WHERE l.workspace = $1 AND l.key = own.user_name_key \
         AND m.workspace = $1 AND m.id = l.member \
         UNION ALL SELECT keys.user_id, m.email_key AS key, m.id AS member, m.status, \
         (m.seat_kept_at IS NOT NULL OR m.barred_at IS NOT NULL) AS takes_none, m.email_key IS NULL AS is_named, {linked} \
         FROM keys CROSS JOIN members m \
         WHERE m.workspace = $1 AND m.email_key = keys.key AND m.status <> 'removed' \
         AND (m.brake_wants IS NULL OR m.brake_wants <> 'removed')",
        placeholders(3, users.len())
    );
    let mut query = tx
        .query(sqlx::AssertSqlSafe(sql))
        .bind(place.workspace)
        .bind(place.directory);
    for user in pad(users) {
        query = query.bind(user);
    }
    query.fetch_all().await
}

/// Whom an admin allowed a User of that folded userName to be linked to.
pub async fn find_adopted(tx: &mut Tx, place: Place, key: &str) -> Result<Option<MemberId>> {
    let row: Option<(MemberId,)> = tx
        .query(
            "SELECT member FROM adoptions WHERE workspace = $1 AND directory = $2 \
             AND user_name_key = $3",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(key.to_owned())
        .fetch_optional()
        .await?;
    Ok(row.map(|row| row.0))
}

/// Everything that an admin allowed in a directory.
pub async fn list_adopted(tx: &mut Tx, place: Place) -> Result<Vec<(String, MemberId)>> {
    tx.query("SELECT user_name_key, member FROM adoptions WHERE workspace = $1 AND directory = $2")
        .bind(place.workspace)
        .bind(place.directory)
        .fetch_all()
        .await
}

/// Allows the next create of that folded userName to link to a member.
pub async fn insert_adopted(
    tx: &mut Tx,
    place: Place,
    key: &str,
    member: MemberId,
    (actor, at): (Option<&str>, Timestamp),
) -> Result<()> {
    tx.query(
        "INSERT INTO adoptions (workspace, directory, user_name_key, member, actor, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (workspace, directory, user_name_key) \
         DO UPDATE SET member = excluded.member, actor = excluded.actor, \
         created_at = excluded.created_at",
    )
    .bind(place.workspace)
    .bind(place.directory)
    .bind(key.to_owned())
    .bind(member)
    .bind(actor.map(str::to_owned))
    .bind(at)
    .execute()
    .await?;
    Ok(())
}

/// Forgets what stood between a userName and a member, now that they are one.
pub async fn delete_conflict(tx: &mut Tx, place: Place, key: &str) -> Result<()> {
    for sql in [
        "DELETE FROM adoptions WHERE workspace = $1 AND directory = $2 AND user_name_key = $3",
        "DELETE FROM conflicts WHERE workspace = $1 AND directory = $2 AND user_name_key = $3",
    ] {
        tx.query(sql)
            .bind(place.workspace)
            .bind(place.directory)
            .bind(key.to_owned())
            .execute()
            .await?;
    }
    Ok(())
}

/// A create that met a member of another way.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema, sqlx::FromRow)]
pub struct Conflict {
    /// The folded userName.
    pub user_name: String,
    /// The IdP's own id for the person, where it gave one.
    pub external_id: Option<String>,
    /// Whom it met; nobody, if it found no seat.
    pub member: Option<MemberId>,
    /// Whom an admin allows it to be linked to by its next create.
    pub adopted: Option<MemberId>,
    /// When it came first.
    pub first_at: Timestamp,
    /// When it came last.
    pub last_at: Timestamp,
    /// How often it came.
    pub times: i64,
}

const CONFLICTS: &str = "SELECT c.user_name_key AS user_name, c.external_id, c.member, \
     (SELECT a.member FROM adoptions a WHERE a.workspace = c.workspace \
     AND a.directory = c.directory AND a.user_name_key = c.user_name_key) AS adopted, \
     c.first_at, c.last_at, c.times FROM conflicts c WHERE c.workspace = $1 \
     AND c.directory = $2 AND NOT EXISTS (SELECT u.id FROM users u WHERE u.workspace = c.workspace \
     AND u.directory = c.directory AND u.user_name_key = c.user_name_key \
     AND u.member IS NOT NULL)";

/// The conflicts of a directory that nobody settled, in the order of their names.
pub async fn list_conflicts(
    tx: &mut Tx,
    place: Place,
    after: Option<&str>,
    most: i64,
) -> Result<Vec<Conflict>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{CONFLICTS} AND c.user_name_key > $3 ORDER BY c.user_name_key LIMIT $4"
    )))
    .bind(place.workspace)
    .bind(place.directory)
    .bind(after.unwrap_or_default().to_owned())
    .bind(most)
    .fetch_all()
    .await
}

/// The Users of a directory that were not admitted though nobody stood in their way, in the order of
/// their names; they came once, and were written last at the later time.
pub async fn list_skipped(
    tx: &mut Tx,
    place: Place,
    after: Option<&str>,
    most: i64,
) -> Result<Vec<Conflict>> {
    tx.query(
        "SELECT u.user_name_key AS user_name, u.external_id, u.member, \
         (SELECT a.member FROM adoptions a WHERE a.workspace = u.workspace \
         AND a.directory = u.directory AND a.user_name_key = u.user_name_key) AS adopted, \
         u.created_at AS first_at, u.updated_at AS last_at, CAST(1 AS BIGINT) AS times \
         FROM users u WHERE u.workspace = $1 AND u.directory = $2 AND u.refused IS NOT NULL \
         AND u.member IS NULL AND u.user_name_key > $3 AND NOT EXISTS (SELECT c.member \
         FROM conflicts c WHERE c.workspace = u.workspace AND c.directory = u.directory \
         AND c.user_name_key = u.user_name_key) ORDER BY u.user_name_key LIMIT $4",
    )
    .bind(place.workspace)
    .bind(place.directory)
    .bind(after.unwrap_or_default().to_owned())
    .bind(most)
    .fetch_all()
    .await
}

/// The conflict of that folded userName.
pub async fn find_conflict(tx: &mut Tx, place: Place, key: &str) -> Result<Option<Conflict>> {
    tx.query(sqlx::AssertSqlSafe(format!(
        "{CONFLICTS} AND c.user_name_key = $3"
    )))
    .bind(place.workspace)
    .bind(place.directory)
    .bind(key.to_owned())
    .fetch_optional()
    .await
}

/// A User and the member that it is linked to, or is going to be.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema, sqlx::FromRow)]
#[schemars(rename = "AdoptionMatched")]
pub struct Matched {
    /// The User.
    pub user: UserId,
    /// The folded userName.
    pub user_name: String,
    /// The member.
    pub member: MemberId,
    /// Whether it is linked only once its directory goes live.
    #[sqlx(default)]
    pub planned: bool,
}

/// Users of a directory that are linked, in the order of their ids.
pub async fn list_matched(
    tx: &mut Tx,
    place: Place,
    after: Option<UserId>,
    most: i64,
) -> Result<Vec<Matched>> {
    tx.query(
        "SELECT id AS user, user_name_key AS user_name, member FROM users \
         WHERE workspace = $1 AND directory = $2 AND id > $3 AND member IS NOT NULL \
         ORDER BY id LIMIT $4",
    )
    .bind(place.workspace)
    .bind(place.directory)
    .bind(after.map_or(uuid::Uuid::nil(), |id| id.0))
    .bind(most)
    .fetch_all()
    .await
}

/// A User of a directory that is linked to nobody.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Unlinked {
    /// The User.
    pub id: UserId,
    /// The folded userName.
    pub user_name_key: String,
    /// Whether its directory lets the person in.
    pub active: bool,
    /// Why it was not admitted, if that was tried and nobody stands in its way.
    pub refused: Option<String>,
}

/// Says why a locked User is not admitted.
pub async fn update_refused(tx: &mut Tx, place: Place, user: UserId, why: &str) -> Result<()> {
    tx.query("UPDATE users SET refused = $4 WHERE workspace = $1 AND directory = $2 AND id = $3")
        .bind(place.workspace)
        .bind(place.directory)
        .bind(user)
        .bind(why.to_owned())
        .execute()
        .await?;
    Ok(())
}

/// Users of a directory that are linked to nobody, in the order of their ids.
pub async fn list_unlinked(
    tx: &mut Tx,
    place: Place,
    after: Option<UserId>,
    most: i64,
) -> Result<Vec<Unlinked>> {
    tx.query(
        "SELECT id, user_name_key, active, refused FROM users WHERE workspace = $1 AND directory = $2 \
         AND id > $3 AND member IS NULL ORDER BY id LIMIT $4",
    )
    .bind(place.workspace)
    .bind(place.directory)
    .bind(after.map_or(uuid::Uuid::nil(), |id| id.0))
    .bind(most)
    .fetch_all()
    .await
}

/// The User of that folded userName, if it is linked to nobody.
pub async fn find_unlinked(tx: &mut Tx, place: Place, key: &str) -> Result<Option<UserId>> {
    let row: Option<(UserId,)> = tx
        .query(
            "SELECT id FROM users WHERE workspace = $1 AND directory = $2 \
             AND user_name_key = $3 AND member IS NULL",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(key.to_owned())
        .fetch_optional()
        .await?;
    Ok(row.map(|row| row.0))
}

/// A member whom a directory does not have.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema, sqlx::FromRow)]
#[schemars(rename = "AdoptionUnmatched")]
pub struct Unmatched {
    /// The member.
    pub member: MemberId,
    /// How far the member is in.
    pub status: Status,
    /// The name for people.
    pub display_name: Option<String>,
    /// The address.
    pub email: Option<String>,
}

/// Members whom a directory does not have, those who left set aside, in the order of their ids.
pub async fn list_unmatched(
    tx: &mut Tx,
    place: Place,
    after: Option<MemberId>,
    most: i64,
) -> Result<Vec<Unmatched>> {
    tx.query(
        "SELECT m.id AS member, m.status, m.display_name, m.email FROM members m \
         WHERE m.workspace = $1 AND m.id > $3 AND m.status <> 'removed' \
         AND NOT EXISTS (SELECT u.id FROM users u WHERE u.workspace = $1 AND u.member = m.id \
         AND u.directory = $2) ORDER BY m.id LIMIT $4",
    )
    .bind(place.workspace)
    .bind(place.directory)
    .bind(after.map_or(uuid::Uuid::nil(), |id| id.0))
    .bind(most)
    .fetch_all()
    .await
}

/// The domains of a workspace in which a User links to whom the workspace has.
pub async fn list_adopting(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = tx
        .query(
            "SELECT name FROM domains WHERE workspace = $1 AND proved_at IS NOT NULL \
             AND adoption = $2",
        )
        .bind(workspace)
        .bind(true)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Takes a name for a member who arrives; the first of the keys is the folded userName. False when
/// another member has it, or somebody is expected under one of the keys who is another:
/// a statement of its own sees whom one before it did not.
pub async fn insert_name(
    tx: &mut Tx,
    workspace: WorkspaceId,
    keys: &[&str],
    member: MemberId,
) -> Result<bool> {
    let sql = format!(
        "INSERT INTO login_names (workspace, key, member, sources) SELECT $1, $2, $3, $4 \
         WHERE NOT EXISTS (SELECT m.id FROM members m WHERE m.workspace = $1 \
         AND m.email_key IN ({}) AND m.status IN ('draft', 'invited') AND m.id <> $3) \
         ON CONFLICT (workspace, key) DO UPDATE SET sources = login_names.sources + 1 \
         WHERE login_names.member = excluded.member",
        placeholders(5, keys.len())
    );
    let mut query = tx
        .query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(keys.first().copied().unwrap_or_default().to_owned())
        .bind(member)
        .bind(1_i64);
    for key in pad(keys) {
        query = query.bind(key.to_owned());
    }
    Ok(query.execute().await? == 1)
}

/// Asks for a member to be settled, though nothing that rules look at was written in this request.
pub async fn unsettle(tx: &mut Tx, workspace: WorkspaceId, member: MemberId) -> Result<()> {
    // Older than any rules.
    members::update_rules_version(tx, workspace, &[member], -1).await?;
    tx.query("UPDATE workspaces SET rules_swept = rules_floor - 1 WHERE id = $1")
        .bind(workspace)
        .execute()
        .await?;
    Ok(())
}

/// Notes that a person is another one.
pub async fn join_person(
    tx: &mut Tx,
    workspace: WorkspaceId,
    person: PersonId,
    joined: PersonId,
) -> Result<()> {
    tx.query("UPDATE person_keys SET joined = $3 WHERE workspace = $1 AND id = $2")
        .bind(workspace)
        .bind(person)
        .bind(joined)
        .execute()
        .await?;
    Ok(())
}
