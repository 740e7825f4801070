//! The stored text of a document and the answer spliced from it.
//!
//! The stored text starts with the list of schemas, made when it is written. An answer is then put
//! together from texts: nothing stored is parsed again to be read.

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::scim::schema::ResourceType;

/// What the server says of a resource in `meta`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_modified: Timestamp,
    /// Its address.
    pub location: String,
    /// Its version, shown as a weak entity tag.
    pub version: i64,
}

impl Meta {
    /// The entity tag: `W/"3"`.
    #[must_use]
    pub fn etag(&self) -> String {
        format!("W/\"{}\"", self.version)
    }
}

const START: &str = "{\"schemas\":[";

/// The text to store: the document after the list of its schemas.
#[must_use]
pub fn to_stored(kind: &ResourceType, document: &Map<String, Value>) -> String {
    let present = kind
        .extensions()
        .filter(|schema| document.contains_key(&schema.id));
    let urns: Vec<&str> = std::iter::once(kind.schema)
        .chain(present)
        .map(|s| s.id.as_str())
        .collect();
    let mut stored = Map::new();
    stored.insert("schemas".to_owned(), Value::from(urns));
    stored.extend(
        document
            .iter()
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    Value::Object(stored).to_string()
}

/// The document of a stored text.
pub fn from_stored(stored: &str) -> Result<Map<String, Value>> {
    let mut document: Map<String, Value> = serde_json::from_str(stored).map_err(Error::internal)?;
    document.shift_remove("schemas");
    Ok(document)
}

/// The whole resource as JSON text. `parts` are attributes kept elsewhere, such as `members` and
/// `groups`, each with its JSON text.
///
/// ```
/// use gatehouse::clock::Timestamp;
/// use gatehouse::scim::{resource, schema};
///
/// let meta = resource::Meta {
///     created: Timestamp(0),
///     last_modified: Timestamp(0),
///     location: "https://scim.example/Groups/g1".to_owned(),
///     version: 1,
/// };
/// let document = serde_json::json!({"displayName": "Crew"});
/// let stored = resource::to_stored(schema::group(), document.as_object().unwrap());
/// let text = resource::render(schema::group(), "g1", &stored, &[("members", "[]")], &meta);
/// let group: serde_json::Value = serde_json::from_str(&text).unwrap();
/// assert_eq!(group["displayName"], "Crew");
/// assert_eq!(group["meta"]["version"], "W/\"1\"");
/// ```
#[must_use]
pub fn render(
    kind: &ResourceType,
    id: &str,
    stored: &str,
    parts: &[(&str, &str)],
    meta: &Meta,
) -> String {
    let extra: usize = parts
        .iter()
        .map(|(name, text)| name.len() + text.len() + 4)
        .sum();
    let mut text = String::with_capacity(stored.len() + extra + 320);
    let rest = if let Some((schemas, rest)) = split(stored) {
        text.push_str(schemas);
        rest
    } else {
        // Not from `to_stored`: an empty document of the base schema.
        text.push_str(START);
        push_json(&mut text, &kind.schema.id);
        text.push(']');
        ""
    };
    text.push_str(",\"id\":");
    push_json(&mut text, id);
    text.push_str(rest);
    for (name, part) in parts {
        text.push_str(",\"");
        text.push_str(name);
        text.push_str("\":");
        text.push_str(part);
    }
    text.push_str(",\"meta\":{\"resourceType\":");
    push_json(&mut text, &kind.name);
    text.push_str(",\"created\":");
    push_json(&mut text, &meta.created.to_string());
    text.push_str(",\"lastModified\":");
    push_json(&mut text, &meta.last_modified.to_string());
    text.push_str(",\"location\":");
    push_json(&mut text, &meta.location);
    text.push_str(",\"version\":");
    push_json(&mut text, &meta.etag());
    text.push_str("}}");
    text
}

/// The opening with the list of schemas, and what follows without the closing brace. URNs of
/// schemas hold no bracket, so the first one ends the list.
fn split(stored: &str) -> Option<(&str, &str)> {
    let end = stored.strip_prefix(START)?.find(']')? + START.len() + 1;
    let rest = stored[end..].strip_suffix('}')?;
    Some((&stored[..end], rest))
}

fn push_json(text: &mut String, value: &str) {
    text.push_str(&Value::from(value).to_string());
}
