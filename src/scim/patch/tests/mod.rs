//! Tables of PATCH requests: what identity providers send, and what must be refused.

#![expect(
    clippy::needless_pass_by_value,
    reason = "rows of a table read best as plain values"
)]

mod members;
mod properties;
mod refusals;
mod users;

use serde_json::{Value, json};

use super::*;
use crate::error::Result;
use crate::scim::resource::Strictness;
use crate::scim::schema::{self, ENTERPRISE_USER as URN, ResourceType};

const ID: &str = "2819c223";

fn try_patch(
    kind: &'static ResourceType,
    document: &mut Document,
    operations: Value,
    strictness: Strictness,
) -> Result<Applied> {
    let request = parse(json!({"Operations": operations}))?;
    apply(kind, &request, document, ID, strictness)
}

fn document(value: Value) -> Document {
    match value {
        Value::Object(document) => document,
        other => panic!("{other}"),
    }
}

/// Ada with the given attributes.
fn ada(more: Value) -> Document {
    let mut ada = document(json!({"userName": "ada"}));
    ada.extend(document(more));
    ada
}

fn kind_of(result: Result<Applied>) -> Invalid {
    match result {
        Err(Error::Invalid { kind, .. }) => kind,
        other => panic!("{other:?}"),
    }
}

fn one(op: &str, path: &str, value: Value) -> Value {
    json!([{"op": op, "path": path, "value": value}])
}
