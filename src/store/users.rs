//! SCIM Users as the IdP wrote them.

use super::directories::Mode;
use super::error::Result;
use super::tx::{Lock, Tx};
use super::values::{list as placeholders, pad};
use crate::clock::Timestamp;
use crate::ids::{DirectoryId, MemberId, PersonId, UserId, WorkspaceId};
use crate::scim::fold;

/// A directory of a workspace: what every statement on resources is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The directory.
    pub directory: DirectoryId,
}

/// A User: its document and the keys by which it is found.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The folded userName.
    pub user_name_key: String,
    /// The IdP's own id for it.
    pub external_id: Option<String>,
    /// The folded displayName.
    pub display_key: Option<String>,
    /// What groups show for it.
    pub display: Option<String>,
    /// Whether the IdP lets the person in.
    pub active: bool,
    /// The resource without server parts, as JSON text.
    pub document: String,
    /// The member that it is linked to, in a live directory.
    pub member: Option<MemberId>,
    /// The key under which the person's values are sealed.
    pub person: PersonId,
    /// Counts its written versions.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was written last.
    pub updated_at: Timestamp,
}

/// What is known before a User is made, read in one statement.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Known {
    /// Under which rules the workspace is now.
    pub rules_version: i64,
    /// How many of them look at attributes of users.
    pub rules_when: i64,
    /// Names the workspace's present set of registered schemas.
    pub schemas_tag: Option<uuid::Uuid>,
    /// How many members may be in; it stays so until the transaction ends.
    pub seat_limit: Option<i64>,
    /// The live User of that userName in this directory.
    pub own: Option<UserId>,
    /// The member who holds that name.
    pub holder: Option<MemberId>,
    /// How many tombstones of this directory have that externalId.
    pub tombstones: i64,
    /// The member of one of them.
    pub buried: Option<MemberId>,
    /// Whether a member who did not leave has one of the addresses, which nobody proved.
    pub is_met: bool,
    /// Whether somebody reports to a manager of that userName or externalId.
    pub is_awaited: bool,
}

/// A User that is locked for a change of its memberships.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct Linked {
    /// The User.
    pub id: UserId,
    /// The member that it is linked to.
    pub member: Option<MemberId>,
}

/// What is known of a person before a User is made; the first of the keys is the folded userName,
/// the others are its addresses.
pub async fn find_known(
    tx: &mut Tx,
    place: Place,
    keys: &[&str],
    external_id: Option<&str>,
) -> Result<Known> {
    let name = keys.first().copied().unwrap_or_default();
    let sql = format!(
        "SELECT w.rules_version, w.rules_when, w.schemas_tag, w.seat_limit, \
         (SELECT u.id FROM users u WHERE u.workspace = $1 AND u.directory = $2 \
          AND u.user_name_key = $3) AS own, \
         (SELECT l.member FROM login_names l WHERE l.workspace = $1 AND l.key = $3) AS holder, \
         (SELECT COUNT(*) FROM tombstones t WHERE t.workspace = $1 AND t.directory = $2 \
          AND t.external_id = $4) AS tombstones, \
         (SELECT t.member FROM tombstones t WHERE t.workspace = $1 AND t.directory = $2 \
          AND t.external_id = $4 LIMIT 1) AS buried, \
         EXISTS (SELECT r.id FROM users r WHERE r.workspace = $1 AND r.directory = $2 \
          AND r.manager_key IN ($3, $5)) AS is_awaited, \
         EXISTS (SELECT m.id FROM members m WHERE m.workspace = $1 AND m.email_key IN ({}) \
         AND m.status <> 'removed') AS is_met \
         FROM workspaces w WHERE w.id = $1",
        placeholders(6, keys.len())
    );
    let mut query = tx
        .locked_list(&sql, Lock::KeyShare, "w")
        .bind(place.workspace)
        .bind(place.directory)
        .bind(name.to_owned())
        .bind(external_id.map(str::to_owned))
        .bind(external_id.map(fold::key));
    for key in pad(keys) {
        query = query.bind(key.to_owned());
    }
    query.fetch_one().await
}

