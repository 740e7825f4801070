//! Why somebody is in a workspace or not, from what is kept of them: members, what directories sent,
//! what stood in their way, and what holds for the whole workspace.

use std::collections::BTreeSet;

use super::reasons::{Code, Explanation, Reason};
use crate::app::App;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{MemberId, WorkspaceId};
use crate::scim::fold;
use crate::store::directories::Mode;
use crate::store::domains;
use crate::store::members::{self, Member, Status};
use crate::store::refusals::{self as rows, Buried, Met, Person, Sent};
use crate::store::seats::{self, SeatPolicy};
use crate::store::tx::Tx;
use crate::store::{candidates, details, erasures, workspaces};

/// The longest text that somebody is looked for by, in bytes.
const LONGEST: usize = 1024;

/// Why somebody of that address, userName, `UserID`, externalId or member's id is in or is not.
pub async fn explain(app: &App, workspace: WorkspaceId, person: &str) -> Result<Explanation> {
    let text = person.trim();
    // Nothing has a NUL, and no database takes it.
    if text.is_empty() || text.len() > LONGEST || text.contains('\0') {
        return Err(Error::value(format!(
            "person must be an address, a name or an id of at most {LONGEST} bytes"
        )));
    }
    let who = Person {
        text: text.to_owned(),
        key: fold::key(text),
    };
    let mut tx = app.db.read().await?;
    let tx = &mut tx;
    let found = workspaces::find(tx, workspace).await?;
    let found = found.ok_or(Error::NotFound("workspace"))?;
    let mut reasons = Vec::new();
    if found.status != "active" {
        let suspended = Reason::of(
            Code::WorkspaceSuspended,
            format!(
                "the workspace is {}: nothing of it opens anything",
                found.status
            ),
        );
        reasons.push(suspended.way_in("an operator resumes the workspace"));
    }
    let sent = rows::list_sent(tx, workspace, &who).await?;
    let mut met = rows::list_met(tx, workspace, &who).await?;
    for user in sent.iter().filter(|user| user.member.is_none()) {
        // Whoever was asked for by an address met somebody by the userName.
        let named = Person {
            text: String::new(),
            key: user.user_name.clone(),
        };
        for of in rows::list_met(tx, workspace, &named).await? {
            let is_known = met
                .iter()
                .any(|it| is_same(it, &of.directory, &of.user_name));
            if of.directory == user.directory && !is_known {
                met.push(of);
            }
        }
    }
    let buried = rows::list_buried(tx, workspace, &who).await?;
    let ids = members_of(tx, workspace, &who, &sent).await?;
    let (mut is_in, mut keeps_seat) = (false, false);
    for member in members::list_by_id(tx, workspace, &ids).await? {
        is_in |= member.is_in() && found.status == "active";
        keeps_seat |= seats::find_kept(tx, workspace, member.id).await?.is_some();
        reasons.extend(of_member(tx, workspace, &member).await?);
    }
    let domain = domain(tx, workspace, &who.key).await?;
    reasons.extend(met.iter().map(|met| of_conflict(met, domain.as_deref())));
    for user in sent.iter().filter(|user| user.member.is_none()) {
        let is_met = |met: &Met| is_same(met, &user.directory, &user.user_name);
        if !met.iter().any(is_met) {
            reasons.push(of_user(user));
        }
    }
    reasons.extend(buried.iter().map(of_buried));
    if !is_in && !keeps_seat {
        reasons.extend(of_seats(tx, workspace, ids.is_empty()).await?);
    }
    if ids.is_empty() && met.is_empty() && sent.is_empty() && buried.is_empty() {
        let unknown = Reason::of(
            Code::Unknown,
            "nothing is kept of this person: no directory sent them and no admin brought them in, \
             or what came was refused: for its form, its credential, somebody else of that name, or \
             a seat that was not free",
        );
        reasons.push(unknown.way_in(
            "the request log of the directory tells what it sent; an admin may bring them in",
        ));
    }
    Ok(Explanation {
        person: text.to_owned(),
        is_in,
        reasons,
        requests_searched: None,
    })
}

