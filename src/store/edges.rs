//! What memberships and nestings have in common: rows that put one kind of member into a Group.

use super::error::Result;
use super::tx::{Row, Tx, Value};
use super::users::Place;
use super::values::{MOST, is_usual, list as placeholders, pad, rows};
use crate::ids::{GroupId, UserId};

/// What a Group can hold.
pub trait Held: Value + Copy {
    /// The table of such members.
    const TABLE: &str;
    /// The column with their ids.
    const COLUMN: &str;
}

impl Held for UserId {
    const TABLE: &str = "memberships";
    const COLUMN: &str = "user_id";
}

impl Held for GroupId {
    const TABLE: &str = "nestings";
    const COLUMN: &str = "member_id";
}

/// Adds members to a Group; tells which were not in it before.
pub async fn insert<M: Held>(
    tx: &mut Tx,
    place: Place,
    group: GroupId,
    members: &[M],
) -> Result<Vec<M>>
where
    (M,): Row,
{
    let mut added: Vec<(M,)> = Vec::with_capacity(members.len());
    for members in members.chunks(MOST) {
        let sql = format!(
            "INSERT INTO {} (workspace, directory, group_id, {}) VALUES {} \
             ON CONFLICT DO NOTHING RETURNING {1}",
            M::TABLE,
            M::COLUMN,
            rows(members.len(), 4)
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql));
        if !is_usual(members.len()) {
            query = query.once();
        }
        for member in members {
            query = query
                .bind(place.workspace)
                .bind(place.directory)
                .bind(group)
                .bind(*member);
        }
        added.extend(query.fetch_all::<(M,)>().await?);
    }
    Ok(added.into_iter().map(|row| row.0).collect())
}

/// Takes members out of a Group; tells which were in it.
pub async fn delete<M: Held>(
    tx: &mut Tx,
    place: Place,
    group: GroupId,
    members: &[M],
) -> Result<Vec<M>>
where
    (M,): Row,
{
    let mut removed: Vec<(M,)> = Vec::with_capacity(members.len());
    for members in members.chunks(MOST) {
        let sql = format!(
            "DELETE FROM {} WHERE workspace = $1 AND directory = $2 AND group_id = $3 \
             AND {} IN ({}) RETURNING {1}",
            M::TABLE,
            M::COLUMN,
            placeholders(4, members.len())
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(place.workspace)
            .bind(place.directory)
            .bind(group);
        for member in pad(members) {
            query = query.bind(member);
        }
        removed.extend(query.fetch_all::<(M,)>().await?);
    }
    Ok(removed.into_iter().map(|row| row.0).collect())
}

/// Those of the members that are in a Group themselves.
pub async fn list<M: Held>(
    tx: &mut Tx,
    place: Place,
    group: GroupId,
    members: &[M],
) -> Result<Vec<M>>
where
    (M,): Row,
{
    let mut found: Vec<(M,)> = Vec::new();
    for members in members.chunks(MOST) {
        let sql = format!(
            "SELECT {1} FROM {0} WHERE workspace = $1 AND directory = $2 AND group_id = $3 \
             AND {1} IN ({2})",
            M::TABLE,
            M::COLUMN,
            placeholders(4, members.len())
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(place.workspace)
            .bind(place.directory)
            .bind(group);
        for member in pad(members) {
            query = query.bind(member);
        }
        found.extend(query.fetch_all::<(M,)>().await?);
    }
    Ok(found.into_iter().map(|row| row.0).collect())
}
