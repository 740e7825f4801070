//! The last admin who is in cannot be taken away. What is aimed at that person is refused; of a wider
//! change that one grant is kept, and all the rest applies. Where such a change would take the role
//! from all who are admins, the one who has been one longest is kept: whose grant of the role began
//! first, and of several at the same time the member who was there first. A workspace that never had
//! an admin has none to lose.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use uuid::Uuid;

use super::ledger::Difference;
use crate::changes::{self, Act};
use crate::error::{Error, Result};
use crate::ids::{GrantId, MemberId, RoleId, WorkspaceId};
use crate::scim::resource::{Note, Reason};
use crate::store::admins::{self as rows, Admin};
use crate::store::grants::{GrantKind, LiveGrant};
use crate::store::members::Member;
use crate::store::tx::Tx;

/// Refuses what would shut out or remove this one member, if it is the last admin who is in:
/// [`Error::Conflict`]. Two who take each other away at once wait for each other here, and the later
/// one is refused. Of admins whom a restore holds or who wait for a seat, the last one counts where
/// there is no other.
pub async fn spare(tx: &mut Tx, workspace: WorkspaceId, member: MemberId) -> Result<()> {
    let Some(is_held) = rows::find_admin(tx, workspace, member).await? else {
        return Ok(());
    };
    let role = rows::lock(tx, workspace).await?;
    if rows::has_other(tx, workspace, role, member, is_held).await? {
        return Ok(());
    }
    refuse(workspace, member)
}

/// Members who leave one after the other, in the order in which they do: whoever is an admin after those
/// who are none, and whoever has been one longest at the end, for that one is spared. Of those whom a
/// run takes batch by batch that holds for each batch.
pub async fn in_order(
    tx: &mut Tx,
    workspace: WorkspaceId,
    mut locked: Vec<Member>,
) -> Result<Vec<Member>> {
    if locked.len() < 2 {
        return Ok(locked);
    }
    let role = rows::find_role(tx, workspace).await?;
    let admins = rows::list(tx, workspace, role, i64::MAX, true).await?;
    let mut places: BTreeMap<MemberId, usize> = BTreeMap::new();
    for (at, admin) in admins.iter().enumerate() {
        places.entry(admin.member).or_insert(at);
    }
    locked.sort_by_key(|member| Reverse(places.get(&member.id).copied().unwrap_or(usize::MAX)));
    Ok(locked)
}

/// Refuses to end these grants of a member by hand, if nobody would be an admin after it.
pub async fn spare_grants(
    tx: &mut Tx,
    act: &Act,
    member: &Member,
    ended: &[LiveGrant],
) -> Result<()> {
    let Some((role, ending)) = ending(tx, act.workspace, roles(ended.iter())).await? else {
        return Ok(());
    };
    refuse_protected(member.protected)?;
    let most = i64::try_from(ending.len()).unwrap_or(i64::MAX - 1) + 1;
    let admins = admins(tx, act.workspace, role, most).await?;
    // Whoever is no admin now can be taken away.
    if admins.is_empty() || admins.iter().any(|admin| !ending.contains(&admin.id)) {
        return Ok(());
    }
    refuse(act.workspace, member.id)
}

/// Grants by which somebody is an admin: of those who are in, or where there are none of those whom a
/// restore holds or who wait for a seat.
async fn admins(
    tx: &mut Tx,
    workspace: WorkspaceId,
    role: RoleId,
    most: i64,
) -> Result<Vec<Admin>> {
    let found = rows::list(tx, workspace, role, most, false).await?;
    if found.is_empty() {
        return Ok(rows::list(tx, workspace, role, most, true).await?);
    }
    Ok(found)
}

fn refuse(workspace: WorkspaceId, member: MemberId) -> Result<()> {
    metrics::counter!("gatehouse_last_admin_refusals_total").increment(1);
    tracing::warn!(%workspace, %member, "the last admin of a workspace was to be taken away");
    Err(Error::Conflict(
        "this is the last admin of the workspace who can sign in; make another one first"
            .to_owned(),
    ))
}

/// The roles that grants give, with the grants.
fn roles<'g>(grants: impl Iterator<Item = &'g LiveGrant>) -> Vec<(Uuid, GrantId)> {
    let roles = grants.filter(|grant| grant.kind == GrantKind::Role);
    roles.map(|grant| (grant.target, grant.id)).collect()
}

