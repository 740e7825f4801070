//! Pages of Users and Groups, in the order of their making.

use uuid::Uuid;

use super::db::{Row, Tx};
use super::error::Result;
use super::filter_sql::Condition;
use super::groups::Group;
use super::users::{Place, User};

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// After the resource of that id.
    After(Uuid),
    /// After so many resources.
    Skipping(i64),
}

const USERS: &str = "SELECT u.id, u.user_name_key, u.external_id, u.display_key, u.display, \
     u.active, u.document, u.member, u.person, u.version, u.created_at, u.updated_at FROM users u \
     WHERE u.workspace = $1 AND u.directory = $2";

/// Users that a condition selects.
pub async fn list_users(
    tx: &mut Tx,
    place: Place,
    condition: Option<&Condition>,
    from: From,
    most: i64,
) -> Result<Vec<User>> {
    list(tx, USERS.to_owned(), place, condition, from, most).await
}

/// Groups that a condition selects.
pub async fn list_groups(
    tx: &mut Tx,
    place: Place,
    condition: Option<&Condition>,
    from: From,
    most: i64,
) -> Result<Vec<Group>> {
    let sql = format!(
        "{} WHERE u.workspace = $1 AND u.directory = $2 AND u.deleted_at IS NULL",
        super::groups::COLUMNS
    );
    list(tx, sql, place, condition, from, most).await
}

/// How many Users a condition selects.
pub async fn count_users(tx: &mut Tx, place: Place, condition: &Condition) -> Result<i64> {
    count(tx, "users u WHERE TRUE", place, condition).await
}

/// How many Groups a condition selects.
pub async fn count_groups(tx: &mut Tx, place: Place, condition: &Condition) -> Result<i64> {
    count(
        tx,
        "user_groups u WHERE u.deleted_at IS NULL",
        place,
        condition,
    )
    .await
}

async fn list<R: Row>(
    tx: &mut Tx,
    mut sql: String,
    place: Place,
    condition: Option<&Condition>,
    from: From,
    most: i64,
) -> Result<Vec<R>> {
    let next = condition.map_or(3, Condition::next);
    if let Some(condition) = condition {
        sql = format!("{sql} AND ({})", condition.sql());
    }
    let (limit, page) = (next, next + 1);
    match from {
        From::After(_) => sql = format!("{sql} AND u.id > ${page}"),
        From::Skipping(_) => {}
    }
    if condition.is_some_and(|condition| condition.is_narrow) {
        // Without statistics PostgreSQL would walk all rows in id order rather than use the index.
        sql = format!("WITH u AS MATERIALIZED ({sql}) SELECT * FROM u");
    }
    sql = format!("{sql} ORDER BY u.id LIMIT ${limit}");
    if matches!(from, From::Skipping(_)) {
        sql = format!("{sql} OFFSET ${page}");
    }
    let query = tx
        .query(sqlx::AssertSqlSafe(sql))
        .bind(place.workspace)
        .bind(place.directory);
    let query = match condition {
        Some(condition) => condition.bind(query),
        None => query,
    };
    let query = query.bind(most);
    match from {
        From::After(id) => query.bind(id),
        From::Skipping(skipped) => query.bind(skipped),
    }
    .fetch_all()
    .await
}

async fn count(tx: &mut Tx, table: &str, place: Place, condition: &Condition) -> Result<i64> {
    let sql = format!(
        "SELECT COUNT(*) AS total FROM {table} AND u.workspace = $1 AND u.directory = $2 AND ({})",
        condition.sql()
    );
    let query = tx
        .query(sqlx::AssertSqlSafe(sql))
        .bind(place.workspace)
        .bind(place.directory);
    let row: (i64,) = condition.bind(query).fetch_one().await?;
    Ok(row.0)
}
