//! Requests as they may be kept: secrets removed by schema before anything is stored.
//!
//! What stays is what the schemas know and an answer may show. The value of an attribute that is
//! `writeOnly` or `returned: never` becomes [`REDACTED`], wherever it stands: plain, below a URN,
//! under a dotted key, at a PATCH path or in a value without one, in the data of a bulk operation,
//! in the filter of a path or of a query. So does every value under a name that no schema knows:
//! its name says enough, and nobody has said what the value is.

mod text;

use serde_json::Value;

pub use self::text::query;
use self::text::{shown_filter, shown_name, shown_names, shown_path};
use super::filter::Selection;
use super::path::{AttributePath, Resolution};
use super::resource::part;
use super::schema::{Attribute, Kind, Mutability, ResourceType, Returned, Schema};

/// What stands where a value was.
pub const REDACTED: &str = "«redacted»";

/// The resource types that a directory has.
pub type Kinds<'k> = &'k [&'static ResourceType];

/// The body of a request to a path below the base URL, as it may be kept.
///
/// ```
/// use gatehouse::scim::{redact, schema};
/// use serde_json::json;
///
/// let body = json!({"userName": "ada", "PASSWORD": "hunter2", "shoeSize": 40});
/// let kept = redact::body(&[schema::user()], "POST", "/Users", body);
/// assert_eq!(kept, json!({
///     "userName": "ada", "PASSWORD": "«redacted»", "shoeSize": "«redacted»",
/// }));
/// ```
#[must_use]
pub fn body(kinds: Kinds<'_>, method: &str, path: &str, body: Value) -> Value {
    let path = path.split('?').next().unwrap_or_default();
    let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let is = |known: &str| method.eq_ignore_ascii_case(known);
    let kind = segments.first().and_then(|first| kind_at(kinds, first));
    match (segments.as_slice(), kind) {
        (["Bulk"], _) => bulk(kinds, body),
        ([.., ".search"], Some(kind)) => search(&[kind], body),
        ([.., ".search"], None) => search(kinds, body),
        (_, Some(kind)) if is("PATCH") => patch(kind, body),
        (_, Some(kind)) if is("POST") || is("PUT") => resource(kind, body),
        _ => hidden(&body),
    }
}

/// The resource type of that endpoint.
fn kind_at(kinds: Kinds<'_>, endpoint: &str) -> Option<&'static ResourceType> {
    kinds
        .iter()
        .copied()
        .find(|kind| kind.endpoint.strip_prefix('/') == Some(endpoint))
}

fn resource(kind: &'static ResourceType, body: Value) -> Value {
    each(body, |name, value| {
        match (kind.extension(name), kind.attribute(name)) {
            (Some(extension), _) => extended(extension, value),
            (None, Some(known)) => attribute(known, value),
            (None, None) => hidden(&value),
        }
    })
}

fn extended(extension: &Schema, value: Value) -> Value {
    each(value, |name, value| match extension.attribute(name) {
        Some(known) => attribute(known, value),
        None => hidden(&value),
    })
}

/// The value of an attribute, without what is secret or unknown in it.
fn attribute(known: &Attribute, value: Value) -> Value {
    let stands_for_all = known.kind == Kind::Complex && !value.is_object() && !value.is_array();
    if is_secret(known) || (stands_for_all && known.sub_attributes.iter().any(is_secret)) {
        return hidden(&value);
    }
    match value {
        Value::Array(items) => items
            .into_iter()
            .map(|item| attribute(known, item))
            .collect(),
        object @ Value::Object(_) => each(object, |name, value| match part(known, name) {
            Some(sub) => attribute(sub, value),
            // Entra wraps scalars: `[{"value": "x"}]`.
            None if known.kind != Kind::Complex
                && name.eq_ignore_ascii_case("value")
                && !value.is_object()
                && !value.is_array() =>
            {
                value
            }
            None => hidden(&value),
        }),
        scalar => scalar,
    }
}

fn patch(kind: &'static ResourceType, body: Value) -> Value {
    message(body, |name, value| match name {
        "schemas" => Some(names(value)),
        "operations" => Some(list(value, |item| operation(kind, item))),
        _ => None,
    })
}

fn operation(kind: &'static ResourceType, item: Value) -> Value {
    let Value::Object(item) = item else {
        return hidden(&item);
    };
    let mut paths = item
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("path"))
        .map(|(_, path)| path.clone());
    let place = match (paths.next(), paths.next()) {
        (None | Some(Value::Null), None) => Some(String::new()),
        (Some(Value::String(text)), None) => Some(text),
        _ => None,
    };
    message(Value::Object(item), |name, value| match (name, &place) {
        ("op", _) => Some(names(value)),
        ("path", _) => Some(match value {
            Value::String(text) => shown_path(kind, &text).into(),
            other => hidden(&other),
        }),
        ("value", Some(path)) if path.is_empty() => Some(keyed(kind, value, str::to_owned)),
        ("value", Some(path)) => Some(at_path(kind, path, value)),
        _ => None,
    })
}

/// A value whose keys are paths, or stand for the paths that `path` makes of them.
fn keyed(kind: &'static ResourceType, value: Value, path: impl Fn(&str) -> String) -> Value {
    let Value::Object(object) = value else {
        return hidden(&value);
    };
    let kept = object.into_iter().map(|(name, value)| {
        let kept = at_path(kind, &path(&name), value);
        (shown_path(kind, &name), kept)
    });
    Value::Object(kept.collect())
}

/// What a PATCH puts at a path.
fn at_path(kind: &'static ResourceType, path: &str, value: Value) -> Value {
    if path.contains('[') {
        let Ok(selection) = Selection::parse(path) else {
            return hidden(&value);
        };
        let Some(found) = selection.path.resolve(kind).known() else {
            return hidden(&value);
        };
        let is_known = found.sub.is_none() && selection.filter_of(found).is_ok();
        if is_secret(found.attribute) || !is_known {
            return hidden(&value);
        }
        return match &selection.sub {
            None => attribute(found.attribute, value),
            Some(name) => match part(found.attribute, name) {
                Some(sub) => attribute(sub, value),
                None => hidden(&value),
            },
        };
    }
    match AttributePath::parse(path).map(|path| path.resolve(kind)) {
        Ok(Resolution::Known(found)) if !is_secret(found.attribute) => {
            attribute(found.definition(), value)
        }
        Ok(Resolution::Schema(schema)) => {
            keyed(kind, value, |name| format!("{}:{name}", schema.id))
        }
        _ => hidden(&value),
    }
}

fn bulk(kinds: Kinds<'_>, request: Value) -> Value {
    message(request, |name, value| match name {
        "schemas" => Some(names(value)),
        "failonerrors" => Some(scalar(value)),
        "operations" => Some(list(value, |item| bulk_operation(kinds, item))),
        _ => None,
    })
}

fn bulk_operation(kinds: Kinds<'_>, item: Value) -> Value {
    let text = |wanted: &str| {
        let entries = item.as_object().into_iter().flatten();
        let mut found = entries
            .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.as_str().unwrap_or_default().to_owned());
        // Two of them: nobody knows which one is meant.
        match (found.next(), found.next()) {
            (Some(text), None) => text,
            _ => String::new(),
        }
    };
    let (method, path) = (text("method"), text("path"));
    message(item, |name, value| match name {
        "method" | "bulkid" | "version" => Some(scalar(value)),
        "path" => Some(match value {
            Value::String(text) => match text.split_once('?') {
                Some((path, asked)) => format!("{path}?{}", query(kinds, path, asked)).into(),
                None => text.into(),
            },
            other => hidden(&other),
        }),
        "data" => Some(body(kinds, &method, &path, value)),
        _ => None,
    })
}