/// The members who may be meant, those who left among them.
async fn members_of(
    tx: &mut Tx,
    workspace: WorkspaceId,
    who: &Person,
    sent: &[Sent],
) -> Result<Vec<MemberId>> {
    let mut ids: BTreeSet<MemberId> = sent.iter().filter_map(|user| user.member).collect();
    ids.extend(who.text.parse::<MemberId>().ok());
    let by_address = members::find_by_email(tx, workspace, &who.key).await?;
    ids.extend(by_address.into_iter().map(|member| member.id));
    ids.extend(details::find_by_user_id(tx, workspace, &who.key).await?);
    ids.extend(candidates::list_by_alias(tx, workspace, &who.key).await?);
    if ids.is_empty() {
        ids.extend(rows::list_named(tx, workspace, who).await?);
        ids.extend(details::find_left(tx, workspace, &who.key).await?);
    }
    let ids: Vec<_> = ids.into_iter().collect();
    let there = members::list_by_id(tx, workspace, &ids).await?;
    Ok(there.into_iter().map(|member| member.id).collect())
}

async fn of_member(tx: &mut Tx, workspace: WorkspaceId, member: &Member) -> Result<Vec<Reason>> {
    let mut reasons = match member.status {
        Status::Active => of_active(member),
        Status::Suspended => {
            let holders = details::list_holders(tx, workspace, member.id).await?;
            let details = details::list(tx, workspace, &[member.id]).await?.pop();
            let since = details.and_then(|of| of.details.steps.suspended_at);
            of_suspended(member, &holders, since)
        }
        Status::Draft => vec![
            Reason::of(Code::Draft, "the member was brought in and is not told yet")
                .since(Some(member.created_at))
                .way_in("it comes in by an invite, or by a directory that sends the person"),
        ],
        Status::Invited => {
            let details = details::list(tx, workspace, &[member.id]).await?.pop();
            vec![
                Reason::of(Code::Invited, "the member was told and has not come in")
                    .since(details.and_then(|of| of.details.steps.invited_at))
                    .way_in("the person takes up the invite"),
            ]
        }
        Status::Removed => {
            let details = details::list(tx, workspace, &[member.id]).await?.pop();
            let way_in = match erasures::find_at(tx, workspace, member.id).await? {
                Some(_) => "erased: an admin or the directory brings the person in as somebody new",
                None => "an admin or the directory brings the person in again",
            };
            vec![
                Reason::of(Code::Removed, "the member was removed")
                    .since(details.and_then(|of| of.details.steps.removed_at))
                    .way_in(way_in),
            ]
        }
    };
    for reason in &mut reasons {
        reason.member = Some(member.id);
    }
    Ok(reasons)
}

fn is_same(met: &Met, directory: &str, user_name: &str) -> bool {
    met.directory == directory && met.user_name == user_name
}

fn of_active(member: &Member) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if member.held_at.is_some() {
        let held = Reason::of(Code::Held, "a restore holds the member").since(member.held_at);
        reasons.push(held.way_in("its directory writes it again, or an admin releases it"));
    }
    if member.waiting_at.is_some() {
        let waits = Reason::of(Code::WaitsForSeat, "the member waits for a seat");
        reasons.push(
            waits
                .since(member.waiting_at)
                .way_in("a seat is given back, or there are more"),
        );
    }
    if reasons.is_empty() {
        reasons.push(Reason::of(Code::Member, "the member is in").since(Some(member.created_at)));
    }
    if member.brake_rejected.is_some() {
        let why = "the directory took the person away, which an admin rejected";
        reasons.push(Reason::of(Code::Kept, why));
    }
    if member.brake_wants.is_some() {
        let until = member.brake_until.map(|until| format!(" until {until}"));
        let why = format!(
            "the directory took the person away, which the brake holds{}",
            until.unwrap_or_else(|| ", waiting for an admin".to_owned())
        );
        reasons.push(Reason::of(Code::Leaving, why).since(member.braked_at));
    }
    reasons
}

fn of_suspended(
    member: &Member,
    holders: &[details::Holder],
    since: Option<Timestamp>,
) -> Vec<Reason> {
    if member.barred_at.is_some() {
        let barred = Reason::of(Code::Barred, "an admin shuts the member out");
        let barred = barred.since(member.barred_at);
        return vec![barred.way_in("an admin activates the member")];
    }
    let out = holders.iter().filter(|holder| !holder.active);
    let names: Vec<_> = out.map(|holder| format!("\"{}\"", holder.name)).collect();
    let why = if names.is_empty() {
        "the member is suspended, and no directory has it".to_owned()
    } else {
        format!("the person is out, says {}", names.join(" and "))
    };
    let way_in = if names.is_empty() {
        "an admin activates the member"
    } else {
        "the directory says that the person is active"
    };
    vec![
        Reason::of(Code::DirectorySaysOut, why)
            .since(since)
            .way_in(way_in),
    ]
}

