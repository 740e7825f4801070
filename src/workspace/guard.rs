//! The last admin who is in cannot be taken away. What is aimed at that person is refused; of a wider
//! change that one grant is kept, and all the rest applies. A workspace that never had an admin has
//! none to lose.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::ledger::Difference;
use crate::changes::{self, Act};
use crate::error::{Error, Result};
use crate::ids::{GrantId, MemberId, WorkspaceId};
use crate::store::admins::{self as rows, Admin};
use crate::store::grants::GrantKind;
use crate::store::tx::Tx;

/// Refuses what would shut out or remove this one member, or take its role away, if it is the last
/// admin who is in: [`Error::Conflict`]. Two who take each other away at once wait for each other
/// here, and the later one is refused.
pub async fn spare(tx: &mut Tx, workspace: WorkspaceId, member: MemberId) -> Result<()> {
    if !rows::is_admin(tx, workspace, member).await? {
        return Ok(());
    }
    let role = rows::lock(tx, workspace).await?;
    if rows::has_other(tx, workspace, role, member).await? {
        return Ok(());
    }
    metrics::counter!("gatehouse_last_admin_refusals_total").increment(1);
    tracing::warn!(%workspace, %member, "the last admin of a workspace was to be taken away");
    Err(Error::Conflict(
        "this is the last admin of the workspace who can sign in; make another one first"
            .to_owned(),
    ))
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

/// Takes the last admin's grant out of what ends for many, and keeps it. Members for whom nothing
/// else changes are left out.
pub async fn keep(
    tx: &mut Tx,
    act: &Act,
    differences: &mut BTreeMap<MemberId, (i64, Difference)>,
) -> Result<()> {
    let mut ended = differences.values().flat_map(|(_, it)| &it.ended);
    if !ended.any(|grant| grant.kind == GrantKind::Role) {
        return Ok(());
    }
    let role = rows::lock(tx, act.workspace).await?;
    let ending: BTreeSet<GrantId> = differences
        .values()
        .flat_map(|(_, difference)| &difference.ended)
        .filter(|grant| grant.kind == GrantKind::Role && grant.target == role.0)
        .map(|grant| grant.id)
        .collect();
    if ending.is_empty() {
        return Ok(());
    }
    let most = i64::try_from(ending.len()).unwrap_or(i64::MAX - 1) + 1;
    let admins = rows::list(tx, act.workspace, role, most).await?;
    let last = admins.first().copied();
    let Some(last) = last.filter(|_| admins.iter().all(|admin| ending.contains(&admin.id))) else {
        return Ok(());
    };
    if let Some((_, difference)) = differences.get_mut(&last.member) {
        difference.ended.retain(|grant| grant.id != last.id);
        if difference.begun.is_empty() && difference.ended.is_empty() {
            differences.remove(&last.member);
        }
    }
    hold(tx, act, last).await
}

async fn hold(tx: &mut Tx, act: &Act, last: Admin) -> Result<()> {
    if !rows::hold(tx, act.workspace, last.id).await? {
        return Ok(());
    }
    metrics::counter!("gatehouse_last_admin_refusals_total").increment(1);
    tracing::warn!(
        workspace = %act.workspace, member = %last.member,
        "the last admin of a workspace is kept"
    );
    let subject = ("member", last.member.0);
    let detail = json!({"grant": last.id});
    let change = act.change("member.last_admin_kept", subject, None, &detail);
    changes::record(tx, act.workspace, &[change]).await
}

/// After causes of grants ended as a whole: if nobody is an admin any more, one who was by them stays
/// so.
pub async fn keep_ended(tx: &mut Tx, act: &Act) -> Result<()> {
    let role = rows::lock(tx, act.workspace).await?;
    if !rows::list(tx, act.workspace, role, 1).await?.is_empty() {
        return Ok(());
    }
    match rows::find_ended(tx, act.workspace, role, act.at).await? {
        Some(last) => hold(tx, act, last).await,
        None => Ok(()),
    }
}
