//! The brake. A directory that takes very many people away, or a rule that is ended by mistake, is
//! told as soon as it shows and stopped past a threshold: whoever is beyond it keeps what they have
//! until an admin releases it, the fact is reversed, or the deadline carries it out. What the IdP
//! wrote stands as it wrote it meanwhile, and it is answered as ever.
//!
//! The unit is a person who loses something, be it access as a whole, a team or a role; who has lost
//! something within the window may lose more. All ways count into the one row of the workspace, which
//! is locked by whatever ends access. Acts of an admin upon one person do not come by here.

mod reject;
mod release;
mod setting;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use crate::changes::{self, Act};
use crate::error::Result;
use crate::ids::{CauseId, GrantId, MemberId, RunId};
use crate::store::admins;
use crate::store::brake::{self as rows, Brake, Ends};
use crate::store::braked;
use crate::store::grants::{self, LiveGrant};
use crate::store::members::{Member, Status};
use crate::store::tx::Tx;
use crate::workspace::ledger::Difference;

pub use crate::store::brake::{Mode, Setting};
pub use reject::reject;
pub use release::{Outcome, Which, carry_out, release, wait};
pub(super) use setting::foresee;
pub use setting::{Foreseen, Held, Shown, held, set, show};

/// Within this time losses count together, and what was said of an end is too young to be sure of.
pub(super) const WINDOW: Duration = Duration::from_hours(1);

/// The differences of members with the version that each of them has.
type Differences = BTreeMap<MemberId, (i64, Difference)>;

/// How many people may lose something within the window.
fn threshold(brake: &Brake) -> i64 {
    let share = brake.active.saturating_mul(brake.setting.percent) / 100;
    brake.setting.people.max(share)
}

/// The brake, locked, and how many lost something within the window; None where it is off. Who is
/// active is counted once for a window: before anybody lost something in it.
async fn open(tx: &mut Tx, act: &Act) -> Result<Option<(Brake, i64)>> {
    let mut brake = rows::lock(tx, act.workspace).await?;
    if brake.setting.mode == Mode::Off {
        return Ok(None);
    }
    let since = act.at.before(WINDOW);
    let lost = rows::count_losses(tx, act.workspace, since).await?;
    if lost == 0 || brake.counted_at < since {
        brake.active = rows::count_active(tx, act.workspace, act.at).await?;
        brake.counted_at = act.at;
    }
    Ok(Some((brake, lost)))
}

/// Of locked members who are to lose something, those whose loss waits, with the version that they
/// have by it. `wants` is the status that each of them would have.
async fn judge(
    tx: &mut Tx,
    act: &Act,
    losing: &[&Member],
    wants: Option<Status>,
) -> Result<BTreeMap<MemberId, i64>> {
    // Of one for whom an admin lets it wait for good, a new word is no part of that.
    let is_waiting = |member: &&&Member| {
        let is_told = wants.is_none() || member.brake_wants == wants;
        member.braked_at.is_some() && (member.brake_until.is_some() || is_told)
    };
    let (waiting, others): (Vec<&Member>, Vec<&Member>) = losing.iter().partition(is_waiting);
    let mut held: Vec<MemberId> = Vec::new();
    if !others.is_empty()
        && let Some((brake, lost)) = open(tx, act).await?
    {
        held = spread(tx, act, (&brake, lost), &others).await?;
    }
    // Whose loss waits already loses nothing more, and is told only what is new.
    let mut versions: BTreeMap<MemberId, i64> = waiting
        .iter()
        .map(|member| (member.id, member.version))
        .collect();
    let is_news = |member: &&&Member| wants.is_some() && member.brake_wants != wants;
    let mut written: Vec<MemberId> = waiting.iter().filter(is_news).map(|it| it.id).collect();
    written.extend(&held);
    if written.is_empty() {
        return Ok(versions);
    }
    if !held.is_empty() && !braked::has_deadline(tx, act.workspace).await? {
        engage(tx, act).await?;
    }
    let brake = rows::find(tx, act.workspace).await?;
    let minutes = u64::try_from(brake.setting.hold_minutes).unwrap_or(1);
    let until = act.at.after(Duration::from_mins(minutes));
    let written = braked::hold(tx, act.workspace, &written, (act.at, until), wants).await?;
    let told: Vec<_> = written
        .iter()
        .map(|member| {
            let detail = json!({"wants": wants, "until": until});
            let subject = ("member", member.id.0);
            act.change("member.brake_held", subject, Some(member.version), &detail)
        })
        .collect();
    changes::record(tx, act.workspace, &told).await?;
    let count = held.len() as u64;
    tx.on_commit(move || metrics::counter!("gatehouse_brake_held_total").increment(count));
    versions.extend(written.iter().map(|member| (member.id, member.version)));
    Ok(versions)
}

