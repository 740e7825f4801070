//! What servers do wrong with searches and pages.

use gatehouse::virtual_idp::selftest::Profile;
use serde_json::json;

use super::{error, in_answers, in_requests, is_list, show_only, without};
use crate::proxy::{Call, Fault, Reply};

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn faults() -> Vec<Fault> {
    let hide_inactive = |call: &Call, reply: &mut Reply| {
        if call.query.contains("filter=") {
            show_only(reply, |resource| resource["active"] != false);
        }
    };
    let not_found = |call: &Call, reply: &mut Reply| {
        if call.query.contains("filter=") && reply.body["totalResults"] == 0 {
            *reply = error(404, "noTarget");
        }
    };
    let case_sensitive = |call: &Call, reply: &mut Reply| {
        if call.query.to_lowercase().contains("username") {
            let query = call.query.replace("%40", "@");
            show_only(reply, |user| {
                user["userName"]
                    .as_str()
                    .is_some_and(|name| query.contains(name))
            });
        }
    };
    let turn_order = |call: &Call, reply: &mut Reply| {
        if call.number.is_multiple_of(2)
            && let Some(resources) = reply.body["Resources"].as_array_mut()
        {
            resources.reverse();
        }
    };
    let first_page_only = |call: &mut Call| {
        call.query = without(&call.query, "startIndex");
        None
    };
    let show_excluded = |call: &mut Call| {
        call.query = without(&call.query, "excludedAttributes");
        None
    };
    vec![
        in_answers(
            "inactive users are hidden from searches",
            Profile::Entra,
            &["12.1-9", "12.2-U3", "13-10b", "13-11b"],
            hide_inactive,
        ),
        in_answers(
            "inactive users are hidden from searches, for Okta",
            Profile::Okta,
            &["12.5-8", "12.5-13", "C9292", "C9294", "13-10b"],
            hide_inactive,
        ),
        in_answers(
            "a filter without a match is a 404",
            Profile::Entra,
            &["12.1-4", "12.1-19", "12.1-8", "13-11a"],
            not_found,
        ),
        in_answers(
            "a filter without a match is a 404, for Okta",
            Profile::Okta,
            &["12.4-3", "12.4-5", "13-11a"],
            not_found,
        ),
        in_answers(
            "userName is compared by its letter case",
            Profile::Entra,
            &["12.1-5", "13-17b"],
            case_sensitive,
        ),
        in_answers(
            "userName is compared by its letter case, for Okta",
            Profile::Okta,
            &["12.4-9", "13-17b"],
            case_sensitive,
        ),
        in_answers(
            "the order of pages changes",
            Profile::Entra,
            &["12.2-S9", "12.2-S10", "13-15b"],
            turn_order,
        ),
        in_requests(
            "every page is the first",
            Profile::Okta,
            &["C9303", "C9338", "13-15b", "13-15g"],
            first_page_only,
        ),
        in_requests(
            "excludedAttributes are ignored",
            Profile::Entra,
            &["12.1-16", "12.1-17", "13-16a", "13-16e"],
            show_excluded,
        ),
        in_requests(
            "a count of zero is no count",
            Profile::Rfc,
            &["13-15d"],
            |call| {
                call.query = without(&call.query, "count=0");
                None
            },
        ),
        in_answers(
            "a list ends after a hundred",
            Profile::Okta,
            &["13-15f"],
            |call, reply| {
                let start = call.query.split("startIndex=").nth(1).unwrap_or_default();
                let start = start.split('&').next().unwrap_or_default().parse();
                if is_list(reply) && start.unwrap_or(1) > 100 {
                    show_only(reply, |_| false);
                }
            },
        ),
        in_answers(
            "itemsPerPage is what was asked for",
            Profile::Okta,
            &["13-15e", "13-15a"],
            |_, reply| {
                if is_list(reply) {
                    reply.body["itemsPerPage"] = json!("100");
                }
            },
        ),
        in_answers(
            "a filter that cannot be read finds nothing",
            Profile::Rfc,
            &["13-17n"],
            |_, reply| {
                if reply.body["scimType"] == "invalidFilter" {
                    let schema = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
                    *reply = Reply::of(200, json!({"schemas": [schema], "totalResults": 0}));
                }
            },
        ),
    ]
}
