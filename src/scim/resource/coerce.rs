//! Fitting a JSON value to its attribute: the listed coercions and nothing else (C061).

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::{BINARY, ENTRIES, MemberKind, MemberRef, Note, Reason, STRING, Strictness};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::scim::path::is_path_char;
use crate::scim::schema::{Attribute, Kind, Mutability, Schema};
use crate::scim::{filter, fold};

/// The attributes of an extension; null and empty text mean none.
pub(super) fn extension(schema: &Schema, value: Value) -> Result<Map<String, Value>> {
    match value {
        Value::Object(object) => Ok(object),
        Value::Null => Ok(Map::new()),
        Value::String(text) if text.is_empty() => Ok(Map::new()),
        _ => Err(wrong(&schema.name, "an object")),
    }
}

/// Takes values in and remembers what it left out.
pub(in crate::scim) struct Intake {
    strictness: Strictness,
    notes: Vec<Note>,
}

/// A list of this many notes says enough.
const NOTES: usize = 100;

impl Intake {
    pub(in crate::scim) fn new(strictness: Strictness) -> Self {
        Self {
            strictness,
            notes: Vec::new(),
        }
    }

    pub(in crate::scim) fn is_strict(&self) -> bool {
        self.strictness == Strictness::Strict
    }

    pub(in crate::scim) fn into_notes(self) -> Vec<Note> {
        self.notes
    }

    /// Leaves something out, which a strict directory refuses.
    pub(in crate::scim) fn note(&mut self, path: &str, reason: Reason) -> Result<()> {
        if self.is_strict() {
            return Err(Error::value(
                "the body has an attribute that no schema defines",
            ));
        }
        self.leave_out(path, reason);
        Ok(())
    }

    /// Leaves something out that every directory leaves out. The note has its name alone: literals
    /// of a filter are values.
    pub(in crate::scim) fn leave_out(&mut self, path: &str, reason: Reason) {
        if self.notes.len() < NOTES {
            let end = path.find(|c| !is_path_char(c)).unwrap_or(path.len());
            self.notes.push(Note::new(&path[..end], reason));
        }
    }

    /// A whole attribute; none where it is null or empty.
    pub(in crate::scim) fn attribute(
        &mut self,
        attribute: &Attribute,
        value: Value,
    ) -> Result<Option<Value>> {
        if !attribute.multi_valued {
            return self.single(attribute, value);
        }
        let items = match value {
            Value::Null => return Ok(None),
            Value::String(text) if text.is_empty() => return Ok(None),
            Value::Array(items) => items,
            object @ Value::Object(_) => vec![object],
            _ => return Err(wrong(&attribute.name, "a list")),
        };
        if items.len() > ENTRIES {
            return Err(too_many(attribute));
        }
        let mut entries = Vec::with_capacity(items.len());
        for item in items {
            entries.extend(self.entry(attribute, item)?);
        }
        let (mut entries, _) = distinct(attribute, entries, &[]);
        if let Some(first) = primary_at(&entries) {
            make_primary(&mut entries, first);
        }
        Ok((!entries.is_empty()).then_some(Value::Array(entries)))
    }

    /// One entry of a multi-valued attribute.
    pub(in crate::scim) fn entry(
        &mut self,
        attribute: &Attribute,
        value: Value,
    ) -> Result<Option<Value>> {
        match value {
            Value::Array(_) => Err(wrong(&attribute.name, "no list within the list")),
            value => self.one(attribute, value),
        }
    }

    /// A single-valued attribute, which may come as a list of one.
    fn single(&mut self, attribute: &Attribute, value: Value) -> Result<Option<Value>> {
        let Value::Array(mut items) = value else {
            return self.one(attribute, value);
        };
        let item = match (items.pop(), items.len()) {
            (None, _) if attribute.kind == Kind::Complex => return Ok(None),
            (Some(item), 0) => item,
            _ => return Err(wrong(&attribute.name, "a single value")),
        };
        match item {
            // Entra wraps scalars: `[{"$ref": null, "value": "x"}]`.
            Value::Object(object) if attribute.kind != Kind::Complex => {
                let inner = unwrap_value(object).ok_or_else(|| expected(attribute))?;
                self.one(attribute, inner)
            }
            item => self.one(attribute, item),
        }
    }

    fn one(&mut self, attribute: &Attribute, value: Value) -> Result<Option<Value>> {
        match value {
            Value::Null => Ok(None),
            Value::Array(_) => Err(expected(attribute)),
            value if attribute.kind == Kind::Complex => self.complex(attribute, value),
            value => self.scalar(attribute, value),
        }
    }