/// Lets as many pass as the window has room for; gives the others.
async fn spread(
    tx: &mut Tx,
    act: &Act,
    (brake, lost): (&Brake, i64),
    losing: &[&Member],
) -> Result<Vec<MemberId>> {
    let ids: Vec<MemberId> = losing.iter().map(|member| member.id).collect();
    let since = act.at.before(WINDOW);
    let counted = rows::list_losses(tx, act.workspace, &ids, since).await?;
    let counted: BTreeSet<MemberId> = counted.into_iter().collect();
    let mut new: Vec<MemberId> = ids.into_iter().filter(|id| !counted.contains(id)).collect();
    let most = threshold(brake);
    let room = usize::try_from(most.saturating_sub(lost)).unwrap_or(0);
    let is_over = new.len() > room;
    let held = if is_over && brake.setting.mode == Mode::Hold {
        new.split_off(room)
    } else {
        Vec::new()
    };
    rows::insert_losses(tx, act.workspace, &new, act.at).await?;
    let now = lost + i64::try_from(new.len()).unwrap_or(0);
    alert(tx, act, brake, (lost, now)).await?;
    Ok(held)
}

/// Tells once that more lose something than may, where they are only told of.
async fn alert(tx: &mut Tx, act: &Act, brake: &Brake, (before, now): (i64, i64)) -> Result<()> {
    let most = threshold(brake);
    if brake.setting.mode != Mode::Alert || before > most || now <= most {
        return Ok(());
    }
    let subject = ("workspace", act.workspace.0);
    let detail = json!({"lost": now, "most": most});
    let change = act.change("workspace.brake_alerted", subject, None, &detail);
    let workspace = act.workspace;
    tx.on_commit(move || tracing::warn!(%workspace, "very many lose access in a workspace"));
    changes::record(tx, act.workspace, &[change]).await
}

/// Tells that something waits from now on.
async fn engage(tx: &mut Tx, act: &Act) -> Result<()> {
    let workspace = act.workspace;
    tx.on_commit(move || {
        tracing::warn!(
            %workspace,
            "very many would lose access in a workspace; the brake holds it"
        );
    });
    let subject = ("workspace", act.workspace.0);
    let change = act.change("workspace.brake_engaged", subject, None, &json!({}));
    changes::record(tx, act.workspace, &[change]).await
}

/// Whether the loss of this one locked member waits, who would have that status. If so, the member
/// is as it is afterwards.
pub(super) async fn holds(
    tx: &mut Tx,
    act: &Act,
    member: &mut Member,
    wants: Status,
) -> Result<bool> {
    if member.status != Status::Active {
        return Ok(false);
    }
    let held = judge(tx, act, &[member], Some(wants)).await?;
    let Some(version) = held.get(&member.id) else {
        return Ok(false);
    };
    if member.brake_rejected.is_some() {
        // That was another word.
        braked::update_rejected(tx, act.workspace, member.id, None).await?;
        member.brake_rejected = None;
    }
    member.version = *version;
    member.braked_at = member.braked_at.or(Some(act.at));
    member.brake_wants = Some(wants);
    Ok(true)
}

/// A directory lets a locked member in for whom it waited to be shut out: that waits no more.
pub(super) async fn reverse(tx: &mut Tx, act: &Act, member: &mut Member) -> Result<()> {
    if member.brake_rejected.is_some() {
        braked::update_rejected(tx, act.workspace, member.id, None).await?;
        member.brake_rejected = None;
    }
    if member.brake_wants.is_none() {
        return Ok(());
    }
    braked::update_wants(tx, act.workspace, member.id, None).await?;
    member.brake_wants = None;
    for lifted in lift(tx, act, &[member.id]).await? {
        member.version = lifted;
        member.braked_at = None;
    }
    Ok(())
}

