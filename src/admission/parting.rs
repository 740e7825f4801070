//! A directory lets members go, and takes them back.

use std::collections::BTreeMap;

use serde_json::json;
use uuid::Uuid;

use super::arrival::{self, Newcomer};
use super::brake;
use super::departure::{give_up, kept};
use super::followed;
use super::settle::{Rules, settle};
use crate::app::App;
use crate::changes::{self, Act};
use crate::error::{Error, Result};
use crate::ids::{CauseId, MemberId, RunId};
use crate::scim::resource;
use crate::store::braked;
use crate::store::candidates;
use crate::store::causes::{self, CauseKind};
use crate::store::details;
use crate::store::directory_runs::{DirectoryRun, Leaving};
use crate::store::erasures;
use crate::store::error::DbError;
use crate::store::exits::{self, Left};
use crate::store::grants::{self, GrantKind};
use crate::store::login_names;
use crate::store::members::{self, Hold, Member, Status};
use crate::store::tx::Tx;
use crate::store::users::{self, Place};
use crate::workspace::edit::profile_of;
use crate::workspace::ledger::{self, Difference};
use crate::workspace::profile::{Field, Manual};
use crate::workspace::{awaiting, guard, persons, seats, told};

/// What was decided about the members.
#[derive(Debug, Clone)]
pub(super) struct Leave {
    run: RunId,
    outcome: Outcome,
    keep_grants: bool,
}

/// What becomes of members whom no other directory has.
#[derive(Debug, Clone)]
enum Outcome {
    /// The same of all.
    All(Leaving),
    /// Of each what it was before the directory had it; of whom nothing is told, nothing.
    Each(BTreeMap<MemberId, Status>),
}

impl Leave {
    pub(super) fn of(run: &DirectoryRun) -> Self {
        Self {
            run: run.id,
            outcome: Outcome::All(run.outcome.unwrap_or(Leaving::Keep)),
            keep_grants: run.keep_grants,
        }
    }

    /// Members become again what they were.
    pub(super) fn each(run: &DirectoryRun, before: BTreeMap<MemberId, Status>) -> Self {
        Self {
            run: run.id,
            outcome: Outcome::Each(before),
            keep_grants: false,
        }
    }

    /// The status that a member gets whom no other directory has; none where it keeps its own.
    fn status(&self, member: MemberId) -> Option<Status> {
        match &self.outcome {
            Outcome::All(Leaving::Keep) => None,
            Outcome::All(Leaving::Suspend) => Some(Status::Suspended),
            Outcome::All(Leaving::Remove) => Some(Status::Removed),
            Outcome::Each(before) => before.get(&member).copied(),
        }
    }
}

/// Unlinks Users from their members, and does to those what was decided; tells for how many it could
/// not be done.
pub(super) async fn let_go(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    place: Place,
    users: &[Left],
    leave: &Leave,
) -> Result<i64> {
    let linked: BTreeMap<MemberId, &Left> = users
        .iter()
        .filter_map(|user| Some((user.member?, user)))
        .collect();
    let ids: Vec<_> = linked.keys().copied().collect();
    let locked = members::lock(tx, act.workspace, &ids).await?;
    exits::unlink(tx, place, users).await?;
    let mut skipped = 0;
    let mut after = Vec::with_capacity(locked.len());
    for mut member in guard::in_order(tx, act.workspace, locked).await? {
        let Some(user) = linked.get(&member.id) else {
            continue;
        };
        login_names::delete(tx, act.workspace, &user.user_name_key, member.id).await?;
        let others = exits::count_others(tx, act.workspace, member.id).await?;
        if others.linked == 0 {
            // What the directory wanted waits no more: an admin has decided.
            brake::reverse(tx, act, &mut member).await?;
        }
        let member = &member;
        let (status, is_spared) = match leave.status(member.id) {
            // Another directory has the member, and says whether it is in.
            _ if others.linked > 0 && others.active > 0 => (member.status, false),
            _ if others.linked > 0 => spared(tx, act, member, Status::Suspended).await?,
            None => (member.status, false),
            Some(wanted) => spared(tx, act, member, wanted).await?,
        };
        skipped += i64::from(is_spared);
        let is_own = others.linked == 0;
        let mut now = write(tx, act, member, (status, is_own)).await?;
        if leave.keep_grants && is_own && status != Status::Removed {
            keep_grants(tx, act, place, &mut now, leave.run).await?;
        }
        if status == Status::Removed {
            awaiting::set_aside(tx, act, &now, awaiting::Reason::Undo).await?;
            if now.braked_at.is_some() {
                // Who has left keeps nothing for a while.
                braked::free(tx, act.workspace, &[now.id]).await?;
            }
        }
        after.push(now.id);
    }
    let locked = members::lock(tx, act.workspace, &after).await?;
    let rules = Rules::current(tx, app, act).await?;
    settle(tx, act, &locked, &rules, Some(leave.run)).await?;
    Ok(skipped)
}

