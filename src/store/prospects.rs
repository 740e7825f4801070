//! What a directory says of Users, whoever they are linked to.

use super::error::Result;
use super::tx::Tx;
use super::users::Place;
use super::values::{MOST, list as placeholders, pad};
use crate::ids::{GroupId, UserId};

/// A User and a group that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Fact {
    /// The User.
    pub user_id: UserId,
    /// The group.
    pub group_id: GroupId,
}

/// What a directory says of a User.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Document {
    /// The User.
    pub id: UserId,
    /// The document, as JSON text.
    pub document: String,
}

/// Of the live groups that some rule looks at, those that Users are in, themselves or through groups
/// within.
pub async fn list_facts(tx: &mut Tx, place: Place, users: &[UserId]) -> Result<Vec<Fact>> {
    let mut facts = Vec::new();
    for users in users.chunks(MOST) {
        let sql = format!(
            "WITH RECURSIVE own AS MATERIALIZED (SELECT u.directory, u.id FROM users u \
             WHERE u.workspace = $1 AND u.directory = $2 AND u.id IN ({})), \
             up (user_id, directory, group_id) AS (\
             SELECT own.id, own.directory, n.group_id FROM own CROSS JOIN memberships m \
             CROSS JOIN nestings n WHERE EXISTS (SELECT e.group_id FROM nestings e \
             WHERE e.workspace = $1) AND m.workspace = $1 AND m.directory = own.directory \
             AND m.user_id = own.id AND n.workspace = $1 AND n.directory = own.directory \
             AND n.member_id = m.group_id \
             UNION SELECT up.user_id, up.directory, n.group_id FROM up CROSS JOIN nestings n \
             WHERE n.workspace = $1 AND n.directory = up.directory AND n.member_id = up.group_id) \
             SELECT own.id AS user_id, m.group_id FROM own CROSS JOIN memberships m \
             WHERE m.workspace = $1 AND m.directory = own.directory AND m.user_id = own.id \
             AND (SELECT COUNT(*) FROM rule_groups r WHERE r.workspace = m.workspace \
             AND r.group_id = m.group_id) > 0 \
             AND (SELECT g.deleted_at FROM user_groups g WHERE g.workspace = m.workspace \
             AND g.directory = m.directory AND g.id = m.group_id) IS NULL \
             UNION ALL SELECT up.user_id, up.group_id FROM up \
             WHERE (SELECT COUNT(*) FROM rule_groups r WHERE r.workspace = $1 \
             AND r.group_id = up.group_id) > 0",
            placeholders(3, users.len())
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(place.workspace)
            .bind(place.directory);
        for user in pad(users) {
            query = query.bind(user);
        }
        facts.extend(query.fetch_all::<Fact>().await?);
    }
    Ok(facts)
}

/// The documents of Users.
pub async fn list_documents(tx: &mut Tx, place: Place, users: &[UserId]) -> Result<Vec<Document>> {
    let mut found = Vec::new();
    for users in users.chunks(MOST) {
        let sql = format!(
            "SELECT id, document FROM users WHERE workspace = $1 AND directory = $2 AND id IN ({})",
            placeholders(3, users.len())
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(place.workspace)
            .bind(place.directory);
        for user in pad(users) {
            query = query.bind(user);
        }
        found.extend(query.fetch_all::<Document>().await?);
    }
    Ok(found)
}
