//! What must hold of a document as a whole: what is required is there, what is written once stays.

use serde_json::{Map, Value};

use crate::error::{Error, Invalid, Result};
use crate::scim::fold;
use crate::scim::schema::{Attribute, Mutability, Purpose, ResourceType, Schema};

/// What must hold for every stored document: what is required is there, the name is fit to be one.
pub(in crate::scim) fn check(kind: &ResourceType, document: &Map<String, Value>) -> Result<()> {
    check_required(&kind.schema.attributes, document)?;
    for extension in &kind.extensions {
        let Schema { id, attributes, .. } = extension.schema;
        match document.get(id).and_then(Value::as_object) {
            Some(inner) => check_required(attributes, inner)?,
            None if extension.required => {
                return Err(Error::value(format!("{id} is required")));
            }
            None => {}
        }
    }
    match document.get("userName").and_then(Value::as_str) {
        Some(name) if kind.purpose == Purpose::User => fold::check_name(name, "userName"),
        _ => Ok(()),
    }
}

fn check_required(attributes: &[Attribute], holder: &Map<String, Value>) -> Result<()> {
    for attribute in attributes {
        let value = holder.get(&attribute.name);
        let is_blank = match value {
            None => true,
            Some(Value::String(text)) => text.trim().is_empty(),
            Some(_) => false,
        };
        if attribute.required && is_blank {
            return Err(Error::value(format!("{} is required", attribute.name)));
        }
        let entries = match value {
            Some(Value::Array(entries)) => entries.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        for entry in entries.iter().filter_map(Value::as_object) {
            check_required(&attribute.sub_attributes, entry)?;
        }
    }
    Ok(())
}

/// Holds a new document against the one that it replaces: a value that may be written once stays
/// where the new one is silent, and another one is refused (RFC 7644 section 3.5.1).
pub fn keep_immutable(
    kind: &'static ResourceType,
    before: &Map<String, Value>,
    after: &mut Map<String, Value>,
) -> Result<()> {
    check_parts(kind, before, after)?;
    for (holder, attribute) in immutable(kind) {
        let Some(old) = value(before, holder, attribute) else {
            continue;
        };
        match value(after, holder, attribute) {
            Some(new) if new == old => {}
            Some(_) => return Err(fixed(attribute)),
            None => {
                let old = old.clone();
                let into = match holder {
                    None => &mut *after,
                    Some(schema) => match after
                        .entry(schema.id.clone())
                        .or_insert_with(|| Value::Object(Map::new()))
                    {
                        Value::Object(inner) => inner,
                        _ => continue,
                    },
                };
                into.insert(attribute.name.clone(), old);
            }
        }
    }
    Ok(())
}

/// Refuses any other value than the one that was written once (RFC 7644 section 3.5.2).
pub(in crate::scim) fn refuse_immutable(
    kind: &'static ResourceType,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> Result<()> {
    check_parts(kind, before, after)?;
    for (holder, attribute) in immutable(kind) {
        let old = value(before, holder, attribute);
        if old.is_some() && old != value(after, holder, attribute) {
            return Err(fixed(attribute));
        }
    }
    Ok(())
}

/// Refuses another value of a part that may be written once: of the one value, or of the entry that
/// has the same value and type. An entry may go as a whole.
fn check_parts(
    kind: &'static ResourceType,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> Result<()> {
    for (schema, is_extension) in kind.schemas() {
        let holder = is_extension.then_some(schema);
        for attribute in &schema.attributes {
            let is_fixed = |sub: &&Attribute| sub.mutability == Mutability::Immutable;
            let mut fixed_parts = attribute.sub_attributes.iter().filter(is_fixed).peekable();
            if fixed_parts.peek().is_none() {
                continue;
            }
            let (Some(old), Some(new)) = (
                value(before, holder, attribute),
                value(after, holder, attribute),
            ) else {
                continue;
            };
            let pairs: Vec<(&Value, &Value)> = match (old, new) {
                (Value::Array(old), Value::Array(new)) => old
                    .iter()
                    .filter(|old| old.get("value").is_some())
                    .filter_map(|old| {
                        let name = |entry: &Value| {
                            (entry.get("value").cloned(), entry.get("type").cloned())
                        };
                        let same = |new: &&Value| name(new) == name(old);
                        new.iter().find(same).map(|new| (old, new))
                    })
                    .collect(),
                (old, new) => vec![(old, new)],
            };
            for part in fixed_parts {
                let differs = |(old, new): &(&Value, &Value)| {
                    let old = old.get(&part.name);
                    old.is_some() && old != new.get(&part.name)
                };
                if pairs.iter().any(differs) {
                    return Err(fixed(part));
                }
            }
        }
    }
    Ok(())
}

/// Holds a message to its schema; for directories that are strict about it (RFC 7643 section 3).
pub fn check_message(body: &Value, urn: &str) -> Result<()> {
    if declared(body).is_some_and(|mut it| it.any(|schema| schema.eq_ignore_ascii_case(urn))) {
        return Ok(());
    }
    Err(Error::invalid(
        Invalid::Syntax,
        format!("schemas: expected a list with {urn}"),
    ))
}

/// Holds a resource to its schemas: its type's own and the extensions that it uses are declared, and
/// none that its type does not have (RFC 7643 section 3).
pub fn check_declared(kind: &ResourceType, body: &Value) -> Result<()> {
    check_message(body, &kind.schema.id)?;
    let known = |name: &str| {
        let mut schemas = kind.schemas();
        schemas.any(|(schema, _)| schema.id.eq_ignore_ascii_case(name))
    };
    if !declared(body).is_some_and(|mut all| all.all(known)) {
        return Err(Error::value(
            "schemas: expected schemas of the resource type alone",
        ));
    }
    let mut used = body.as_object().into_iter().flatten();
    let is_declared = |name: &str| {
        declared(body).is_some_and(|mut all| all.any(|it| it.eq_ignore_ascii_case(name)))
    };
    if used.any(|(name, _)| known(name) && !is_declared(name)) {
        return Err(Error::value(
            "schemas: expected each extension that is used",
        ));
    }
    Ok(())
}

/// The URNs of `schemas`; none where it is no list of text.
fn declared(body: &Value) -> Option<impl Iterator<Item = &str>> {
    let mut parts = body.as_object().into_iter().flatten();
    let (_, schemas) = parts.find(|(name, _)| name.eq_ignore_ascii_case("schemas"))?;
    let schemas = schemas.as_array()?;
    let is_text = schemas.iter().all(Value::is_string);
    is_text.then(|| schemas.iter().filter_map(Value::as_str))
}

type Found = (Option<&'static Schema>, &'static Attribute);

/// Attributes that may be written once; members are rows, and not among them.
fn immutable(kind: &'static ResourceType) -> impl Iterator<Item = Found> {
    kind.schemas().flat_map(|(schema, is_extension)| {
        let fixed = schema
            .attributes
            .iter()
            .filter(|attribute| attribute.mutability == Mutability::Immutable);
        fixed.map(move |attribute| (is_extension.then_some(schema), attribute))
    })
}

fn value<'d>(
    document: &'d Map<String, Value>,
    holder: Option<&Schema>,
    attribute: &Attribute,
) -> Option<&'d Value> {
    match holder {
        None => document.get(&attribute.name),
        Some(schema) => document.get(&schema.id)?.get(&attribute.name),
    }
}

fn fixed(attribute: &Attribute) -> Error {
    let detail = format!("{} can be written once", attribute.name);
    Error::invalid(Invalid::Mutability, detail)
}