/// The status that a member gets; the last admin and a protected one keep theirs.
async fn spared(tx: &mut Tx, act: &Act, member: &Member, wanted: Status) -> Result<(Status, bool)> {
    if member.status == wanted {
        return Ok((wanted, false));
    }
    if wanted == Status::Suspended && member.status != Status::Active {
        return Ok((member.status, false));
    }
    let spare = match guard::refuse_protected(member.protected) {
        Ok(()) => guard::spare(tx, act.workspace, member.id).await,
        Err(refused) => Err(refused),
    };
    match spare {
        Ok(()) => Ok((wanted, false)),
        Err(Error::Conflict(_)) => Ok((member.status, true)),
        Err(error) => Err(error),
    }
}

/// Writes a member whom a directory let go. What it shows is the admins' from now on, if no other
/// directory has it; of one who leaves nobody wrote anything.
async fn write(
    tx: &mut Tx,
    act: &Act,
    member: &Member,
    (status, is_own): (Status, bool),
) -> Result<Member> {
    let mut profile = profile_of(member);
    if is_own {
        profile.user_name = None;
    }
    if is_own && status != Status::Removed {
        let mut fields = Manual::of(&member.manual);
        for (field, is_there) in [
            (Field::DisplayName, member.display_name.is_some()),
            (Field::GivenName, member.given_name.is_some()),
            (Field::FamilyName, member.family_name.is_some()),
            (Field::Email, member.email.is_some()),
        ] {
            if is_there {
                fields.0.insert(field);
            }
        }
        let text = fields.to_text();
        details::update_manual(tx, act.workspace, member.id, &text).await?;
    }
    if status == Status::Removed {
        // A member who left is not found by address.
        profile.email_key = None;
    }
    members::update(
        tx,
        act.workspace,
        member.id,
        &profile,
        (status, Hold::Keep),
        act.at,
    )
    .await?;
    seats::follow(tx, act, member.id, Some(member), status).await?;
    let kind = match status {
        Status::Removed => "member.removed",
        Status::Suspended if member.status == Status::Active => "member.suspended",
        _ => "member.let_go",
    };
    let version = member.version + 1;
    let subject = ("member", member.id.0);
    let change = act.change(kind, subject, Some(version), &json!({"status": status}));
    changes::record(tx, act.workspace, &[change]).await?;
    Ok(Member {
        status,
        version,
        ..member.clone()
    })
}

/// Gives a member by hand what rules of the directory give it.
async fn keep_grants(
    tx: &mut Tx,
    act: &Act,
    place: Place,
    member: &mut Member,
    run: RunId,
) -> Result<()> {
    let given = exits::list_given(tx, place, member.id).await?;
    let have = grants::list_by_hand(tx, act.workspace, &[member.id]).await?;
    let cause = CauseId::new();
    let is_new = |(kind, target): &(GrantKind, Uuid)| {
        !have
            .iter()
            .any(|own| (own.kind, own.target) == (*kind, *target))
    };
    let begun: Vec<_> = given
        .into_iter()
        .filter(is_new)
        .map(|(kind, target)| (kind, target, cause))
        .collect();
    if begun.is_empty() {
        return Ok(());
    }
    let actor = act.origin.actor.as_deref().unwrap_or("api key");
    causes::insert(tx, act.workspace, cause, CauseKind::Admin, actor, act.at).await?;
    let ended = Vec::new();
    let difference = Difference::of(begun, ended);
    let differences = BTreeMap::from([(member.id, (member.version, difference))]);
    ledger::apply(tx, act, &differences, member.rules_version, Some(run)).await?;
    member.version += 1;
    Ok(())
}