/// Those of the grants that make an admin, with the role, which is locked; none if there are none.
async fn ending(
    tx: &mut Tx,
    workspace: WorkspaceId,
    roles: Vec<(Uuid, GrantId)>,
) -> Result<Option<(RoleId, BTreeSet<GrantId>)>> {
    if roles.is_empty() {
        return Ok(None);
    }
    let admin = rows::find_role(tx, workspace).await?;
    let ending = roles.into_iter().filter(|(role, _)| *role == admin.0);
    let ending: BTreeSet<GrantId> = ending.map(|(_, grant)| grant).collect();
    if ending.is_empty() {
        return Ok(None);
    }
    // Only what takes admins away waits for others that do.
    rows::lock(tx, workspace).await?;
    Ok(Some((admin, ending)))
}

/// Refuses what an admin does to a protected one.
pub fn refuse_protected(protected: bool) -> Result<()> {
    if protected {
        return Err(Error::Conflict(
            "this admin is protected; only an operator lifts that".to_owned(),
        ));
    }
    Ok(())
}

/// Refuses a change that is aimed at this one member, of which a grant would have to be kept.
pub fn refuse_aimed(workspace: WorkspaceId, member: &Member) -> Result<()> {
    refuse_protected(member.protected)?;
    refuse(workspace, member.id)
}

/// Admins of whom some lose that role by what becomes of many, where nobody is certain to stay one.
#[derive(Debug)]
pub struct Parting {
    /// The role.
    pub role: RoleId,
    /// The grants by which there are admins, with those that end. Who has been one longest comes first.
    admins: Vec<Admin>,
    ending: BTreeSet<GrantId>,
}

impl Parting {
    /// The others who are admins, by rules alone: they may be about to lose it as well.
    pub fn others(&self) -> Vec<MemberId> {
        let others = self.admins.iter();
        let others = others.filter(|admin| !self.ending.contains(&admin.id));
        let mut listed = Vec::new();
        for admin in others {
            if !listed.contains(&admin.member) {
                listed.push(admin.member);
            }
        }
        listed
    }
}

/// What becomes of many members who are locked, as far as they are admins: the grants of protected
/// ones are taken out of what ends, and kept. Gives those who lose the role, where somebody has to be
/// kept unless one of the others stays.
pub async fn part(
    tx: &mut Tx,
    act: &Act,
    locked: &[Member],
    differences: &mut BTreeMap<MemberId, (i64, Difference)>,
) -> Result<Option<Parting>> {
    // What has no effect any more makes nobody an admin.
    let ended = differences.values().flat_map(|(_, it)| &it.ended);
    let ended = roles(ended.filter(|grant| grant.is_effective));
    let Some((role, ending)) = ending(tx, act.workspace, ended).await? else {
        return Ok(None);
    };
    let mut kept: BTreeSet<(MemberId, GrantId)> = BTreeSet::new();
    for member in locked.iter().filter(|member| member.protected) {
        let of = differences.get(&member.id).into_iter();
        let of = of.flat_map(|(_, it)| &it.ended);
        let of = of.filter(|grant| ending.contains(&grant.id));
        kept.extend(of.map(|grant| (member.id, grant.id)));
    }
    let is_kept_in = locked
        .iter()
        .any(|member| member.is_in() && kept.iter().any(|(kept, _)| *kept == member.id));
    for (member, grant) in kept {
        spare_one(tx, act, (member, grant), differences).await?;
    }
    if is_kept_in || begins(locked, differences, role) {
        return Ok(None);
    }
    let admins = admins(tx, act.workspace, role, i64::MAX).await?;
    let (going, staying): (Vec<&Admin>, Vec<&Admin>) =
        admins.iter().partition(|admin| ending.contains(&admin.id));
    if going.is_empty() || staying.iter().any(|admin| admin.is_certain) {
        return Ok(None);
    }
    Ok(Some(Parting {
        role,
        admins,
        ending,
    }))
}

/// Nobody stays an admin: the one who has been one longest is kept, and of those the member who was
/// there first, whether it is one of these members or another one. So it does not depend on how many
/// are looked at together.
pub async fn keep_longest(
    tx: &mut Tx,
    act: &Act,
    parting: &Parting,
    differences: &mut BTreeMap<MemberId, (i64, Difference)>,
) -> Result<()> {
    match parting.admins.first() {
        Some(last) => spare_one(tx, act, (last.member, last.id), differences).await,
        None => Ok(()),
    }
}

