//! SCIM Groups of a directory.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tracing::instrument;

use super::membership::{self, Delta, Named};
use super::nesting::{self, Outcome, Turn};
use super::{Caller, removal, unique};
use crate::app::App;
use crate::changes::{self, Act};
use crate::error::{Error, Result};
use crate::ids::GroupId;
use crate::mapping::rules as mapping_rules;
use crate::scim::etag::Precondition;
use crate::scim::fold;
use crate::scim::patch::{self, MembersOperation, PatchRequest};
use crate::scim::resource::{self, Incoming, Note};
use crate::scim::schema::ResourceType;
use crate::store::error::{DbError, OnDuplicate};
use crate::store::groups as rows;
use crate::store::tx::{Lock, Tx};
use crate::store::users::Place;
use crate::store::{directories, memberships, schemas, workspaces};

pub use crate::store::groups::{Group, Shown};

/// In one of this many changes of members, the touches of a group are folded into its version, so
/// that they do not pile up.
const FOLD_EVERY: u8 = 128;

/// A Group with its members, where they were asked for.
#[derive(Debug, Clone)]
pub struct Found {
    /// The Group.
    pub group: Group,
    /// Its members in id order; none if they were not asked for.
    pub members: Option<Vec<Shown>>,
}

/// What is read of the members of a Group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Members {
    /// Nothing: a group may have very many.
    None,
    /// Who they are.
    Ids,
    /// And their names.
    Names,
}

/// Makes a Group with its first members. A name that the directory has already is
/// [`Error::Taken`].
#[instrument(target = "otel", level = "debug", name = "create group", skip_all)]
pub async fn create(app: &App, caller: &Caller, id: GroupId, incoming: Incoming) -> Result<Found> {
    let (app_, caller_, incoming) = (app.clone(), caller.clone(), Arc::new(incoming));
    nesting::write(app, caller.directory.workspace, move |tx, turn| {
        let (app, caller, incoming) = (app_.clone(), caller_.clone(), Arc::clone(&incoming));
        Box::pin(async move { insert(tx, &app, &caller, id, (&incoming, turn)).await })
    })
    .await
}

async fn insert(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    id: GroupId,
    (incoming, turn): (&Incoming, Turn),
) -> Result<Outcome<Found>> {
    let (act, place) = (caller.act(app), caller.place());
    if turn == Turn::Beside {
        // Rules are not added meanwhile, so that a rule that waits for this name is seen.
        workspaces::lock(tx, act.workspace).await?;
        let tag = schemas::find_tag(tx, act.workspace).await?;
        caller.check_schemas(app, tag)?;
    }
    let mut group = Group {
        id,
        display: String::new(),
        display_key: String::new(),
        external_id: None,
        document: String::new(),
        version: 1,
        created_at: act.at,
        updated_at: act.at,
    };
    let kind = caller.registry.group();
    write(&mut group, kind, &incoming.document)?;
    let members = incoming.members.clone().unwrap_or_default();
    let operations = [MembersOperation::Add(members)];
    let delta = Delta::of(&operations);
    let named = match turn {
        Turn::Beside => membership::locate(tx, place, &delta).await?,
        Turn::Alone => {
            let web = nesting::lock(tx, place, group.id, &operations).await?;
            Some(Named::Groups(web))
        }
    };
    let Some(named) = named else {
        return Ok(Outcome::Again);
    };
    rows::insert(tx, place, &group)
        .await
        .on_duplicate("displayName")?;
    unique::claim(tx, place, kind, id.0, None, &incoming.document).await?;
    let name = (group.id, group.display_key.as_str());
    mapping_rules::bind(tx, &act, place.directory, name).await?;
    let mut done = membership::apply(tx, app, caller, &act, group.id, (&delta, named)).await?;
    done.notes.extend(incoming.notes.iter().cloned());
    let mut details = done.details().into_iter();
    let detail = json!({"members": details.next(), "notes": done.notes});
    let mut told = vec![act.change("group.created", ("group", group.id.0), Some(1), &detail)];
    told.extend(details.map(|detail| membership::changed(&act, group.id, &detail)));
    changes::record(tx, act.workspace, &told).await?;
    count(tx, place, group.id, 1).await?;
    let members = shown(tx, place, group.id, Members::Ids).await?;
    Ok(Outcome::Done(Found { group, members }))
}

/// The Group of that id, with as much of its members as is asked for.
#[instrument(target = "otel", level = "debug", name = "find group", skip_all)]
pub async fn find(app: &App, caller: &Caller, id: GroupId, members: Members) -> Result<Found> {
    let place = caller.place();
    let mut tx = match members {
        Members::None => app.db.one().await?,
        Members::Ids | Members::Names => app.db.read().await?,
    };
    let group = rows::find(&mut tx, place, id)
        .await?
        .ok_or(Error::NotFound("group"))?;
    let members = shown(&mut tx, place, id, members).await?;
    Ok(Found { group, members })
}

