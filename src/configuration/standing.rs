//! What becomes of those who have a team that opens or closes, a role that changes, or every team as
//! admins: by what they have now, told before it is so.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::error::Result;
use crate::ids::{MemberId, WorkspaceId};
use crate::secrets::Digest;
use crate::store::grants::GrantKind;
use crate::store::tx::Tx;
use crate::store::{holders, members, roles};
use crate::workspace::access::{self, Access, Reach};
use crate::workspace::members::names;

/// How many members are looked at together.
const BATCH: i64 = 500;

/// What teams and roles open.
pub(super) struct Opening {
    reach: Reach,
    roles: BTreeMap<Uuid, BTreeSet<String>>,
}

/// What becomes of members by teams that open or close, by roles, and by how far admins have access.
/// What rules give or take with it is told apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "ConfigurationStanding")]
pub struct Standing {
    /// How many members come to be able to do more, or less.
    pub members: usize,
    /// How many gain what.
    pub gains: Vec<Reached>,
    /// How many lose what.
    pub losses: Vec<Reached>,
}

/// How many members gain or lose something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "ConfigurationReached")]
pub struct Reached {
    /// What it is: `team NAME` for access in a team, `permission NAME`.
    pub what: String,
    /// How many members.
    pub members: usize,
}

impl Opening {
    /// What they open now.
    pub(super) async fn of(tx: &mut Tx, workspace: WorkspaceId) -> Result<Self> {
        let mut by_role: BTreeMap<Uuid, BTreeSet<String>> = BTreeMap::new();
        for of in roles::list_permissions(tx, workspace).await? {
            by_role.entry(of.role.0).or_default().insert(of.permission);
        }
        Ok(Self {
            reach: access::reach(tx, workspace).await?,
            roles: by_role,
        })
    }

    /// The rights by which somebody may come to be able to do something else.
    fn touched(&self, after: &Self) -> Vec<(GrantKind, Uuid)> {
        let mut touched: BTreeSet<(GrantKind, Uuid)> = BTreeSet::new();
        let teams = self.reach.differing(&after.reach);
        touched.extend(teams.into_iter().map(|team| (GrantKind::Team, team)));
        let roles = self.roles.keys().chain(after.roles.keys());
        let roles = roles.filter(|role| self.roles.get(role) != after.roles.get(role));
        touched.extend(roles.map(|role| (GrantKind::Role, *role)));
        let wide = [&self.reach, &after.reach].into_iter();
        let wide = wide.filter_map(Reach::everywhere);
        if !touched.is_empty() || self.reach.everywhere() != after.reach.everywhere() {
            touched.extend(wide.map(|role| (GrantKind::Role, role)));
        }
        touched.into_iter().collect()
    }

    /// What somebody with these rights can do: access in teams, and permissions.
    fn of_rights(
        &self,
        rights: &HashSet<(GrantKind, Uuid)>,
        names: &HashMap<Uuid, String>,
    ) -> BTreeSet<String> {
        // A team that gets another name is the same one.
        let access_in = |of: Access| {
            let name = names.get(&of.id.0).unwrap_or(&of.team);
            format!("team {name}")
        };
        let mut can: BTreeSet<String> = self.reach.of(rights).into_iter().map(access_in).collect();
        for (kind, target) in rights {
            let permission = |name: &String| format!("permission {name}");
            match kind {
                GrantKind::Role => {
                    let of = self.roles.get(target).into_iter().flatten();
                    can.extend(of.map(permission));
                }
                GrantKind::Permission => can.extend(names.get(target).map(permission)),
                GrantKind::Team => {}
            }
        }
        can
    }

    /// What becomes of members if these go over into others, and what names all of it; nothing where
    /// nobody comes to be able to do something else. The database is as it is before.
    pub(super) async fn become_of(
        &self,
        tx: &mut Tx,
        workspace: WorkspaceId,
        after: &Self,
    ) -> Result<Option<(Standing, String)>> {
        let touched = self.touched(after);
        let names = names(tx, workspace).await?;
        let (mut gains, mut losses) = (BTreeMap::new(), BTreeMap::new());
        let (mut count, mut digest, mut last) = (0, Digest::new(), None);
        loop {
            let page = holders::list(tx, workspace, &touched, last, BATCH).await?;
            if page.is_empty() {
                break;
            }
            last = page.last().copied();
            for (member, rights) in rights(tx, workspace, &page).await? {
                let (can, could) = (
                    after.of_rights(&rights, &names),
                    self.of_rights(&rights, &names),
                );
                let (more, less): (Vec<_>, Vec<_>) = (
                    can.difference(&could).collect(),
                    could.difference(&can).collect(),
                );
                if more.is_empty() && less.is_empty() {
                    continue;
                }
                count += 1;
                digest.update(json!([member, more, less]).to_string().as_bytes());
                for (of, counts) in [(more, &mut gains), (less, &mut losses)] {
                    for what in of {
                        *counts.entry(what.clone()).or_insert(0) += 1;
                    }
                }
            }
        }
        let told = |counts: BTreeMap<String, usize>| {
            let listed = counts.into_iter();
            listed
                .map(|(what, members)| Reached { what, members })
                .collect()
        };
        let standing = Standing {
            members: count,
            gains: told(gains),
            losses: told(losses),
        };
        Ok((count > 0).then(|| (standing, digest.hex())))
    }
}

/// What those of the members have who are in, by grants that hold; in the order of their ids.
async fn rights(
    tx: &mut Tx,
    workspace: WorkspaceId,
    page: &[MemberId],
) -> Result<BTreeMap<MemberId, HashSet<(GrantKind, Uuid)>>> {
    let all = members::list_by_id(tx, workspace, page).await?.into_iter();
    let present: HashSet<MemberId> = all.filter(members::Member::is_in).map(|it| it.id).collect();
    let mut rights: BTreeMap<MemberId, HashSet<(GrantKind, Uuid)>> = BTreeMap::new();
    for held in holders::list_explained(tx, workspace, page).await? {
        let of = &held.explained;
        if present.contains(&held.member) && (of.cause_ended_at.is_none() || of.is_kept) {
            let has = rights.entry(held.member).or_default();
            has.insert((of.kind, of.target));
        }
    }
    Ok(rights)
}
