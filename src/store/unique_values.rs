//! Values of registered attributes that are unique in a directory.

use std::collections::HashSet;

use uuid::Uuid;

use super::error::Result;
use super::tx::Tx;
use super::users::Place;
use super::values::{MOST, is_usual, rows};

/// Takes values of attributes for a resource; tells the first of them that another one has, after
/// which the transaction is of no use.
pub async fn insert(
    tx: &mut Tx,
    place: Place,
    kind: &str,
    values: &[(&str, &str)],
    resource: Uuid,
) -> Result<Option<usize>> {
    for (chunk, values) in values.chunks(MOST).enumerate() {
        let sql = format!(
            "INSERT INTO unique_values (workspace, directory, kind, attribute, value_key, \
             resource) VALUES {} ON CONFLICT DO NOTHING RETURNING attribute, value_key",
            rows(values.len(), 6)
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql));
        if !is_usual(values.len()) {
            query = query.once();
        }
        for (attribute, key) in values {
            query = query
                .bind(place.workspace)
                .bind(place.directory)
                .bind(kind.to_owned())
                .bind((*attribute).to_owned())
                .bind((*key).to_owned())
                .bind(resource);
        }
        let inserted: HashSet<(String, String)> = query.fetch_all().await?.into_iter().collect();
        let is_new = |(attribute, key): &(&str, &str)| {
            inserted.contains(&((*attribute).to_owned(), (*key).to_owned()))
        };
        if let Some(at) = values.iter().position(|value| !is_new(value)) {
            return Ok(Some(chunk * MOST + at));
        }
    }
    Ok(None)
}

/// Gives the values of a resource back.
pub async fn delete(tx: &mut Tx, place: Place, resource: Uuid) -> Result<()> {
    tx.query("DELETE FROM unique_values WHERE workspace = $1 AND directory = $2 AND resource = $3")
        .bind(place.workspace)
        .bind(place.directory)
        .bind(resource)
        .execute()
        .await?;
    Ok(())
}