/// The body of `.search` (RFC 7644 section 3.4.3).
fn search(kinds: Kinds<'_>, request: Value) -> Value {
    message(request, |name, value| match name {
        "schemas" => Some(names(value)),
        "attributes" | "excludedattributes" | "sortby" => Some(match value {
            Value::String(text) => shown_names(&text).into(),
            listed => names(listed),
        }),
        "startindex" | "count" | "sortorder" | "cursor" => Some(scalar(value)),
        "filter" => Some(match value {
            Value::String(text) => shown_filter(kinds, &text).into(),
            other => hidden(&other),
        }),
        _ => None,
    })
}

/// Whether no answer ever shows the attribute.
fn is_secret(known: &Attribute) -> bool {
    known.mutability == Mutability::WriteOnly || known.returned == Returned::Never
}

/// No value stays none; whatever else was there is not to be seen.
fn hidden(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        _ => REDACTED.into(),
    }
}

fn scalar(value: Value) -> Value {
    match value {
        Value::Array(_) | Value::Object(_) => hidden(&value),
        scalar => scalar,
    }
}

/// Names of schemas, operations or attributes: each as far as it is one.
fn names(value: Value) -> Value {
    match value {
        Value::String(text) => shown_names(&text).into(),
        Value::Array(items) => items.into_iter().map(names).collect(),
        other => hidden(&other),
    }
}

fn list(value: Value, one: impl Fn(Value) -> Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(one).collect(),
        other => hidden(&other),
    }
}

/// Each entry of an object by its name; what is no object is hidden.
fn each(value: Value, one: impl Fn(&str, Value) -> Value) -> Value {
    let Value::Object(object) = value else {
        return hidden(&value);
    };
    let kept = object.into_iter().map(|(name, value)| {
        let kept = one(&name, value);
        (shown_name(name), kept)
    });
    Value::Object(kept.collect())
}

/// The entries of a message of the protocol, by their names in small letters; where none is given
/// for one, it is hidden.
fn message(value: Value, known: impl Fn(&str, Value) -> Option<Value>) -> Value {
    each(value, |name, value| {
        let kept = known(&name.to_ascii_lowercase(), value);
        kept.unwrap_or_else(|| REDACTED.into())
    })
}

#[cfg(test)]
mod tests;
