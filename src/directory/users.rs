//! SCIM Users of a directory.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tracing::instrument;

use super::written::{Written, attributes_changed};
use super::{Caller, Mode, followed, restore, unique};
use crate::admission::arrival::{self, Admitted, Arrival};
use crate::admission::settle::{Rules, settle, settle_written};
use crate::admission::{
    departure,
    holds::{self, Word},
};
use crate::app::App;
use crate::changes::{self, Act};
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::scim::etag::Precondition;
use crate::scim::patch::{self, PatchRequest};
use crate::scim::resource::{self, Incoming, Note};
use crate::store::error::{DbError, OnDuplicate};
use crate::store::tx::Tx;
use crate::store::users as rows;
use crate::store::users::Place;
use crate::store::{directories, former, groups, login_names, memberships};
use crate::workspace::members::Status;
use crate::workspace::{manual, persons, seats};

pub use crate::store::groups::Belongs;
pub use crate::store::users::User;

/// A User with the groups that it is in.
#[derive(Debug, Clone)]
pub struct Found {
    /// The User.
    pub user: User,
    /// Its groups, those that hold these included.
    pub groups: Vec<Belongs>,
}

/// What became of a create.
enum Created {
    New(Box<User>),
    /// An inactive User of that name is to be brought back.
    Restore(UserId),
    Taken,
}

/// Makes a User, and in a live directory the member with it. A userName that is taken, here or by a
/// member of another way, is [`Error::Taken`].
#[instrument(target = "otel", level = "debug", name = "create user", skip_all)]
pub async fn create(
    app: &App,
    caller: &Caller,
    id: UserId,
    mut incoming: Incoming,
) -> Result<Found> {
    // Whoever is made without a word about it is let in, and shown so.
    incoming.default_active(true);
    let incoming = Arc::new(incoming);
    let core = Written::of(&incoming.document)?;
    let (app_, caller_, incoming_, core) = (
        app.clone(),
        caller.clone(),
        Arc::clone(&incoming),
        Arc::new(core),
    );
    let created = app
        .write(move |tx| {
            let (app, caller) = (app_.clone(), caller_.clone());
            let (incoming, core) = (Arc::clone(&incoming_), Arc::clone(&core));
            Box::pin(async move { insert(tx, &app, &caller, id, &incoming, &core).await })
        })
        .await?;
    match created {
        Created::New(user) => Ok(Found {
            user: *user,
            groups: Vec::new(),
        }),
        Created::Taken => Err(Error::Taken("userName")),
        Created::Restore(id) => {
            let mut incoming = (*incoming).clone();
            incoming
                .document
                .insert("active".to_owned(), Value::Bool(true));
            replace(app, caller, id, incoming, Precondition::default()).await
        }
    }
}

async fn insert(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    id: UserId,
    incoming: &Incoming,
    core: &Written,
) -> Result<Created> {
    let (act, place) = (caller.act(app), caller.place());
    let external_id = core.external_id.as_deref();
    let newcomer = core.newcomer();
    let known = rows::find_known(tx, place, &newcomer.keys(), external_id).await?;
    caller.check_schemas(app, known.schemas_tag)?;
    if caller.directory.restore_inactive
        && let Some(own) = rows::find_inactive(tx, place, &core.user_name_key, external_id).await?
    {
        return Ok(Created::Restore(own));
    }
    if known.own.is_some() {
        return Ok(Created::Taken);
    }
    let mode = caller.directory.mode;
    let arrival = arrival::arrive(tx, app, &act, (place, mode), &known, &newcomer).await;
    if matches!(arrival, Ok(Arrival::Conflict) | Err(Error::Conflict(_))) {
        caller.check_mode(tx, app).await?;
    }
    let Arrival::Admitted(Admitted {
        member,
        is_in,
        is_to_settle,
        person,
        changes: mut told,
    }) = arrival?
    else {
        return Ok(Created::Taken);
    };
    let user = User {
        id,
        user_name_key: core.user_name_key.clone(),
        external_id: core.external_id.clone(),
        display_key: core.display_key.clone(),
        display: core.display.clone(),
        active: core.active,
        document: resource::to_stored(caller.registry.user(), &incoming.document),
        member,
        person: person.0,
        version: 1,
        created_at: act.at,
        updated_at: act.at,
    };
    let is_open = rows::insert(tx, place, &user, mode)
        .await
        .on_duplicate("userName")?;
    super::check_open(app, is_open)?;
    rows::insert_emails(tx, place, user.id, &core.email_keys).await?;
    let kind = caller.registry.user();
    unique::claim(tx, place, kind, user.id.0, None, &incoming.document).await?;
    let attributes: Vec<_> = incoming.document.keys().collect();
    let detail = json!({
        "member": member, "attributes": attributes, "active": core.active,
        "notes": notes(&incoming.notes),
    });
    let change = act.change("user.created", ("user", user.id.0), Some(1), &detail);
    let personal = json!({"user_name": core.user_name});
    let change = changes::seal(change, act.workspace, (person.0, &person.1), &personal)?;
    told.push(change);
    changes::record(tx, act.workspace, &told).await?;
    if let Some(member) = member {
        let said = (core, known.is_awaited);
        followed::made(tx, app, (&act, place), (id, member), said).await?;
    }
    if let Some(member) = member.filter(|_| is_to_settle) {
        settle_written(tx, app, &act, member).await?;
    }
    count(tx, place, user.id, 1).await?;
    if let Some(member) = member.filter(|_| is_in && known.seat_limit.is_some()) {
        seats::follow(tx, &act, member, None, Status::Active).await?;
    }
    Ok(Created::New(Box::new(user)))
}

