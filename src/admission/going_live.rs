//! A directory that collects goes live: its Users become members, by the same admission as whoever
//! arrives. First it is foreseen, then done if nothing has changed; many are worked off in a run.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::adoption::{self, Foreseen, Outcome};
use super::arrival::{self, Arrival, Newcomer};
use super::effects::Right;
use super::followed;
use super::live_plans::{self, Difference};
use super::parting;
use super::planned::{Count, counts, texts};
use super::prospects::{self, Prospect};
use super::settle::{Rules, settle};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::clock::Timestamp;
use crate::config::Retention;
use crate::error::{Error, Result};
use crate::ids::{DirectoryId, MemberId, UserId, WorkspaceId};
use crate::mapping::rules;
use crate::scim::resource;
use crate::secrets::Digest;
use crate::store::candidates::{self, Unlinked};
use crate::store::directories::{self, Mode};
use crate::store::directory_runs::{self as rows, DirectoryRun, Kind, Leaving, Passed};
use crate::store::error::DbError;
use crate::store::exits;
use crate::store::members::{self, Status};
use crate::store::seats::{self as seat_rows, SeatPolicy};
use crate::store::tx::Tx;
use crate::store::users::{self, Place, User};
use crate::workspace::members::names;
use crate::workspace::seats;

/// How many Users are foreseen in one statement.
const BATCH: i64 = 500;
/// How many of them a plan shows.
const SAMPLE: usize = 50;

/// Why a User is not admitted who finds no seat.
const SEAT_LIMIT: &str = "seat_limit";

/// What going live comes to.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "LivePlan")]
pub struct Plan {
    /// The directory.
    pub directory: DirectoryId,
    /// How many become new members.
    pub new: i64,
    /// How many are linked to members whom the workspace has.
    pub linked: i64,
    /// How many are left for an admin to adopt.
    pub conflicts: i64,
    /// How many seats it takes.
    pub seats_needed: i64,
    /// How many seats are free; none without a limit.
    pub seats_free: Option<i64>,
    /// What becomes of those who find no seat.
    pub seats_policy: SeatPolicy,
    /// Whether the limit has room for those seats.
    pub fits: bool,
    /// Whom to ask for more.
    pub seats_contact: Option<String>,
    /// How many get what by the rules.
    pub gains: Vec<Count>,
    /// How many lose what: with what the directory says, a rule that gave it does not hold any more.
    pub losses: Vec<Count>,
    /// The first Users, conflicts before the others.
    pub sample: Vec<Sampled>,
    /// Names these effects: whoever applies the plan says it, and nothing else is done.
    pub hash: String,
    /// Each User with a digest of what it comes to.
    #[serde(skip)]
    pub(super) digests: Vec<[u8; 32]>,
}

/// What becomes of one User.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "LiveSample")]
pub struct Sampled {
    /// Who it is, and what it comes to.
    #[serde(flatten)]
    pub foreseen: Foreseen,
    /// What it gets: `team NAME`, `role NAME` or `permission NAME`.
    pub gains: Vec<String>,
    /// What it loses.
    pub losses: Vec<String>,
}

/// What going live would come to now. A directory that is live is [`Error::Conflict`], unless it has
/// Users that were left without a member, or without a seat, and could be let in by now; so is one over
/// which a run is not done.
/// The plan is kept for a day.
pub async fn plan(
    app: &App,
    origin: &Origin,
    (workspace, directory): (WorkspaceId, DirectoryId),
) -> Result<Plan> {
    let place = Place {
        workspace,
        directory,
    };
    let mut tx = app.db.read().await?;
    let found = directories::find(&mut tx, place).await?;
    let found = found.ok_or(Error::NotFound("directory"))?;
    let plan = foresee_due(&mut tx, app, place, (found.mode, found.ended_at)).await?;
    drop(tx);
    live_plans::keep(app, &Act::of(app, origin, workspace), &plan).await?;
    Ok(plan)
}

/// What became of a plan.
#[derive(Debug)]
pub enum Applied {
    /// It is done, or a run does it.
    Done(Box<Plan>, Box<DirectoryRun>),
    /// It would come to something else by now, and nothing was done.
    Stale(Box<Difference>),
}

