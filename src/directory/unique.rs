//! Values that no two resources of a type and directory may share, as a registered schema says.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::Caller;
use crate::error::{Error, Result};
use crate::scim::fold;
use crate::scim::schema::ResourceType;
use crate::store::db::Tx;
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
    for (attribute, key, name) in new {
        fold::check_key(&key, name)?;
        let kind = kind.name.to_ascii_lowercase();
        if !rows::insert(tx, place, &kind, (&attribute, &key), id).await? {
            return Err(Error::Taken(name));
        }
    }
    Ok(())
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
    let unique = kind.unique_attributes();
    let found = unique.filter_map(|(extension, attribute)| {
        let holder = match extension {
            Some(schema) => document.get(&schema.id)?.as_object()?,
            None => document,
        };
        let text = holder.get(&attribute.name)?.as_str()?;
        let key = if attribute.case_exact {
            text.to_owned()
        } else {
            fold::key(text)
        };
        let urn = extension.map_or("", |schema| schema.id.as_str());
        let path = format!("{urn}:{}", attribute.name).to_ascii_lowercase();
        Some((path, key, attribute.name.as_str()))
    });
    found.collect()
}
