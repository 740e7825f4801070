//! What servers do wrong with the form of their answers.

use gatehouse::virtual_idp::selftest::Profile;
use serde_json::json;

use super::{error, in_answers, is_list};
use crate::proxy::{Call, Fault, Reply};

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn faults() -> Vec<Fault> {
    let text_counters = |_: &Call, reply: &mut Reply| {
        if is_list(reply) {
            reply.body["totalResults"] = json!(reply.body["totalResults"].to_string());
        }
    };
    let server_error = |_: &Call, reply: &mut Reply| {
        if reply.status == 409 {
            *reply = error(500, "");
        }
    };
    let plain_errors = |_: &Call, reply: &mut Reply| {
        if reply.status >= 400 {
            reply.text = Some("Something went wrong".to_owned());
            "text/plain".clone_into(&mut reply.media);
        }
    };
    let number_status = |_: &Call, reply: &mut Reply| {
        if reply.status >= 400 && reply.body.is_object() {
            reply.body["status"] = json!(reply.status);
        }
    };
    let empty_create = |call: &Call, reply: &mut Reply| {
        if call.method == "POST" && reply.status == 201 {
            reply.text = Some(String::new());
        }
    };
    let show_password = |call: &Call, reply: &mut Reply| {
        if let (Some(password), true) = (call.body.get("password"), reply.body.is_object()) {
            reply.body["password"] = password.clone();
        }
    };
    vec![
        in_answers(
            "counters are texts",
            Profile::Okta,
            &["12.4-1", "12.4-5", "13-15a"],
            text_counters,
        ),
        in_answers(
            "a conflict is a 500",
            Profile::Entra,
            &["12.1-2", "12.1-22", "12.3-23", "13-12a", "13-12h"],
            server_error,
        ),
        in_answers(
            "a conflict is a 500, for Okta",
            Profile::Okta,
            &["12.4-8", "13-12a"],
            server_error,
        ),
        in_answers(
            "a conflict has no scimType",
            Profile::Rfc,
            &["13-12a", "13-12h"],
            |_, reply| {
                if reply.status == 409 {
                    reply.body.as_object_mut().unwrap().remove("scimType");
                }
            },
        ),
        in_answers(
            "errors are plain texts",
            Profile::Okta,
            &[
                "12.4-4", "12.4-11", "12.4-12", "C9340", "13-12b", "13-12c", "13-12d", "13-12e",
            ],
            plain_errors,
        ),
        in_answers(
            "errors are plain texts, as the RFCs have it",
            Profile::Rfc,
            &["13-12c", "13-12f", "13-13d", "7644-3.12", "7644-4b"],
            plain_errors,
        ),
        in_answers(
            "answers are application/json",
            Profile::Entra,
            &["13-13d"],
            |_, reply| "application/json".clone_into(&mut reply.media),
        ),
        in_answers(
            "the status of an error is a number",
            Profile::Okta,
            &["12.4-4", "12.4-11", "12.4-12", "13-12c"],
            number_status,
        ),
        in_answers(
            "a create is answered without the resource",
            Profile::Okta,
            &["12.4-6", "C9290", "13-14a"],
            empty_create,
        ),
        in_answers(
            "a password is shown",
            Profile::Rfc,
            &["13-20"],
            show_password,
        ),
        in_answers(
            "an id of another form is a 400",
            Profile::Okta,
            &["12.4-12"],
            |call, reply| {
                if call.path.ends_with("/00919288221112222") {
                    *reply = error(400, "invalidValue");
                }
            },
        ),
        in_answers(
            "values are folded",
            Profile::Entra,
            &["13-21"],
            |_, reply| {
                if let Some(name) = reply.body["userName"].as_str() {
                    reply.body["userName"] = json!(name.to_lowercase());
                }
            },
        ),
        in_answers(
            "ServiceProviderConfig tells half",
            Profile::Rfc,
            &["13-19a"],
            |_, reply| {
                if let Some(bulk) = reply.body["bulk"].as_object_mut() {
                    bulk.remove("maxOperations");
                }
            },
        ),
    ]
}