/// Lets a directory go live as it was planned. Too few seats are [`Error::Conflict`]; a hash that no
/// plan can have is [`Error::Invalid`], and one that none has [`Error::NotFound`].
pub async fn apply(
    app: &App,
    origin: &Origin,
    (workspace, directory): (WorkspaceId, DirectoryId),
    hash: &str,
) -> Result<Applied> {
    let place = Place {
        workspace,
        directory,
    };
    let act = Act {
        directory: Some(directory),
        ..Act::of(app, origin, workspace)
    };
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if hash.len() != 64 || !hash.bytes().all(is_hex) {
        return Err(Error::value("hash: expected the hash of a plan"));
    }
    let (app_, hash) = (app.clone(), hash.to_owned());
    let applied = app
        .write(move |tx| {
            let (app, act, hash) = (app_.clone(), act.clone(), hash.clone());
            Box::pin(async move { within(tx, &app, &act, place, &hash).await })
        })
        .await?;
    // Its clients are known with its mode.
    app.credentials.invalidate_all();
    Ok(applied)
}

async fn within(tx: &mut Tx, app: &App, act: &Act, place: Place, hash: &str) -> Result<Applied> {
    // Nobody makes a User meanwhile.
    let directory = rows::lock_whole(tx, place)
        .await?
        .ok_or(Error::NotFound("directory"))?;
    let plan = foresee_due(tx, app, place, (directory.mode, directory.ended_at)).await?;
    if plan.hash != hash {
        let difference = live_plans::difference(tx, place.workspace, (hash, plan)).await?;
        return Ok(Applied::Stale(Box::new(difference)));
    }
    let missing = plan.seats_needed - plan.seats_free.unwrap_or(plan.seats_needed);
    if missing > 0 && plan.seats_policy == SeatPolicy::Refuse {
        let ask = plan.seats_contact.map(|contact| format!("; ask {contact}"));
        return Err(Error::Conflict(format!(
            "seat limit: {missing} seats are missing{}",
            ask.unwrap_or_default()
        )));
    }
    rows::update_mode(tx, place, Mode::Live).await?;
    let at = (place.workspace, place.directory);
    let total = plan.new + plan.linked + plan.conflicts;
    let by = (act.origin.request, act.origin.actor.clone(), act.at);
    let mut run = DirectoryRun::new(at, (Kind::Live, total), by);
    run.was_live = directory.mode == Mode::Live;
    let span = Retention::span(app.config.retention.ended_directories_days);
    run.undo_until = Some(act.at.after(span));
    rows::insert(tx, &run).await?;
    let subject = ("directory", place.directory.0);
    let detail = json!({
        "run": run.id, "new": plan.new, "linked": plan.linked, "conflicts": plan.conflicts,
    });
    let change = act.change("directory.live", subject, None, &detail);
    changes::record(tx, act.workspace, &[change]).await?;
    if run.total <= app.config.scim.run_threshold {
        while run.finished_at.is_none() {
            run = batch(tx, app, act, run).await?;
        }
    }
    Ok(Applied::Done(Box::new(plan), Box::new(run)))
}

/// What there is to do for a directory.
async fn foresee_due(
    tx: &mut Tx,
    app: &App,
    place: Place,
    (mode, ended_at): (Mode, Option<Timestamp>),
) -> Result<Plan> {
    if ended_at.is_some() {
        return Err(Error::Conflict("the directory is switched off".to_owned()));
    }
    let runs = rows::list(tx, place.workspace, place.directory).await?;
    if runs.iter().any(|run| run.finished_at.is_none()) {
        // One that takes back that it went live would let go of whoever came in anew.
        let why = if mode == Mode::Live {
            "the directory is live"
        } else {
            "a run over this directory is not done yet"
        };
        return Err(Error::Conflict(why.to_owned()));
    }
    let plan = foresee(tx, app, place).await?;
    if mode == Mode::Live && plan.new + plan.linked == 0 {
        return Err(Error::Conflict("the directory is live".to_owned()));
    }
    Ok(plan)
}

