//! Seats: how many members may be in at a time, counted once and on every path. Without a limit no
//! row is touched.

use serde_json::json;

use super::guard;
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::ids::{MemberId, RequestId, WorkspaceId};
use crate::store::members::{self, Member, Status};
use crate::store::seats as rows;
use crate::store::tx::Tx;

pub use crate::store::seats::{Limit, SeatPolicy, SeatRelease};

/// The fewest seats that a limit may be.
pub const FEWEST: i64 = 3;
/// The most seats.
const MOST: i64 = 1_000_000_000;
/// The longest text that says whom to ask, in characters.
const CONTACT: usize = 256;
/// How many who wait are looked at in a transaction.
const BATCH: i64 = 100;
/// The parts of the limit that are told when they are reached, in percent.
const THRESHOLDS: [i64; 3] = [80, 95, 100];

/// How the seats of a workspace stand.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct Seats {
    /// The limit and what follows from it.
    #[serde(flatten)]
    pub limit: Limit,
    /// How many are taken: without a limit, by everybody who is in.
    pub taken: i64,
    /// How many of those are kept by members who are suspended.
    pub kept: i64,
    /// How many wait for one.
    pub waiting: i64,
}

/// How the seats of a workspace stand.
pub async fn show(app: &App, workspace: WorkspaceId) -> Result<Seats> {
    let mut tx = app.db.read().await?;
    let taken = match rows::find_taken(&mut tx, workspace).await? {
        Some(taken) => taken,
        None => members::count_active(&mut tx, workspace).await?,
    };
    Ok(Seats {
        limit: rows::find_limit(&mut tx, workspace).await?,
        taken,
        kept: rows::count_kept(&mut tx, workspace).await?,
        waiting: rows::count_waiting(&mut tx, workspace).await?,
    })
}

/// Sets how many may be in. Nobody is put out by it, however many are in; without a limit whoever
/// waited is in. Where members are to keep their seats from now on, those who are suspended already
/// gave theirs back and keep none, so that no more are taken by it; where they are to keep them no
/// longer, all that are kept are free at once.
pub async fn set(app: &App, origin: &Origin, workspace: WorkspaceId, limit: Limit) -> Result<()> {
    let act = Act::of(app, origin, workspace);
    app.write(move |tx| {
        let (act, limit) = (act.clone(), limit.clone());
        Box::pin(async move { set_within(tx, &act, &limit).await })
    })
    .await
}

/// The same in the transaction of a wider change.
pub async fn set_within(tx: &mut Tx, act: &Act, limit: &Limit) -> Result<()> {
    check(limit)?;
    let workspace = act.workspace;
    let keeps = limit.seat_limit.is_some() && limit.seat_release == SeatRelease::OnRemove;
    if !keeps {
        // Members are locked before seats, by whoever locks both.
        let kept = rows::list_kept(tx, workspace).await?;
        members::lock(tx, workspace, &kept).await?;
    }
    let before = rows::lock_limit(tx, workspace).await?;
    if before == *limit {
        return Ok(());
    }
    let freed = if keeps || before.seat_release == SeatRelease::OnSuspend {
        0
    } else {
        rows::release_kept(tx, workspace).await?
    };
    rows::update_limit(tx, workspace, limit).await?;
    match (before.seat_limit, limit.seat_limit) {
        (None, Some(_)) => rows::insert_count(tx, workspace).await?,
        (Some(_), None) => {
            let seated = rows::delete_count(tx, workspace, act.at).await?;
            let told = seated.into_iter().map(|(member, version)| {
                let subject = ("member", member.0);
                act.change("member.seated", subject, Some(version), &json!({}))
            });
            let told: Vec<_> = told.collect();
            changes::record(tx, workspace, &told).await?;
            guard::let_go(tx, act).await?;
        }
        _ => {}
    }
    let detail = json!({
        "limit": limit.seat_limit, "policy": limit.seat_policy, "grace": limit.seat_grace,
        "release": limit.seat_release, "freed": freed,
    });
    let subject = ("workspace", workspace.0);
    let change = act.change("workspace.seats_set", subject, None, &detail);
    changes::record(tx, workspace, &[change]).await?;
    tell_nearer(tx, act, (before.seat_limit, limit.seat_limit)).await
}

/// Tells when another limit alone has a further part of it be reached.
async fn tell_nearer(
    tx: &mut Tx,
    act: &Act,
    (before, now): (Option<i64>, Option<i64>),
) -> Result<()> {
    let Some((now, taken)) = now.zip(rows::find_taken(tx, act.workspace).await?) else {
        return Ok(());
    };
    let (part, part_before) = (
        reached(now, taken),
        before.and_then(|before| reached(before, taken)),
    );
    match part.filter(|_| part > part_before) {
        Some(percent) => tell_reached(tx, act, (now, taken, percent)).await,
        None => Ok(()),
    }
}

/// The highest part of the limit that is reached, in percent.
fn reached(seats: i64, taken: i64) -> Option<i64> {
    let mut parts = THRESHOLDS.into_iter().rev();
    parts.find(|part| taken * 100 >= seats * part)
}

