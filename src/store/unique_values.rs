//! Values of registered attributes that are unique in a directory.

use super::db::Tx;
use super::error::Result;
use super::users::Place;
use uuid::Uuid;

/// Takes a value for a resource; false when another one has it.
pub async fn insert(
    tx: &mut Tx,
    place: Place,
    kind: &str,
    (attribute, key): (&str, &str),
    resource: Uuid,
) -> Result<bool> {
    let rows = tx
        .query(
            "INSERT INTO unique_values (workspace, directory, kind, attribute, value_key, \
             resource) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(kind.to_owned())
        .bind(attribute.to_owned())
        .bind(key.to_owned())
        .bind(resource)
        .execute()
        .await?;
    Ok(rows == 1)
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
