//! What an admin does to many by one act of his own, told without doing it: to end a directory, to put a
//! team away, to take permissions from a role. Whoever does that says just that, and can take it back:
//! the brake lets it pass, so that it is looked at before. What rules gave to people who stay when their
//! directory ends is held against the brake as ever.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use uuid::Uuid;

use super::brake;
use super::exit::{End, Leaving};
use super::planned::{Count, counts};
use crate::app::App;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{DirectoryId, MemberId, RoleId, TeamId, WorkspaceId};
use crate::store::grants::GrantKind;
use crate::store::outlooks as rows;
use crate::store::tx::Tx;
use crate::store::users::Place;
use crate::store::{directories, roles as role_rows, teams};
use crate::workspace::members::names;
use crate::workspace::roles::{self, RoleEdit};
use crate::workspace::teams::TeamEdit;

/// What it would come to.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct Outlook {
    /// How many members it concerns: who are in the team or have the role, and of a directory all whom it
    /// has.
    pub members: i64,
    /// How many of them would be shut out.
    pub suspended: i64,
    /// How many would leave.
    pub removed: i64,
    /// How many would gain what; of a team, how many would have access in it again.
    pub gains: Vec<Count>,
    /// How many would lose what.
    pub losses: Vec<Count>,
    /// Of how many who stay the brake would hold that, as it stands now.
    pub held: i64,
    /// Until when at the latest.
    pub held_until: Option<Timestamp>,
}

impl Outlook {
    fn nothing(members: i64) -> Self {
        Self {
            members,
            suspended: 0,
            removed: 0,
            gains: Vec::new(),
            losses: Vec::new(),
            held: 0,
            held_until: None,
        }
    }
}

/// What it would come to if a team was edited so: disabled or put away it gives nobody access.
pub async fn of_team(
    app: &App,
    workspace: WorkspaceId,
    (id, edit): (TeamId, TeamEdit),
) -> Result<Outlook> {
    let mut tx = app.db.read().await?;
    let found = teams::find_full(&mut tx, workspace, id).await?;
    let team = found.ok_or(Error::NotFound("team"))?;
    let right = (GrantKind::Team, id.0);
    let members = rows::count_having(&mut tx, workspace, right).await?;
    let is_archived = team.archived_at.is_some();
    let opens = |enabled: bool, archived: bool| enabled && !archived;
    let before = opens(team.enabled, is_archived);
    let after = opens(
        edit.enabled.unwrap_or(team.enabled),
        edit.archived.unwrap_or(is_archived),
    );
    let mut outlook = Outlook::nothing(members);
    let count = Count {
        kind: GrantKind::Team,
        id: id.0,
        name: team.name,
        members,
    };
    match (before, after) {
        (true, false) if members > 0 => outlook.losses.push(count),
        (false, true) if members > 0 => outlook.gains.push(count),
        _ => {}
    }
    Ok(outlook)
}

/// What it would come to if a role was edited so.
pub async fn of_role(
    app: &App,
    workspace: WorkspaceId,
    (id, edit): (RoleId, RoleEdit),
) -> Result<Outlook> {
    let mut tx = app.db.read().await?;
    let all = roles::list_within(&mut tx, workspace).await?;
    let found = all.into_iter().find(|full| full.role.id == id);
    let role = found.ok_or(Error::NotFound("role"))?;
    let right = (GrantKind::Role, id.0);
    let members = rows::count_having(&mut tx, workspace, right).await?;
    let mut outlook = Outlook::nothing(members);
    let Some(after) = edit.permissions else {
        return Ok(outlook);
    };
    let gone = role.permissions.difference(&after).cloned();
    outlook.losses = by_role(&mut tx, workspace, (id, gone.collect())).await?;
    let new = after.difference(&role.permissions).cloned();
    outlook.gains = by_role(&mut tx, workspace, (id, new.collect())).await?;
    Ok(outlook)
}

/// How many have each of the permissions by that role alone, or would.
async fn by_role(
    tx: &mut Tx,
    workspace: WorkspaceId,
    (role, permissions): (RoleId, Vec<String>),
) -> Result<Vec<Count>> {
    let mut listed = Vec::new();
    for name in permissions {
        let members = rows::count_by_role_alone(tx, workspace, (role, &name)).await?;
        let id = role_rows::find_noted(tx, workspace, &name).await?;
        if members > 0 {
            listed.push(Count {
                kind: GrantKind::Permission,
                id: id.unwrap_or_default(),
                name,
                members,
            });
        }
    }
    Ok(listed)
}

/// What it would come to if a directory ended so. Who is the last admin then stays in, which is not
/// told here; nor is what rules over profiles give or take because the name it signed in with is gone.
pub async fn of_end(
    app: &App,
    (workspace, directory): (WorkspaceId, DirectoryId),
    end: End,
) -> Result<Outlook> {
    let place = Place {
        workspace,
        directory,
    };
    let mut tx = app.db.read().await?;
    let found = directories::find(&mut tx, place).await?;
    if found
        .ok_or(Error::NotFound("directory"))?
        .ended_at
        .is_some()
    {
        return Err(Error::Conflict("the directory is switched off".to_owned()));
    }
    let linked = rows::list_linked(&mut tx, place).await?;
    let mut outlook = Outlook::nothing(i64::try_from(linked.len()).unwrap_or(i64::MAX));
    // Who goes out loses everything, and who stays what rules of the directory gave.
    let (mut out, mut keeping) = (BTreeSet::new(), BTreeSet::new());
    for of in linked {
        let is_own = of.others == 0;
        let wants = if is_own {
            end.members
        } else {
            Leaving::Suspend
        };
        let stays = of.protected || !is_own && of.active > 0;
        match wants {
            Leaving::Remove if !stays && !of.is_gone => {
                outlook.removed += 1;
                out.insert(of.member);
            }
            Leaving::Suspend if !stays && of.is_in => {
                outlook.suspended += 1;
                out.insert(of.member);
            }
            _ if is_own && end.keep_grants => {
                keeping.insert(of.member);
            }
            _ => {}
        }
    }
    let mut losses: BTreeMap<(GrantKind, Uuid), i64> = BTreeMap::new();
    let mut losing: BTreeSet<MemberId> = BTreeSet::new();
    for has in rows::list_rights(&mut tx, place).await? {
        let is_out = out.contains(&has.member);
        if !is_out && (!has.is_given || keeping.contains(&has.member)) {
            continue;
        }
        *losses.entry((has.kind, has.target)).or_default() += 1;
        if !is_out {
            losing.insert(has.member);
        }
    }
    let names = names(&mut tx, workspace).await?;
    let losses = losses.into_iter();
    outlook.losses = counts(&names, losses.map(|((kind, id), count)| (kind, id, count)));
    let losing: Vec<MemberId> = losing.into_iter().collect();
    let at = (workspace, app.clock.now());
    let held = brake::foresee(&mut tx, at, &losing).await?;
    (outlook.held, outlook.held_until) = (held.held, held.until);
    Ok(outlook)
}