    fn scalar(&self, attribute: &Attribute, value: Value) -> Result<Option<Value>> {
        match (attribute.kind, value) {
            (Kind::Boolean, Value::String(_)) if self.is_strict() => Err(expected(attribute)),
            (Kind::Boolean, Value::String(text)) => match filter::boolean(&text) {
                Some(value) => Ok(Some(Value::Bool(value))),
                // Silence must not decide who is active (C033).
                None if text.is_empty() && attribute.name != "active" => Ok(None),
                None => Err(expected(attribute)),
            },
            (Kind::Boolean, Value::Object(object)) if attribute.name == "active" => {
                match unwrap_value(object) {
                    Some(value @ (Value::Bool(_) | Value::String(_))) => {
                        self.scalar(attribute, value)
                    }
                    _ => Err(expected(attribute)),
                }
            }
            (Kind::Integer, Value::Number(number)) if number.is_f64() => Err(expected(attribute)),
            (Kind::Boolean, value @ Value::Bool(_))
            | (Kind::Integer | Kind::Decimal, value @ Value::Number(_)) => Ok(Some(value)),
            (Kind::Boolean | Kind::Integer | Kind::Decimal | Kind::Complex, _) => {
                Err(expected(attribute))
            }
            (_, Value::String(text)) => {
                let is_binary = attribute.kind == Kind::Binary && self.is_strict();
                if is_binary && data_encoding::BASE64.decode(text.as_bytes()).is_err() {
                    return Err(expected(attribute));
                }
                text_value(attribute, text)
            }
            (Kind::String, Value::Number(number)) if !self.is_strict() => {
                Ok(Some(Value::String(number.to_string())))
            }
            _ => Err(expected(attribute)),
        }
    }

    fn complex(&mut self, attribute: &Attribute, value: Value) -> Result<Option<Value>> {
        let Value::Object(object) = value else {
            return self.bare(attribute, value);
        };
        let mut parts = Map::new();
        for (name, value) in object {
            let Some(sub) = part(attribute, &name) else {
                self.note(&format!("{}.{name}", attribute.name), Reason::Unknown)?;
                continue;
            };
            if sub.mutability == Mutability::ReadOnly {
                if !value.is_null() {
                    let path = format!("{}.{}", attribute.name, sub.name);
                    self.leave_out(&path, Reason::ReadOnly);
                }
                continue;
            }
            // Under two names (`display`, `displayName`) the first one counts.
            if !parts.contains_key(&sub.name)
                && let Some(value) = self.attribute(sub, value)?
            {
                parts.insert(sub.name.clone(), value);
            }
        }
        Ok((!parts.is_empty()).then_some(Value::Object(parts)))
    }

    /// A complex value that came without its braces, as Entra sends `manager`.
    fn bare(&mut self, attribute: &Attribute, value: Value) -> Result<Option<Value>> {
        if value.as_str() == Some("") {
            return Ok(None);
        }
        let Some(sub) = attribute.value() else {
            return Err(wrong(&attribute.name, "an object"));
        };
        if attribute.multi_valued && self.is_strict() {
            return Err(wrong(&attribute.name, "objects"));
        }
        let inner = self.scalar(sub, value)?;
        Ok(inner.map(|inner| Value::Object(Map::from_iter([(sub.name.clone(), inner)]))))
    }
}

/// Entries of which no two share value and type: a later one adds what it says to the earlier
/// (RFC 7643 section 2.4), and where both say something, the later is right, unless only the
/// earlier is `fresh`. With them, where each of the given ones is now.
pub(in crate::scim) fn distinct(
    attribute: &Attribute,
    entries: Vec<Value>,
    fresh: &[usize],
) -> (Vec<Value>, Vec<usize>) {
    if entries.len() < 2 {
        let places = (0..entries.len()).collect();
        return (entries, places);
    }
    let part = |entry: &Value, name: &str| match entry.get(name) {
        Some(Value::String(text)) => {
            let is_exact = attribute.sub(name).is_some_and(|sub| sub.case_exact);
            Some(if is_exact {
                text.clone()
            } else {
                fold::key(text)
            })
        }
        other => other.map(Value::to_string),
    };
    let mut kept: Vec<Value> = Vec::with_capacity(entries.len());
    let mut known = HashMap::with_capacity(entries.len());
    let mut places = Vec::with_capacity(entries.len());
    let mut is_kept_fresh = Vec::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate() {
        let next = kept.len();
        let place = part(&entry, "value").map_or(next, |value| {
            *known.entry((value, part(&entry, "type"))).or_insert(next)
        });
        places.push(place);
        let is_fresh = fresh.contains(&index);
        match (kept.get_mut(place), entry) {
            (Some(Value::Object(known)), Value::Object(entry)) => {
                if is_kept_fresh[place] && !is_fresh {
                    for (name, value) in entry {
                        known.entry(name).or_insert(value);
                    }
                } else {
                    known.extend(entry);
                }
                is_kept_fresh[place] |= is_fresh;
            }
            (_, entry) => {
                kept.push(entry);
                is_kept_fresh.push(is_fresh);
            }
        }
    }
    (kept, places)
}

