//! What members show of themselves, as far as rules may look at it.

use super::error::Result;
use super::members::Source;
use super::tx::Tx;
use super::values::{MOST, list as placeholders, pad};
use crate::ids::{MemberId, WorkspaceId};

/// The profile of a member.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Profile {
    /// Whose it is.
    pub id: MemberId,
    /// Which way the member came in.
    pub source: Source,
    /// The name that its directory signs in with.
    pub user_name: Option<String>,
    /// The address.
    pub email: Option<String>,
    /// The `UserID`.
    pub user_id: Option<String>,
    /// The name for people.
    pub display_name: Option<String>,
    /// First name.
    pub given_name: Option<String>,
    /// Last name.
    pub family_name: Option<String>,
    /// The number under which the person is reached, E.164.
    pub phone: Option<String>,
    /// A time zone.
    pub time_zone: Option<String>,
    /// Whom the member reports to, be that one removed.
    pub manager: Option<MemberId>,
    /// The address of a picture.
    pub picture: Option<String>,
}

const COLUMNS: &str = "SELECT id, source, user_name, email, user_id, display_name, given_name, \
                       family_name, phone, time_zone, manager, picture FROM members \
                       WHERE workspace = $1 AND status <> 'removed'";

/// The profile of a member who has not left, be it somebody of whom nobody is sure.
pub async fn find(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
) -> Result<Option<Profile>> {
    tx.query(sqlx::AssertSqlSafe(format!("{COLUMNS} AND id = $2")))
        .bind(workspace)
        .bind(member)
        .fetch_optional()
        .await
}

/// The profiles of those of the members who have not left and of whom nobody doubts who they are: somebody
/// who came in by an address that nobody proved is not yet the one of whom admins wrote it.
pub async fn list(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
) -> Result<Vec<Profile>> {
    let mut found = Vec::with_capacity(members.len());
    for members in members.chunks(MOST) {
        let sql = format!(
            "{COLUMNS} AND unproved_at IS NULL AND id IN ({})",
            placeholders(2, members.len())
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace);
        for member in pad(members) {
            query = query.bind(member);
        }
        found.extend(query.fetch_all::<Profile>().await?);
    }
    Ok(found)
}
