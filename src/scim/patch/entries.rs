//! What an operation makes of the value of one attribute.

use serde_json::{Map, Value};

use super::{Document, Op, no_target};
use crate::error::Result;
use crate::scim::evaluate::matches_element;
use crate::scim::filter::{Filter, Literal, Operator};
use crate::scim::fold;
use crate::scim::resource::{ENTRIES, Intake, distinct, make_primary, primary_at, too_many};
use crate::scim::schema::{Attribute, Kind};

/// The whole attribute.
pub(super) fn whole(
    intake: &mut Intake,
    op: Op,
    attribute: &Attribute,
    current: Option<Value>,
    value: Option<Value>,
) -> Result<Option<Value>> {
    let value = value.unwrap_or_default();
    if op == Op::Remove {
        return without_listed(intake, attribute, current, value);
    }
    if !attribute.multi_valued {
        return match attribute.kind {
            Kind::Complex => merge(intake, attribute, current, value),
            _ => intake.attribute(attribute, value),
        };
    }
    let is_simple = attribute.kind != Kind::Complex;
    let value = match value {
        // RFC 7644 section 3.5.2.1: "a new value is added".
        Value::Bool(_) | Value::Number(_) if op == Op::Add && is_simple => {
            Value::Array(vec![value])
        }
        Value::String(ref text) if op == Op::Add && is_simple && !text.is_empty() => {
            Value::Array(vec![value])
        }
        value => value,
    };
    let fresh = intake.attribute(attribute, value)?;
    match op {
        Op::Add => add_all(attribute, current, fresh),
        Op::Replace | Op::Remove => Ok(fresh),
    }
}

/// A part of the attribute; of each entry if there are several.
pub(super) fn part(
    intake: &mut Intake,
    op: Op,
    attribute: &Attribute,
    sub: &Attribute,
    current: Option<Value>,
    value: Option<Value>,
) -> Result<Option<Value>> {
    let fresh = fresh_part(intake, op, sub, value)?;
    let mut entries = list(current);
    if entries.is_empty() && fresh.is_some() {
        entries.push(Value::Object(Map::new()));
    }
    let all: Vec<usize> = (0..entries.len()).collect();
    if let Some(fresh) = &fresh
        && !attribute.multi_valued
        && sub.name == "value"
        && entries[0].get("value") != Some(fresh)
    {
        entries[0] = Value::Object(Map::new());
    }
    set_part(&mut entries, &all, sub, fresh.as_ref());
    finish(attribute, entries, &all)
}

/// The entries that a filter selects, or a part of them.
pub(super) fn selected(
    intake: &mut Intake,
    op: Op,
    attribute: &Attribute,
    filter: &Filter,
    sub: Option<&Attribute>,
    current: Option<Value>,
    value: Option<Value>,
) -> Result<Option<Value>> {
    let mut entries = list(current);
    let matching = |entry: &Value| matches_element(filter, entry);
    let mut hits: Vec<usize> = (0..entries.len())
        .filter(|&index| matching(&entries[index]))
        .collect();
    let fresh = match sub {
        Some(sub) => fresh_part(intake, op, sub, value)?,
        None if op == Op::Remove => None,
        None => intake.entry(attribute, only_item(value.unwrap_or_default()))?,
    };
    match (sub, fresh) {
        (None, None) => {
            entries.retain(|entry| !matching(entry));
            hits.clear();
        }
        (Some(sub), None) => set_part(&mut entries, &hits, sub, None),
        (sub, Some(fresh)) => {
            let seed = taken_seed(intake, attribute, filter)?;
            let is_made = hits.is_empty();
            if is_made {
                // Entra and others expect the entry to be made; RFC 7644 section 3.5.2.3, and with
                // it a strict directory, says noTarget.
                let made = Value::Object(seed.clone());
                let has_room = attribute.multi_valued || entries.is_empty();
                let is_strict = op == Op::Replace && intake.is_strict();
                if attribute.kind != Kind::Complex || !has_room || !matching(&made) || is_strict {
                    return Err(no_target("the filter of the path selects nothing"));
                }
                hits.push(entries.len());
                entries.push(made);
            }
            if let Some(sub) = sub {
                set_part(&mut entries, &hits, sub, Some(&fresh));
            } else {
                for &hit in &hits {
                    entries[hit] = renewed(op, &entries[hit], &seed, &fresh);
                }
            }
            if is_made {
                join_last(attribute, &mut entries, &mut hits);
            }
        }
    }
    finish(attribute, entries, &hits)
}

