//! Rights that somebody gives by hand: an admin, an API key, an operator. They survive whatever a
//! directory says, and end by hand or with the member.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::keys::Scopes;
use super::ledger::{self, Difference};
use super::{At, awaiting, edit, guard, permissions};
use crate::app::App;
use crate::changes::{Act, Origin};
use crate::error::{Error, Result};
use crate::ids::{CauseId, MemberId, RoleId, TeamId};
use crate::scim::fold;
use crate::store::causes::{self, CauseKind};
use crate::store::grants::{GrantKind, LiveGrant};
use crate::store::members::Member;
use crate::store::tx::Tx;
use crate::store::{braked, grants as rows, roles, teams, workspaces};

/// A right, by what it is and the name or id of the team or role, or the permission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Right {
    /// What it is.
    pub kind: GrantKind,
    /// A team's or role's name or id, or a permission.
    pub name: String,
}

/// Gives rights to a member; what it has by hand already stays as it is. Tells how many are new.
/// What `scopes` do not cover is [`Error::Forbidden`]: nobody gives more than one has, nor moves a
/// member who may do more into a team.
pub async fn give(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    which: impl Into<At<MemberId>>,
    rights: Vec<Right>,
) -> Result<usize> {
    let which = which.into();
    let act = Act::of(app, origin, which.workspace);
    let (app_, scopes) = (app.clone(), scopes.clone());
    app.write(move |tx| {
        let (app, act, scopes) = (app_.clone(), act.clone(), scopes.clone());
        let (which, rights) = (which.clone(), rights.clone());
        Box::pin(async move {
            let member = edit::lock(tx, &act, which.id).await?;
            which.precondition.check_match(member.version)?;
            check_teams(tx, &act, &scopes, (&member, rights.as_slice())).await?;
            give_within(tx, &app, (&act, &scopes), &member, &rights).await
        })
    })
    .await
}

/// The same for a locked member.
pub async fn give_within(
    tx: &mut Tx,
    app: &App,
    (act, scopes): (&Act, &Scopes),
    member: &Member,
    rights: &[Right],
) -> Result<usize> {
    let kind = if act.origin.credential.is_some() {
        CauseKind::ApiKey
    } else {
        CauseKind::Admin
    };
    give_as(tx, app, (act, scopes), member, (kind, rights)).await
}

/// The same, by an act of that kind.
pub async fn give_as(
    tx: &mut Tx,
    app: &App,
    (act, scopes): (&Act, &Scopes),
    member: &Member,
    (kind, rights): (CauseKind, &[Right]),
) -> Result<usize> {
    let have = rows::list_by_hand(tx, act.workspace, &[member.id]).await?;
    let mut begun = Vec::new();
    let cause = CauseId::new();
    for right in rights {
        let target = find(tx, app, act, right).await?;
        check(tx, act, scopes, (right, target)).await?;
        let is_there = have
            .iter()
            .any(|grant| (grant.kind, grant.target) == (right.kind, target));
        if !is_there && !begun.contains(&(right.kind, target, cause)) {
            begun.push((right.kind, target, cause));
        }
    }
    let count = begun.len();
    if count > 0 {
        let actor = act.origin.actor.as_deref().unwrap_or("api key");
        causes::insert(tx, act.workspace, cause, kind, actor, act.at).await?;
        let ended = Vec::new();
        write(tx, act, member, Difference::of(begun, ended)).await?;
        if member.is_in() {
            guard::let_go(tx, act).await?;
        }
    }
    Ok(count)
}

/// Takes rights away that were given by hand, all or none. What rules give is theirs:
/// [`Error::Conflict`]. The last admin stays one; what `scopes` do not cover is [`Error::Forbidden`].
pub async fn take(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    which: impl Into<At<MemberId>>,
    rights: Vec<Right>,
) -> Result<()> {
    let which = which.into();
    let workspace = which.workspace;
    let (act, scopes) = (Act::of(app, origin, workspace), scopes.clone());
    app.write(move |tx| {
        let (act, scopes, rights) = (act.clone(), scopes.clone(), rights.clone());
        let which = which.clone();
        Box::pin(async move {
            let member = edit::lock(tx, &act, which.id).await?;
            which.precondition.check_match(member.version)?;
            check_teams(tx, &act, &scopes, (&member, rights.as_slice())).await?;
            let have = rows::list_by_hand(tx, workspace, &[member.id]).await?;
            let by_rule = rows::list_by_rule(tx, workspace, &[member.id]).await?;
            let mut ended: Vec<LiveGrant> = Vec::new();
            for right in &rights {
                let target = given(tx, &act, right).await?;
                check(tx, &act, &scopes, (right, target)).await?;
                let of = (right.kind, target);
                let found = of_right(&have, of);
                if !found.is_empty() {
                    ended.extend(found);
                    continue;
                }
                if awaiting::take(tx, &act, member.id, of).await? {
                    continue;
                }
                return if of_right(&by_rule, of).is_empty() {
                    Err(Error::NotFound("grant"))
                } else {
                    Err(Error::Conflict(format!(
                        "\"{}\" is given by a rule and ends with it",
                        right.name
                    )))
                };
            }
            if ended.is_empty() {
                return Ok(());
            }
            guard::spare_grants(tx, &act, &member, &ended).await?;
            ended.dedup_by_key(|grant| grant.id);
            let begun = Vec::new();
            write(tx, &act, &member, Difference::of(begun, ended)).await
        })
    })
    .await
}