fn check(limit: &Limit) -> Result<()> {
    if limit
        .seat_limit
        .is_some_and(|limit| !(FEWEST..=MOST).contains(&limit))
    {
        return Err(Error::value(format!(
            "limit must be {FEWEST} to {MOST}, or none"
        )));
    }
    if !(0..=MOST).contains(&limit.seat_grace) {
        return Err(Error::value(format!("grace must be 0 to {MOST}")));
    }
    if limit
        .seat_contact
        .as_ref()
        .is_some_and(|it| it.chars().count() > CONTACT)
    {
        return Err(Error::value(format!(
            "contact must have at most {CONTACT} characters"
        )));
    }
    Ok(())
}

/// A member was written whose status was another before, or who is new: it takes a seat or gives its
/// own back, or keeps it while it is suspended where the workspace says so. Where there is none, or
/// others wait for those that are free, that is [`Error::Conflict`], or the member waits.
pub async fn follow(
    tx: &mut Tx,
    act: &Act,
    member: MemberId,
    before: Option<&Member>,
    status: Status,
) -> Result<()> {
    let had = before.is_some_and(|it| it.status == Status::Active && it.waiting_at.is_none());
    let waited = before.is_some_and(|it| it.status == Status::Active && it.waiting_at.is_some());
    let wants = status == Status::Active;
    // One who is out may keep a seat until it leaves.
    let leaves = before.is_some_and(|it| it.status == Status::Suspended)
        && !matches!(status, Status::Suspended | Status::Active);
    if !leaves && (had == wants || wants && waited) {
        return Ok(());
    }
    let limit = rows::keep_limit(tx, act.workspace).await?;
    let Some(seats) = limit.seat_limit else {
        return Ok(());
    };
    let keeps = limit.seat_release == SeatRelease::OnRemove;
    if keeps && had && status == Status::Suspended {
        rows::update_kept(tx, act.workspace, member, Some(act.at)).await?;
        return Ok(());
    }
    let kept = keeps && !had && rows::update_kept(tx, act.workspace, member, None).await?;
    if !wants {
        if had || kept {
            rows::release(tx, act.workspace).await?;
        }
        return Ok(());
    }
    if kept {
        return Ok(());
    }
    match rows::take_in_turn(tx, act.workspace, seats + limit.seat_grace).await? {
        Some(taken) => tell(tx, act, seats, taken).await,
        None if limit.seat_policy == SeatPolicy::Hold => {
            rows::update_waiting(tx, act.workspace, member, Some(act.at)).await?;
            Ok(())
        }
        None => {
            let waited = match rows::count_waiting(tx, act.workspace).await? {
                0 => "",
                _ => " or waited for",
            };
            let ask = limit.seat_contact.map(|contact| format!("; ask {contact}"));
            Err(Error::Conflict(format!(
                "seat limit: all {seats} seats are taken{waited}{}",
                ask.unwrap_or_default()
            )))
        }
    }
}

/// Tells when a part of the limit is reached.
async fn tell(tx: &mut Tx, act: &Act, seats: i64, taken: i64) -> Result<()> {
    let part = reached(seats, taken);
    match part.filter(|_| part > reached(seats, taken - 1)) {
        Some(percent) => tell_reached(tx, act, (seats, taken, percent)).await,
        None => Ok(()),
    }
}

async fn tell_reached(
    tx: &mut Tx,
    act: &Act,
    (seats, taken, percent): (i64, i64, i64),
) -> Result<()> {
    let detail = json!({"percent": percent, "taken": taken, "limit": seats});
    let subject = ("workspace", act.workspace.0);
    let change = act.change("workspace.seats_reached", subject, None, &detail);
    changes::record(tx, act.workspace, &[change]).await
}

/// Gives seats that are free to those who wait, the longest first; tells how many got one.
pub async fn promote(app: &App) -> Result<usize> {
    let mut tx = app.db.one().await?;
    let workspaces = rows::list_seatable(&mut tx).await?;
    drop(tx);
    let (mut seated, mut failed) = (0, None);
    for workspace in workspaces {
        let act = Act::of(app, &Origin::worker(RequestId::new()), workspace);
        let promoted = app.write(move |tx| {
            let act = act.clone();
            Box::pin(async move { promote_batch(tx, &act).await })
        });
        match promoted.await {
            Ok(count) => seated += count,
            // What is wrong with one workspace does not keep the others waiting.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(seated), Err)
}

async fn promote_batch(tx: &mut Tx, act: &Act) -> Result<usize> {
    let waiting = rows::list_waiting(tx, act.workspace, BATCH).await?;
    // In the order of ids, as everybody locks members; then by who waits longest.
    let mut locked = members::lock(tx, act.workspace, &waiting).await?;
    locked.retain(|member| member.waiting_at.is_some() && member.status == Status::Active);
    locked.sort_by_key(|member| (member.waiting_at, member.id));
    let limit = rows::keep_limit(tx, act.workspace).await?;
    let Some(seats) = limit.seat_limit else {
        return Ok(0);
    };
    let mut told = Vec::new();
    for member in &locked {
        let Some(taken) = rows::take(tx, act.workspace, seats + limit.seat_grace).await? else {
            break;
        };
        members::seat(tx, act.workspace, member.id, act.at).await?;
        tell(tx, act, seats, taken).await?;
        let (subject, version) = (("member", member.id.0), Some(member.version + 1));
        told.push(act.change("member.seated", subject, version, &json!({})));
    }
    changes::record(tx, act.workspace, &told).await?;
    if !told.is_empty() {
        guard::let_go(tx, act).await?;
    }
    Ok(told.len())
}