/// An entry made for a filter that its value contradicts would be made again each time.
fn join_last(attribute: &Attribute, entries: &mut Vec<Value>, hits: &mut Vec<usize>) {
    if let Some(last) = entries.pop() {
        *hits = vec![add_one(attribute, entries, last)];
    }
}

/// Adds an entry, or what it says to the one that it means, and tells where it is.
fn add_one(attribute: &Attribute, entries: &mut Vec<Value>, new: Value) -> usize {
    let known = entries
        .iter()
        .position(|entry| is_same(attribute, &new, entry));
    let Some(known) = known else {
        entries.push(new);
        return entries.len() - 1;
    };
    if let (Value::Object(entry), Value::Object(new)) = (&mut entries[known], new) {
        entry.extend(new);
    }
    known
}

fn fresh_part(
    intake: &mut Intake,
    op: Op,
    sub: &Attribute,
    value: Option<Value>,
) -> Result<Option<Value>> {
    match op {
        Op::Remove => Ok(None),
        Op::Add | Op::Replace => intake.attribute(sub, value.unwrap_or_default()),
    }
}

/// An entry with a new value: `add` merges, `replace` keeps only what the filter asked for.
fn renewed(op: Op, old: &Value, seed: &Document, fresh: &Value) -> Value {
    let Value::Object(fresh) = fresh else {
        return fresh.clone();
    };
    let mut entry = match (op, old) {
        (Op::Add, Value::Object(old)) => old.clone(),
        _ => seed.clone(),
    };
    entry.extend(fresh.clone());
    Value::Object(entry)
}

fn set_part(entries: &mut Vec<Value>, hits: &[usize], sub: &Attribute, value: Option<&Value>) {
    for &hit in hits {
        let Some(entry) = entries[hit].as_object_mut() else {
            continue;
        };
        match value {
            Some(value) => {
                entry.insert(sub.name.clone(), value.clone());
            }
            None => {
                entry.shift_remove(&sub.name);
            }
        }
    }
    if value.is_none() {
        let mut index = 0;
        entries.retain(|entry| {
            index += 1;
            !(hits.contains(&(index - 1)) && is_hollow(entry, sub))
        });
    }
}

/// Whether an entry says nothing any more, now that this part of it is gone.
fn is_hollow(entry: &Value, gone: &Attribute) -> bool {
    let label = |name: &String| ["type", "primary", "display", "$ref"].contains(&name.as_str());
    entry
        .as_object()
        .is_some_and(|entry| entry.is_empty() || (gone.name == "value" && entry.keys().all(label)))
}

/// Puts the entries back; a primary one among those touched takes that place from the others.
fn finish(
    attribute: &Attribute,
    mut entries: Vec<Value>,
    touched: &[usize],
) -> Result<Option<Value>> {
    if entries.len() > ENTRIES {
        return Err(too_many(attribute));
    }
    let claimed = touched
        .iter()
        .copied()
        .find(|&index| index < entries.len() && primary_at(&entries[index..=index]).is_some());
    let mut keep = claimed;
    if attribute.multi_valued && !touched.is_empty() {
        // A part that was set may have made two entries the same (RFC 7643 section 2.4).
        let places;
        (entries, places) = distinct(attribute, entries, touched);
        keep = claimed.map(|claimed| places[claimed]);
    }
    if let Some(keep) = keep {
        make_primary(&mut entries, keep);
    }
    if entries.is_empty() {
        return Ok(None);
    }
    Ok(Some(if attribute.multi_valued {
        Value::Array(entries)
    } else {
        entries.remove(0)
    }))
}

fn add_all(
    attribute: &Attribute,
    current: Option<Value>,
    fresh: Option<Value>,
) -> Result<Option<Value>> {
    let mut entries = list(current);
    let touched: Vec<usize> = list(fresh)
        .into_iter()
        .map(|new| add_one(attribute, &mut entries, new))
        .collect();
    finish(attribute, entries, &touched)
}

