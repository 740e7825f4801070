//! The order of results (RFC 7644 section 3.4.2.3): by which value of a resource, and which way.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::evaluate::values;
use super::fold;
use super::path::{AttributePath, Resolution, Resolved};
use super::schema::{Kind, ResourceType};
use crate::clock::Timestamp;
use crate::error::{Error, Result};

/// How much of a text is looked at, in bytes.
const TEXT: usize = 1024;

/// Which way results are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// The smallest first; resources without a value last.
    #[default]
    Ascending,
    /// The other way round.
    Descending,
}

/// By what and which way results are sorted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sort {
    by: AttributePath,
    /// Which way.
    pub direction: Direction,
}

/// What a resource is sorted by. Resources of several types are sorted together, so that kinds of
/// values have an order among each other; a resource without a value comes last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Key {
    /// False before true.
    #[serde(rename = "b")]
    Boolean(bool),
    /// A whole number, or an instant in microseconds.
    #[serde(rename = "i")]
    Integer(i64),
    /// A number with fraction.
    #[serde(rename = "n")]
    Number(Number),
    /// Text, folded unless its case counts.
    #[serde(rename = "t")]
    Text(String),
    /// No value.
    #[serde(rename = "z")]
    None,
}

/// A number with a total order.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Number(pub f64);

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Direction {
    /// Turns the order of two resources round where that is asked for.
    #[must_use]
    pub fn apply(self, order: Ordering) -> Ordering {
        match self {
            Self::Ascending => order,
            Self::Descending => order.reverse(),
        }
    }
}

impl Sort {
    /// Reads `sortBy` and `sortOrder`; without the first there is no order to keep.
    pub fn parse(by: Option<&str>, order: Option<&str>) -> Result<Option<Self>> {
        let direction = match order.map(str::trim) {
            None | Some("") => Direction::Ascending,
            Some(text) if text.eq_ignore_ascii_case("ascending") => Direction::Ascending,
            Some(text) if text.eq_ignore_ascii_case("descending") => Direction::Descending,
            Some(_) => return Err(Error::value("sortOrder: expected ascending or descending")),
        };
        let Some(by) = by.map(str::trim).filter(|by| !by.is_empty()) else {
            return Ok(None);
        };
        let by = AttributePath::parse(by)
            .map_err(|_| Error::value("sortBy: expected an attribute path"))?;
        Ok(Some(Self { by, direction }))
    }

    /// What the path means for a resource type: an attribute with a value of its own that may be
    /// shown; none where the type has no such attribute.
    pub fn resolve(&self, kind: &'static ResourceType) -> Result<Option<Resolved>> {
        let found = match self.by.resolve(kind) {
            Resolution::Known(found) if !found.is_never_returned() => found,
            _ => return Ok(None),
        };
        let found = match (found.definition().kind, found.sub, found.attribute.value()) {
            (Kind::Complex, None, Some(value)) => found.with_sub(value),
            _ => found,
        };
        match found.definition().kind {
            Kind::Complex => Err(Error::value(
                "sortBy: expected a sub-attribute of a complex attribute",
            )),
            Kind::Binary => Err(Error::value("sortBy: binary values have no order")),
            _ => Ok(Some(found)),
        }
    }
}

/// What sorts a resource: its value, of several the primary one or else the first.
#[must_use]
pub fn key(path: Option<Resolved>, resource: &Value) -> Key {
    let Some(path) = path else {
        return Key::None;
    };
    let entries = values(Resolved { sub: None, ..path }, resource);
    let is_primary = |entry: &&&Value| entry.get("primary") == Some(&Value::Bool(true));
    let entry = entries.iter().find(is_primary).or(entries.first());
    let value = match (entry, path.sub) {
        (None, _) => None,
        (Some(entry), None) => Some(*entry),
        (Some(entry), Some(sub)) => match entry.get(&sub.name) {
            Some(Value::Array(items)) => items.first(),
            one => one,
        },
    };
    let definition = path.definition();
    match value {
        Some(Value::Bool(value)) => Key::Boolean(*value),
        Some(Value::Number(number)) if definition.kind == Kind::Integer => {
            number.as_i64().map_or(Key::None, Key::Integer)
        }
        Some(Value::Number(number)) => number
            .as_f64()
            .map_or(Key::None, |it| Key::Number(Number(it))),
        Some(Value::String(text)) if text.is_empty() => Key::None,
        Some(Value::String(text)) if definition.kind == Kind::DateTime => {
            Timestamp::parse(text).map_or(Key::None, |at| Key::Integer(at.0))
        }
        Some(Value::String(text)) if definition.case_exact => Key::Text(cut(text.clone())),
        Some(Value::String(text)) => Key::Text(cut(fold::key(text))),
        _ => Key::None,
    }
}

/// So much of a text decides its place, so that a cursor stays short.
fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT));
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scim::schema;

    #[test]
    fn a_resource_is_sorted_by_its_primary_or_first_value() {
        let ada = json!({
            "userName": "ADA", "externalId": "X", "active": true, "title": "",
            "emails": [{"value": "b@x"}, {"value": "A@x", "primary": true}],
            "phoneNumbers": [{"value": "2"}, {"value": "1"}], "name": {"familyName": "L"},
            "meta": {"created": "1970-01-01T00:00:01Z"},
        });
        let check = |by: &str, expect: Key| {
            let sort = Sort::parse(Some(by), None).unwrap().unwrap();
            let path = sort.resolve(schema::user()).unwrap();
            assert_eq!(key(path, &ada), expect, "{by}");
        };
        let text = |text: &str| Key::Text(text.to_owned());
        check("userName", text("ada"));
        check("externalId", text("X"));
        check("emails", text("a@x"));
        check("emails.value", text("a@x"));
        check("emails.type", Key::None);
        check("phoneNumbers", text("2"));
        check("NAME.familyname", text("l"));
        check("active", Key::Boolean(true));
        check("title", Key::None);
        check("meta.created", Key::Integer(1_000_000));
        check("urn:nothing:x", Key::None);
        check("password", Key::None);
    }

    #[test]
    fn what_cannot_be_an_order_is_refused() {
        assert!(Sort::parse(None, Some("up")).is_err());
        assert!(Sort::parse(Some("a b"), None).is_err());
        assert_eq!(Sort::parse(Some(" "), Some("DESCENDING")).unwrap(), None);
        for by in ["name", "x509Certificates"] {
            let sort = Sort::parse(Some(by), None).unwrap().unwrap();
            assert!(sort.resolve(schema::user()).is_err(), "{by}");
        }
    }

    #[test]
    fn resources_without_a_value_come_last() {
        assert!(Key::Text("z".to_owned()) < Key::None);
        assert!(Key::Number(Number(-1.0)) < Key::Number(Number(0.5)));
    }
}
