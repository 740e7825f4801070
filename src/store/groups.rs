//! SCIM Groups as the IdP wrote them. Their members are rows of their own.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::error::Result;
use super::tx::{Lock, Tx};
use super::users::Place;
use super::values::{list as placeholders, pad};
use crate::clock::Timestamp;
use crate::ids::{GroupId, UserId, WorkspaceId};

/// A Group without its members.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Its name.
    pub display: String,
    /// Its name, folded; unique in the directory.
    pub display_key: String,
    /// The IdP's own id for it.
    pub external_id: Option<String>,
    /// The resource without server parts and members, as JSON text.
    pub document: String,
    /// Its written version plus the deltas of its members since.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it or its members changed last.
    pub updated_at: Timestamp,
}

pub(super) const COLUMNS: &str = "SELECT u.id, u.display, u.display_key, u.external_id, \
     u.document, u.version + (SELECT COUNT(*) FROM group_touches t WHERE t.workspace = u.workspace \
     AND t.directory = u.directory AND t.group_id = u.id) AS version, u.created_at, \
     COALESCE((SELECT MAX(t.at) FROM group_touches t WHERE t.workspace = u.workspace \
     AND t.directory = u.directory AND t.group_id = u.id), u.updated_at) AS updated_at \
     FROM user_groups u";

/// Makes a Group; its name must be free in the directory.
pub async fn insert(tx: &mut Tx, place: Place, group: &Group) -> Result<()> {
    tx.query(
        "INSERT INTO user_groups (workspace, directory, id, display, display_key, external_id, \
         document, version, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(place.workspace)
    .bind(place.directory)
    .bind(group.id)
    .bind(group.display.clone())
    .bind(group.display_key.clone())
    .bind(group.external_id.clone())
    .bind(group.document.clone())
    .bind(group.version)
    .bind(group.created_at)
    .bind(group.updated_at)
    .execute()
    .await?;
    Ok(())
}

/// Writes a Group that is locked for update anew, and folds the touches into its version.
pub async fn update(tx: &mut Tx, place: Place, group: &Group) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE user_groups SET display = $4, display_key = $5, external_id = $6, \
             document = $7, version = $8, updated_at = $9 \
             WHERE workspace = $1 AND directory = $2 AND id = $3",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(group.id)
        .bind(group.display.clone())
        .bind(group.display_key.clone())
        .bind(group.external_id.clone())
        .bind(group.document.clone())
        .bind(group.version)
        .bind(group.updated_at)
        .execute()
        .await?;
    delete_touches(tx, place, group.id).await?;
    Ok(rows == 1)
}

/// Takes the touches of a Group away: its written version covers them.
async fn delete_touches(tx: &mut Tx, place: Place, id: GroupId) -> Result<()> {
    tx.query("DELETE FROM group_touches WHERE workspace = $1 AND directory = $2 AND group_id = $3")
        .bind(place.workspace)
        .bind(place.directory)
        .bind(id)
        .execute()
        .await?;
    Ok(())
}