/// Without the listed entries; without a list nothing is left.
fn without_listed(
    intake: &mut Intake,
    attribute: &Attribute,
    current: Option<Value>,
    value: Value,
) -> Result<Option<Value>> {
    let is_empty = value.is_null() || value.as_str() == Some("");
    if is_empty || !attribute.multi_valued {
        return Ok(None);
    }
    let listed = match value {
        Value::Array(items) => items,
        one => vec![one],
    };
    if listed.len() > ENTRIES {
        return Err(too_many(attribute));
    }
    let mut entries = list(current);
    for item in listed {
        if let Some(item) = intake.entry(attribute, item)? {
            entries.retain(|entry| !is_same(attribute, &item, entry));
        }
    }
    finish(attribute, entries, &[])
}

/// Whether `named` means that entry: the same value and type, or no value and nothing that differs.
fn is_same(attribute: &Attribute, named: &Value, entry: &Value) -> bool {
    let (Value::Object(parts), Value::Object(_)) = (named, entry) else {
        return equal(attribute, named, Some(entry));
    };
    let same = |name: &str, value: &Value| {
        attribute
            .sub(name)
            .is_some_and(|sub| equal(sub, value, entry.get(name)))
    };
    match parts.get("value") {
        Some(value) => {
            same("value", value) && parts.get("type").is_none_or(|kind| same("type", kind))
        }
        None => parts.iter().all(|(name, value)| same(name, value)),
    }
}

fn equal(attribute: &Attribute, left: &Value, right: Option<&Value>) -> bool {
    match (left, right) {
        (Value::String(left), Some(Value::String(right))) if !attribute.case_exact => {
            fold::is_same(left, right)
        }
        (left, right) => Some(left) == right,
    }
}

/// A single complex attribute: given parts are set, null and empty ones cleared.
fn merge(
    intake: &mut Intake,
    attribute: &Attribute,
    current: Option<Value>,
    value: Value,
) -> Result<Option<Value>> {
    let value = only_item(value);
    let cleared: Vec<String> = match &value {
        Value::Object(parts) => parts
            .iter()
            .filter(|(_, value)| value.is_null() || value.as_str() == Some(""))
            .filter_map(|(name, _)| attribute.sub(name).map(|sub| sub.name.clone()))
            .collect(),
        _ => Vec::new(),
    };
    let is_object = value.is_object();
    let fresh = intake.attribute(attribute, value)?;
    let mut merged = match current {
        Some(Value::Object(current)) if is_object || fresh.is_some() => current,
        _ => Map::new(),
    };
    for name in cleared {
        merged.shift_remove(&name);
    }
    if let Some(Value::Object(fresh)) = fresh {
        if fresh
            .get("value")
            .is_some_and(|value| merged.get("value") != Some(value))
        {
            merged.clear();
        }
        merged.extend(fresh);
    }
    Ok((!merged.is_empty()).then_some(Value::Object(merged)))
}

/// What a filter says of an entry, taken in like what a client sends: without parts that only the
/// server writes, and fit for the attribute.
fn taken_seed(intake: &mut Intake, attribute: &Attribute, filter: &Filter) -> Result<Document> {
    let seed = seed(filter);
    if seed.is_empty() {
        return Ok(seed);
    }
    match intake.entry(attribute, Value::Object(seed))? {
        Some(Value::Object(seed)) => Ok(seed),
        _ => Ok(Map::new()),
    }
}

/// What the `eq` terms of a filter say of an entry that it would select.
fn seed(filter: &Filter) -> Document {
    let mut seed = Map::new();
    let terms = match filter {
        Filter::And(terms) => terms.as_slice(),
        one => std::slice::from_ref(one),
    };
    for term in terms {
        if let Filter::Compare {
            path,
            operator: Operator::Eq,
            value,
        } = term
            && let Some(sub) = path.sub
        {
            let value = match value {
                Literal::String(text) => Value::String(text.clone()),
                Literal::Number(number) => Value::Number(number.clone()),
                Literal::Boolean(value) => Value::Bool(*value),
                Literal::Null => continue,
            };
            seed.insert(sub.name.clone(), value);
        }
    }
    seed
}

fn list(value: Option<Value>) -> Vec<Value> {
    match value {
        None => Vec::new(),
        Some(Value::Array(items)) => items,
        Some(one) => vec![one],
    }
}

/// The only item of a list of one, or the value itself.
fn only_item(value: Value) -> Value {
    match value {
        Value::Array(mut items) if items.len() == 1 => items.remove(0),
        value => value,
    }
}