async fn shown(
    tx: &mut Tx,
    place: Place,
    id: GroupId,
    members: Members,
) -> Result<Option<Vec<Shown>>> {
    Ok(match members {
        Members::None => None,
        Members::Ids => {
            let members = memberships::list_of(tx, place, &[id]).await?;
            Some(members.into_iter().map(|member| member.member).collect())
        }
        Members::Names => Some(membership::present(tx, place, id).await?),
    })
}

/// Replaces what the client may write, members included: those that are left out are gone
/// (RFC 7644 section 3.5.1).
#[instrument(target = "otel", level = "debug", name = "replace group", skip_all)]
pub async fn replace(
    app: &App,
    caller: &Caller,
    id: GroupId,
    incoming: Incoming,
    precondition: Precondition,
) -> Result<Found> {
    let (app_, caller_) = (app.clone(), caller.clone());
    let shared = Arc::new((incoming, precondition));
    nesting::write(app, caller.directory.workspace, move |tx, turn| {
        let (app, caller, shared) = (app_.clone(), caller_.clone(), Arc::clone(&shared));
        Box::pin(async move {
            let (incoming, precondition) = &*shared;
            let (act, place) = (caller.act(&app), caller.place());
            let members = incoming.members.clone().unwrap_or_default();
            let operations = vec![MembersOperation::Replace(members)];
            let (group, named) = lock(tx, place, id, &operations, turn).await?;
            precondition.check(group.version)?;
            let before = resource::from_stored(&group.document)?;
            let mut document = incoming.document.clone();
            resource::keep_immutable(caller.registry.group(), &before, &mut document)?;
            let edit = Edit {
                document,
                operations,
                notes: incoming.notes.clone(),
            };
            let updated = update(tx, &app, &caller, &act, (group, named), edit).await?;
            let Outcome::Done(group) = updated else {
                return Ok(Outcome::Again);
            };
            let members = shown(tx, place, id, Members::Ids).await?;
            Ok(Outcome::Done(Found { group, members }))
        })
    })
    .await
}

/// Applies the operations of a PATCH in order; all of them or none.
#[instrument(target = "otel", level = "debug", name = "patch group", skip_all)]
pub async fn patch(
    app: &App,
    caller: &Caller,
    id: GroupId,
    request: PatchRequest,
    precondition: Precondition,
) -> Result<()> {
    let (app_, caller_) = (app.clone(), caller.clone());
    let shared = Arc::new((request, precondition));
    nesting::write(app, caller.directory.workspace, move |tx, turn| {
        let (app, caller, shared) = (app_.clone(), caller_.clone(), Arc::clone(&shared));
        Box::pin(async move {
            let (request, precondition) = &*shared;
            let (act, place) = (caller.act(&app), caller.place());
            let group = rows::find(tx, place, id)
                .await?
                .ok_or(Error::NotFound("group"))?;
            let edit = edit(&group, request, &caller)?;
            let is_delta = turn == Turn::Beside
                && precondition.is_none()
                && membership::is_delta(&edit.operations)
                && stored(&caller, &edit.document) == group.document
                && !is_time_to_fold();
            if is_delta {
                return touch(tx, &app, &caller, &act, id, edit).await;
            }
            let (group, named) = lock(tx, place, id, &edit.operations, turn).await?;
            precondition.check(group.version)?;
            let edit = self::edit(&group, request, &caller)?;
            let updated = update(tx, &app, &caller, &act, (group, named), edit).await?;
            Ok(match updated {
                Outcome::Done(_) => Outcome::Done(()),
                Outcome::Again => Outcome::Again,
            })
        })
    })
    .await
}

/// Deletes a Group. Rules that look at it break and give nothing from now on; where it is large,
/// its memberships are taken apart by a run.
#[instrument(target = "otel", level = "debug", name = "delete group", skip_all)]
pub async fn delete(
    app: &App,
    caller: &Caller,
    id: GroupId,
    precondition: Precondition,
) -> Result<()> {
    let (app_, caller_, precondition) = (app.clone(), caller.clone(), Arc::new(precondition));
    app.write(move |tx| {
        let (app, caller) = (app_.clone(), caller_.clone());
        let precondition = Arc::clone(&precondition);
        Box::pin(async move { removal::remove(tx, &app, &caller, id, &precondition).await })
    })
    .await
}

/// What a request makes of a Group.
struct Edit {
    document: Map<String, Value>,
    operations: Vec<MembersOperation>,
    notes: Vec<Note>,
}

