//! Managers as directories name them.

use super::error::Result;
use super::tx::Tx;
use super::users::Place;
use crate::ids::{MemberId, UserId};
use crate::scim::fold;

/// A User who reports to somebody.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct Report {
    /// The User.
    pub id: UserId,
    /// The member that it is linked to.
    pub member: Option<MemberId>,
}

/// The Users of a directory that a name may mean: by id, else by userName or externalId; two at most.
pub async fn list_named(
    tx: &mut Tx,
    place: Place,
    (name, key): (&str, &str),
) -> Result<Vec<Report>> {
    if let Ok(id) = name.parse::<UserId>() {
        let found: Option<Report> = tx
            .query(
                "SELECT id, member FROM users WHERE workspace = $1 AND directory = $2 AND id = $3",
            )
            .bind(place.workspace)
            .bind(place.directory)
            .bind(id)
            .fetch_optional()
            .await?;
        if let Some(found) = found {
            return Ok(vec![found]);
        }
    }
    tx.query(
        "SELECT id, member FROM users WHERE workspace = $1 AND directory = $2 \
         AND user_name_key = $3 UNION SELECT id, member FROM users WHERE workspace = $1 \
         AND directory = $2 AND external_id = $4 LIMIT 2",
    )
    .bind(place.workspace)
    .bind(place.directory)
    .bind(key.to_owned())
    .bind(name.to_owned())
    .fetch_all()
    .await
}

/// Says whom a User waits for, or that it waits for nobody.
pub async fn update_awaited(
    tx: &mut Tx,
    place: Place,
    user: UserId,
    key: Option<&str>,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE users SET manager_key = $4 WHERE workspace = $1 AND directory = $2 \
             AND id = $3",
        )
        .bind(place.workspace)
        .bind(place.directory)
        .bind(user)
        .bind(key.map(str::to_owned))
        .execute()
        .await?;
    Ok(rows == 1)
}

/// The Users that wait for somebody of one of these names.
pub async fn list_waiting(
    tx: &mut Tx,
    place: Place,
    (user_name_key, external_id): (&str, Option<&str>),
) -> Result<Vec<Report>> {
    tx.query(
        "SELECT id, member FROM users WHERE workspace = $1 AND directory = $2 \
         AND manager_key IN ($3, $4)",
    )
    .bind(place.workspace)
    .bind(place.directory)
    .bind(user_name_key.to_owned())
    .bind(external_id.map(fold::key))
    .fetch_all()
    .await
}
