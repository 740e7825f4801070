//! Erasure: what is personal of a member who left goes for good.
//!
//! * The keys of the person are destroyed, so that whatever was sealed with them, the values in
//!   changes first of all, says nothing any more. The change log keeps who did what, under the
//!   member's id, and its hash chain still holds: it covers what is sealed.
//! * The member's row stays without what it showed; so do its grants, which are ids alone.
//! * Who was erased is kept, by ids, in the database and in a file beside it
//!   ([`super::erasure_list`]), so that a backup from before does not bring the person back.
//!
//! The name of an API key stands in the change of its making and stays; so does whatever an app or
//! a client was told before.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use uuid::Uuid;

use super::activity::{self, Spot};
use super::keys::Scopes;
use super::ledger::{self, Difference};
use super::{awaiting, permissions, seats, status};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{MemberId, PersonId, RequestId, UserId, WorkspaceId};
use crate::store::members::{Hold, Member, Profile, Status};
use crate::store::tx::Tx;
use crate::store::users::Place;
use crate::store::{
    details, directories, erasures, former, grants, groups, identities, login_names, members,
    memberships, one_time_links, sessions, unique_values, users,
};

pub use crate::store::erasures::Erased;

/// How many events are read at a time.
const PAGE: i64 = 500;

/// By what a person can be told in texts that are kept elsewhere.
#[derive(Debug, Clone, Default)]
pub struct Traces {
    /// Ids of its Users, present and former.
    pub users: BTreeSet<Uuid>,
    /// Names and addresses, those that it had before too.
    pub values: BTreeSet<String>,
}

/// By what a member can be told, as long as it is not erased.
pub async fn traces(app: &App, workspace: WorkspaceId, id: MemberId) -> Result<Traces> {
    let mut tx = app.db.read().await?;
    let member = members::find(&mut tx, workspace, id)
        .await?
        .ok_or(Error::NotFound("member"))?;
    let had = former::list(&mut tx, workspace, id).await?;
    let mut traces = Traces {
        users: had.iter().map(|had| had.user_id.0).collect(),
        values: BTreeSet::new(),
    };
    let details = details::list(&mut tx, workspace, &[id]).await?.pop();
    let details = details.map(|of| of.details).unwrap_or_default();
    traces.add(&json!({
        "user_name": member.user_name, "display_name": member.display_name,
        "email": member.email, "user_id": details.user_id, "phone": details.phone,
    }));
    let named = erasures::list_external_ids(&mut tx, workspace, id).await?;
    traces.values.extend(named);
    let mut from = Spot::newest();
    loop {
        let events = activity::page(&mut tx, app, (workspace, id), from, PAGE).await?;
        let Some(last) = events.last() else {
            return Ok(traces);
        };
        from = Spot::after(last);
        for personal in events.iter().filter_map(|event| event.personal.as_ref()) {
            traces.add(personal);
        }
    }
}

/// The values that tell who somebody is.
const TELLING: [&str; 6] = [
    "user_name",
    "display_name",
    "email",
    "user_id",
    "phone",
    "line_number",
];
/// A value of fewer characters is in too many lines that are about others.
const SHORTEST: usize = 4;

impl Traces {
    fn add(&mut self, personal: &Value) {
        for (name, value) in personal.as_object().into_iter().flatten() {
            let (name, value) = match value.get("number") {
                Some(number) if name == "line" => ("line_number", number),
                _ => (name.as_str(), value),
            };
            let Some(text) = value.as_str() else {
                continue;
            };
            let is_known = TELLING.contains(&name);
            // A first name alone is a part of too many words, and so is a short value.
            let tells = name != "display_name" || text.trim().contains(' ');
            if is_known && tells && text.trim().chars().count() >= SHORTEST {
                self.values.insert(text.to_owned());
            }
        }
    }
}

/// Erases a member who left; with `remove` one who is still there is taken out first, on the same
/// terms as by hand. Tells when that was, for one who was erased before too.
///
/// Whoever has not left, is in a directory, protected or the last admin is [`Error::Conflict`]; a
/// member who may do more than `scopes` is [`Error::Forbidden`].
pub async fn erase(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    (workspace, member): (WorkspaceId, MemberId),
    remove: bool,
) -> Result<Timestamp> {
    let (act, scopes) = (Act::of(app, origin, workspace), scopes.clone());
    app.write(move |tx| {
        let (act, scopes) = (act.clone(), scopes.clone());
        Box::pin(async move {
            let found = members::lock(tx, workspace, &[member]).await?.pop();
            let found = found.ok_or(Error::NotFound("member"))?;
            permissions::check_over(tx, workspace, &scopes, member).await?;
            if let Some(at) = erasures::find_at(tx, workspace, member).await? {
                return Ok(at);
            }
            if found.status != Status::Removed {
                if !remove {
                    return Err(Error::Conflict(
                        "only a member who left is erased; remove this one first, or have it \
                         removed with it"
                            .to_owned(),
                    ));
                }
                status::take_out(tx, &act, &found).await?;
            }
            within(tx, &act, member).await?;
            Ok(act.at)
        })
    })
    .await
}

