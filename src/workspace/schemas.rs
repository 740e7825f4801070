//! Schemas and resource types that a workspace registers: extensions of User and Group, and types
//! of its own. What is registered behaves like what is built in, so that a change which would make
//! stored resources wrong is refused.

use serde_json::{Value, json};
use uuid::Uuid;

use super::Workspace;
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::ids::WorkspaceId;
use crate::scim::filter;
use crate::scim::register::{self, Document};
use crate::scim::registry::Registry;
use crate::scim::schema::{Attribute, Purpose, ResourceType, Schema};
use crate::store::rules::{self, RuleState};
use crate::store::tx::Tx;
use crate::store::workspaces::{self, Sweep};
use crate::store::{directories, resources, schemas as rows};

pub use crate::store::schemas::Registered;

/// The registry of a workspace, from the cache while the tag of its set is the same.
pub async fn registry(
    app: &App,
    workspace: WorkspaceId,
    tag: Option<Uuid>,
) -> Result<&'static Registry> {
    let Some(tag) = tag else {
        return Ok(app.registry);
    };
    if let Some(known) = app.registries.get(&tag) {
        return Ok(known);
    }
    let mut tx = app.db.one().await?;
    read(&mut tx, app, workspace, tag).await
}

/// The same within a transaction, which sees what it wrote itself.
pub async fn registry_within(
    tx: &mut Tx,
    app: &App,
    workspace: WorkspaceId,
) -> Result<&'static Registry> {
    let Some(tag) = rows::find_tag(tx, workspace).await? else {
        return Ok(app.registry);
    };
    match app.registries.get(&tag) {
        Some(known) => Ok(known),
        None => read(tx, app, workspace, tag).await,
    }
}

async fn read(
    tx: &mut Tx,
    app: &App,
    workspace: WorkspaceId,
    tag: Uuid,
) -> Result<&'static Registry> {
    let registered = rows::list(tx, workspace).await?;
    let made = build(app, &registered).map_err(Error::internal)?;
    app.registries.insert(tag, made);
    Ok(made)
}

/// Refuses a folder of schemas that contradicts what a workspace registered before: every request of
/// that workspace would fail.
pub async fn check_folder(app: &App) -> Result<()> {
    if app.documents.is_empty() {
        return Ok(());
    }
    let mut tx = app.db.read().await?;
    for (workspace, slug) in rows::list_workspaces(&mut tx).await? {
        let registered = rows::list(&mut tx, workspace).await?;
        build(app, &registered).map_err(|error| {
            Error::value(format!(
                "scim.schema_folder: workspace {slug} registered what does not go with it: {error}"
            ))
        })?;
    }
    Ok(())
}

/// What a workspace registered, in the order of keys.
pub async fn list(app: &App, workspace: WorkspaceId) -> Result<Vec<Registered>> {
    let mut tx = app.db.one().await?;
    Ok(rows::list(&mut tx, workspace).await?)
}

/// Registers documents together, so that one may name another. A document of the same id or name is
/// replaced where what is stored stays right: attributes may be added, but none taken away or
/// changed in kind. Gives the ids of the schemas and the names of the types.
pub async fn add(
    app: &App,
    origin: &Origin,
    workspace: &Workspace,
    documents: Vec<Value>,
) -> Result<Vec<String>> {
    let act = Act {
        origin: origin.clone(),
        workspace: workspace.id,
        directory: None,
        at: app.clock.now(),
    };
    let mut new = Vec::with_capacity(documents.len());
    let mut names = Vec::with_capacity(documents.len());
    for document in &documents {
        let (what, canonical) = register::read(document)?;
        let (kind, key) = match what {
            Document::Schema(id) => ("schema", id),
            Document::ResourceType(name) => ("resource_type", name),
        };
        new.push(Registered {
            key: key.to_ascii_lowercase(),
            kind: kind.to_owned(),
            document: canonical.to_string(),
            created_at: act.at,
            updated_at: act.at,
        });
        names.push(key);
    }
    let app_ = app.clone();
    app.write(move |tx| {
        let (app, act, new) = (app_.clone(), act.clone(), new.clone());
        Box::pin(async move { put(tx, &app, &act, new).await })
    })
    .await?;
    app.credentials.invalidate_all();
    Ok(names)
}

