//! Values that no two resources of a type and directory may share, as a registered schema says.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::Caller;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::scim::schema::{Attribute, Kind, ResourceType};
use crate::scim::{evaluate, fold};
use crate::store::tx::Tx;
use crate::store::unique_values as rows;
use crate::store::users::Place;

/// The values of a document that must be unique: attribute, key, and the attribute's name.
type Values = Vec<(String, String, &'static str)>;

/// Takes the unique values of a resource that is being written; one that another resource has is
/// [`Error::Taken`].
pub(super) async fn claim(
    tx: &mut Tx,
    place: Place,
    kind: &'static ResourceType,
    id: Uuid,
    before: Option<&Map<String, Value>>,
    after: &Map<String, Value>,
) -> Result<()> {
    let old = before.map_or_else(Values::new, |before| values(kind, before));
    let new = values(kind, after);
    if old == new {
        return Ok(());
    }
    if !old.is_empty() {
        rows::delete(tx, place, id).await?;
    }
    for (_, key, name) in &new {
        fold::check_key(key, name)?;
    }
    let kind = kind.name.to_ascii_lowercase();
    let rows: Vec<(&str, &str)> = new
        .iter()
        .map(|(attribute, key, _)| (attribute.as_str(), key.as_str()))
        .collect();
    match rows::insert(tx, place, &kind, &rows, id).await? {
        Some(at) => Err(Error::Taken(new[at].2)),
        None => Ok(()),
    }
}

/// Gives the unique values of a resource back that goes away.
pub(super) async fn release(
    tx: &mut Tx,
    caller: &Caller,
    kind: &'static ResourceType,
    id: Uuid,
) -> Result<()> {
    // Another set of schemas than the caller's may have been the one that took values.
    if caller.schemas_tag.is_some() || kind.unique_attributes().next().is_some() {
        rows::delete(tx, caller.place(), id).await?;
    }
    Ok(())
}

fn values(kind: &'static ResourceType, document: &Map<String, Value>) -> Values {
    let mut found = Values::new();
    for path in kind.unique_attributes() {
        let holder = match path.extension {
            Some(schema) => document.get(&schema.id).and_then(Value::as_object),
            None => Some(document),
        };
        let Some(value) = holder.and_then(|holder| holder.get(&path.attribute.name)) else {
            continue;
        };
        let definition = path.definition();
        let keys = evaluate::values_of(path, value)
            .into_iter()
            .filter_map(|value| key(definition, value));
        let urn = path.extension.map_or("", |schema| schema.id.as_str());
        let sub = path
            .sub
            .map_or(String::new(), |sub| format!(".{}", sub.name));
        let attribute = format!("{urn}:{}{sub}", path.attribute.name).to_ascii_lowercase();
        // A resource may say the same twice.
        let keys: BTreeSet<String> = keys.collect();
        found.extend(
            keys.into_iter()
                .map(|key| (attribute.clone(), key, definition.name.as_str())),
        );
    }
    found
}

/// What two values share that are the same.
fn key(attribute: &Attribute, value: &Value) -> Option<String> {
    match value {
        Value::String(text) if attribute.kind == Kind::DateTime => {
            Timestamp::parse(text).map(|at| at.0.to_string())
        }
        Value::String(text) if attribute.case_exact => Some(text.clone()),
        Value::String(text) => Some(fold::key(text)),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
