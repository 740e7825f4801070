//! What waits is carried out by the facts of now: at its deadline, or when an admin says so. Or it
//! waits on, without a deadline.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::admission::settle::{Rules, settle_freely};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::ids::{MemberId, RequestId, WorkspaceId};
use crate::store::brake;
use crate::store::braked::{self as rows, Braked};
use crate::store::members::{self, Hold, Member, Status};
use crate::store::tx::Tx;
use crate::workspace::edit::profile_of;
use crate::workspace::{guard, manual, seats};

/// How many members a transaction releases.
pub(super) const BATCH: usize = 100;

/// Whom an admin means.
#[derive(Debug, Clone)]
pub enum Which {
    /// Everybody of whom something waits.
    All,
    /// These members.
    These(Vec<MemberId>),
}

/// What became of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "BrakeReleased")]
pub struct Outcome {
    /// For how many it was carried out.
    pub released: usize,
    /// Of how many it still waits: the last admin, or a protected one.
    pub kept: usize,
}

/// Carries out what waits for members; of one for whom nothing waits there is nothing to do. For the
/// last admin and protected ones it goes on waiting, without a deadline.
pub async fn release(
    app: &App,
    origin: &Origin,
    workspace: WorkspaceId,
    which: Which,
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    match which {
        Which::These(members) => {
            for members in members.chunks(BATCH) {
                let done = batch(app, origin, workspace, members.to_vec()).await?;
                outcome.released += done.released;
                outcome.kept += done.kept;
            }
        }
        Which::All => {
            let mut after = None;
            loop {
                let mut tx = app.db.one().await?;
                let most = i64::try_from(BATCH).unwrap_or(i64::MAX);
                let held = rows::list_held(&mut tx, workspace, after, most, None).await?;
                drop(tx);
                let Some(last) = held.last() else { break };
                after = Some(*last);
                let done = batch(app, origin, workspace, held).await?;
                outcome.released += done.released;
                outcome.kept += done.kept;
            }
        }
    }
    Ok(outcome)
}

/// Carries out what has waited until its deadline; tells for how many members.
pub async fn carry_out(app: &App) -> Result<usize> {
    let now = app.clock.now();
    let mut tx = app.db.one().await?;
    let due = rows::list_due(&mut tx, now).await?;
    drop(tx);
    let (mut count, mut failed) = (0, None);
    for workspace in due {
        let mut tx = app.db.one().await?;
        let most = i64::try_from(BATCH).unwrap_or(i64::MAX);
        let held = rows::list_held(&mut tx, workspace, None, most, Some(now)).await?;
        drop(tx);
        count += held.len();
        let origin = Origin::worker(RequestId::new());
        // What is wrong with one workspace does not keep the others waiting.
        if let Err(error) = batch(app, &origin, workspace, held).await {
            failed = failed.or(Some(error));
        }
        let act = Act::of(app, &origin, workspace);
        let forget = app.write(move |tx| {
            let act = act.clone();
            Box::pin(async move {
                let before = act.at.before(super::WINDOW);
                Ok(brake::delete_losses(tx, workspace, before).await?)
            })
        });
        forget.await?;
    }
    failed.map_or(Ok(count), Err)
}

async fn batch(
    app: &App,
    origin: &Origin,
    workspace: WorkspaceId,
    members: Vec<MemberId>,
) -> Result<Outcome> {
    let (app_, act) = (app.clone(), Act::of(app, origin, workspace));
    app.write(move |tx| {
        let (app, act, members) = (app_.clone(), act.clone(), members.clone());
        Box::pin(async move { within(tx, &app, &act, &members).await })
    })
    .await
}

