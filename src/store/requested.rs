//! The request behind something that is told, and the one that put somebody into a group.

use uuid::Uuid;

use super::error::Result;
use super::tx::Tx;
use super::values::{MOST, list as placeholders, pad};
use crate::clock::Timestamp;
use crate::ids::{CredentialId, DirectoryId, GroupId, MemberId, UserId, WorkspaceId};

/// A request, as the change has it that came of it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Requested {
    /// Its id.
    pub request: Uuid,
    /// Its method, where it was one over HTTP.
    pub method: Option<String>,
    /// Its path, where it was one over HTTP.
    pub path: Option<String>,
    /// The credential that it came with.
    pub credential: Option<CredentialId>,
    /// Who acted, where it was no credential.
    pub actor: Option<String>,
    /// When it was.
    pub at: Timestamp,
}

/// A group, and the request that put somebody into it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Placed {
    /// The group.
    pub group_id: GroupId,
    /// The request.
    #[sqlx(flatten)]
    pub requested: Requested,
}

/// By which requests a member came into groups that it is in itself, of those named: the last change of
/// such a group that names the member's User. None for one whose change is not kept any more.
pub async fn list_placed(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
    groups: &[GroupId],
) -> Result<Vec<Placed>> {
    let users: Vec<(DirectoryId, UserId)> = tx
        .query("SELECT u.directory, u.id FROM users u WHERE u.workspace = $1 AND u.member = $2")
        .bind(workspace)
        .bind(member)
        .fetch_all()
        .await?;
    let mut placed = Vec::new();
    // One for each directory that has the person.
    for (directory, user) in users {
        for groups in groups.chunks(MOST) {
            let sql = format!(
                "SELECT m.group_id, h.request, h.method, h.path, h.credential, h.actor, h.at \
                 FROM memberships m JOIN changes h ON h.workspace = m.workspace AND h.id = \
                 (SELECT c.id FROM changes c WHERE c.workspace = m.workspace \
                 AND c.subject = m.group_id AND c.kind IN ('group.created', \
                 'group.members_changed', 'group.restored') AND c.detail LIKE $4 \
                 ORDER BY c.at DESC, c.id DESC LIMIT 1) \
                 WHERE m.workspace = $1 AND m.directory = $2 AND m.user_id = $3 \
                 AND m.group_id IN ({})",
                placeholders(5, groups.len())
            );
            let mut query = tx
                .query(sqlx::AssertSqlSafe(sql))
                .bind(workspace)
                .bind(directory)
                .bind(user)
                .bind(format!("%{user}%"));
            for group in pad(groups) {
                query = query.bind(group);
            }
            placed.extend(query.fetch_all::<Placed>().await?);
        }
    }
    Ok(placed)
}