/// Takes a grant out of what ends, and keeps it. Members for whom nothing else changes are left out.
async fn spare_one(
    tx: &mut Tx,
    act: &Act,
    (member, id): (MemberId, GrantId),
    differences: &mut BTreeMap<MemberId, (i64, Difference)>,
) -> Result<()> {
    if let Some((_, difference)) = differences.get_mut(&member) {
        difference.ended.retain(|ended| ended.id != id);
        if difference.is_nothing() {
            differences.remove(&member);
        }
    }
    hold(tx, act, (member, id)).await
}

/// Whether one of the members, who is in, becomes an admin.
fn begins(
    locked: &[Member],
    differences: &BTreeMap<MemberId, (i64, Difference)>,
    role: RoleId,
) -> bool {
    locked.iter().filter(|member| member.is_in()).any(|member| {
        let difference = differences.get(&member.id);
        difference.is_some_and(|(_, it)| {
            let mut begun = it.begun.iter();
            begun.any(|(kind, target, _)| (*kind, *target) == (GrantKind::Role, role.0))
        })
    })
}

/// Whether somebody is kept as the last admin and rules may make another one of these members, so that
/// [`let_go`] is due afterwards. The role is locked then, before the brake.
pub async fn expects_another(
    tx: &mut Tx,
    act: &Act,
    differences: &BTreeMap<MemberId, (i64, Difference)>,
) -> Result<bool> {
    let may_gain = differences.values().any(|(_, it)| {
        let mut begun = it.begun.iter();
        !it.regained.is_empty() || begun.any(|(kind, _, _)| *kind == GrantKind::Role)
    });
    Ok(may_gain && is_one_kept(tx, act).await?)
}

/// Whether somebody is kept as the last admin, so that [`let_go`] is due once others are settled. The
/// role is locked then, before the brake.
pub async fn is_one_kept(tx: &mut Tx, act: &Act) -> Result<bool> {
    if rows::list_kept(tx, act.workspace).await?.is_empty() {
        return Ok(false);
    }
    rows::lock(tx, act.workspace).await?;
    Ok(true)
}

/// Lets go of what was kept for the last admin, now that there is another one: rules are held against
/// those members again.
pub async fn let_go(tx: &mut Tx, act: &Act) -> Result<()> {
    let members = rows::list_kept(tx, act.workspace).await?;
    if members.is_empty() {
        return Ok(());
    }
    let role = rows::lock(tx, act.workspace).await?;
    // One who stays an admin without being kept.
    if rows::has_lasting(tx, act.workspace, role).await? {
        rows::let_go(tx, act.workspace).await?;
    }
    Ok(())
}

async fn hold(tx: &mut Tx, act: &Act, (member, grant): (MemberId, GrantId)) -> Result<()> {
    if !rows::hold(tx, act.workspace, grant).await? {
        return Ok(());
    }
    let workspace = act.workspace;
    tx.on_commit(move || {
        metrics::counter!("gatehouse_last_admin_refusals_total").increment(1);
        tracing::warn!(%workspace, %member, "the last admin of a workspace is kept");
    });
    let subject = ("member", member.0);
    let notes = [Note::new("members", Reason::KeptAdmin)];
    let detail = json!({"grant": grant, "notes": notes});
    let change = act.change("member.last_admin_kept", subject, None, &detail);
    changes::record(tx, act.workspace, &[change]).await
}

/// After causes of grants ended as a whole: if nobody is an admin any more, of those who were by them
/// the one who has been one longest stays so.
pub async fn keep_ended(tx: &mut Tx, act: &Act) -> Result<()> {
    let role = rows::lock(tx, act.workspace).await?;
    rows::hold_protected(tx, act.workspace, role, act.at).await?;
    // After a restore everybody may be held: then the last one of those counts.
    for with_held in [false, true] {
        if !rows::list(tx, act.workspace, role, 1, with_held)
            .await?
            .is_empty()
        {
            return Ok(());
        }
        if let Some(last) = rows::find_ended(tx, act.workspace, role, act.at, with_held).await? {
            return hold(tx, act, (last.member, last.id)).await;
        }
    }
    Ok(())
}