/// Those of the grants that give a right.
fn of_right(grants: &[LiveGrant], (kind, target): (GrantKind, Uuid)) -> Vec<LiveGrant> {
    let of = grants
        .iter()
        .filter(|it| (it.kind, it.target) == (kind, target));
    of.cloned().collect()
}

/// The id of what a right names that was given: it may be one that nobody can give any more.
async fn given(tx: &mut Tx, act: &Act, right: &Right) -> Result<Uuid> {
    let key = fold::key(&right.name);
    let id = right.name.parse::<Uuid>().ok();
    let found = match right.kind {
        GrantKind::Permission => roles::find_noted(tx, act.workspace, &right.name).await?,
        GrantKind::Team => teams::find(tx, act.workspace, id, &key).await?,
        GrantKind::Role => match id {
            Some(id) => roles::keep(tx, act.workspace, RoleId(id))
                .await?
                .map(|it| it.id),
            None => workspaces::find_role(tx, act.workspace, &key)
                .await?
                .map(|it| it.id),
        },
    };
    found.ok_or(Error::NotFound("grant"))
}

/// Refuses to move a member between teams who may do more than whoever acts. What a role or a permission
/// needs is asked of each.
async fn check_teams(
    tx: &mut Tx,
    act: &Act,
    scopes: &Scopes,
    (member, rights): (&Member, &[Right]),
) -> Result<()> {
    if rights.iter().any(|right| right.kind == GrantKind::Team) {
        permissions::check_over(tx, act.workspace, scopes, member.id).await?;
    }
    Ok(())
}

/// Refuses what whoever acts does not have.
pub async fn check(
    tx: &mut Tx,
    act: &Act,
    scopes: &Scopes,
    (right, target): (&Right, Uuid),
) -> Result<()> {
    match right.kind {
        GrantKind::Team => Ok(()),
        GrantKind::Permission => permissions::check_covered(scopes, [&right.name]),
        GrantKind::Role => {
            let of = super::roles::permissions_of(tx, act.workspace, RoleId(target)).await?;
            permissions::check_covered(scopes, &of)
        }
    }
}

/// Ends whatever a member has by hand, who leaves and was settled as such.
pub async fn end_all(tx: &mut Tx, act: &Act, member: &Member) -> Result<()> {
    awaiting::forget(tx, act.workspace, member.id).await?;
    let mut ended = rows::list_by_hand(tx, act.workspace, &[member.id]).await?;
    if member.braked_at.is_some() {
        // Of rules it has what the brake kept alone: nobody says anything of it any more.
        ended.extend(rows::list_by_rule(tx, act.workspace, &[member.id]).await?);
    }
    end_these(tx, act, member, ended).await
}

/// Ends whatever a member has, who leaves: no rule gives anything to one who has left.
pub(super) async fn end_everything(tx: &mut Tx, act: &Act, member: &Member) -> Result<()> {
    awaiting::forget(tx, act.workspace, member.id).await?;
    let mut ended = rows::list_by_hand(tx, act.workspace, &[member.id]).await?;
    ended.extend(rows::list_by_rule(tx, act.workspace, &[member.id]).await?);
    end_these(tx, act, member, ended).await
}

async fn end_these(tx: &mut Tx, act: &Act, member: &Member, ended: Vec<LiveGrant>) -> Result<()> {
    if member.braked_at.is_some() {
        braked::free(tx, act.workspace, &[member.id]).await?;
    }
    if ended.is_empty() {
        return Ok(());
    }
    end(tx, act, member, ended).await
}

/// Ends grants of a locked member.
pub async fn end(tx: &mut Tx, act: &Act, member: &Member, ended: Vec<LiveGrant>) -> Result<()> {
    let begun = Vec::new();
    write(tx, act, member, Difference::of(begun, ended)).await
}

async fn write(tx: &mut Tx, act: &Act, member: &Member, difference: Difference) -> Result<()> {
    let differences = BTreeMap::from([(member.id, (member.version, difference))]);
    ledger::apply(tx, act, &differences, member.rules_version, None).await
}

/// The id of what a right names.
/// Whether a team, role or permission is there still.
pub async fn is_there(tx: &mut Tx, app: &App, act: &Act, right: &Right) -> Result<bool> {
    match find(tx, app, act, right).await {
        Ok(_) => Ok(true),
        Err(Error::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn find(tx: &mut Tx, app: &App, act: &Act, right: &Right) -> Result<Uuid> {
    let key = fold::key(&right.name);
    let id = right.name.parse::<Uuid>().ok();
    let named = match right.kind {
        GrantKind::Permission => return permissions::find(tx, app, act, &right.name).await,
        GrantKind::Team => match id {
            Some(id) => teams::find_live(tx, act.workspace, TeamId(id)).await?,
            None => workspaces::find_team(tx, act.workspace, &key).await?,
        },
        GrantKind::Role => match id {
            Some(id) => roles::keep(tx, act.workspace, RoleId(id)).await?,
            None => match workspaces::find_role(tx, act.workspace, &key).await? {
                Some(named) => roles::keep(tx, act.workspace, RoleId(named.id)).await?,
                None => None,
            },
        },
    };
    let what = if right.kind == GrantKind::Team {
        "team"
    } else {
        "role"
    };
    named.map(|named| named.id).ok_or(Error::NotFound(what))
}