fn of_conflict(met: &Met, domain: Option<&str>) -> Reason {
    let (directory, name) = (&met.directory, &met.user_name);
    let told = match met.adopted {
        Some(_) => Reason::of(
            Code::Adopted,
            format!("an admin said who \"{name}\" of \"{directory}\" is"),
        )
        .way_in(format!("the next create by \"{directory}\" links the two")),
        None => {
            let domain = domain.map(|state| format!(", or {state}"));
            Reason::of(
                Code::Conflict,
                format!(
                    "\"{directory}\" sent \"{name}\", and a member who came another way, or is \
                     another User of it, has that name or address: nothing proves that they are one"
                ),
            )
            .way_in(format!(
                "an admin adopts \"{name}\" of \"{directory}\"{}",
                domain.unwrap_or_default()
            ))
        }
    };
    Reason {
        directory: Some(directory.clone()),
        member: Some(met.adopted.unwrap_or(met.member)),
        since: Some(met.first_at),
        last_at: Some(met.last_at),
        times: Some(met.times),
        ..told
    }
}

fn of_user(user: &Sent) -> Reason {
    let directory = &user.directory;
    let reason = if user.ended_at.is_some() {
        Reason::of(
            Code::DirectoryEnded,
            format!("\"{directory}\" sent the person and is switched off"),
        )
        .since(user.ended_at)
        .way_in("its end is undone, or another way brings the person in")
    } else if user.mode == Mode::Collect {
        Reason::of(
            Code::Collected,
            format!("\"{directory}\" sent the person; it only collects, and makes nobody a member"),
        )
        .since(Some(user.created_at))
        .way_in(format!("\"{directory}\" goes live"))
    } else if user.refused.is_some() {
        Reason::of(
            Code::NoSeat,
            format!("no seat was free for the person when \"{directory}\" went live"),
        )
        .since(Some(user.created_at))
        .way_in("with a seat that is free, an admin adopts the person or plans going live again")
    } else {
        Reason::of(
            Code::RunDue,
            format!("\"{directory}\" sent the person, and nothing has admitted them yet"),
        )
        .since(Some(user.created_at))
        .way_in("a run of the directory comes to them, or an admin adopts the person")
    };
    Reason {
        directory: Some(directory.clone()),
        user: Some(user.user_id),
        ..reason
    }
}

fn of_buried(buried: &Buried) -> Reason {
    let directory = &buried.directory;
    let reason = Reason::of(Code::Deleted, format!("\"{directory}\" deleted the person"))
        .since(Some(buried.deleted_at))
        .way_in("a create with the same externalId brings the member back");
    Reason {
        directory: Some(directory.clone()),
        user: Some(buried.user_id),
        member: Some(buried.member),
        ..reason
    }
}

/// That whoever comes now finds no seat; of one who is known already, and needs none to be found, that
/// is told as well.
async fn of_seats(tx: &mut Tx, workspace: WorkspaceId, is_unknown: bool) -> Result<Option<Reason>> {
    let limit = seats::find_limit(tx, workspace).await?;
    let taken = seats::find_claimed(tx, workspace).await?;
    let Some((seats, taken)) = limit.seat_limit.zip(taken) else {
        return Ok(None);
    };
    if taken < seats + limit.seat_grace {
        return Ok(None);
    }
    let becomes = match (limit.seat_policy, is_unknown) {
        (SeatPolicy::Refuse, true) => "a create is refused with 409, and nothing is kept of it",
        (SeatPolicy::Refuse, false) => "whoever is to come in is refused",
        (SeatPolicy::Hold, _) => "whoever comes in waits",
    };
    let why = format!("all {seats} seats are taken or waited for: {becomes}");
    let ask = limit.seat_contact.map(|contact| format!("; ask {contact}"));
    let way_in = format!("there are more seats{}", ask.unwrap_or_default());
    Ok(Some(Reason::of(Code::SeatsFull, why).way_in(way_in)))
}

/// What of the domain of an address would let it link to whom the workspace has.
async fn domain(tx: &mut Tx, workspace: WorkspaceId, key: &str) -> Result<Option<String>> {
    let Some((_, name)) = key.rsplit_once('@') else {
        return Ok(None);
    };
    let Ok(url::Host::Domain(name)) = url::Host::parse(name) else {
        return Ok(None);
    };
    let all = domains::list(tx, workspace).await?;
    let found = all.into_iter().find(|domain| domain.name == name);
    Ok(match found {
        None => Some(format!(
            "the domain {name} is added and proved, with adoption switched on"
        )),
        Some(domain) if domain.proved_at.is_none() => Some(format!(
            "the domain {name} is proved, with adoption switched on"
        )),
        Some(domain) if !domain.adoption => Some(format!(
            "adoption is switched on for the proved domain {name}"
        )),
        Some(_) => None,
    })
}
