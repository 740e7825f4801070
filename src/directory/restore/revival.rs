//! One User comes back with its member: out of the change that tells of its deletion, or out of its
//! own row where it is inactive.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{detail, ids};
use crate::admission::departure;
use crate::admission::holds::Word;
use crate::admission::regained::Had;
use crate::admission::settle::{Rules, settle};
use crate::app::App;
use crate::changes::{self, Act, Change};
use crate::clock::Timestamp;
use crate::directory::unique;
use crate::directory::written::Written;
use crate::error::{Error, Result};
use crate::ids::{MemberId, UserId};
use crate::scim::resource;
use crate::secrets::PersonKey;
use crate::store::directories::Mode;
use crate::store::error::{DbError, OnDuplicate};
use crate::store::members::{self, Hold, Member, Status};
use crate::store::tx::Tx;
use crate::store::users::{self, Place, User};
use crate::store::{directories, edges, erasures, former, groups, login_names, retention};
use crate::workspace::keys::Scopes;
use crate::workspace::{guard, persons, schemas, seats, told};

/// Seals into the change of a deletion what the User was, so that it can be given back. The User is
/// still there; of one that never had a member is kept when its key may be destroyed.
pub(in crate::directory) async fn keep(
    tx: &mut Tx,
    app: &App,
    (act, place): (&Act, Place),
    user: &User,
    change: Change,
) -> Result<Change> {
    if user.member.is_none() && former::find_former(tx, place, user.id).await?.is_none() {
        retention::insert_buried(tx, place, (user.id, user.person), act.at).await?;
    }
    let Some(key) = persons::find(tx, app, act.workspace, user.person).await? else {
        return Ok(change);
    };
    let document: Value = serde_json::from_str(&user.document).map_err(Error::internal)?;
    let personal = json!({"document": document, "created_at": user.created_at});
    changes::seal(change, act.workspace, (user.person, &key), &personal)
}

/// Makes a deleted User again, and takes its member in. False if it is there already. One who would
/// have more by it than `scopes` cover is [`Error::Forbidden`].
pub(super) async fn revive(
    tx: &mut Tx,
    app: &App,
    (act, scopes): (&Act, &Scopes),
    place: Place,
    (id, change): (UserId, &Change),
) -> Result<bool> {
    let person = change.person.ok_or_else(no_document)?;
    let Some(key) = persons::find(tx, app, act.workspace, person).await? else {
        return refused("the person was erased");
    };
    let kept = changes::open(change, act.workspace, &key)?.ok_or_else(no_document)?;
    let text = kept["document"].to_string();
    let document = resource::from_stored(&text)?;
    let core = Written::of(&document)?;
    let detail = detail(change)?;
    let was_in: Vec<Uuid> = ids(&detail["groups"]);
    let live = groups::list_live(tx, place, &was_in).await?;
    let kept_groups = groups::keep_all(tx, place, &live).await?;
    if users::find(tx, place, id).await?.is_some() {
        return Ok(false);
    }
    let known = users::find_known(tx, place, &[&core.user_name_key], None).await?;
    if known.own.is_some() {
        return Err(Error::Taken("userName"));
    }
    let member: Option<MemberId> = serde_json::from_value(detail["member"].clone()).ok();
    let Some(member) = member else {
        return refused("it had no member");
    };
    let member = comes_back(tx, act, place, member).await?;
    let had = Had::of(tx, act, std::slice::from_ref(&member)).await?;
    if !login_names::insert(tx, act.workspace, &core.user_name_key, member.id).await? {
        return refused("its userName is another member's now");
    }
    let created_at = kept["created_at"].as_str().and_then(Timestamp::parse);
    let user = User {
        id,
        user_name_key: core.user_name_key.clone(),
        external_id: core.external_id.clone(),
        display_key: core.display_key.clone(),
        display: core.display.clone(),
        active: core.active,
        document: text,
        member: Some(member.id),
        person,
        version: change.subject_version.unwrap_or(1) + 1,
        created_at: created_at.unwrap_or(act.at),
        updated_at: act.at,
    };
    let is_made = users::insert(tx, place, &user, Mode::Live)
        .await
        .on_duplicate("userName")?;
    if !is_made {
        return refused("its directory is switched off, or not live");
    }
    users::insert_emails(tx, place, id, &core.email_keys).await?;
    let kind = schemas::registry_within(tx, app, act.workspace)
        .await?
        .user();
    unique::claim(tx, place, kind, id.0, None, &document).await?;
    for group in &kept_groups {
        edges::insert(tx, place, *group, &[id]).await?;
    }
    groups::insert_touches(tx, place, &kept_groups, act.at).await?;
    former::delete(tx, place, id, member.id).await?;
    let slot = i64::from(id.0.as_bytes()[15]) % directories::SLOTS;
    let of = (place.workspace, place.directory);
    directories::count_up(tx, of, "users", slot, 1).await?;
    let detail = json!({"member": member.id, "groups": kept_groups, "active": core.active});
    let told = act.change("user.restored", ("user", id.0), Some(user.version), &detail);
    let personal = json!({"user_name": core.user_name});
    let told = changes::seal(told, act.workspace, (person, &key), &personal)?;
    changes::record(tx, act.workspace, &[told]).await?;
    take_in(tx, app, act, (&user, &core), &member, &key).await?;
    let rules = Rules::current(tx, app, act).await?;
    let locked = members::lock(tx, act.workspace, &[member.id]).await?;
    settle(tx, act, &locked, &rules, None).await?;
    had.check(tx, act, scopes).await?;
    guard::let_go(tx, act).await?;
    Ok(true)
}

