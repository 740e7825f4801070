//! Members as apps and admins see them.

use std::collections::{BTreeSet, HashMap, HashSet};

use uuid::Uuid;

use super::access::{self, Access};
use super::profile::{Field, Line, Manual};
use crate::app::App;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{MemberId, WorkspaceId};
use crate::scim::fold;
use crate::store::details::{self, Details, Steps};
use crate::store::tx::Tx;
use crate::store::{candidates, grants, members as rows, workspaces};

pub use crate::store::grants::GrantKind;
pub use crate::store::members::{Member, Profile, Source, Status};

/// A member with the names of its effective teams and roles.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "ListedMember")]
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
    /// Since when the member waits for a seat, without rights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_at: Option<Timestamp>,
    /// What the brake keeps of what the member is to lose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brake: Option<Brake>,
    /// The status that its directory wants and an admin rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Status>,
    /// Which way the member came in.
    pub source: Source,
    /// Effective teams, by name.
    pub teams: BTreeSet<String>,
    /// Effective roles, by name.
    pub roles: BTreeSet<String>,
    /// Effective permissions that were granted singly.
    pub permissions: BTreeSet<String>,
    /// The teams in which the member has access now, by name, and why.
    pub access: Vec<Access>,
}

/// That a member keeps something which it is to lose.
#[derive(Debug, Clone, Copy, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "MemberBrake")]
pub struct Brake {
    /// Since when.
    pub since: Timestamp,
    /// When it is carried out; none while an admin has it wait.
    pub until: Option<Timestamp>,
    /// The status that waits, if one does.
    pub wants: Option<Status>,
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

/// A member with everything that it shows.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "Member")]
pub struct Full {
    /// What a list shows of it.
    #[serde(flatten)]
    pub listed: Listed,
    /// First name.
    pub given_name: Option<String>,
    /// Last name.
    pub family_name: Option<String>,
    /// The `UserID`: the workspace's own name for the member.
    pub user_id: Option<String>,
    /// The number under which the person is reached, E.164.
    pub phone: Option<String>,
    /// The line that the member answers on.
    pub line: Option<Line>,
    /// A language tag (BCP 47).
    pub language: Option<String>,
    /// A time zone of the IANA database.
    pub time_zone: Option<String>,
    /// Whom the member reports to.
    pub manager: Option<MemberId>,
    /// The address of a picture.
    pub picture: Option<String>,
    /// Whether no directory and no other admin takes this one away.
    pub protected: bool,
    /// Since when an admin shuts the member out, whatever its directory says.
    pub barred_at: Option<Timestamp>,
    /// The directories that have the person.
    pub directories: Vec<String>,
    /// The fields that an admin wrote; the others are the directories', where there are any.
    pub manual: BTreeSet<Field>,
    /// The fields that rules filled in, where neither an admin nor a directory says any.
    pub ruled: BTreeSet<Field>,
    /// When it took which step since.
    #[serde(flatten)]
    pub steps: Steps,
    /// When the member was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
    /// Counts its changes.
    pub version: i64,
}

/// A member with everything that it shows.
pub async fn show(app: &App, workspace: WorkspaceId, id: MemberId) -> Result<Full> {
    let mut tx = app.db.read().await?;
    let member = rows::find(&mut tx, workspace, id)
        .await?
        .ok_or(Error::NotFound("member"))?;
    let names = names(&mut tx, workspace).await?;
    let mut listed = with_rights(&mut tx, workspace, &names, vec![member.clone()]).await?;
    let details = details::list_shown(&mut tx, workspace, &[id]).await?.pop();
    let details = details.map(|of| of.details).unwrap_or_default();
    let holders = details::list_holders(&mut tx, workspace, id).await?;
    let directories = holders.into_iter().map(|holder| holder.name).collect();
    Ok(Full::of(
        member,
        listed.swap_remove(0),
        details,
        directories,
    ))
}

impl Full {
    /// A member with all that its rows say.
    pub(super) fn of(
        member: Member,
        listed: Listed,
        details: Details,
        directories: Vec<String>,
    ) -> Self {
        Self {
            listed,
            given_name: member.given_name,
            family_name: member.family_name,
            line: Line::of(details.line.as_deref(), details.line_number),
            user_id: details.user_id,
            phone: details.phone,
            language: details.language,
            time_zone: details.time_zone,
            manager: details.manager,
            picture: details.picture,
            steps: details.steps,
            protected: member.protected,
            barred_at: member.barred_at,
            directories,
            ruled: &Manual::of(&member.ruled).0 - &Manual::of(&member.manual).0,
            manual: Manual::of(&member.manual).0,
            created_at: member.created_at,
            updated_at: member.updated_at,
            version: member.version,
        }
    }
}

/// Members with the names of what they have.
pub(super) async fn with_rights(
    tx: &mut Tx,
    workspace: WorkspaceId,
    names: &HashMap<Uuid, String>,
    members: Vec<Member>,
) -> Result<Vec<Listed>> {
    let ids: Vec<_> = members.iter().map(|member| member.id).collect();
    let rights = grants::list_effective(tx, workspace, &ids).await?;
    let mut listed: Vec<Listed> = members.into_iter().map(Listed::from).collect();
    let place: HashMap<MemberId, usize> = ids.iter().copied().zip(0..).collect();
    let mut held: Vec<HashSet<(GrantKind, Uuid)>> = vec![HashSet::new(); listed.len()];
    for right in rights {
        if let Some(at) = place.get(&right.member) {
            held[*at].insert((right.kind, right.target));
        }
        let (Some(at), Some(name)) = (place.get(&right.member), names.get(&right.target)) else {
            continue;
        };
        match right.kind {
            GrantKind::Team => listed[*at].teams.insert(name.clone()),
            GrantKind::Role => listed[*at].roles.insert(name.clone()),
            GrantKind::Permission => listed[*at].permissions.insert(name.clone()),
        };
    }
    let reach = access::reach(tx, workspace).await?;
    for (member, rights) in listed.iter_mut().zip(&held) {
        member.access = reach.of(rights);
    }
    Ok(listed)
}

/// The member of that id, or the one member of that address or login name; or else of another address
/// by which a directory knows it.
pub async fn find(app: &App, workspace: WorkspaceId, id_or_email: &str) -> Result<Member> {
    let mut tx = app.db.one().await?;
    if let Ok(id) = id_or_email.parse() {
        return rows::find(&mut tx, workspace, id)
            .await?
            .ok_or(Error::NotFound("member"));
    }
    let key = fold::key(id_or_email);
    let mut found = rows::find_by_email(&mut tx, workspace, &key).await?;
    if found.is_empty() {
        let ids = candidates::list_by_alias(&mut tx, workspace, &key).await?;
        found = rows::list_by_id(&mut tx, workspace, &ids).await?;
    }
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
            waiting_at: member.waiting_at,
            brake: member.braked_at.map(|since| Brake {
                since,
                until: member.brake_until,
                wants: member.brake_wants,
            }),
            rejected: member.brake_rejected,
            source: member.source,
            teams: BTreeSet::new(),
            roles: BTreeSet::new(),
            permissions: BTreeSet::new(),
            access: Vec::new(),
        }
    }
}