/// Takes out of what ends for members what is to wait, and keeps it; and keeps no longer what is
/// wanted again. Members for whom nothing else changes are left out. What a run gave that is undone
/// was a mistake: it ends at once, even where it waited already, and counts as no loss. Tells of how
/// many something waits that was to end.
pub(super) async fn keep(
    tx: &mut Tx,
    act: &Act,
    locked: &[Member],
    differences: &mut Differences,
    undoes: Option<RunId>,
) -> Result<usize> {
    let undone = match undoes {
        Some(run) => undone(tx, act, locked, run).await?,
        None => BTreeSet::new(),
    };
    spare_standing(tx, act, locked, differences, &undone).await?;
    let losing = losing(locked, differences, &undone);
    let held = if losing.is_empty() {
        BTreeMap::new()
    } else {
        judge(tx, act, &losing, None).await?
    };
    carry(tx, act, locked, differences, (&held, &undone)).await?;
    Ok(held.len())
}

/// The same for what an admin does upon one person, of which nothing is kept: only what was kept of the
/// member and is wanted again is kept no longer.
pub(super) async fn pass(
    tx: &mut Tx,
    act: &Act,
    locked: &[Member],
    differences: &mut Differences,
) -> Result<()> {
    let nobody = (&BTreeMap::new(), &BTreeSet::new());
    carry(tx, act, locked, differences, nobody).await
}

/// Takes out of the differences what is kept for those who are held, and lets go of what is wanted again.
async fn carry(
    tx: &mut Tx,
    act: &Act,
    locked: &[Member],
    differences: &mut Differences,
    (held, undone): (&BTreeMap<MemberId, i64>, &BTreeSet<GrantId>),
) -> Result<()> {
    let (mut kept, mut freed): (Vec<GrantId>, Vec<GrantId>) = (Vec::new(), Vec::new());
    let mut lifted = Vec::new();
    for member in locked {
        let Some((version, difference)) = differences.get_mut(&member.id) else {
            continue;
        };
        if let Some(held) = held.get(&member.id) {
            *version = *held;
            let lost = lost(difference, undone).map(|grant| grant.id);
            let lost: BTreeSet<GrantId> = lost.collect();
            difference.ended.retain(|grant| !lost.contains(&grant.id));
            kept.extend(lost);
        }
        if member.status == Status::Active {
            // What the member has again by another cause is kept no longer, and ends.
            let wanted = &difference.wanted;
            let is_again = |grant: &LiveGrant| {
                wanted.contains(&(grant.kind, grant.target)) || undone.contains(&grant.id)
            };
            let again = difference
                .ended
                .iter()
                .filter(|it| it.is_braked && is_again(it));
            freed.extend(again.map(|grant| grant.id));
            difference
                .ended
                .retain(|grant| !grant.is_braked || is_again(grant));
        }
        freed.append(&mut difference.regained);
        if member.status == Status::Active
            && member.braked_at.is_some()
            && !held.contains_key(&member.id)
        {
            lifted.push(member.id);
        }
    }
    braked::update_grants(tx, act.workspace, &kept, true).await?;
    braked::update_grants(tx, act.workspace, &freed, false).await?;
    if !lifted.is_empty() {
        for (member, version) in lift_versions(tx, act, &lifted).await? {
            if let Some(of) = differences.get_mut(&member) {
                of.0 = version;
            }
        }
    }
    differences.retain(|_, (_, it)| !it.begun.is_empty() || !it.ended.is_empty());
    Ok(())
}

/// The grants of members that a run gave that is undone.
async fn undone(
    tx: &mut Tx,
    act: &Act,
    locked: &[Member],
    run: RunId,
) -> Result<BTreeSet<GrantId>> {
    let ids: Vec<MemberId> = locked.iter().map(|member| member.id).collect();
    let undone = braked::list_undone(tx, act.workspace, run, &ids).await?;
    Ok(undone.into_iter().collect())
}

/// What a member loses, but for what was given by mistake.
fn lost<'d>(
    difference: &'d Difference,
    undone: &BTreeSet<GrantId>,
) -> impl Iterator<Item = &'d LiveGrant> {
    difference
        .lost()
        .filter(move |grant| !undone.contains(&grant.id))
}

