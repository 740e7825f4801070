//! What servers do wrong with the members of groups.

use gatehouse::virtual_idp::selftest::Profile;
use serde_json::{Value, json};

use super::{error, in_answers, in_requests, is, is_at_members, operations, retain};
use crate::proxy::{Call, Fault, Reply};

pub(super) fn faults() -> Vec<Fault> {
    let drop_removals = |call: &mut Call| {
        let is_dropped = retain(call, "/Groups/", |op| !is(op, "remove"));
        (is_dropped && call.body["Operations"] == json!([])).then(|| Reply::of(204, Value::Null))
    };
    let clear_for_any_removal = |call: &mut Call| {
        for operation in operations(call, "/Groups/") {
            if is(operation, "remove") {
                *operation = json!({"op": "remove", "path": "members"});
            }
        }
        None
    };
    let replace_for_add = |call: &mut Call| {
        for operation in operations(call, "/Groups/") {
            if is(operation, "add") && is_at_members(operation) {
                operation["op"] = json!("replace");
            }
        }
        None
    };
    let replace_whole = |call: &mut Call| {
        for operation in operations(call, "/Groups/") {
            if operation.get("path").is_none() && operation["value"].get("members").is_none() {
                operation["value"]["members"] = json!([]);
            }
        }
        None
    };
    let refuse_bare_texts = |call: &mut Call| {
        let is_bare = |value: &Value| value.is_string() || value[0].is_string();
        let mut adds = operations(call, "/Groups/").into_iter();
        let is_there = adds.any(|op| is(op, "add") && is_bare(&op["value"]));
        is_there.then(|| error(400, "invalidValue"))
    };
    vec![
        in_requests(
            "a removal of a member is answered and not done",
            Profile::Entra,
            &["12.1-26", "12.2-G5", "12.3-16", "13-4a", "13-4g", "P5"],
            drop_removals,
        ),
        in_requests(
            "a removal of a member beside a name is answered and not done",
            Profile::Okta,
            &["C9333a", "C9333b", "13-4g"],
            drop_removals,
        ),
        in_requests(
            "a removal of one member clears the group",
            Profile::Entra,
            &["12.1-26", "12.2-G5", "13-4a", "13-4b", "13-6b"],
            clear_for_any_removal,
        ),
        in_requests(
            "an addition drops the members of before",
            Profile::Entra,
            &["12.2-G4", "13-5a", "13-6d", "13-6e", "12.3-15"],
            replace_for_add,
        ),
        in_requests(
            "an addition drops the members of before, for Okta",
            Profile::Okta,
            &["C9332", "C9333b", "13-6d"],
            replace_for_add,
        ),
        in_requests(
            "a replace without a path clears the members it does not name",
            Profile::Entra,
            &["12.1-23", "13-4h"],
            replace_whole,
        ),
        in_requests(
            "a name that is sent again clears the members",
            Profile::Okta,
            &["C9315", "C9322", "C9333a", "13-4h"],
            replace_whole,
        ),
        in_requests(
            "members as bare texts are refused",
            Profile::Entra,
            &["12.3-18", "13-5b"],
            refuse_bare_texts,
        ),
        in_answers(
            "a PATCH of a group answers with its members",
            Profile::Entra,
            &["13-14d"],
            |call, reply| {
                if call.method == "PATCH" && call.path.starts_with("/Groups/") {
                    *reply = Reply::of(200, json!({"id": "x", "members": [{"value": "y"}]}));
                }
            },
        ),
    ]
}