/// Links Users to the members whom they had; tells for how many that could not be done.
pub(super) async fn take_back(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    place: Place,
    users: &[Left],
    (run, outcome): (RunId, Leaving),
) -> Result<i64> {
    let mut skipped = 0;
    let mut linked = Vec::new();
    for left in users {
        let Some(former) = left.former_member.filter(|_| left.member.is_none()) else {
            continue;
        };
        let Some(user) = users::lock(tx, place, left.id).await? else {
            continue;
        };
        let member = members::lock(tx, act.workspace, &[former]).await?.pop();
        let mut member = member.ok_or(DbError::NotFound)?;
        let key = &user.user_name_key;
        let newcomer = Newcomer::of(&resource::from_stored(&user.document)?);
        let is_expected = matches!(member.status, Status::Draft | Status::Invited);
        let is_linked = users::is_linked(tx, place, former).await?;
        // Who left in another way meanwhile stays out; nobody of whom nothing personal is left comes
        // back.
        let is_gone = (member.status == Status::Removed && outcome != Leaving::Remove)
            || erasures::find_at(tx, act.workspace, former)
                .await?
                .is_some();
        if is_gone {
            skipped += 1;
            continue;
        }
        // Somebody who is brought in anew by hand meanwhile proves to be the same person first.
        if is_expected || is_linked || !login_names::insert(tx, act.workspace, key, former).await? {
            let found = candidates::list(tx, place, &[key]).await?;
            let holder = found.iter().find(|it| it.is_named).map(|it| it.member);
            let holder = holder.unwrap_or(former);
            arrival::note_conflict(tx, act, place, &newcomer, holder).await?;
            skipped += 1;
            continue;
        }
        let others = exits::count_others(tx, act.workspace, former).await?;
        let wanted = arrival::status(user.active && member.barred_at.is_none());
        // Another directory keeps the member in.
        let (status, is_spared) = match wanted {
            Status::Active => (wanted, false),
            _ if others.active > 0 || member.status != Status::Active => {
                let is_out = member.status == Status::Removed;
                (if is_out { wanted } else { member.status }, false)
            }
            _ => spared(tx, act, &member, wanted).await?,
        };
        skipped += i64::from(is_spared);
        if wanted == Status::Active {
            // Another directory took the person away, which waits no more.
            brake::reverse(tx, act, &mut member).await?;
        }
        exits::link(tx, place, user.id, former).await?;
        let profile = kept(&member, &newcomer.profile);
        members::update(
            tx,
            act.workspace,
            former,
            &profile,
            (status, Hold::Keep),
            act.at,
        )
        .await?;
        give_up(tx, act, &member, &newcomer.profile).await?;
        seats::follow(tx, act, former, Some(&member), status).await?;
        let now = Member {
            version: member.version + 1,
            status,
            ..member.clone()
        };
        let subject = ("member", former.0);
        let detail = json!({"status": status, "before": member.status, "run": run});
        let change = act.change("member.linked", subject, Some(now.version), &detail);
        let key = persons::key(tx, app, act.workspace, member.person).await?;
        let shown = told::profile(&profile);
        let change = changes::seal(change, act.workspace, (member.person, &key), &shown)?;
        changes::record(tx, act.workspace, &[change]).await?;
        awaiting::begin(tx, act, &now, awaiting::Reason::Undo).await?;
        if status == Status::Active && member.status != status {
            guard::let_go(tx, act).await?;
        }
        followed::linked(tx, app, (act, place), (&user, former), false).await?;
        linked.push(former);
    }
    let locked = members::lock(tx, act.workspace, &linked).await?;
    let rules = Rules::current(tx, app, act).await?;
    settle(tx, act, &locked, &rules, Some(run)).await?;
    Ok(skipped)
}
