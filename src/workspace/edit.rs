//! What a member shows is written by hand; `admission::editing` settles it with that.

use std::collections::BTreeSet;

use serde_json::json;

use super::profile::{Edit, Field, Line, Manual, Say};
use super::{persons, told};
use crate::app::App;
use crate::changes::{self, Act};
use crate::error::{Error, Result};
use crate::ids::MemberId;
use crate::scim::fold;
use crate::store::details::{self, Details};
use crate::store::error::OnDuplicate;
use crate::store::managers;
use crate::store::members::{self, Hold, Member, Profile, Status};
use crate::store::tx::Tx;

/// A member who is not removed, locked.
pub async fn lock(tx: &mut Tx, act: &Act, member: MemberId) -> Result<Member> {
    let found = members::lock(tx, act.workspace, &[member]).await?.pop();
    found
        .filter(|member| member.status != Status::Removed)
        .ok_or(Error::NotFound("member"))
}

/// Writes fields of a locked member that fit, as [`Edit::checked`] gives them. Where a manager is
/// among them, the workspace is locked. Whoever calls it settles the member then.
pub async fn write(tx: &mut Tx, app: &App, act: &Act, member: &Member, edit: &Edit) -> Result<()> {
    let fields = edit.fields();
    let before = details::list(tx, act.workspace, &[member.id]).await?.pop();
    let before = before.map(|of| of.details).unwrap_or_default();
    refuse_kept(tx, act, (member, &before), &fields).await?;
    let (profile, after) = (profile(member, edit), changed(&before, edit));
    if profile == profile_of(member) && after == before {
        return Ok(());
    }
    if let Some(manager) = edit.manager.set() {
        check_manager(tx, act, member.id, *manager).await?;
    }
    fold::check_key(profile.email_key.as_deref().unwrap_or_default(), "email")?;
    let mut manual = Manual::of(&member.manual);
    manual.0.extend(&fields);
    let outcome = (member.status, Hold::Keep);
    members::update(tx, act.workspace, member.id, &profile, outcome, act.at).await?;
    let user_id_key = after.user_id.as_deref().map(fold::key);
    fold::check_key(user_id_key.as_deref().unwrap_or_default(), "user_id")?;
    let kept = (user_id_key.as_deref(), manual.to_text());
    details::update(tx, act.workspace, member.id, &after, (kept.0, &kept.1))
        .await
        .on_duplicate("user_id")?;
    let detail = json!({"status": member.status, "fields": fields});
    let version = Some(member.version + 1);
    let change = act.change("member.updated", ("member", member.id.0), version, &detail);
    let key = persons::key(tx, app, act.workspace, member.person).await?;
    let personal = told::all(&profile, &after);
    let change = changes::seal(change, act.workspace, (member.person, &key), &personal)?;
    changes::record(tx, act.workspace, &[change]).await
}

/// The fields that a directory keeps, which are the directory's to change, and its name; none where
/// no directory has the person.
pub async fn kept(
    tx: &mut Tx,
    act: &Act,
    (member, details): (&Member, &Details),
) -> Result<Option<(BTreeSet<Field>, String)>> {
    // What an admin wrote or a rule filled in is not the directory's.
    let (manual, ruled) = (Manual::of(&member.manual), Manual::of(&member.ruled));
    let has_manager = details.manager.is_some()
        || !manual.0.contains(&Field::Manager)
            && managers::is_awaited(tx, act.workspace, member.id).await?;
    let said = [
        (Field::DisplayName, member.display_name.is_some()),
        (Field::GivenName, member.given_name.is_some()),
        (Field::FamilyName, member.family_name.is_some()),
        (Field::Email, member.email.is_some()),
        (Field::Phone, details.phone.is_some()),
        (Field::Language, details.language.is_some()),
        (Field::TimeZone, details.time_zone.is_some()),
        (Field::Manager, has_manager),
    ];
    let said = said.into_iter().filter(|(field, is_there)| {
        *is_there && !manual.0.contains(field) && !ruled.0.contains(field)
    });
    let said: BTreeSet<Field> = said.map(|(field, _)| field).collect();
    if said.is_empty() {
        return Ok(None);
    }
    let holder = details::list_holders(tx, act.workspace, member.id).await?;
    Ok(holder.into_iter().next().map(|holder| (said, holder.name)))
}

async fn refuse_kept(
    tx: &mut Tx,
    act: &Act,
    of: (&Member, &Details),
    fields: &BTreeSet<Field>,
) -> Result<()> {
    let Some((kept, directory)) = kept(tx, act, of).await? else {
        return Ok(());
    };
    match kept.intersection(fields).next() {
        Some(field) => Err(Error::Conflict(format!(
            "{} is kept by the directory \"{directory}\"; change it there",
            field.name()
        ))),
        None => Ok(()),
    }
}

async fn check_manager(tx: &mut Tx, act: &Act, member: MemberId, manager: MemberId) -> Result<()> {
    let found = members::find(tx, act.workspace, manager).await?;
    if found.is_none_or(|found| found.status == Status::Removed) {
        return Err(Error::value("manager must be a member of this workspace"));
    }
    if details::reports_to(tx, act.workspace, manager, member).await? {
        return Err(Error::Conflict(
            "manager reports to this member, directly or through others".to_owned(),
        ));
    }
    Ok(())
}

/// What a member shows now.
pub fn profile_of(member: &Member) -> Profile {
    Profile {
        user_name: member.user_name.clone(),
        display_name: member.display_name.clone(),
        given_name: member.given_name.clone(),
        family_name: member.family_name.clone(),
        email_key: member.email.as_deref().map(fold::key),
        email: member.email.clone(),
    }
}

fn profile(member: &Member, edit: &Edit) -> Profile {
    let email = edit.email.or(member.email.as_ref());
    Profile {
        user_name: member.user_name.clone(),
        display_name: edit.display_name.or(member.display_name.as_ref()),
        given_name: edit.given_name.or(member.given_name.as_ref()),
        family_name: edit.family_name.or(member.family_name.as_ref()),
        email_key: email.as_deref().map(fold::key),
        email,
    }
}

fn changed(before: &Details, edit: &Edit) -> Details {
    let line = match &edit.line {
        Say::Nothing => (before.line.clone(), before.line_number.clone()),
        Say::Clear => (None, None),
        Say::Set(Line::Numberless) => (Some("numberless".to_owned()), None),
        Say::Set(Line::Numbered { number }) => (Some("numbered".to_owned()), number.clone()),
    };
    Details {
        user_id: edit.user_id.or(before.user_id.as_ref()),
        phone: edit.phone.or(before.phone.as_ref()),
        line: line.0,
        line_number: line.1,
        language: edit.language.or(before.language.as_ref()),
        time_zone: edit.time_zone.or(before.time_zone.as_ref()),
        manager: edit.manager.or(before.manager.as_ref()),
        picture: edit.picture.or(before.picture.as_ref()),
        steps: before.steps,
    }
}