/// Hides a Group whose memberships a run will take away.
pub async fn hide(tx: &mut Tx, place: Place, id: GroupId, at: Timestamp) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE user_groups SET deleted_at = $4 \
             WHERE workspace = $1 AND directory = $2 AND id = $3 AND deleted_at IS NULL",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(id)
        .bind(at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Takes a Group away; its memberships must be gone.
pub async fn delete(tx: &mut Tx, place: Place, id: GroupId) -> Result<bool> {
    let rows = tx
        .query("DELETE FROM user_groups WHERE workspace = $1 AND directory = $2 AND id = $3")
        .bind(place.workspace)
        .bind(place.directory)
        .bind(id)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// The Group of that id.
pub async fn find(tx: &mut Tx, place: Place, id: GroupId) -> Result<Option<Group>> {
    let sql = format!(
        "{COLUMNS} WHERE u.workspace = $1 AND u.directory = $2 AND u.id = $3 \
         AND u.deleted_at IS NULL"
    );
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(place.workspace)
        .bind(place.directory)
        .bind(id)
        .fetch_optional()
        .await
}

/// Whether the Group of that id is deleted, and a run still takes its memberships away.
pub async fn is_hidden(tx: &mut Tx, place: Place, id: GroupId) -> Result<bool> {
    let found: Option<(GroupId,)> = tx
        .query(
            "SELECT id FROM user_groups WHERE workspace = $1 AND directory = $2 AND id = $3 \
             AND deleted_at IS NOT NULL",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(id)
        .fetch_optional()
        .await?;
    Ok(found.is_some())
}

/// Locks the Group of that id and then reads it, so that touches which were waited for are seen.
pub async fn lock(tx: &mut Tx, place: Place, id: GroupId, lock: Lock) -> Result<Option<Group>> {
    let found: Option<(GroupId,)> = tx
        .locked(
            "SELECT g.id FROM user_groups g WHERE g.workspace = $1 AND g.directory = $2 \
             AND g.id = $3 AND g.deleted_at IS NULL",
            lock,
            "g",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(id)
        .fetch_optional()
        .await?;
    match found {
        Some(_) => find(tx, place, id).await,
        None => Ok(None),
    }
}

/// Keeps a Group from going away; false when there is none.
pub async fn keep(tx: &mut Tx, place: Place, id: GroupId) -> Result<bool> {
    let found: Option<(GroupId,)> = tx
        .locked(
            "SELECT g.id FROM user_groups g WHERE g.workspace = $1 AND g.directory = $2 \
             AND g.id = $3 AND g.deleted_at IS NULL",
            Lock::KeyShare,
            "g",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(id)
        .fetch_optional()
        .await?;
    Ok(found.is_some())
}

/// The live Group of that folded name.
pub async fn find_by_name(tx: &mut Tx, place: Place, key: &str) -> Result<Option<Group>> {
    let sql = format!(
        "{COLUMNS} WHERE u.workspace = $1 AND u.directory = $2 AND u.display_key = $3 \
         AND u.deleted_at IS NULL"
    );
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(place.workspace)
        .bind(place.directory)
        .bind(key.to_owned())
        .fetch_optional()
        .await
}

/// Notes deltas of the members of Groups: one row for each.
pub async fn insert_touches(
    tx: &mut Tx,
    place: Place,
    groups: &[GroupId],
    at: Timestamp,
) -> Result<()> {
    for groups in groups.chunks(super::values::MOST) {
        let sql = format!(
            "INSERT INTO group_touches (workspace, directory, group_id, id, at) VALUES {}",
            super::values::rows(groups.len(), 5)
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql));
        if !super::values::is_usual(groups.len()) {
            query = query.once();
        }
        for group in groups {
            query = query
                .bind(place.workspace)
                .bind(place.directory)
                .bind(*group)
                .bind(Uuid::now_v7())
                .bind(at);
        }
        query.execute().await?;
    }
    Ok(())
}

/// A member of a Group as SCIM shows it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Shown {
    /// The User or Group.
    pub id: Uuid,
    /// Its name for people, where names were asked for.
    pub display: Option<String>,
    /// Whether it is a Group.
    pub is_group: bool,
}

impl Shown {
    /// What SCIM calls its kind.
    pub fn kind(&self) -> &'static str {
        if self.is_group { "Group" } else { "User" }
    }
}

/// A Group of a User as SCIM shows it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Belongs {
    /// The User.
    pub user_id: UserId,
    /// The Group.
    pub group_id: GroupId,
    /// The Group's name.
    pub display: String,
    /// Whether the User is in it through other Groups alone.
    pub is_indirect: bool,
}

impl Belongs {
    /// What SCIM calls its kind.
    pub fn kind(&self) -> &'static str {
        if self.is_indirect {
            "indirect"
        } else {
            "direct"
        }
    }
}

/// Those of the ids that are live Groups.
pub async fn list_live(tx: &mut Tx, place: Place, ids: &[Uuid]) -> Result<Vec<GroupId>> {
    by_ids(tx, place, ids, None).await
}

/// Those of the ids that are live Groups, locked in id order.
pub async fn lock_all(tx: &mut Tx, place: Place, ids: &BTreeSet<Uuid>) -> Result<Vec<GroupId>> {
    let ids: Vec<Uuid> = ids.iter().copied().collect();
    by_ids(tx, place, &ids, Some(Lock::Update)).await
}

async fn by_ids(
    tx: &mut Tx,
    place: Place,
    ids: &[Uuid],
    lock: Option<Lock>,
) -> Result<Vec<GroupId>> {
    let mut found = Vec::new();
    for ids in ids.chunks(super::values::MOST) {
        let sql = format!(
            "SELECT g.id FROM user_groups g WHERE g.workspace = $1 AND g.directory = $2 \
             AND g.id IN ({}) AND g.deleted_at IS NULL ORDER BY g.id",
            placeholders(3, ids.len())
        );
        let mut query = match lock {
            Some(lock) => tx.locked_list(&sql, lock, "g"),
            None => tx.query(sqlx::AssertSqlSafe(sql)),
        };
        query = query.bind(place.workspace).bind(place.directory);
        for id in pad(ids) {
            query = query.bind(id);
        }
        found.extend(query.fetch_all::<(GroupId,)>().await?);
    }
    Ok(found.into_iter().map(|row| row.0).collect())
}

/// Keeps Groups from going away, in id order; tells which there are.
pub async fn keep_all(tx: &mut Tx, place: Place, ids: &[GroupId]) -> Result<Vec<GroupId>> {
    let mut kept = Vec::with_capacity(ids.len());
    for ids in ids.chunks(super::values::MOST) {
        let sql = format!(
            "SELECT g.id FROM user_groups g WHERE g.workspace = $1 AND g.directory = $2 \
             AND g.id IN ({}) ORDER BY g.id",
            placeholders(3, ids.len())
        );
        let mut query = tx
            .locked_list(&sql, Lock::KeyShare, "g")
            .bind(place.workspace)
            .bind(place.directory);
        for id in pad(ids) {
            query = query.bind(id);
        }
        kept.extend(query.fetch_all::<(GroupId,)>().await?);
    }
    Ok(kept.into_iter().map(|row| row.0).collect())
}

/// The names of all live Groups of a workspace that rules look at.
pub async fn list_names(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<(GroupId, String)>> {
    tx.query(
        "SELECT DISTINCT g.id, g.display FROM rule_groups r CROSS JOIN user_groups g \
         WHERE r.workspace = $1 AND g.workspace = $1 AND g.directory = r.directory \
         AND g.id = r.group_id AND g.deleted_at IS NULL",
    )
    .bind(workspace)
    .fetch_all()
    .await
}
