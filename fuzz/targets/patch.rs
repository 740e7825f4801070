//! PATCH: an error leaves the document as it was; otherwise the document is one that a POST would
//! bring, and the account of what changed is true. A single operation done twice does nothing the
//! second time, with two exceptions: of paths as keys of its value, which are done in order, a later
//! one may make an entry that an earlier one speaks of; and a filter by `primary` selects others once
//! there is another primary entry.
//!
//! The input is a body, or a list of a resource and a body; or bytes of which each chooses a piece
//! of both, so that more of them say something.

#![no_main]

use gatehouse::scim::json;
use gatehouse::scim::patch::{self, Applied, Operation, PatchRequest};
use gatehouse::scim::resource::{self, Strictness};
use gatehouse::scim::schema::ResourceType;
use gatehouse_fuzz::{choice, document, kind, pieces};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

const ID: &str = "2819c223-7f76-453a-919d-413861904646";

type Document = Map<String, Value>;

fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = choice(input) else {
        return;
    };
    let kind = kind(choice);
    let strictness = if choice & 4 == 0 {
        Strictness::Lenient
    } else {
        Strictness::Strict
    };
    let value = if choice & 8 == 0 {
        json::parse(rest).ok()
    } else {
        Some(pieces::draw(choice, rest))
    };
    let Some(value) = value else {
        return;
    };
    let (document, body) = match value {
        Value::Array(mut items) if items.len() == 2 => {
            let body = items.pop().unwrap_or_default();
            let Ok(taken) = resource::normalise(kind, items.remove(0), strictness) else {
                return;
            };
            accepted(kind, &taken.document, strictness);
            (taken.document, body)
        }
        body => (document(choice), body),
    };
    let Ok(request) = patch::parse(body) else {
        return;
    };
    let mut changed = document.clone();
    let Some(applied) = apply(kind, &request, &mut changed, strictness) else {
        return;
    };
    assert_eq!(applied.changed, changed != document);
    assert_eq!(applied.changed, !applied.changed_attributes.is_empty());
    if let Some(active) = applied.active {
        assert_eq!(changed.get("active"), Some(&Value::Bool(active)));
    }
    accepted(kind, &changed, strictness);
    if strictness == Strictness::Strict {
        // Who is refused nothing gets the same without being strict.
        let mut lenient = document.clone();
        assert!(apply(kind, &request, &mut lenient, Strictness::Lenient).is_some());
        assert_eq!(lenient, changed);
    }
    if let [only] = &request.operations[..]
        && only.value.as_ref().is_none_or(is_one_step)
        && !names_primary(only)
    {
        let mut twice = changed.clone();
        if let Some(again) = apply(kind, &request, &mut twice, strictness) {
            assert!(
                !again.changed,
                "{:?}: {changed:?} then {twice:?}",
                request.operations
            );
        }
    }
});

/// Whether a value has one key at most, or names alone as keys.
fn is_one_step(value: &Value) -> bool {
    fn keys<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        for (key, value) in value.as_object().into_iter().flatten() {
            match value {
                Value::Object(_) if key.contains(':') => keys(value, found),
                _ => found.push(key),
            }
        }
    }
    let mut found = Vec::new();
    keys(value, &mut found);
    let is_name = |key: &&str| {
        let name = key.rsplit(':').next().unwrap_or(key);
        !key.contains('[') && !name.contains('.')
    };
    found.len() < 2 || found.iter().all(is_name)
}

/// Whether the path of an operation, or a key of its value, asks who is primary.
fn names_primary(operation: &Operation) -> bool {
    let value = operation.value.as_ref().and_then(Value::as_object);
    let mut keys = value.into_iter().flatten().map(|(key, _)| key);
    let asks = |text: &str| text.to_ascii_lowercase().contains("primary");
    asks(&format!("{:?}", operation.path)) || keys.any(|key| key.contains('[') && asks(key))
}

fn apply(
    kind: &'static ResourceType,
    request: &PatchRequest,
    document: &mut Document,
    strictness: Strictness,
) -> Option<Applied> {
    let before = document.clone();
    let applied = patch::apply(kind, request, document, ID, strictness).ok();
    if applied.is_none() {
        assert_eq!(*document, before, "an error changes nothing");
    }
    applied
}

/// A stored document reads back, and sent again is taken as it is.
fn accepted(kind: &'static ResourceType, document: &Document, strictness: Strictness) {
    let stored = resource::to_stored(kind, document);
    match resource::from_stored(&stored) {
        Ok(read) => assert_eq!(read, *document),
        Err(error) => panic!("{stored}: {error}"),
    }
    match resource::normalise(kind, Value::Object(document.clone()), strictness) {
        Ok(taken) => {
            assert_eq!(taken.document, *document);
            assert_eq!((taken.notes, taken.members), (Vec::new(), None));
        }
        Err(error) => panic!("{stored}: {error}"),
    }
}