/// What becomes of every User that is linked to nobody.
async fn foresee(tx: &mut Tx, app: &App, place: Place) -> Result<Plan> {
    let limit = seat_rows::find_limit(tx, place.workspace).await?;
    let taken = seat_rows::find_claimed(tx, place.workspace).await?;
    let free = limit.seat_limit.zip(taken);
    let free = free.map(|(seats, taken)| (seats + limit.seat_grace - taken).max(0));
    let (version, live) = rules::current(tx, app, place.workspace).await?;
    let rules = Rules { version, live };
    let mut plan = Plan {
        directory: place.directory,
        new: 0,
        linked: 0,
        conflicts: 0,
        seats_needed: 0,
        seats_free: free,
        seats_policy: limit.seat_policy,
        fits: true,
        seats_contact: limit.seat_contact,
        gains: Vec::new(),
        losses: Vec::new(),
        sample: Vec::new(),
        hash: String::new(),
        digests: Vec::new(),
    };
    let names = names(tx, place.workspace).await?;
    let mut hash = Digest::new();
    hash.update(place.directory.0.as_bytes());
    let (mut gains, mut losses) = (BTreeMap::new(), BTreeMap::new());
    let (mut after, mut others) = (None, Vec::new());
    let mut taken = BTreeSet::new();
    loop {
        let page: Vec<Unlinked> = candidates::list_unlinked(tx, place, after, BATCH).await?;
        let Some(last) = page.last() else {
            break;
        };
        after = Some(last.id);
        let foreseen = adoption::foresee(tx, place, page, &mut taken).await?;
        let mut prospects = prospects::of(tx, place, &rules, &foreseen).await?;
        for user in foreseen {
            let rights = prospects.remove(&user.user).unwrap_or_default();
            let effect = effect(&user, &rights);
            hash.update(effect.as_bytes());
            plan.digests.push(live_plans::digest(user.user, &effect));
            match user.outcome {
                Outcome::New => plan.new += 1,
                Outcome::Linked => plan.linked += 1,
                Outcome::Conflict => plan.conflicts += 1,
            }
            plan.seats_needed += i64::from(user.takes_seat);
            add(&mut gains, &rights.gains);
            add(&mut losses, &rights.losses);
            let place = if user.outcome == Outcome::Conflict {
                &mut plan.sample
            } else {
                &mut others
            };
            if place.len() < SAMPLE {
                place.push(Sampled {
                    foreseen: user,
                    gains: texts(&names, &rights.gains),
                    losses: texts(&names, &rights.losses),
                });
            }
        }
    }
    plan.gains = counts(
        &names,
        gains.into_iter().map(|((kind, id), of)| (kind, id, of)),
    );
    plan.losses = counts(
        &names,
        losses.into_iter().map(|((kind, id), of)| (kind, id, of)),
    );
    plan.sample.extend(others);
    plan.sample.truncate(SAMPLE);
    plan.fits = free.is_none_or(|free| plan.seats_needed <= free);
    plan.hash = hash.hex();
    Ok(plan)
}

fn add(to: &mut BTreeMap<Right, i64>, rights: &BTreeSet<Right>) {
    for right in rights {
        *to.entry(*right).or_default() += 1;
    }
}

/// What becomes of a User, as the hash has it: one line, for a name has no breaks.
fn effect(user: &Foreseen, rights: &Prospect) -> String {
    let member = user.member.map(|id| id.to_string()).unwrap_or_default();
    let list = |rights: &BTreeSet<Right>| {
        let listed = rights.iter().map(|(kind, id)| format!("{kind:?}:{id}"));
        listed.collect::<Vec<_>>().join(",")
    };
    format!(
        "{}\t{}\t{:?}\t{member}\t{}\t{}\t{}\n",
        user.user,
        user.user_name,
        user.outcome,
        user.active,
        list(&rights.gains),
        list(&rights.losses)
    )
}

/// Admits the next Users of a directory that goes live.
pub(super) async fn batch(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    run: DirectoryRun,
) -> Result<DirectoryRun> {
    let place = Place {
        workspace: run.workspace,
        directory: run.directory,
    };
    let most = app.config.scim.run_batch;
    let page = candidates::list_unlinked(tx, place, run.position, most).await?;
    let (mut admitted, mut skipped) = (Vec::new(), 0);
    let seatless = seatless(tx, place, &page).await?;
    let (back, left) = come_back(tx, app, act, &run, (&page, &seatless)).await?;
    skipped += left;
    for user in &page {
        let Some(user) = users::lock(tx, place, user.id).await? else {
            continue;
        };
        if user.member.is_some() || back.contains(&user.id) {
            continue;
        }
        if seatless.contains(&user.id) {
            candidates::update_refused(tx, place, user.id, SEAT_LIMIT).await?;
            let detail = json!({"run": run.id, "reason": SEAT_LIMIT});
            let subject = ("user", user.id.0);
            let change = act.change("user.not_admitted", subject, None, &detail);
            changes::record(tx, act.workspace, &[change]).await?;
            skipped += 1;
            continue;
        }
        match admit(tx, app, act, place, &user).await? {
            Some(member) => admitted.push(member),
            None => skipped += 1,
        }
    }
    let locked = members::lock(tx, act.workspace, &admitted).await?;
    let rules = Rules::current(tx, app, act).await?;
    settle(tx, act, &locked, &rules, Some(run.id)).await?;
    let is_last = i64::try_from(page.len()).unwrap_or(i64::MAX) < most;
    let passed = Passed {
        last: page.last().map(|user| user.id),
        count: page.len(),
        skipped,
        left_out: None,
    };
    rows::moved_on(tx, run, passed, is_last.then_some(act.at))
        .await?
        .ok_or_else(|| Error::Conflict("the run was moved on by another process".to_owned()))
}