/// Whether a User of a directory is linked to a member.
pub async fn is_linked(tx: &mut Tx, place: Place, member: MemberId) -> Result<bool> {
    let found: Option<(UserId,)> = tx
        .query("SELECT id FROM users WHERE workspace = $1 AND member = $3 AND directory = $2")
        .bind(place.workspace)
        .bind(place.directory)
        .bind(member)
        .fetch_optional()
        .await?;
    Ok(found.is_some())
}

/// The inactive User of that userName, or else of that externalId.
pub async fn find_inactive(
    tx: &mut Tx,
    place: Place,
    user_name_key: &str,
    external_id: Option<&str>,
) -> Result<Option<UserId>> {
    let row: Option<(UserId,)> = tx
        .query(
            "SELECT u.id FROM users u WHERE u.workspace = $1 AND u.directory = $2 \
             AND (u.user_name_key = $3 OR (u.external_id = $4 AND NOT EXISTS (SELECT o.id \
             FROM users o WHERE o.workspace = $1 AND o.directory = $2 \
             AND o.user_name_key = $3))) AND u.active = $5 ORDER BY u.id LIMIT 1",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(user_name_key.to_owned())
        .bind(external_id.map(str::to_owned))
        .bind(false)
        .fetch_optional()
        .await?;
    Ok(row.map(|row| row.0))
}

/// Makes a User; the userName must be free in the directory. False if the directory is in another mode
/// or switched off by now.
pub async fn insert(tx: &mut Tx, place: Place, user: &User, mode: Mode) -> Result<bool> {
    let rows = tx
        .query(
            "INSERT INTO users (workspace, directory, id, user_name_key, external_id, display_key, \
         display, active, document, member, person, version, created_at, updated_at) \
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14 \
         WHERE EXISTS (SELECT d.id FROM directories d WHERE d.workspace = $15 AND d.id = $16 \
         AND d.mode = $17 AND d.ended_at IS NULL)",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(user.id)
        .bind(user.user_name_key.clone())
        .bind(user.external_id.clone())
        .bind(user.display_key.clone())
        .bind(user.display.clone())
        .bind(user.active)
        .bind(user.document.clone())
        .bind(user.member)
        .bind(user.person)
        .bind(user.version)
        .bind(user.created_at)
        .bind(user.updated_at)
        .bind(place.workspace)
        .bind(place.directory)
        .bind(mode)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Links a locked User to a member, and to its person.
pub async fn update_member(
    tx: &mut Tx,
    place: Place,
    id: UserId,
    member: MemberId,
    person: PersonId,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE users SET member = $4, person = $5, refused = NULL, former_member = NULL \
             WHERE workspace = $1 AND directory = $2 AND id = $3",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(id)
        .bind(member)
        .bind(person)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Writes a locked User anew whose names are what they were. Named in an update, a column has its
/// index written even where its value stays. False if the directory is in another mode, or switched off.
pub async fn update(tx: &mut Tx, place: Place, user: &User, mode: Mode) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE users SET active = $4, document = $5, version = $6, updated_at = $7 \
             WHERE workspace = $1 AND directory = $2 AND id = $3 AND EXISTS (SELECT d.id \
             FROM directories d WHERE d.workspace = $1 AND d.id = $2 AND d.mode = $8 \
             AND d.ended_at IS NULL)",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(user.id)
        .bind(user.active)
        .bind(user.document.clone())
        .bind(user.version)
        .bind(user.updated_at)
        .bind(mode)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Writes a locked User anew; the userName must be free in the directory. False as above.
pub async fn update_all(tx: &mut Tx, place: Place, user: &User, mode: Mode) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE users SET user_name_key = $4, external_id = $5, display_key = $6, \
             display = $7, active = $8, document = $9, version = $10, updated_at = $11 \
             WHERE workspace = $1 AND directory = $2 AND id = $3 AND EXISTS (SELECT d.id \
             FROM directories d WHERE d.workspace = $1 AND d.id = $2 AND d.mode = $12 \
             AND d.ended_at IS NULL)",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(user.id)
        .bind(user.user_name_key.clone())
        .bind(user.external_id.clone())
        .bind(user.display_key.clone())
        .bind(user.display.clone())
        .bind(user.active)
        .bind(user.document.clone())
        .bind(user.version)
        .bind(user.updated_at)
        .bind(mode)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Takes a User away with its e-mail keys; its memberships must be gone.
pub async fn delete(tx: &mut Tx, place: Place, id: UserId) -> Result<bool> {
    let rows = tx
        .query("DELETE FROM users WHERE workspace = $1 AND directory = $2 AND id = $3")
        .bind(place.workspace)
        .bind(place.directory)
        .bind(id)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// The User of that id.
pub async fn find(tx: &mut Tx, place: Place, id: UserId) -> Result<Option<User>> {
    tx.query(
        "SELECT u.id, u.user_name_key, u.external_id, u.display_key, u.display, u.active, \
         u.document, u.member, u.person, u.version, u.created_at, u.updated_at FROM users u \
         WHERE u.workspace = $1 AND u.directory = $2 AND u.id = $3",
    )
    .bind(place.workspace)
    .bind(place.directory)
    .bind(id)
    .fetch_optional()
    .await
}

/// The User of that id, locked.
pub async fn lock(tx: &mut Tx, place: Place, id: UserId) -> Result<Option<User>> {
    tx.locked(
        "SELECT u.id, u.user_name_key, u.external_id, u.display_key, u.display, u.active, \
         u.document, u.member, u.person, u.version, u.created_at, u.updated_at FROM users u \
         WHERE u.workspace = $1 AND u.directory = $2 AND u.id = $3",
        Lock::Update,
        "u",
    )
    .bind(place.workspace)
    .bind(place.directory)
    .bind(id)
    .fetch_optional()
    .await
}

/// Those of the ids that exist, locked in id order.
pub async fn lock_linked(tx: &mut Tx, place: Place, ids: &[UserId]) -> Result<Vec<Linked>> {
    let mut found = Vec::with_capacity(ids.len());
    for ids in ids.chunks(super::values::MOST) {
        let sql = format!(
            "SELECT u.id, u.member FROM users u WHERE u.workspace = $1 AND u.directory = $2 \
             AND u.id IN ({}) ORDER BY u.id",
            placeholders(3, ids.len())
        );
        let mut query = tx
            .locked_list(&sql, Lock::Update, "u")
            .bind(place.workspace)
            .bind(place.directory);
        for id in pad(ids) {
            query = query.bind(id);
        }
        found.extend(query.fetch_all::<Linked>().await?);
    }
    Ok(found)
}

/// The Users of a directory after `after`, in id order.
pub async fn list_ids(
    tx: &mut Tx,
    place: Place,
    after: Option<UserId>,
    most: i64,
) -> Result<Vec<UserId>> {
    let rows: Vec<(UserId,)> = tx
        .query(
            "SELECT id FROM users WHERE workspace = $1 AND directory = $2 AND id > $3 \
             ORDER BY id LIMIT $4",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(after.map_or(uuid::Uuid::nil(), |id| id.0))
        .bind(most)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Writes the folded addresses of a User.
pub async fn insert_emails(tx: &mut Tx, place: Place, id: UserId, keys: &[String]) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO user_emails (workspace, directory, user_id, value_key) VALUES {} \
         ON CONFLICT DO NOTHING",
        super::values::rows(keys.len(), 4)
    );
    let mut query = tx.query(sqlx::AssertSqlSafe(sql));
    if !super::values::is_usual(keys.len()) {
        query = query.once();
    }
    for key in keys {
        query = query
            .bind(place.workspace)
            .bind(place.directory)
            .bind(id)
            .bind(key.clone());
    }
    query.execute().await?;
    Ok(())
}

/// Takes the folded addresses of a User away.
pub async fn delete_emails(tx: &mut Tx, place: Place, id: UserId) -> Result<()> {
    tx.query("DELETE FROM user_emails WHERE workspace = $1 AND directory = $2 AND user_id = $3")
        .bind(place.workspace)
        .bind(place.directory)
        .bind(id)
        .execute()
        .await?;
    Ok(())
}

/// Remembers a User that was deleted.
pub async fn insert_tombstone(
    tx: &mut Tx,
    place: Place,
    user: &User,
    member: MemberId,
    at: Timestamp,
) -> Result<()> {
    tx.query(
        "INSERT INTO tombstones (workspace, directory, user_id, external_id, member, deleted_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(place.workspace)
    .bind(place.directory)
    .bind(user.id)
    .bind(user.external_id.clone())
    .bind(member)
    .bind(at)
    .execute()
    .await?;
    Ok(())
}

/// Forgets the tombstones of an externalId: the person is back.
pub async fn delete_tombstones(tx: &mut Tx, place: Place, external_id: &str) -> Result<()> {
    tx.query("DELETE FROM tombstones WHERE workspace = $1 AND directory = $2 AND external_id = $3")
        .bind(place.workspace)
        .bind(place.directory)
        .bind(external_id.to_owned())
        .execute()
        .await?;
    Ok(())
}

/// Notes that a create met a member of another way.
pub async fn insert_conflict(
    tx: &mut Tx,
    place: Place,
    user_name_key: &str,
    external_id: Option<&str>,
    member: MemberId,
    at: Timestamp,
) -> Result<()> {
    tx.query(
        "INSERT INTO conflicts (workspace, directory, user_name_key, external_id, member, \
         first_at, last_at, times) VALUES ($1, $2, $3, $4, $5, $6, $6, 1) \
         ON CONFLICT (workspace, directory, user_name_key) DO UPDATE SET \
         external_id = excluded.external_id, member = excluded.member, \
         last_at = excluded.last_at, times = conflicts.times + 1",
    )
    .bind(place.workspace)
    .bind(place.directory)
    .bind(user_name_key.to_owned())
    .bind(external_id.map(str::to_owned))
    .bind(member)
    .bind(at)
    .execute()
    .await?;
    Ok(())
}

/// How many live Users a member is linked to, beside `except`.
pub async fn count_linked(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
    except: UserId,
) -> Result<i64> {
    let row: (i64,) = tx
        .query(
            "SELECT COUNT(*) FROM users u WHERE u.workspace = $1 AND u.member = $2 \
             AND u.id <> $3 AND u.active = $4",
        )
        .bind(workspace)
        .bind(member)
        .bind(except)
        .bind(true)
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// Stores a person's sealed key.
pub async fn insert_person(
    tx: &mut Tx,
    workspace: WorkspaceId,
    person: PersonId,
    sealed: Vec<u8>,
) -> Result<()> {
    tx.query("INSERT INTO person_keys (workspace, id, sealed) VALUES ($1, $2, $3)")
        .bind(workspace)
        .bind(person)
        .bind(sealed)
        .execute()
        .await?;
    Ok(())
}

/// A person's sealed key, unless it was destroyed.
pub async fn find_person(
    tx: &mut Tx,
    workspace: WorkspaceId,
    person: PersonId,
) -> Result<Option<Vec<u8>>> {
    let row: Option<(Vec<u8>,)> = tx
        .query("SELECT sealed FROM person_keys WHERE workspace = $1 AND id = $2")
        .bind(workspace)
        .bind(person)
        .fetch_optional()
        .await?;
    Ok(row.map(|row| row.0).filter(|sealed| !sealed.is_empty()))
}