/// Erases a member, and takes it out of everything that still has it: a restore may have brought
/// back somebody who was in.
pub async fn within(tx: &mut Tx, act: &Act, id: MemberId) -> Result<()> {
    let had = former::list(tx, act.workspace, id).await?;
    let mut persons: BTreeSet<PersonId> = had.iter().map(|had| had.person).collect();
    for had in &had {
        let place = Place {
            workspace: act.workspace,
            directory: had.directory,
        };
        take_user(tx, act, place, (had.user_id, id)).await?;
    }
    let member = members::lock(tx, act.workspace, &[id]).await?.pop();
    let member = member.ok_or(Error::NotFound("member"))?;
    persons.insert(member.person);
    let version = take_rights(tx, act, &member).await?;
    awaiting::forget(tx, act.workspace, id).await?;
    erasures::delete_names(tx, act.workspace, id, act.at).await?;
    erasures::blank(tx, act.workspace, id, act.at).await?;
    sessions::delete_of_member(tx, act.workspace, id).await?;
    identities::delete_of_member(tx, act.workspace, id).await?;
    one_time_links::delete_of_member(tx, act.workspace, id).await?;
    let persons: Vec<_> = persons.into_iter().collect();
    erasures::blank_keys(tx, act.workspace, &persons).await?;
    let erased = Erased {
        workspace: act.workspace,
        member: id,
        at: act.at,
    };
    erasures::insert(tx, &[erased]).await?;
    erasures::reopen(tx, act.workspace, id).await?;
    let detail = json!({"users": had.len()});
    let subject = ("member", id.0);
    let change = act.change("member.erased", subject, Some(version + 1), &detail);
    changes::record(tx, act.workspace, &[change]).await
}

/// Takes a User of a member out of its directory, if it is still there.
async fn take_user(
    tx: &mut Tx,
    act: &Act,
    place: Place,
    (id, member): (UserId, MemberId),
) -> Result<()> {
    let listed = memberships::list_groups(tx, place, id).await?;
    groups::keep_all(tx, place, &listed).await?;
    let found = users::lock(tx, place, id).await?;
    let Some(user) = found else {
        return Ok(());
    };
    // One whose directory ended has given up its name already.
    let is_linked = user.member == Some(member);
    if !is_linked && former::find_former(tx, place, id).await? != Some(member) {
        return Ok(());
    }
    let left = memberships::delete_by_user(tx, place, id).await?;
    groups::insert_touches(tx, place, &left, act.at).await?;
    unique_values::delete(tx, place, id.0).await?;
    users::delete(tx, place, id).await?;
    if is_linked {
        login_names::delete(tx, act.workspace, &user.user_name_key, member).await?;
    }
    former::insert(tx, place, &user, member).await?;
    let slot = i64::from(id.0.as_bytes()[15]) % directories::SLOTS;
    let of = (place.workspace, place.directory);
    directories::count_up(tx, of, "users", slot, -1).await?;
    let act = Act {
        directory: Some(place.directory),
        ..act.clone()
    };
    let detail = json!({"member": member, "groups": left});
    let version = Some(user.version + 1);
    let change = act.change("user.deleted", ("user", id.0), version, &detail);
    changes::record(tx, act.workspace, &[change]).await
}

/// Takes a locked member out, if it is still in, and ends whatever it has; gives its version then.
async fn take_rights(tx: &mut Tx, act: &Act, member: &Member) -> Result<i64> {
    let mut version = member.version;
    if member.status != Status::Removed {
        let outcome = (Status::Removed, Hold::End);
        let nothing = Profile::default();
        members::update(tx, act.workspace, member.id, &nothing, outcome, act.at).await?;
        seats::follow(tx, act, member.id, Some(member), Status::Removed).await?;
        version += 1;
        let detail = json!({"status": Status::Removed});
        let subject = ("member", member.id.0);
        let change = act.change("member.removed", subject, Some(version), &detail);
        changes::record(tx, act.workspace, &[change]).await?;
    }
    let mut ended = grants::list_by_rule(tx, act.workspace, &[member.id]).await?;
    ended.extend(grants::list_by_hand(tx, act.workspace, &[member.id]).await?);
    if !ended.is_empty() {
        let difference = Difference {
            ended,
            ..Difference::default()
        };
        let differences = BTreeMap::from([(member.id, (version, difference))]);
        ledger::apply(tx, act, &differences, member.rules_version, None).await?;
        version += 1;
    }
    Ok(version)
}

/// Those who were erased and are there again, because a restore brought them back.
pub async fn list_back(app: &App) -> Result<Vec<Erased>> {
    let mut tx = app.db.one().await?;
    Ok(erasures::list_back(&mut tx).await?)
}

/// Erases one of those again.
pub async fn repeat(app: &App, erased: Erased) -> Result<()> {
    let origin = Origin::worker(RequestId::new());
    let act = Act::of(app, &origin, erased.workspace);
    app.write(move |tx| {
        let act = act.clone();
        Box::pin(async move { within(tx, &act, erased.member).await })
    })
    .await
}

/// In a database that was just filled from a backup: erases again whom these lists or the backup
/// itself name; tells how many that were.
pub async fn repeat_within(tx: &mut Tx, at: Timestamp, known: &[Erased]) -> Result<u64> {
    erasures::insert(tx, known).await?;
    let back = erasures::list_back(tx).await?;
    for erased in &back {
        let act = Act {
            origin: Origin::cli(),
            workspace: erased.workspace,
            directory: None,
            at,
        };
        within(tx, &act, erased.member).await?;
    }
    Ok(back.len() as u64)
}
