//! Resources of types that a workspace registered. They are facts like any other, and give nobody
//! anything.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tracing::instrument;

use super::{Caller, unique};
use crate::app::App;
use crate::changes::{self, Act};
use crate::error::{Error, Result};
use crate::ids::ResourceId;
use crate::scim::etag::Precondition;
use crate::scim::fold;
use crate::scim::patch::{self, PatchRequest};
use crate::scim::resource::{self, Incoming, Note};
use crate::scim::schema::ResourceType;
use crate::store::resources as rows;
use crate::store::schemas;
use crate::store::tx::Tx;
use crate::store::users::Place;

pub use crate::store::resources::Resource;

type Kind = &'static ResourceType;

/// Makes a resource of that id. A unique value that another one has is [`Error::Taken`].
#[instrument(target = "otel", level = "debug", name = "create resource", skip_all)]
pub async fn create(
    app: &App,
    caller: &Caller,
    kind: Kind,
    id: ResourceId,
    incoming: Incoming,
) -> Result<Resource> {
    let (app_, caller_, incoming) = (app.clone(), caller.clone(), Arc::new(incoming));
    app.write(move |tx| {
        let (act, place) = (caller_.act(&app_), caller_.place());
        let (app, caller, incoming) = (app_.clone(), caller_.clone(), Arc::clone(&incoming));
        Box::pin(async move {
            let mut made = Resource {
                id,
                external_id: None,
                document: String::new(),
                version: 1,
                created_at: act.at,
                updated_at: act.at,
            };
            write(&mut made, kind, &incoming.document)?;
            let key = key(kind);
            rows::insert(tx, place, &key, &made).await?;
            // From here on no schema can be registered or taken away before this is committed.
            let tag = schemas::find_tag(tx, place.workspace).await?;
            caller.check_schemas(&app, tag)?;
            unique::claim(tx, place, kind, id.0, None, &incoming.document).await?;
            tell(tx, &act, kind, "resource.created", &made, &incoming.notes).await?;
            Ok(made)
        })
    })
    .await
}

/// The resource of that id.
#[instrument(target = "otel", level = "debug", name = "find resource", skip_all)]
pub async fn find(app: &App, caller: &Caller, kind: Kind, id: ResourceId) -> Result<Resource> {
    let mut tx = app.db.one().await?;
    rows::find(&mut tx, caller.place(), &key(kind), id)
        .await?
        .ok_or(Error::NotFound("resource"))
}

/// Replaces what the client may write.
#[instrument(target = "otel", level = "debug", name = "replace resource", skip_all)]
pub async fn replace(
    app: &App,
    caller: &Caller,
    (kind, id): (Kind, ResourceId),
    incoming: Incoming,
    precondition: Precondition,
) -> Result<Resource> {
    change(app, caller, (kind, id), precondition, move |before| {
        let mut document = incoming.document.clone();
        resource::keep_immutable(kind, before, &mut document)?;
        Ok((document, incoming.notes.clone()))
    })
    .await
}

/// Applies the operations of a PATCH in order; all of them or none.
#[instrument(target = "otel", level = "debug", name = "patch resource", skip_all)]
pub async fn patch(
    app: &App,
    caller: &Caller,
    (kind, id): (Kind, ResourceId),
    request: PatchRequest,
    precondition: Precondition,
) -> Result<Resource> {
    let strictness = caller.strictness();
    change(app, caller, (kind, id), precondition, move |before| {
        let mut document = before.clone();
        let id = id.to_string();
        let applied = patch::apply(kind, &request, &mut document, &id, strictness)?;
        Ok((document, applied.notes))
    })
    .await
}

async fn change<F>(
    app: &App,
    caller: &Caller,
    (kind, id): (Kind, ResourceId),
    precondition: Precondition,
    edit: F,
) -> Result<Resource>
where
    F: Fn(&Map<String, Value>) -> Result<(Map<String, Value>, Vec<Note>)> + Send + Sync + 'static,
{
    let (app_, caller_) = (app.clone(), caller.clone());
    let shared = Arc::new((edit, precondition));
    app.write(move |tx| {
        let (act, place) = (caller_.act(&app_), caller_.place());
        let shared = Arc::clone(&shared);
        Box::pin(async move {
            let (edit, precondition) = &*shared;
            let mut found = lock(tx, place, kind, id).await?;
            precondition.check(found.version)?;
            let before = resource::from_stored(&found.document)?;
            let (document, notes) = edit(&before)?;
            if document == before {
                return Ok(found);
            }
            write(&mut found, kind, &document)?;
            found.version += 1;
            found.updated_at = act.at;
            rows::update(tx, place, &key(kind), &found).await?;
            unique::claim(tx, place, kind, id.0, Some(&before), &document).await?;
            tell(tx, &act, kind, "resource.updated", &found, &notes).await?;
            Ok(found)
        })
    })
    .await
}

/// Takes a resource away.
#[instrument(target = "otel", level = "debug", name = "delete resource", skip_all)]
pub async fn delete(
    app: &App,
    caller: &Caller,
    (kind, id): (Kind, ResourceId),
    precondition: Precondition,
) -> Result<()> {
    let (app_, caller_, precondition) = (app.clone(), caller.clone(), Arc::new(precondition));
    app.write(move |tx| {
        let (act, place) = (caller_.act(&app_), caller_.place());
        let (caller, precondition) = (caller_.clone(), Arc::clone(&precondition));
        Box::pin(async move {
            let mut found = lock(tx, place, kind, id).await?;
            precondition.check(found.version)?;
            unique::release(tx, &caller, kind, id.0).await?;
            rows::delete(tx, place, &key(kind), id).await?;
            found.version += 1;
            tell(tx, &act, kind, "resource.deleted", &found, &[]).await
        })
    })
    .await
}

async fn lock(tx: &mut Tx, place: Place, kind: Kind, id: ResourceId) -> Result<Resource> {
    rows::lock(tx, place, &key(kind), id)
        .await?
        .ok_or(Error::NotFound("resource"))
}

fn write(resource: &mut Resource, kind: Kind, document: &Map<String, Value>) -> Result<()> {
    let external_id = document.get("externalId").and_then(Value::as_str);
    fold::check_key(external_id.unwrap_or_default(), "externalId")?;
    resource.external_id = external_id.map(str::to_owned);
    resource.document = resource::to_stored(kind, document);
    Ok(())
}

async fn tell(
    tx: &mut Tx,
    act: &Act,
    kind: Kind,
    what: &str,
    resource: &Resource,
    notes: &[Note],
) -> Result<()> {
    let detail = json!({"resource_type": kind.name, "notes": notes});
    let subject = ("resource", resource.id.0);
    let change = act.change(what, subject, Some(resource.version), &detail);
    changes::record(tx, act.workspace, &[change]).await
}

/// How rows name the type.
fn key(kind: Kind) -> String {
    kind.name.to_ascii_lowercase()
}