/// The User of that id, with its groups unless they are not asked for.
#[instrument(target = "otel", level = "debug", name = "find user", skip_all)]
pub async fn find(app: &App, caller: &Caller, id: UserId, with_groups: bool) -> Result<Found> {
    let place = caller.place();
    let mut tx = app.db.one().await?;
    let user = rows::find(&mut tx, place, id)
        .await?
        .ok_or(Error::NotFound("user"))?;
    let groups = if with_groups {
        belongs(&mut tx, place, id).await?
    } else {
        Vec::new()
    };
    Ok(Found { user, groups })
}

/// Replaces what the client may write. `active` that is left out stays as it is; everything else
/// that is left out is gone (RFC 7644 section 3.5.1).
#[instrument(target = "otel", level = "debug", name = "replace user", skip_all)]
pub async fn replace(
    app: &App,
    caller: &Caller,
    id: UserId,
    incoming: Incoming,
    precondition: Precondition,
) -> Result<Found> {
    let kind = caller.registry.user();
    change(app, caller, id, precondition, move |before| {
        let mut incoming = incoming.clone();
        let writes_active = incoming.has_active();
        incoming.default_active(resource::user_core(before).active);
        resource::keep_immutable(kind, before, &mut incoming.document)?;
        Ok(Edited {
            document: incoming.document,
            notes: incoming.notes,
            writes_active,
        })
    })
    .await
}

/// Applies the operations of a PATCH in order; all of them or none.
#[instrument(target = "otel", level = "debug", name = "patch user", skip_all)]
pub async fn patch(
    app: &App,
    caller: &Caller,
    id: UserId,
    request: PatchRequest,
    precondition: Precondition,
) -> Result<Found> {
    let (kind, strictness) = (caller.registry.user(), caller.strictness());
    change(app, caller, id, precondition, move |before| {
        let mut document = before.clone();
        let applied = patch::apply(kind, &request, &mut document, &id.to_string(), strictness)?;
        Ok(Edited {
            document,
            notes: applied.notes,
            writes_active: applied.active.is_some(),
        })
    })
    .await
}

struct Edited {
    document: Map<String, Value>,
    notes: Vec<Note>,
    /// Whether the request speaks of `active`, be it to say what stands there already.
    writes_active: bool,
}

enum Changed {
    Now(Box<Found>),
    Taken,
}

