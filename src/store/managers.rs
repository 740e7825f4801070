//! Managers as directories name them.

use super::error::Result;
use super::tx::Tx;
use super::users::Place;
use crate::ids::{DirectoryId, MemberId, UserId, WorkspaceId};
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

/// Whether a directory names a manager of a member who is not to be had yet.
pub async fn is_awaited(tx: &mut Tx, workspace: WorkspaceId, member: MemberId) -> Result<bool> {
    let found: Option<(UserId,)> = tx
        .query(
            "SELECT id FROM users WHERE workspace = $1 AND member = $2 \
             AND manager_key IS NOT NULL LIMIT 1",
        )
        .bind(workspace)
        .bind(member)
        .fetch_optional()
        .await?;
    Ok(found.is_some())
}

/// A User that waits for its manager.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Waiting {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The directory.
    pub directory: DirectoryId,
    /// For whom it waits.
    pub manager_key: String,
    /// The User.
    pub id: UserId,
    /// The member that it is linked to.
    pub member: Option<MemberId>,
    /// Its document, as JSON text.
    pub document: String,
}

/// Users of all workspaces that wait for their managers, after one of them.
pub async fn list_all_waiting(
    tx: &mut Tx,
    after: Option<&Waiting>,
    most: i64,
) -> Result<Vec<Waiting>> {
    let nil = uuid::Uuid::nil();
    let (workspace, directory, key, id) = after.map_or((nil, nil, "", nil), |it| {
        (
            it.workspace.0,
            it.directory.0,
            it.manager_key.as_str(),
            it.id.0,
        )
    });
    tx.query(
        "SELECT workspace, directory, manager_key, id, member, document FROM users \
         WHERE manager_key IS NOT NULL AND (workspace, directory, manager_key, id) > \
         ($1, $2, $3, $4) ORDER BY workspace, directory, manager_key, id LIMIT $5",
    )
    .bind(workspace)
    .bind(directory)
    .bind(key.to_owned())
    .bind(id)
    .bind(most)
    .fetch_all()
    .await
}
