//! Members as apps and admins see them.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use crate::app::App;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{MemberId, WorkspaceId};
use crate::scim::fold;
use crate::store::grants::GrantKind;
use crate::store::tx::Tx;
use crate::store::{grants, members as rows, workspaces};

pub use crate::store::members::{Member, Profile, Source, Status};

/// A member with the names of its effective teams and roles.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Listed {
    /// The member's id.
    pub id: MemberId,
    /// The name that its directory signs in with.
    pub user_name: Option<String>,
    /// The name for people.
    pub display_name: Option<String>,
    /// The address.
    pub email: Option<String>,
    /// How far the member is in.
    pub status: Status,
    /// Since when the member has no rights until its directory writes it or an admin releases it: a
    /// restore brought it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_at: Option<Timestamp>,
    /// Which way the member came in.
    pub source: Source,
    /// Effective teams, by name.
    pub teams: BTreeSet<String>,
    /// Effective roles, by name.
    pub roles: BTreeSet<String>,
}

/// A page of members in the order of their making, of those who are not removed.
pub async fn list(
    app: &App,
    workspace: WorkspaceId,
    after: Option<MemberId>,
    most: i64,
) -> Result<Vec<Listed>> {
    let mut tx = app.db.read().await?;
    let names = names(&mut tx, workspace).await?;
    let members = rows::list(&mut tx, workspace, after, most).await?;
    with_rights(&mut tx, workspace, &names, members).await
}

/// A member as [`list`] shows it, and its version.
pub async fn show(app: &App, workspace: WorkspaceId, id: MemberId) -> Result<(Listed, i64)> {
    let mut tx = app.db.read().await?;
    let member = rows::find(&mut tx, workspace, id)
        .await?
        .ok_or(Error::NotFound("member"))?;
    let version = member.version;
    let names = names(&mut tx, workspace).await?;
    let mut listed = with_rights(&mut tx, workspace, &names, vec![member]).await?;
    Ok((listed.swap_remove(0), version))
}

async fn with_rights(
    tx: &mut Tx,
    workspace: WorkspaceId,
    names: &HashMap<Uuid, String>,
    members: Vec<Member>,
) -> Result<Vec<Listed>> {
    let ids: Vec<_> = members.iter().map(|member| member.id).collect();
    let rights = grants::list_effective(tx, workspace, &ids).await?;
    let mut listed: Vec<Listed> = members.into_iter().map(Listed::from).collect();
    let place: HashMap<MemberId, usize> = ids.iter().copied().zip(0..).collect();
    for right in rights {
        let (Some(at), Some(name)) = (place.get(&right.member), names.get(&right.target)) else {
            continue;
        };
        match right.kind {
            GrantKind::Team => listed[*at].teams.insert(name.clone()),
            GrantKind::Role => listed[*at].roles.insert(name.clone()),
            GrantKind::Permission => false,
        };
    }
    Ok(listed)
}

/// The member of that id, or the one member of that address or login name.
pub async fn find(app: &App, workspace: WorkspaceId, id_or_email: &str) -> Result<Member> {
    let mut tx = app.db.one().await?;
    if let Ok(id) = id_or_email.parse() {
        return rows::find(&mut tx, workspace, id)
            .await?
            .ok_or(Error::NotFound("member"));
    }
    let mut found = rows::find_by_email(&mut tx, workspace, &fold::key(id_or_email)).await?;
    match found.len() {
        0 => Err(Error::NotFound("member")),
        1 => Ok(found.swap_remove(0)),
        _ => Err(Error::value(
            "several members have this address; name one by its id",
        )),
    }
}

/// The names of all teams and roles, by id.
pub async fn names(tx: &mut Tx, workspace: WorkspaceId) -> Result<HashMap<Uuid, String>> {
    let named = workspaces::list_names(tx, workspace).await?;
    Ok(named
        .into_iter()
        .map(|named| (named.id, named.name))
        .collect())
}

impl From<Member> for Listed {
    fn from(member: Member) -> Self {
        Self {
            id: member.id,
            user_name: member.user_name,
            display_name: member.display_name,
            email: member.email,
            status: member.status,
            held_at: member.held_at,
            source: member.source,
            teams: BTreeSet::new(),
            roles: BTreeSet::new(),
        }
    }
}
