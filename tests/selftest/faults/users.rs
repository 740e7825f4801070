//! What servers do wrong with users.

use gatehouse::virtual_idp::selftest::Profile;
use serde_json::{Value, json};

use super::{error, in_requests, is, operations, retain};
use crate::proxy::{Call, Fault, Reply};

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn faults() -> Vec<Fault> {
    let ignore_text = |call: &mut Call| {
        let is_dropped = retain(call, "/Users/", |op| {
            !(op["path"] == "active" && op["value"].is_string())
        });
        let is_empty = call.body["Operations"] == json!([]);
        (is_dropped && is_empty).then(|| Reply::of(204, Value::Null))
    };
    let merge = |call: &mut Call| {
        if call.method == "PUT" && call.before.is_object() && call.body.is_object() {
            let sent = call.body.as_object().cloned().unwrap();
            let mut whole = call.before.as_object().cloned().unwrap();
            whole.extend(sent);
            call.body = Value::Object(whole);
        }
        None
    };
    let forget_external_id = |call: &mut Call| {
        if let Some(body) = call.body.as_object_mut() {
            body.remove("externalId");
        }
        None
    };
    let do_not_delete =
        |call: &mut Call| (call.method == "DELETE").then(|| Reply::of(204, Value::Null));
    let refuse_unknown_paths = |call: &mut Call| {
        let mut operations = operations(call, "/Users/").into_iter();
        let is_unknown = |op: &mut Value| op["path"].as_str().is_some_and(|p| p.contains("madeUp"));
        operations
            .any(is_unknown)
            .then(|| error(400, "invalidPath"))
    };
    let refuse_missing_entries = |call: &mut Call| {
        let mut operations = operations(call, "/Users/").into_iter();
        let is_filtered = |op: &mut Value| {
            op["path"]
                .as_str()
                .is_some_and(|path| path.contains("[type eq"))
                && !is(op, "remove")
        };
        operations.any(is_filtered).then(|| error(400, "noTarget"))
    };
    let skip_unknown_operations = |call: &mut Call| {
        let is_known = |op: &Value| ["add", "remove", "replace"].iter().any(|name| is(op, name));
        retain(call, "/Users/", is_known);
        None
    };
    let forget_dotted_keys = |call: &mut Call| {
        for operation in operations(call, "/Users/") {
            if let (None, Some(value)) = (
                operation.get("path").cloned(),
                operation["value"].as_object_mut(),
            ) {
                value.retain(|key, _| key.starts_with("urn:") || !key.contains('.'));
            }
        }
        None
    };
    let refuse_text_managers = |call: &mut Call| {
        let mut operations = operations(call, "/Users/").into_iter();
        let is_text = |op: &mut Value| {
            let is_manager = op["path"]
                .as_str()
                .is_some_and(|path| path.ends_with(":manager"));
            is_manager && op["value"].is_string()
        };
        operations.any(is_text).then(|| error(400, "invalidValue"))
    };
    let refuse_nothing_to_do = |call: &mut Call| {
        let is_empty = call.method == "PATCH" && call.body["Operations"] == json!([]);
        is_empty.then(|| error(400, "invalidSyntax"))
    };
    vec![
        in_requests(
            "active as a text is ignored",
            Profile::Entra,
            &["12.1-9", "12.2-U3", "13-1d", "13-10a"],
            ignore_text,
        ),
        in_requests("a PUT merges", Profile::Rfc, &["7644-3.5.1a"], merge),
        in_requests("a PUT merges, for Okta", Profile::Okta, &["C9336"], merge),
        in_requests(
            "externalId is dropped",
            Profile::Entra,
            &["12.1-1", "13-17c", "12.3-5", "13-14a"],
            forget_external_id,
        ),
        in_requests(
            "a removal is answered and not done",
            Profile::Rfc,
            &["13-10d", "7644-3.6", "7644-3.6b"],
            do_not_delete,
        ),
        in_requests(
            "a removal is answered and not done, for Entra",
            Profile::Entra,
            &["12.1-15", "12.1-27", "P4", "P7", "P3", "P6"],
            do_not_delete,
        ),
        in_requests(
            "an unknown path refuses the whole PATCH",
            Profile::Entra,
            &["13-9e"],
            refuse_unknown_paths,
        ),
        in_requests(
            "an entry that is not there is a noTarget",
            Profile::Entra,
            &["13-3a", "13-3b", "12.1-7", "12.1-11", "12.2-U2"],
            refuse_missing_entries,
        ),
        in_requests(
            "an unknown operation is skipped",
            Profile::Rfc,
            &["13-9g"],
            skip_unknown_operations,
        ),
        in_requests(
            "dotted keys are no paths",
            Profile::Entra,
            &["13-2b", "12.1-6", "12.2-U7"],
            forget_dotted_keys,
        ),
        in_requests(
            "a manager must be an object",
            Profile::Entra,
            &["12.1-12", "12.1-13", "12.1-14", "12.2-U5", "13-7a"],
            refuse_text_managers,
        ),
        in_requests(
            "a PATCH without operations is refused",
            Profile::Entra,
            &["13-22"],
            refuse_nothing_to_do,
        ),
    ]
}