async fn change<F>(
    app: &App,
    caller: &Caller,
    id: UserId,
    precondition: Precondition,
    edit: F,
) -> Result<Found>
where
    F: Fn(&Map<String, Value>) -> Result<Edited> + Send + Sync + 'static,
{
    let (app_, caller_) = (app.clone(), caller.clone());
    let shared = Arc::new((edit, precondition));
    let changed = app
        .write(move |tx| {
            let (app, caller, shared) = (app_.clone(), caller_.clone(), Arc::clone(&shared));
            Box::pin(async move {
                let (edit, precondition) = &*shared;
                let place = caller.place();
                let user = rows::lock(tx, place, id)
                    .await?
                    .ok_or(Error::NotFound("user"))?;
                precondition.check(user.version)?;
                let user = caller.let_go(tx, &app, user).await?;
                let before = resource::from_stored(&user.document)?;
                let edited = edit(&before)?;
                update(tx, &app, &caller, user, &before, edited).await
            })
        })
        .await?;
    match changed {
        Changed::Now(found) => Ok(*found),
        Changed::Taken => Err(Error::Taken("userName")),
    }
}

async fn update(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    mut user: User,
    before: &Map<String, Value>,
    edited: Edited,
) -> Result<Changed> {
    let (act, place) = (caller.act(app), caller.place());
    let kind = caller.registry.user();
    let document = resource::to_stored(kind, &edited.document);
    if document == user.document {
        note(tx, &act, &user, &edited.notes).await?;
        if let Some(member) = user.member {
            let word = Word {
                active: user.active,
                is_written: edited.writes_active,
            };
            caller.check_mode(tx, app).await?;
            let told = holds::confirm(tx, &act, member, word).await?;
            changes::record(tx, act.workspace, told.as_slice()).await?;
        }
        let groups = belongs(tx, place, user.id).await?;
        return Ok(Changed::Now(Box::new(Found { user, groups })));
    }
    let core = Written::of(&edited.document)?;
    if core.user_name_key != user.user_name_key
        && !rename(tx, app, &act, caller, &user, &core).await?
    {
        return Ok(Changed::Taken);
    }
    let old = Written::of(before)?;
    let is_renamed = core.user_name_key != user.user_name_key
        || core.external_id != user.external_id
        || core.display_key != user.display_key
        || core.display != user.display;
    user.user_name_key.clone_from(&core.user_name_key);
    user.external_id.clone_from(&core.external_id);
    user.display_key.clone_from(&core.display_key);
    user.display.clone_from(&core.display);
    user.active = core.active;
    user.document = document;
    user.version += 1;
    user.updated_at = act.at;
    let mode = caller.directory.mode;
    let is_open = if is_renamed {
        let written = rows::update_all(tx, place, &user, mode).await;
        written.on_duplicate("userName")?
    } else {
        rows::update(tx, place, &user, mode).await?
    };
    super::check_open(app, is_open)?;
    if core.email_keys != old.email_keys {
        rows::delete_emails(tx, place, user.id).await?;
        rows::insert_emails(tx, place, user.id, &core.email_keys).await?;
    }
    unique::claim(tx, place, kind, user.id.0, Some(before), &edited.document).await?;
    let key = persons::key(tx, app, act.workspace, user.person).await?;
    let mut told = Vec::new();
    if let Some(member) = user.member {
        let link = (user.id, member);
        let person = (user.person, &key);
        let word = Word {
            active: core.active,
            is_written: edited.writes_active,
        };
        told.extend(departure::follow(tx, &act, link, word, &core.profile(), person).await?);
        followed::changed(tx, app, (&act, place), link, (&old, &core)).await?;
    }
    let detail = json!({
        "attributes": attributes_changed(before, &edited.document),
        "active": core.active, "notes": notes(&edited.notes),
    });
    let change = act.change(
        "user.updated",
        ("user", user.id.0),
        Some(user.version),
        &detail,
    );
    let personal = json!({"user_name": core.user_name});
    told.push(changes::seal(
        change,
        act.workspace,
        (user.person, &key),
        &personal,
    )?);
    changes::record(tx, act.workspace, &told).await?;
    if let Some(member) = user.member {
        settle_written(tx, app, &act, member).await?;
    }
    let groups = belongs(tx, place, user.id).await?;
    Ok(Changed::Now(Box::new(Found { user, groups })))
}