/// Links Users again whom going live had linked before and that was undone; gives all of those, and for
/// how many it could not be done.
async fn come_back(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    run: &DirectoryRun,
    (page, seatless): (&[Unlinked], &BTreeSet<UserId>),
) -> Result<(BTreeSet<UserId>, i64)> {
    let place = Place {
        workspace: run.workspace,
        directory: run.directory,
    };
    let users: Vec<_> = page.iter().map(|user| user.id).collect();
    let had = exits::list_had(tx, place, &users).await?.into_iter();
    let back = had.map(|had| had.user);
    let back: Vec<_> = back.filter(|user| !seatless.contains(&user.id)).collect();
    if back.is_empty() {
        return Ok((BTreeSet::new(), 0));
    }
    let of = (run.id, Leaving::Remove);
    let skipped = parting::take_back(tx, app, act, place, &back, of).await?;
    Ok((back.into_iter().map(|user| user.id).collect(), skipped))
}

/// Those of the Users who would find no seat, where that is no reason to wait for one: they are left
/// out, and the rest goes on. Seats are not locked for it; where somebody else takes the last one
/// meanwhile, the batch is refused and looks again.
async fn seatless(tx: &mut Tx, place: Place, page: &[Unlinked]) -> Result<BTreeSet<UserId>> {
    let mut seatless = BTreeSet::new();
    let limit = seat_rows::find_limit(tx, place.workspace).await?;
    let Some(seats) = limit.seat_limit else {
        return Ok(seatless);
    };
    if limit.seat_policy != SeatPolicy::Refuse {
        return Ok(seatless);
    }
    let taken = seat_rows::find_claimed(tx, place.workspace).await?;
    let mut free = seats + limit.seat_grace - taken.unwrap_or(0);
    for user in adoption::foresee(tx, place, page.to_vec(), &mut BTreeSet::new()).await? {
        if user.takes_seat {
            if free <= 0 {
                seatless.insert(user.user);
            }
            free -= 1;
        }
    }
    Ok(seatless)
}

/// Admits the person of a locked User that is linked to nobody; settling is the caller's. None if a
/// member of another way stands in the way.
pub(super) async fn admit(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    place: Place,
    user: &User,
) -> Result<Option<MemberId>> {
    let newcomer = Newcomer {
        person: Some(user.person),
        ..Newcomer::of(&resource::from_stored(&user.document)?)
    };
    let external_id = newcomer.external_id.as_deref();
    let known = users::find_known(tx, place, &newcomer.keys(), external_id).await?;
    let at = (place, Mode::Live);
    let arrived = arrival::arrive(tx, app, act, at, &known, &newcomer).await?;
    let Arrival::Admitted(admitted) = arrived else {
        return Ok(None);
    };
    let member = admitted.member.ok_or(DbError::NotFound)?;
    users::update_member(tx, place, user.id, member, admitted.person.0).await?;
    if admitted.person.0 != user.person {
        // Whoever erases the one erases the other.
        candidates::join_person(tx, act.workspace, user.person, admitted.person.0).await?;
    }
    let detail = json!({"member": member});
    let mut told = admitted.changes;
    told.push(act.change("user.linked", ("user", user.id.0), None, &detail));
    changes::record(tx, act.workspace, &told).await?;
    if admitted.is_in && known.seat_limit.is_some() {
        seats::follow(tx, act, member, None, Status::Active).await?;
    }
    followed::linked(tx, app, (act, place), (user, member), known.is_awaited).await?;
    Ok(Some(member))
}