/// Members who are in and lose something.
fn losing<'m>(
    locked: &'m [Member],
    differences: &Differences,
    undone: &BTreeSet<GrantId>,
) -> Vec<&'m Member> {
    let active = locked.iter().filter(|it| it.status == Status::Active);
    let losing = active.filter(|member| {
        let of = differences.get(&member.id);
        of.is_some_and(|(_, it)| lost(it, undone).next().is_some())
    });
    losing.collect()
}

/// What members have by hand as well, or what is kept of them anyway, is no loss.
async fn spare_standing(
    tx: &mut Tx,
    act: &Act,
    locked: &[Member],
    differences: &mut Differences,
    undone: &BTreeSet<GrantId>,
) -> Result<()> {
    let losing = losing(locked, differences, undone).into_iter();
    let ids: Vec<MemberId> = losing.map(|member| member.id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    for grant in grants::list_standing(tx, act.workspace, &ids).await? {
        let Some((_, difference)) = differences.get_mut(&grant.member) else {
            continue;
        };
        let mut ended = difference.ended.iter();
        let is_undone = undone.contains(&grant.id) && ended.any(|it| it.id == grant.id);
        if grant.is_effective && !is_undone {
            difference.standing.insert((grant.kind, grant.target));
        }
    }
    Ok(())
}

async fn lift(tx: &mut Tx, act: &Act, members: &[MemberId]) -> Result<Vec<i64>> {
    let lifted = lift_versions(tx, act, members).await?;
    Ok(lifted.into_iter().map(|(_, version)| version).collect())
}

/// Ends the hold of members of whom nothing waits any more, and tells so.
async fn lift_versions(
    tx: &mut Tx,
    act: &Act,
    members: &[MemberId],
) -> Result<Vec<(MemberId, i64)>> {
    let lifted = braked::lift(tx, act.workspace, members).await?;
    let told: Vec<_> = lifted
        .iter()
        .map(|member| {
            let subject = ("member", member.id.0);
            act.change(
                "member.brake_cancelled",
                subject,
                Some(member.version),
                &json!({}),
            )
        })
        .collect();
    changes::record(tx, act.workspace, &told).await?;
    Ok(lifted.into_iter().map(|it| (it.id, it.version)).collect())
}

/// Whether all that members have by causes of rules may end at once, however many they are; if so it
/// is counted. Where it may not, each of them is held against the brake when it is settled. What has
/// no effect, or is had by something else as well, is no loss. The rules must still say what they
/// gave.
pub async fn admits(tx: &mut Tx, act: &Act, causes: &[CauseId]) -> Result<bool> {
    admits_undoing(tx, act, causes, None).await
}

/// The same where a run is undone, as part of which they end: what that one gave is no loss.
pub(super) async fn admits_undoing(
    tx: &mut Tx,
    act: &Act,
    causes: &[CauseId],
    undoes: Option<RunId>,
) -> Result<bool> {
    if causes.is_empty() {
        return Ok(true);
    }
    // Before the brake, as everywhere: the last admin may be among them.
    admins::lock(tx, act.workspace).await?;
    let Some((brake, lost)) = open(tx, act).await? else {
        return Ok(true);
    };
    let room = (threshold(&brake) - lost).max(0);
    let most = match brake.setting.mode {
        Mode::Hold => room.saturating_add(1),
        Mode::Alert | Mode::Off => i64::MAX,
    };
    let since = act.at.before(WINDOW);
    let ends = Ends { causes, undoes };
    let losing = rows::count_losing(tx, act.workspace, ends, since, most).await?;
    if brake.setting.mode == Mode::Hold && losing > room {
        return Ok(false);
    }
    rows::insert_losing(tx, act.workspace, ends, act.at).await?;
    alert(tx, act, &brake, (lost, lost + losing)).await?;
    Ok(true)
}

/// Counts that what members have by a cause ends, as was said long ago: that is not held up.
pub(super) async fn count(tx: &mut Tx, act: &Act, cause: CauseId) -> Result<()> {
    admins::lock(tx, act.workspace).await?;
    rows::lock(tx, act.workspace).await?;
    let ends = Ends {
        causes: &[cause],
        undoes: None,
    };
    Ok(rows::insert_losing(tx, act.workspace, ends, act.at).await?)
}
