//! Users whom nobody is linked to, seen from the members whom they may mean.

use super::candidates::Unlinked;
use super::error::Result;
use super::tx::Tx;
use super::users::Place;
use super::values::{MOST, list as placeholders, pad};
use crate::ids::MemberId;

/// Users of a directory that are linked to nobody and may be linked to one of these members: by a name,
/// an address, an admin's word or because they were linked to it before. In the order of their ids.
pub async fn list_for(tx: &mut Tx, place: Place, of: &[MemberId]) -> Result<Vec<Unlinked>> {
    let mut found = Vec::new();
    for of in of.chunks(MOST) {
        let ids = placeholders(3, of.len());
        let user = "SELECT u.id, u.user_name_key, u.active, u.refused";
        let sql = format!(
            "WITH keys (key) AS (SELECT m.email_key FROM members m WHERE m.workspace = $1 \
             AND m.id IN ({ids}) AND m.email_key IS NOT NULL UNION SELECT o.user_name_key \
             FROM users o WHERE o.workspace = $1 AND o.member IN ({ids}) \
             UNION SELECT a.user_name_key FROM adoptions a WHERE a.workspace = $1 \
             AND a.directory = $2 AND a.member IN ({ids})), \
             back AS MATERIALIZED (SELECT b.id FROM users b WHERE b.workspace = $1 \
             AND b.former_member IN ({ids})) \
             {user} FROM keys CROSS JOIN users u WHERE u.workspace = $1 AND u.directory = $2 \
             AND u.user_name_key = keys.key AND u.member IS NULL \
             UNION {user} FROM keys CROSS JOIN user_emails e CROSS JOIN users u \
             WHERE e.workspace = $1 AND e.directory = $2 AND e.value_key = keys.key \
             AND u.workspace = $1 AND u.directory = $2 AND u.id = e.user_id AND u.member IS NULL \
             UNION {user} FROM back CROSS JOIN users u WHERE u.workspace = $1 \
             AND u.directory = $2 AND u.id = back.id AND u.member IS NULL"
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(place.workspace)
            .bind(place.directory);
        for member in pad(of) {
            query = query.bind(member);
        }
        found.extend(query.fetch_all::<Unlinked>().await?);
    }
    found.sort_by_key(|user| user.id);
    found.dedup_by_key(|user| user.id);
    Ok(found)
}