/// Moves the login name of a User that is renamed. False when a member of another way has the new
/// one, which is written down as a conflict.
async fn rename(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    caller: &Caller,
    user: &User,
    core: &Written,
) -> Result<bool> {
    let place = caller.place();
    let known = rows::find_known(tx, place, &[&core.user_name_key], None).await?;
    if known.own.is_some() {
        return Ok(false);
    }
    if let Some(holder) = known.holder.filter(|holder| Some(*holder) != user.member) {
        arrival::note_conflict(tx, act, place, &core.newcomer(), holder).await?;
        if caller.directory.mode == Mode::Live {
            caller.check_mode(tx, app).await?;
            return Ok(false);
        }
    }
    if let Some(member) = user.member {
        if !login_names::insert(tx, act.workspace, &core.user_name_key, member).await? {
            return Err(Error::Retry(anyhow::anyhow!(
                "a login name was taken meanwhile"
            )));
        }
        login_names::delete(tx, act.workspace, &user.user_name_key, member).await?;
    }
    Ok(true)
}

/// Deletes a User. Its member leaves, unless another directory holds it; a tombstone stays. What a
/// directory says that collects is a fact alone, here and with every other write.
#[instrument(target = "otel", level = "debug", name = "delete user", skip_all)]
pub async fn delete(
    app: &App,
    caller: &Caller,
    id: UserId,
    precondition: Precondition,
) -> Result<()> {
    let (app_, caller_, precondition) = (app.clone(), caller.clone(), Arc::new(precondition));
    app.write(move |tx| {
        let (app, caller) = (app_.clone(), caller_.clone());
        let precondition = Arc::clone(&precondition);
        Box::pin(async move { remove(tx, &app, &caller, id, &precondition).await })
    })
    .await
}

async fn remove(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    id: UserId,
    precondition: &Precondition,
) -> Result<()> {
    let (act, place) = (caller.act(app), caller.place());
    let listed = memberships::list_groups(tx, place, id).await?;
    groups::keep_all(tx, place, &listed).await?;
    let user = rows::lock(tx, place, id)
        .await?
        .ok_or(Error::NotFound("user"))?;
    precondition.check(user.version)?;
    caller.check_mode(tx, app).await?;
    let had = user.member;
    let user = caller.let_go(tx, app, user).await?;
    unique::release(tx, caller, caller.registry.user(), id.0).await?;
    let left = memberships::delete_by_user(tx, place, id).await?;
    groups::insert_touches(tx, place, &left, act.at).await?;
    let detail = json!({"member": user.member, "groups": left});
    let version = Some(user.version + 1);
    let change = act.change("user.deleted", ("user", id.0), version, &detail);
    let mut told = vec![restore::keep(tx, app, (&act, place), &user, change).await?];
    rows::delete(tx, place, id).await?;
    if let Some(member) = had {
        former::insert(tx, place, &user, member).await?;
    }
    if let Some(member) = user.member {
        login_names::delete(tx, act.workspace, &user.user_name_key, member).await?;
        rows::insert_tombstone(tx, place, &user, member, act.at).await?;
        let (mut member, change) = departure::leave(tx, &act, member).await?;
        told.extend(change);
        let rules = Rules::current(tx, app, &act).await?;
        let changed = settle(tx, &act, std::slice::from_ref(&member), &rules, None).await?;
        if member.status == Status::Removed {
            member.version += i64::try_from(changed).unwrap_or(0);
            member.rules_version = member.rules_version.max(rules.version);
            manual::end_all(tx, &act, &member).await?;
        }
    }
    changes::record(tx, act.workspace, &told).await?;
    count(tx, place, id, -1).await?;
    Ok(())
}

/// What was skipped must not be lost where nothing else is written.
async fn note(tx: &mut Tx, act: &Act, user: &User, noted: &[Note]) -> Result<()> {
    if noted.is_empty() {
        return Ok(());
    }
    let detail = json!({"notes": notes(noted)});
    let change = act.change("user.noted", ("user", user.id.0), None, &detail);
    changes::record(tx, act.workspace, &[change]).await
}

/// The groups of one User.
async fn belongs(tx: &mut Tx, place: Place, id: UserId) -> Result<Vec<Belongs>> {
    Ok(memberships::list_belongs(tx, place, &[id]).await?)
}

async fn count(tx: &mut Tx, place: Place, id: UserId, by: i64) -> Result<(), DbError> {
    let slot = i64::from(id.0.as_bytes()[15]) % directories::SLOTS;
    let place = (place.workspace, place.directory);
    directories::count_up(tx, place, "users", slot, by).await
}

fn notes(notes: &[Note]) -> Value {
    serde_json::to_value(notes).unwrap_or_default()
}