/// The sub-attribute of that name; some clients write `displayName` for `display`.
pub(in crate::scim) fn part<'a>(attribute: &'a Attribute, name: &str) -> Option<&'a Attribute> {
    let alias = || {
        name.eq_ignore_ascii_case("displayName")
            .then(|| attribute.sub("display"))
    };
    attribute.sub(name).or_else(|| alias().flatten())
}

/// Makes that entry the only primary one.
pub(in crate::scim) fn make_primary(entries: &mut [Value], keep: usize) {
    for (index, entry) in entries.iter_mut().enumerate() {
        if index == keep || is_primary(entry) {
            entry["primary"] = Value::Bool(index == keep);
        }
    }
}

/// Where the primary entry is.
pub(in crate::scim) fn primary_at(entries: &[Value]) -> Option<usize> {
    entries.iter().position(is_primary)
}

/// The members that a value names, each once. Other keys of a member are ignored.
pub(in crate::scim) fn members(value: Value, attribute: &Attribute) -> Result<Vec<MemberRef>> {
    let items = match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items,
        one @ (Value::Object(_) | Value::String(_)) => vec![one],
        _ => return Err(wrong(&attribute.name, "a list")),
    };
    let mut seen = HashSet::new();
    let mut members = Vec::with_capacity(items.len());
    for item in items {
        if item.is_null() {
            continue;
        }
        let member = member(item).ok_or_else(|| wrong(&attribute.name, "ids of members"))?;
        if seen.insert(member.value.clone()) {
            members.push(member);
        }
    }
    Ok(members)
}

fn member(item: Value) -> Option<MemberRef> {
    let (value, kind) = match item {
        Value::Object(object) => {
            let kind = find(&object, "type")
                .and_then(Value::as_str)
                .and_then(member_kind);
            (unwrap_value(object)?, kind)
        }
        value => (value, None),
    };
    let value = match value {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let fits = !value.is_empty() && value.chars().count() <= STRING;
    fits.then_some(MemberRef { value, kind })
}

fn member_kind(text: &str) -> Option<MemberKind> {
    let named = [("user", MemberKind::User), ("group", MemberKind::Group)];
    named
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text))
        .map(|(_, kind)| kind)
}

fn text_value(attribute: &Attribute, text: String) -> Result<Option<Value>> {
    if text.is_empty() {
        return Ok(None);
    }
    let fits = match attribute.kind {
        Kind::Binary => text.len() <= BINARY,
        _ => text.len() <= STRING || text.chars().count() <= STRING,
    };
    if !fits || text.contains('\0') {
        return Err(wrong(
            &attribute.name,
            "shorter text without NUL characters",
        ));
    }
    let is_sound = match attribute.kind {
        Kind::DateTime => Timestamp::parse(&text).is_some(),
        Kind::Reference if attribute.is_external() => is_https(&text),
        _ => true,
    };
    if !is_sound {
        return Err(expected(attribute));
    }
    Ok(Some(Value::String(text)))
}

/// Whether it is an https URL with a host. What is shown as a link or a picture must not be able to run,
/// nor to lead whoever looks at it into a network of its own (C206).
fn is_https(text: &str) -> bool {
    const SCHEME: &str = "https://";
    // The parser leaves out spaces around a URL and breaks within it, and needs no slashes.
    let is_plain = text
        .get(..SCHEME.len())
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME))
        && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    is_plain && url::Url::parse(text).is_ok_and(|url| url.has_host())
}

fn unwrap_value(mut object: Map<String, Value>) -> Option<Value> {
    let key = object
        .keys()
        .find(|key| key.eq_ignore_ascii_case("value"))?
        .clone();
    object.remove(&key)
}

fn find<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

fn is_primary(entry: &Value) -> bool {
    entry.get("primary") == Some(&Value::Bool(true))
}

fn expected(attribute: &Attribute) -> Error {
    wrong(
        &attribute.name,
        match attribute.kind {
            Kind::Reference if attribute.is_external() => "an https URL",
            Kind::String | Kind::Reference => "text",
            Kind::Boolean => "true or false",
            Kind::Decimal => "a number",
            Kind::Integer => "a whole number",
            Kind::DateTime => "an RFC 3339 date-time",
            Kind::Binary => "base64 text",
            Kind::Complex => "an object",
        },
    )
}

pub(in crate::scim) fn too_many(attribute: &Attribute) -> Error {
    wrong(&attribute.name, "at most 100 entries")
}

fn wrong(name: &str, expected: &str) -> Error {
    Error::value(format!("{name}: expected {expected}"))
}
