//! Where the body of an operation refers to what other operations make (RFC 7644 section 3.7.2): in
//! attributes that hold references, and in the filter of a PATCH path. Any other text that looks
//! like a reference is text.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::{Fault, Method, REFERENCE};
use crate::scim::patch::PatchPath;
use crate::scim::path::Resolution;
use crate::scim::resource::part;
use crate::scim::schema::{Attribute, Kind, ResourceType};

/// Where in a body a reference stands: as the whole text, or within a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Text(String),
    Path(String),
}

/// The places of a body for a resource of that type.
pub(super) fn places(kind: &'static ResourceType, method: Method, data: &Value) -> Vec<Place> {
    let mut search = Search {
        kind,
        found: Vec::new(),
    };
    if let Value::Object(parts) = data {
        for (name, value) in parts {
            let at = below("", name);
            match value {
                Value::Array(operations)
                    if method == Method::Patch && name.eq_ignore_ascii_case("Operations") =>
                {
                    for (index, operation) in operations.iter().enumerate() {
                        search.operation(&format!("{at}/{index}"), operation);
                    }
                }
                value => search.named(&at, name, value),
            }
        }
    }
    search.found
}

struct Search {
    kind: &'static ResourceType,
    found: Vec<Place>,
}

// The depth of all of it is bounded by that of the JSON that was read.
impl Search {
    fn operation(&mut self, at: &str, operation: &Value) {
        let Value::Object(parts) = operation else {
            return;
        };
        let part = |name: &str| {
            let mut parts = parts.iter();
            parts.find(|(known, _)| known.eq_ignore_ascii_case(name))
        };
        let path = part("path").and_then(|(name, path)| Some((name, path.as_str()?)));
        if let Some((name, path)) = path
            && quoted(path).next().is_some()
        {
            self.found.push(Place::Path(below(at, name)));
        }
        let Some((name, value)) = part("value") else {
            return;
        };
        let at = below(at, name);
        match (path, value) {
            (Some((_, path)), value) => self.named(&at, path, value),
            (None, Value::Object(parts)) => self.object(&at, "", parts),
            _ => {}
        }
    }

    fn object(&mut self, at: &str, urn: &str, parts: &Map<String, Value>) {
        for (name, value) in parts {
            self.named(&below(at, name), &format!("{urn}{name}"), value);
        }
    }

    /// The value of what a path or a key names.
    fn named(&mut self, at: &str, path: &str, value: &Value) {
        let Ok(path) = PatchPath::parse(path) else {
            return;
        };
        match (path.attribute().resolve(self.kind), value) {
            (Resolution::Known(found), value) => {
                let chosen = path.sub().and_then(|name| part(found.attribute, name));
                match found.sub.or(chosen) {
                    Some(sub) => self.sub(at, found.attribute, sub, value),
                    None => self.attribute(at, found.attribute, value),
                }
            }
            (Resolution::Schema(schema), Value::Object(parts)) => {
                self.object(at, &format!("{}:", schema.id), parts);
            }
            _ => {}
        }
    }

    fn attribute(&mut self, at: &str, attribute: &Attribute, value: &Value) {
        match value {
            Value::String(text) if refers(attribute) => self.text(at, text),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.attribute(&format!("{at}/{index}"), attribute, item);
                }
            }
            Value::Object(parts) => {
                for (name, value) in parts {
                    let at = below(at, name);
                    if let Some(sub) = part(attribute, name) {
                        self.sub(&at, attribute, sub, value);
                    } else if name == "value" {
                        self.attribute(&at, attribute, value);
                    }
                }
            }
            _ => {}
        }
    }

    fn sub(&mut self, at: &str, of: &Attribute, sub: &Attribute, value: &Value) {
        let is_id = sub.name == "value" || sub.name == "$ref";
        match value {
            Value::String(text) if is_id && refers(of) => self.text(at, text),
            value => self.attribute(at, sub, value),
        }
    }

    fn text(&mut self, at: &str, text: &str) {
        if reference(text).is_some() {
            self.found.push(Place::Text(at.to_owned()));
        }
    }
}

/// Whether its values name resources: as it says itself, or as it has their addresses beside them.
fn refers(attribute: &Attribute) -> bool {
    match attribute.kind {
        Kind::Reference => {
            let mut types = attribute.reference_types.iter();
            !types.any(|name| name == "external" || name == "uri")
        }
        Kind::Complex => attribute.sub("$ref").is_some(),
        _ => false,
    }
}

/// A JSON pointer (RFC 6901).
fn below(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// The `bulkId` that a text refers to.
pub(super) fn reference(text: &str) -> Option<&str> {
    text.strip_prefix(REFERENCE)
}

/// The path of a PATCH operation may name a resource in a filter: `members[value eq "bulkId:a"]`.
fn quoted(path: &str) -> impl Iterator<Item = &str> {
    let literals = path.split("\"bulkId:").skip(1);
    literals.filter_map(|rest| Some(rest.split_once('"')?.0))
}

/// The `bulkId`s that a body refers to.
pub(super) fn collect<'v>(places: &[Place], data: &'v Value) -> HashSet<&'v str> {
    let text = |pointer: &str| data.pointer(pointer).and_then(Value::as_str);
    let mut found = HashSet::new();
    for place in places {
        match place {
            Place::Text(pointer) => found.extend(text(pointer).and_then(reference)),
            Place::Path(pointer) => found.extend(text(pointer).into_iter().flat_map(quoted)),
        }
    }
    found
}

/// Puts ids in the place of references; one that is not known is a fault.
pub(super) fn resolve(
    places: &[Place],
    data: &mut Value,
    ids: &HashMap<String, String>,
) -> Result<(), Fault> {
    for place in places {
        let (Place::Text(pointer) | Place::Path(pointer)) = place;
        let Some(Value::String(text)) = data.pointer_mut(pointer) else {
            continue;
        };
        match place {
            Place::Text(_) => replace(text, ids)?,
            Place::Path(_) => replace_quoted(text, ids)?,
        }
    }
    Ok(())
}

/// The same for one text.
pub(super) fn replace(text: &mut String, ids: &HashMap<String, String>) -> Result<(), Fault> {
    if let Some(bulk_id) = reference(text) {
        let id = ids.get(bulk_id);
        *text = id
            .ok_or(Fault("a bulkId is referred to that made nothing"))?
            .clone();
    }
    Ok(())
}

fn replace_quoted(path: &mut String, ids: &HashMap<String, String>) -> Result<(), Fault> {
    let named: Vec<String> = quoted(path).map(str::to_owned).collect();
    for bulk_id in named {
        let mut id = format!("{REFERENCE}{bulk_id}");
        let literal = format!("\"{id}\"");
        replace(&mut id, ids)?;
        *path = path.replace(&literal, &format!("\"{id}\""));
    }
    Ok(())
}
