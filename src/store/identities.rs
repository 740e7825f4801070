//! Who is known by a connection, and who might be.

use super::error::Result;
use super::login_names;
use super::members::Status;
use super::tx::Tx;
use crate::clock::Timestamp;
use crate::ids::{ConnectionId, DirectoryId, MemberId, WorkspaceId};

/// An identity as a provider names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The connection.
    pub connection: ConnectionId,
    /// Who issued it; empty where the protocol has no issuer.
    pub issuer: String,
    /// Who it is there.
    pub subject: String,
}

/// Whom it knows.
pub async fn find(
    tx: &mut Tx,
    workspace: WorkspaceId,
    identity: &Identity,
) -> Result<Option<MemberId>> {
    let row: Option<(MemberId,)> = tx
        .query(
            "SELECT member FROM identities WHERE workspace = $1 AND connection = $2 \
             AND issuer = $3 AND subject = $4",
        )
        .bind(workspace)
        .bind(identity.connection)
        .bind(identity.issuer.clone())
        .bind(identity.subject.clone())
        .fetch_optional()
        .await?;
    Ok(row.map(|row| row.0))
}

/// Lets it know a member; false where it knows one already, or the member has another of that
/// connection. A folded address that the provider vouched for opens the member's login from now on,
/// unless it opens another's.
pub async fn insert(
    tx: &mut Tx,
    workspace: WorkspaceId,
    identity: &Identity,
    (member, address_key): (MemberId, Option<&str>),
    at: Timestamp,
) -> Result<bool> {
    let mut kept = None;
    if let Some(key) = address_key
        && login_names::insert(tx, workspace, key, member).await?
    {
        kept = Some(key.to_owned());
    }
    let rows = tx
        .query(
            "INSERT INTO identities (workspace, connection, issuer, subject, member, address_key, \
             created_at, used_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT DO NOTHING",
        )
        .bind(workspace)
        .bind(identity.connection)
        .bind(identity.issuer.clone())
        .bind(identity.subject.clone())
        .bind(member)
        .bind(kept)
        .bind(at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Notes that somebody signed in by it.
pub async fn touch(
    tx: &mut Tx,
    workspace: WorkspaceId,
    identity: &Identity,
    at: Timestamp,
) -> Result<()> {
    tx.query(
        "UPDATE identities SET used_at = $5 WHERE workspace = $1 AND connection = $2 \
         AND issuer = $3 AND subject = $4",
    )
    .bind(workspace)
    .bind(identity.connection)
    .bind(identity.issuer.clone())
    .bind(identity.subject.clone())
    .bind(at)
    .execute()
    .await?;
    Ok(())
}

/// Whether a member has an identity of a connection.
pub async fn is_known(
    tx: &mut Tx,
    workspace: WorkspaceId,
    (member, connection): (MemberId, ConnectionId),
) -> Result<bool> {
    let row: (bool,) = tx
        .query(
            "SELECT EXISTS (SELECT subject FROM identities WHERE workspace = $1 AND member = $2 \
             AND connection = $3) AS is_known",
        )
        .bind(workspace)
        .bind(member)
        .bind(connection)
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// Forgets by what a member is known who leaves, and the login names that came of it.
pub async fn delete_of_member(tx: &mut Tx, workspace: WorkspaceId, member: MemberId) -> Result<()> {
    let had: Vec<(Option<String>,)> = tx
        .query("SELECT address_key FROM identities WHERE workspace = $1 AND member = $2")
        .bind(workspace)
        .bind(member)
        .fetch_all()
        .await?;
    if had.is_empty() {
        return Ok(());
    }
    for key in had.iter().filter_map(|row| row.0.as_deref()) {
        login_names::delete(tx, workspace, key, member).await?;
    }
    tx.query("DELETE FROM identities WHERE workspace = $1 AND member = $2")
        .bind(workspace)
        .bind(member)
        .execute()
        .await?;
    Ok(())
}

/// Forgets whom a connection knew, and the login names that came of it.
pub async fn delete_of_connection(
    tx: &mut Tx,
    workspace: WorkspaceId,
    connection: ConnectionId,
) -> Result<()> {
    for sql in [
        "DELETE FROM login_names WHERE workspace = $1 AND sources = 1 AND key IN \
         (SELECT address_key FROM identities WHERE workspace = $1 AND connection = $2 \
         AND address_key IS NOT NULL)",
        "UPDATE login_names SET sources = sources - 1 WHERE workspace = $1 AND key IN \
         (SELECT address_key FROM identities WHERE workspace = $1 AND connection = $2 \
         AND address_key IS NOT NULL)",
        "DELETE FROM identities WHERE workspace = $1 AND connection = $2",
    ] {
        let query = tx.query(sql).bind(workspace).bind(connection);
        query.execute().await?;
    }
    Ok(())
}

/// A member who might be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Likely {
    /// Who.
    pub member: MemberId,
    /// How far the member is in.
    pub status: Status,
}

/// The members whom a live directory knows under an `externalId`, at most 2.
pub async fn list_by_external_id(
    tx: &mut Tx,
    workspace: WorkspaceId,
    directory: DirectoryId,
    external_id: &str,
) -> Result<Vec<Likely>> {
    tx.query(
        "SELECT DISTINCT m.id AS member, m.status FROM directories d \
         JOIN users u ON u.workspace = d.workspace AND u.directory = d.id \
         JOIN members m ON m.workspace = u.workspace AND m.id = u.member \
         WHERE d.workspace = $1 AND d.id = $2 AND d.mode = 'live' AND d.ended_at IS NULL \
         AND u.external_id = $3 LIMIT 2",
    )
    .bind(workspace)
    .bind(directory)
    .bind(external_id.to_owned())
    .fetch_all()
    .await
}

/// The member whom a live directory knows under a folded userName.
pub async fn list_by_user_name(
    tx: &mut Tx,
    workspace: WorkspaceId,
    directory: DirectoryId,
    key: &str,
) -> Result<Vec<Likely>> {
    tx.query(
        "SELECT DISTINCT m.id AS member, m.status FROM directories d \
         JOIN users u ON u.workspace = d.workspace AND u.directory = d.id \
         JOIN members m ON m.workspace = u.workspace AND m.id = u.member \
         WHERE d.workspace = $1 AND d.id = $2 AND d.mode = 'live' AND d.ended_at IS NULL \
         AND u.user_name_key = $3 LIMIT 2",
    )
    .bind(workspace)
    .bind(directory)
    .bind(key.to_owned())
    .fetch_all()
    .await
}

/// The members who have a folded address, as a login name or as what they show, at most 3.
pub async fn list_by_address(
    tx: &mut Tx,
    workspace: WorkspaceId,
    key: &str,
) -> Result<Vec<Likely>> {
    tx.query(
        "SELECT m.id AS member, m.status FROM login_names l \
         JOIN members m ON m.workspace = l.workspace AND m.id = l.member \
         WHERE l.workspace = $1 AND l.key = $2 \
         UNION SELECT m.id AS member, m.status FROM members m \
         WHERE m.workspace = $1 AND m.email_key = $2 AND m.status <> 'removed' LIMIT 3",
    )
    .bind(workspace)
    .bind(key.to_owned())
    .fetch_all()
    .await
}

/// Whether a member who left had that address, or a directory knew it under that `externalId`.
pub async fn has_left(
    tx: &mut Tx,
    workspace: WorkspaceId,
    (address, external_id): (Option<&str>, Option<(DirectoryId, &str)>),
) -> Result<bool> {
    if let Some(key) = address {
        let row: (bool,) = tx
            .query(
                "SELECT EXISTS (SELECT id FROM members WHERE workspace = $1 \
                 AND left_email_key = $2 AND status = 'removed') AS has_left",
            )
            .bind(workspace)
            .bind(key.to_owned())
            .fetch_one()
            .await?;
        if row.0 {
            return Ok(true);
        }
    }
    let Some((directory, external_id)) = external_id else {
        return Ok(false);
    };
    let row: (bool,) = tx
        .query(
            "SELECT EXISTS (SELECT user_id FROM tombstones WHERE workspace = $1 \
             AND directory = $2 AND external_id = $3) AS has_left",
        )
        .bind(workspace)
        .bind(directory)
        .bind(external_id.to_owned())
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// The domains that a workspace proved, as the DNS has them.
pub async fn list_proved(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = tx
        .query("SELECT name FROM domains WHERE workspace = $1 AND proved_at IS NOT NULL")
        .bind(workspace)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}