fn refused<T>(reason: &str) -> Result<T> {
    Err(Error::Conflict(reason.to_owned()))
}

fn no_document() -> Error {
    Error::Conflict("what it was is not kept; it was deleted by an older version".to_owned())
}

/// The member of a deleted User, locked, if it may come back.
async fn comes_back(tx: &mut Tx, act: &Act, place: Place, id: MemberId) -> Result<Member> {
    let Some(member) = members::lock(tx, act.workspace, &[id]).await?.pop() else {
        return refused("its member is not there");
    };
    if erasures::find_at(tx, act.workspace, id).await?.is_some() {
        return refused("the person was erased");
    }
    if matches!(member.status, Status::Draft | Status::Invited) {
        return refused("an admin has brought the person in again");
    }
    if users::is_linked(tx, place, id).await? {
        return refused("the directory has the person under another id now");
    }
    Ok(member)
}

/// Takes a member in again by its User that is back.
async fn take_in(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    (user, core): (&User, &Written),
    member: &Member,
    key: &PersonKey,
) -> Result<()> {
    let profile = core.profile();
    if member.status != Status::Removed {
        // Another directory has it.
        let word = Word {
            active: core.active,
            is_written: true,
        };
        let link = (user.id, member.id);
        let told = departure::follow(tx, act, link, word, &profile, (user.person, key)).await?;
        return changes::record(tx, act.workspace, told.as_slice()).await;
    }
    let status = if core.active && member.barred_at.is_none() {
        Status::Active
    } else {
        Status::Suspended
    };
    let outcome = (status, Hold::End);
    members::update(tx, act.workspace, member.id, &profile, outcome, act.at).await?;
    seats::follow(tx, act, member.id, Some(member), status).await?;
    let own = persons::key(tx, app, act.workspace, member.person).await?;
    let detail = json!({"status": status});
    let version = Some(member.version + 1);
    let change = act.change("member.restored", ("member", member.id.0), version, &detail);
    let personal = told::profile(&profile);
    let change = changes::seal(change, act.workspace, (member.person, &own), &personal)?;
    changes::record(tx, act.workspace, &[change]).await
}

/// Lets a User in again that was set inactive. False if it is active or gone. One who would have more
/// by it than `scopes` cover is [`Error::Forbidden`].
pub(super) async fn activate(
    tx: &mut Tx,
    app: &App,
    (act, scopes): (&Act, &Scopes),
    place: Place,
    id: UserId,
) -> Result<bool> {
    let found = users::lock(tx, place, id).await?;
    let Some(mut user) = found.filter(|user| !user.active) else {
        return Ok(false);
    };
    let own: Vec<MemberId> = user.member.into_iter().collect();
    let locked = members::lock(tx, act.workspace, &own).await?;
    let had = Had::of(tx, act, &locked).await?;
    let mut document: Map<String, Value> =
        serde_json::from_str(&user.document).map_err(Error::internal)?;
    document.insert("active".to_owned(), Value::Bool(true));
    user.document = Value::from(document.clone()).to_string();
    user.active = true;
    user.version += 1;
    user.updated_at = act.at;
    if !users::update(tx, place, &user, Mode::Live).await? {
        return refused("its directory is switched off, or not live");
    }
    let core = Written::of(&document)?;
    let key = persons::find(tx, app, act.workspace, user.person).await?;
    let key = key.ok_or(DbError::NotFound)?;
    let detail = json!({"member": user.member, "active": true});
    let subject = ("user", id.0);
    let told = act.change("user.restored", subject, Some(user.version), &detail);
    let personal = json!({"user_name": core.user_name});
    let mut told = vec![changes::seal(
        told,
        act.workspace,
        (user.person, &key),
        &personal,
    )?];
    if let Some(member) = user.member {
        let word = Word {
            active: true,
            is_written: true,
        };
        let (link, person) = ((id, member), (user.person, &key));
        told.extend(departure::follow(tx, act, link, word, &core.profile(), person).await?);
    }
    changes::record(tx, act.workspace, &told).await?;
    if let Some(member) = user.member {
        let rules = Rules::current(tx, app, act).await?;
        let locked = members::lock(tx, act.workspace, &[member]).await?;
        settle(tx, act, &locked, &rules, None).await?;
    }
    had.check(tx, act, scopes).await?;
    guard::let_go(tx, act).await?;
    Ok(true)
}
