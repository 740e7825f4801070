//! A directory changes what it says about a member, shuts it out, lets it in again or gives it up.

use serde_json::json;

use super::brake;
use super::holds::Word;
use crate::changes::{self, Act, Change};
use crate::error::Result;
use crate::ids::{MemberId, PersonId, UserId};
use crate::scim::fold;
use crate::secrets::PersonKey;
use crate::store::error::DbError;
use crate::store::members::{self, Hold, Member, Profile, Status};
use crate::store::tx::Tx;
use crate::store::{details, exits, users};
use crate::workspace::edit::profile_of;
use crate::workspace::profile::{Field, Manual};
use crate::workspace::{guard, seats, told};

/// Brings a member in line with a User that was written: profile, and in or out. Off is off with
/// the commit: the member's access epoch rises. Another directory that holds the person active
/// keeps the member in, but only a word from now ends a hold. Gives the change to be told, if
/// anything did.
pub async fn follow(
    tx: &mut Tx,
    act: &Act,
    (user, member): (UserId, MemberId),
    word: Word,
    profile: &Profile,
    (person, key): (PersonId, &PersonKey),
) -> Result<Option<Change>> {
    let mut member = lock(tx, act, member).await?;
    let is_wanted =
        word.active || users::count_linked(tx, act.workspace, member.id, user).await? > 0;
    // Whom an admin shut out an admin lets in.
    let mut status = if is_wanted && member.barred_at.is_none() {
        Status::Active
    } else {
        Status::Suspended
    };
    if member.status == Status::Active && member.brake_rejected == Some(status) {
        // An admin has decided on that: it takes another word.
        status = Status::Active;
    } else if member.status == Status::Active && status == Status::Suspended {
        guard::refuse_protected(member.protected)?;
        guard::spare(tx, act.workspace, member.id).await?;
        if brake::holds(tx, act, &mut member, status).await? {
            status = Status::Active;
        }
    } else if status == Status::Active {
        brake::reverse(tx, act, &mut member).await?;
    }
    let said = profile;
    let profile = &kept(&member, profile);
    let is_released = word.lets_in() && member.held_at.is_some();
    if status == member.status && shows(&member, profile) && !is_released {
        return Ok(None);
    }
    // Of one who is shut out nothing needs to be held: it takes a word to come in again.
    let hold = if status == Status::Active && !word.lets_in() {
        Hold::Keep
    } else {
        Hold::End
    };
    let outcome = (status, hold);
    members::update(tx, act.workspace, member.id, profile, outcome, act.at).await?;
    seats::follow(tx, act, member.id, Some(&member), status).await?;
    give_up(tx, act, &member, said).await?;
    if status == Status::Active && (member.status != status || is_released) {
        guard::let_go(tx, act).await?;
    }
    let kind = match (member.status, status) {
        (Status::Active, Status::Suspended) => "member.suspended",
        (Status::Suspended, Status::Active) => "member.reactivated",
        _ if is_released => "member.released",
        _ => "member.updated",
    };
    let detail = json!({"status": status});
    let version = Some(member.version + 1);
    let change = act.change(kind, ("member", member.id.0), version, &detail);
    changes::seal(
        change,
        act.workspace,
        (person, key),
        &told::profile(profile),
    )
    .map(Some)
}

/// The directory gave a User up, whose row and memberships are gone: the member leaves, unless the
/// brake holds it or another directory has it. One that says it is out keeps the member shut out.
/// Gives the locked member, for settling, and the change to be told.
pub async fn leave(tx: &mut Tx, act: &Act, member: MemberId) -> Result<(Member, Option<Change>)> {
    let mut member = lock(tx, act, member).await?;
    let others = exits::count_others(tx, act.workspace, member.id).await?;
    let (status, kind) = if others.linked > 0 {
        (Status::Suspended, "member.suspended")
    } else {
        (Status::Removed, "member.removed")
    };
    if others.active > 0 || others.linked > 0 && member.status != Status::Active {
        return Ok((member, None));
    }
    guard::refuse_protected(member.protected)?;
    guard::spare(tx, act.workspace, member.id).await?;
    if brake::holds(tx, act, &mut member, status).await? {
        return Ok((member, None));
    }
    let mut profile = profile_of(&member);
    if status == Status::Removed {
        // A member who left is not found by address.
        profile.email_key = None;
    }
    let outcome = (status, Hold::End);
    members::update(tx, act.workspace, member.id, &profile, outcome, act.at).await?;
    seats::follow(tx, act, member.id, Some(&member), status).await?;
    member.version += 1;
    member.status = status;
    let subject = ("member", member.id.0);
    let detail = json!({"status": status});
    let change = act.change(kind, subject, Some(member.version), &detail);
    Ok((member, Some(change)))
}

/// What the directory says from now on is the directory's, and no longer the admin's.
pub(super) async fn give_up(tx: &mut Tx, act: &Act, member: &Member, said: &Profile) -> Result<()> {
    let before = Manual::of(&member.manual);
    let mut manual = before.clone();
    for (field, said) in [
        (Field::DisplayName, &said.display_name),
        (Field::GivenName, &said.given_name),
        (Field::FamilyName, &said.family_name),
        (Field::Email, &said.email),
    ] {
        if said.is_some() {
            manual.0.remove(&field);
        }
    }
    if manual != before {
        details::update_manual(tx, act.workspace, member.id, &manual.to_text()).await?;
    }
    Ok(())
}

/// What the directory says, and what an admin wrote where it says nothing.
pub(super) fn kept(member: &Member, said: &Profile) -> Profile {
    let manual = Manual::of(&member.manual);
    if manual.0.is_empty() {
        return said.clone();
    }
    let keep = |field, said: &Option<String>, before: &Option<String>| {
        let kept = before.as_ref().filter(|_| manual.0.contains(&field));
        said.clone().or_else(|| kept.cloned())
    };
    let email = keep(Field::Email, &said.email, &member.email);
    Profile {
        user_name: said.user_name.clone(),
        display_name: keep(Field::DisplayName, &said.display_name, &member.display_name),
        given_name: keep(Field::GivenName, &said.given_name, &member.given_name),
        family_name: keep(Field::FamilyName, &said.family_name, &member.family_name),
        email_key: email.as_deref().map(fold::key),
        email,
    }
}

async fn lock(tx: &mut Tx, act: &Act, member: MemberId) -> Result<Member> {
    let found = members::lock(tx, act.workspace, &[member]).await?.pop();
    Ok(found.ok_or(DbError::NotFound)?)
}

fn shows(member: &Member, profile: &Profile) -> bool {
    member.user_name == profile.user_name
        && member.display_name == profile.display_name
        && member.given_name == profile.given_name
        && member.family_name == profile.family_name
        && member.email == profile.email
}