async fn put(tx: &mut Tx, app: &App, act: &Act, new: Vec<Registered>) -> Result<()> {
    workspaces::lock(tx, act.workspace).await?;
    directories::lock_all(tx, act.workspace).await?;
    let mut all = rows::list(tx, act.workspace).await?;
    let before = build(app, &all)?;
    all.retain(|known| !new.iter().any(|document| document.key == known.key));
    all.extend(new.iter().cloned());
    let after = build(app, &all)?;
    for kind in before.types(true) {
        let is_empty = !is_used(tx, act.workspace, kind).await?;
        let next = after
            .named(&kind.name)
            .ok_or(Error::NotFound("resource type"))?;
        check_change(kind, next, is_empty)?;
    }
    keep_rules(tx, act, after).await?;
    for document in &new {
        rows::upsert(tx, act.workspace, document).await?;
    }
    rows::update_tag(tx, act.workspace, Some(Uuid::new_v4())).await?;
    let keys: Vec<_> = new.iter().map(|document| &document.key).collect();
    tell(tx, act, "schemas.registered", &json!({"keys": keys})).await
}

/// Takes a document away that nothing uses any more.
pub async fn remove(app: &App, origin: &Origin, workspace: &Workspace, key: &str) -> Result<()> {
    let act = Act {
        origin: origin.clone(),
        workspace: workspace.id,
        directory: None,
        at: app.clock.now(),
    };
    let (app_, key) = (app.clone(), key.to_ascii_lowercase());
    app.write(move |tx| {
        let (app, act, key) = (app_.clone(), act.clone(), key.clone());
        Box::pin(async move { take(tx, &app, &act, &key).await })
    })
    .await?;
    app.credentials.invalidate_all();
    Ok(())
}

async fn take(tx: &mut Tx, app: &App, act: &Act, key: &str) -> Result<()> {
    workspaces::lock(tx, act.workspace).await?;
    directories::lock_all(tx, act.workspace).await?;
    let mut all = rows::list(tx, act.workspace).await?;
    let before = build(app, &all)?;
    let known = all.len();
    all.retain(|document| document.key != key);
    if all.len() == known {
        return Err(Error::NotFound("schema or resource type"));
    }
    let in_use = |why: &str| Error::Conflict(format!("{key} is in use: {why}"));
    let after = build(app, &all).map_err(|_| in_use("a resource type has it"))?;
    for kind in before.types(true) {
        if !is_used(tx, act.workspace, kind).await? {
            continue;
        }
        let next = after
            .named(&kind.name)
            .ok_or_else(|| in_use("there are resources of that type"))?;
        check_change(kind, next, false)?;
    }
    keep_rules(tx, act, after).await?;
    rows::delete(tx, act.workspace, key).await?;
    let tag = (!all.is_empty()).then(Uuid::new_v4);
    rows::update_tag(tx, act.workspace, tag).await?;
    tell(tx, act, "schemas.removed", &json!({"keys": [key]})).await
}

fn build(app: &App, registered: &[Registered]) -> Result<&'static Registry> {
    let mut documents = app.documents.as_ref().clone();
    for document in registered {
        documents.push(serde_json::from_str(&document.document).map_err(Error::internal)?);
    }
    Registry::with(&documents)
}

/// Refuses what would leave a rule with a filter that cannot be read any more. Filters are read anew
/// under the new definitions, which can mean something else only where there are no resources yet.
async fn keep_rules(tx: &mut Tx, act: &Act, after: &'static Registry) -> Result<()> {
    let rules = rules::list(tx, act.workspace).await?;
    let living = rules.iter().filter(|rule| rule.state != RuleState::Broken);
    let filters: Vec<_> = living.filter_map(|rule| rule.when.as_deref()).collect();
    for when in &filters {
        filter::parse(when, after.user())
            .map_err(|_| Error::Conflict(format!("a rule looks at what would be gone: {when}")))?;
    }
    if !filters.is_empty() {
        workspaces::update_rules_mark(tx, act.workspace, Uuid::new_v4(), Sweep::NotNeeded).await?;
    }
    Ok(())
}

