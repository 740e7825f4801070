//! Grants by hand that wait: those of somebody who is expected, and whom a directory brought in by an
//! address that nobody proved, and those of whoever left with a directory whose end can be undone. In the
//! ledger they have ended, so that nothing can take them for
//! effective; they begin again with the proof, because of what they were given.

use std::collections::BTreeMap;

use serde_json::json;
use uuid::Uuid;

use super::keys::Scopes;
use super::ledger::{self, Difference};
use super::{guard, permissions};
use crate::changes::{self, Act};
use crate::error::Result;
use crate::ids::{MemberId, RoleId, WorkspaceId};
use crate::store::awaiting as rows;
use crate::store::grants::{self, GrantKind};
use crate::store::members::{Member, Status};
use crate::store::tx::Tx;

pub use crate::store::awaiting::{Awaiting, Reason};

/// Lets whatever a locked member has by hand end and wait. Where it waits for proof, rules over profiles
/// give it nothing meanwhile.
pub async fn set_aside(tx: &mut Tx, act: &Act, member: &Member, reason: Reason) -> Result<()> {
    let mut ended = grants::list_by_hand(tx, act.workspace, &[member.id]).await?;
    let ids: Vec<_> = ended.iter().map(|grant| grant.id).collect();
    if reason == Reason::Proof {
        rows::update_unproved(tx, act.workspace, member.id, Some(act.at)).await?;
        // Who was in no directory has nothing by other rules.
        ended.extend(grants::list_by_rule(tx, act.workspace, &[member.id]).await?);
    }
    if ended.is_empty() {
        return Ok(());
    }
    let begun = Vec::new();
    write(tx, act, member, Difference::of(begun, ended)).await?;
    rows::update(tx, act.workspace, &ids, Some(reason)).await?;
    Ok(())
}

/// Begins what a locked member waits for so; tells whether there was something. Whoever calls it settles
/// the member then.
pub async fn begin(tx: &mut Tx, act: &Act, member: &Member, reason: Reason) -> Result<bool> {
    let is_proved_now = reason == Reason::Proof
        && rows::update_unproved(tx, act.workspace, member.id, None).await?;
    let waiting = rows::list(tx, act.workspace, member.id).await?;
    let waiting: Vec<_> = waiting
        .into_iter()
        .filter(|it| it.awaiting == reason)
        .collect();
    if waiting.is_empty() {
        return Ok(is_proved_now);
    }
    let ids: Vec<_> = waiting.iter().map(|grant| grant.id).collect();
    rows::update(tx, act.workspace, &ids, None).await?;
    let begun = waiting.iter().map(|it| (it.kind, it.target, it.cause));
    let begun = begun.collect();
    let ended = Vec::new();
    write(tx, act, member, Difference::of(begun, ended)).await?;
    if member.status == Status::Active {
        guard::let_go(tx, act).await?;
    }
    Ok(true)
}

/// Lets a locked member be whoever an admin brings in anew.
pub async fn expect(tx: &mut Tx, workspace: WorkspaceId, member: MemberId) -> Result<()> {
    forget(tx, workspace, member).await?;
    rows::update_unproved(tx, workspace, member, None).await?;
    Ok(())
}

/// Takes a right away that a member waits for; tells whether there was one.
pub async fn take(
    tx: &mut Tx,
    act: &Act,
    member: MemberId,
    right: (GrantKind, Uuid),
) -> Result<bool> {
    let waiting = rows::list(tx, act.workspace, member).await?;
    let ids = waiting.iter().filter(|it| (it.kind, it.target) == right);
    let ids: Vec<_> = ids.map(|it| it.id).collect();
    rows::update(tx, act.workspace, &ids, None).await?;
    if ids.is_empty() {
        return Ok(false);
    }
    let detail = json!({"kind": right.0, "target": right.1});
    let change = act.change("member.waiting_taken", ("member", member.0), None, &detail);
    changes::record(tx, act.workspace, &[change]).await?;
    Ok(true)
}

/// Forgets what a member waits for, who leaves.
pub async fn forget(tx: &mut Tx, workspace: WorkspaceId, member: MemberId) -> Result<()> {
    rows::delete(tx, workspace, member).await?;
    Ok(())
}

/// Refuses whoever acts upon a member who waits for more than `scopes` cover.
pub async fn check_over(
    tx: &mut Tx,
    workspace: WorkspaceId,
    scopes: &Scopes,
    member: MemberId,
) -> Result<()> {
    for waiting in rows::list(tx, workspace, member).await? {
        match waiting.kind {
            GrantKind::Team => {}
            GrantKind::Permission => {
                permissions::check_over_these(scopes, waiting.name.as_ref())?;
            }
            GrantKind::Role => {
                let role = RoleId(waiting.target);
                let of = super::roles::permissions_of(tx, workspace, role).await?;
                permissions::check_over_these(scopes, &of)?;
            }
        }
    }
    Ok(())
}

async fn write(tx: &mut Tx, act: &Act, member: &Member, difference: Difference) -> Result<()> {
    let differences = BTreeMap::from([(member.id, (member.version, difference))]);
    ledger::apply(tx, act, &differences, member.rules_version, None).await
}