fn edit(group: &Group, request: &PatchRequest, caller: &Caller) -> Result<Edit> {
    let mut document = resource::from_stored(&group.document)?;
    let applied = patch::apply(
        caller.registry.group(),
        request,
        &mut document,
        &group.id.to_string(),
        caller.strictness(),
    )?;
    Ok(Edit {
        document,
        operations: applied.members,
        notes: applied.notes,
    })
}

/// Adds and removes members under a lock that others who do the same share.
async fn touch(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    act: &Act,
    id: GroupId,
    edit: Edit,
) -> Result<Outcome<()>> {
    let place = caller.place();
    if !rows::keep(tx, place, id).await? {
        return Err(Error::NotFound("group"));
    }
    let delta = Delta::of(&edit.operations);
    let Some(named) = membership::locate(tx, place, &delta).await? else {
        return Ok(Outcome::Again);
    };
    let mut done = membership::apply(tx, app, caller, act, id, (&delta, named)).await?;
    done.notes.extend(edit.notes);
    if !done.is_nothing() {
        rows::insert_touches(tx, place, &[id], act.at).await?;
    }
    membership::record(tx, act, id, &done).await?;
    Ok(Outcome::Done(()))
}

/// A Group that is locked for update, and with it, in its turn, the groups that the request is about.
type Locked = (Group, Option<Named>);

async fn lock(
    tx: &mut Tx,
    place: Place,
    id: GroupId,
    operations: &[MembersOperation],
    turn: Turn,
) -> Result<Locked> {
    let (group, named) = match turn {
        Turn::Beside => (rows::lock(tx, place, id, Lock::Update).await?, None),
        Turn::Alone => {
            let web = nesting::lock(tx, place, id, operations).await?;
            (rows::find(tx, place, id).await?, Some(Named::Groups(web)))
        }
    };
    Ok((group.ok_or(Error::NotFound("group"))?, named))
}

/// Writes a Group that is locked for update.
async fn update(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    act: &Act,
    (mut group, named): Locked,
    edit: Edit,
) -> Result<Outcome<Group>> {
    let place = caller.place();
    let delta = if membership::is_delta(&edit.operations) {
        Delta::of(&edit.operations)
    } else {
        let present = membership::present(tx, place, group.id).await?;
        Delta::against(&present, &edit.operations)
    };
    let named = match named {
        Some(named) => Some(named),
        None => membership::locate(tx, place, &delta).await?,
    };
    let Some(named) = named else {
        return Ok(Outcome::Again);
    };
    let mut done = membership::apply(tx, app, caller, act, group.id, (&delta, named)).await?;
    done.notes.extend(edit.notes);
    let kind = caller.registry.group();
    let is_written = stored(caller, &edit.document) != group.document;
    if is_written || !done.is_nothing() {
        let before = resource::from_stored(&group.document)?;
        write(&mut group, kind, &edit.document)?;
        group.version += 1;
        group.updated_at = act.at;
        rows::update(tx, place, &group)
            .await
            .on_duplicate("displayName")?;
        unique::claim(tx, place, kind, group.id.0, Some(&before), &edit.document).await?;
    }
    if is_written {
        let detail = json!({"attributes": edit.document.keys().collect::<Vec<_>>()});
        let subject = ("group", group.id.0);
        let change = act.change("group.updated", subject, Some(group.version), &detail);
        changes::record(tx, act.workspace, &[change]).await?;
    }
    membership::record(tx, act, group.id, &done).await?;
    Ok(Outcome::Done(group))
}

pub(super) fn write(
    group: &mut Group,
    kind: &ResourceType,
    document: &Map<String, Value>,
) -> Result<()> {
    let core = resource::group_core(document);
    fold::check_key(&fold::key(core.display_name), "displayName")?;
    fold::check_key(core.external_id.unwrap_or_default(), "externalId")?;
    core.display_name.clone_into(&mut group.display);
    group.display_key = fold::key(core.display_name);
    group.external_id = core.external_id.map(str::to_owned);
    group.document = resource::to_stored(kind, document);
    Ok(())
}

fn stored(caller: &Caller, document: &Map<String, Value>) -> String {
    resource::to_stored(caller.registry.group(), document)
}

fn is_time_to_fold() -> bool {
    uuid::Uuid::new_v4().as_bytes()[0].is_multiple_of(FOLD_EVERY)
}

pub(super) async fn count(tx: &mut Tx, place: Place, id: GroupId, by: i64) -> Result<(), DbError> {
    let slot = i64::from(id.0.as_bytes()[15]) % directories::SLOTS;
    let place = (place.workspace, place.directory);
    directories::count_up(tx, place, "groups", slot, by).await
}

/// Whether a Group has at most so many members, users and groups.
pub async fn has_at_most(app: &App, caller: &Caller, id: GroupId, most: i64) -> Result<bool> {
    let mut tx = app.db.one().await?;
    Ok(memberships::has_at_most(&mut tx, caller.place(), id, most).await?)
}