/// Whether a workspace has resources of a type.
async fn is_used(tx: &mut Tx, workspace: WorkspaceId, kind: &ResourceType) -> Result<bool> {
    let counted = match kind.purpose {
        Purpose::User => "users",
        Purpose::Group => "groups",
        Purpose::Role => return Ok(false),
        Purpose::Custom => {
            let key = kind.name.to_ascii_lowercase();
            return Ok(resources::is_any(tx, workspace, &key).await?);
        }
    };
    for directory in directories::list(tx, workspace).await? {
        if directories::count(tx, (workspace, directory.id), counted).await? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What may change while there are resources: nothing that was valid becomes invalid.
fn check_change(before: &ResourceType, after: &ResourceType, is_empty: bool) -> Result<()> {
    if is_empty {
        return Ok(());
    }
    let refused = |what: &str, why: &str| {
        Err(Error::Conflict(format!(
            "{what}: {why}, and there are resources of type {}",
            before.name
        )))
    };
    if before.schema.id != after.schema.id || before.endpoint != after.endpoint {
        return refused(&before.name, "has another schema or endpoint");
    }
    for (schema, _) in before.schemas() {
        let Some((next, _)) = after.schemas().find(|(next, _)| next.id == schema.id) else {
            return refused(&schema.id, "is taken away");
        };
        if let Some(attribute) = broken(&schema.attributes, &next.attributes) {
            return refused(&attribute.name, "is taken away or of another kind");
        }
    }
    for (schema, _) in after.schemas() {
        let known = before.schemas().find(|(known, _)| known.id == schema.id);
        if let Some(attribute) = demanding(schema, known.map(|(known, _)| known)) {
            return refused(&attribute.name, "is new, and required or unique");
        }
    }
    let was_required = |schema: &Schema| {
        let mut known = before.extensions.iter();
        known.any(|it| it.required && it.schema.id == schema.id)
    };
    let required = after.extensions.iter().filter(|it| it.required);
    for extension in required {
        if !was_required(extension.schema) {
            return refused(&extension.schema.id, "is required from now on");
        }
    }
    Ok(())
}

/// An attribute that is gone, or whose values mean something else.
fn broken<'a>(before: &'a [Attribute], after: &[Attribute]) -> Option<&'a Attribute> {
    before.iter().find(|attribute| {
        let next = after.iter().find(|next| next.name == attribute.name);
        next.is_none_or(|next| {
            next.kind != attribute.kind
                || next.multi_valued != attribute.multi_valued
                || next.case_exact != attribute.case_exact
                || next.uniqueness != attribute.uniqueness
                || (next.required && !attribute.required)
                || is_demanding(&attribute.sub_attributes, &next.sub_attributes)
                || broken(&attribute.sub_attributes, &next.sub_attributes).is_some()
        })
    })
}

/// Whether an attribute gets a part that its entries must have and do not.
fn is_demanding(before: &[Attribute], after: &[Attribute]) -> bool {
    let is_known = |part: &Attribute| before.iter().any(|known| known.name == part.name);
    after.iter().any(|part| part.required && !is_known(part))
}

/// A new attribute that stored resources cannot have right.
fn demanding<'a>(schema: &'a Schema, known: Option<&Schema>) -> Option<&'a Attribute> {
    use crate::scim::schema::Uniqueness;
    schema.attributes.iter().find(|attribute| {
        let is_new = known.is_some_and(|known| known.attribute(&attribute.name).is_none());
        is_new && (attribute.required || attribute.uniqueness != Uniqueness::None)
    })
}

async fn tell(tx: &mut Tx, act: &Act, kind: &str, detail: &Value) -> Result<()> {
    let subject = ("workspace", act.workspace.0);
    let change = act.change(kind, subject, None, detail);
    changes::record(tx, act.workspace, &[change]).await
}