async fn within(tx: &mut Tx, app: &App, act: &Act, ids: &[MemberId]) -> Result<Outcome> {
    let mut locked = members::lock(tx, act.workspace, ids).await?;
    locked.retain(|member| member.braked_at.is_some());
    let all: Vec<MemberId> = locked.iter().map(|member| member.id).collect();
    let mut active: BTreeMap<MemberId, bool> = BTreeMap::new();
    for linked in rows::list_linked(tx, act.workspace, &all).await? {
        *active.entry(linked.member).or_default() |= linked.active;
    }
    let mut outcome = Outcome::default();
    let mut kept: BTreeSet<MemberId> = BTreeSet::new();
    let mut written: Vec<(Member, Status)> = Vec::new();
    let locked = guard::in_order(tx, act.workspace, locked).await?;
    for member in &locked {
        let Some(status) = outcome_of(member, &active) else {
            continue;
        };
        if is_spared(tx, act, member).await? {
            kept.insert(member.id);
            continue;
        }
        // One after the other: who is gone is no admin for the next one.
        write(tx, act, member, status).await?;
        written.push((member.clone(), status));
    }
    outcome.kept = kept.len();
    let stay: Vec<MemberId> = kept.iter().copied().collect();
    if !stay.is_empty() {
        let waiting = rows::wait(tx, act.workspace, &stay, act.at).await?;
        tell_waiting(tx, act, &waiting).await?;
    }
    let freed: Vec<MemberId> = all.into_iter().filter(|id| !kept.contains(id)).collect();
    outcome.released = freed.len();
    rows::free(tx, act.workspace, &freed).await?;
    let locked = members::lock(tx, act.workspace, &freed).await?;
    let told: Vec<_> = written
        .iter()
        .map(|(member, status)| {
            let kind = match status {
                Status::Removed => "member.removed",
                _ => "member.suspended",
            };
            let detail = json!({"status": status, "held_at": member.braked_at});
            let version = Some(member.version + 1);
            act.change(kind, ("member", member.id.0), version, &detail)
        })
        .collect();
    changes::record(tx, act.workspace, &told).await?;
    let rules = Rules::current(tx, app, act).await?;
    settle_freely(tx, act, &locked, &rules).await?;
    let removed = written.iter().filter(|(_, it)| *it == Status::Removed);
    let removed: Vec<MemberId> = removed.map(|(member, _)| member.id).collect();
    for member in members::lock(tx, act.workspace, &removed).await? {
        manual::end_all(tx, act, &member).await?;
    }
    Ok(outcome)
}

/// The status that a member has once what waited is carried out, if it is another one.
fn outcome_of(member: &Member, active: &BTreeMap<MemberId, bool>) -> Option<Status> {
    let is_active = member.status == Status::Active;
    if member.brake_wants.is_none() || !is_active && member.status != Status::Suspended {
        return None;
    }
    match active.get(&member.id) {
        None => Some(Status::Removed),
        Some(true) if member.barred_at.is_none() => None,
        Some(_) => is_active.then_some(Status::Suspended),
    }
}

async fn is_spared(tx: &mut Tx, act: &Act, member: &Member) -> Result<bool> {
    if member.protected {
        return Ok(true);
    }
    match guard::spare(tx, act.workspace, member.id).await {
        Err(Error::Conflict(_)) => Ok(true),
        spared => spared.map(|()| false),
    }
}

async fn write(tx: &mut Tx, act: &Act, member: &Member, status: Status) -> Result<()> {
    let mut profile = profile_of(member);
    if status == Status::Removed {
        // A member who left is not found by address.
        profile.email_key = None;
    }
    let outcome = (status, Hold::End);
    members::update(tx, act.workspace, member.id, &profile, outcome, act.at).await?;
    seats::follow(tx, act, member.id, Some(member), status).await
}

/// Lets what is held of members wait until an admin releases it or the fact is reversed; tells of how
/// many.
pub async fn wait(
    app: &App,
    origin: &Origin,
    workspace: WorkspaceId,
    which: Which,
) -> Result<usize> {
    let act = Act::of(app, origin, workspace);
    let members = match which {
        Which::All => Vec::new(),
        Which::These(members) if members.is_empty() => return Ok(0),
        Which::These(members) => members,
    };
    app.write(move |tx| {
        let (act, members) = (act.clone(), members.clone());
        Box::pin(async move {
            let waiting = rows::wait(tx, workspace, &members, act.at).await?;
            tell_waiting(tx, &act, &waiting).await?;
            Ok(waiting.len())
        })
    })
    .await
}

async fn tell_waiting(tx: &mut Tx, act: &Act, waiting: &[Braked]) -> Result<()> {
    let told: Vec<_> = waiting
        .iter()
        .map(|member| {
            let (subject, version) = (("member", member.id.0), Some(member.version));
            act.change("member.brake_waits", subject, version, &json!({}))
        })
        .collect();
    changes::record(tx, act.workspace, &told).await
}
