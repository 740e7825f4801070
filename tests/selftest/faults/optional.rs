//! What servers do wrong with features that not every server offers.

use gatehouse::virtual_idp::selftest::Profile;

use super::{in_requests, without};
use crate::proxy::Fault;

pub(super) fn faults() -> Vec<Fault> {
    vec![
        in_requests(
            "If-Match is ignored",
            Profile::Rfc,
            &["7644-3.14d", "7644-3.14e"],
            |call| {
                call.headers.remove("if-match");
                None
            },
        ),
        in_requests(
            "If-None-Match is ignored",
            Profile::Rfc,
            &["7644-3.14c"],
            |call| {
                call.headers.remove("if-none-match");
                None
            },
        ),
        in_requests(
            "sortOrder is ignored",
            Profile::Rfc,
            &["7644-3.4.2.3b"],
            |call| {
                call.query = without(&call.query, "sortOrder");
                None
            },
        ),
        in_requests(
            "failOnErrors is ignored",
            Profile::Rfc,
            &["7644-3.7.3b"],
            |call| {
                if let Some(body) = call.body.as_object_mut() {
                    body.remove("failOnErrors");
                }
                None
            },
        ),
        in_requests(
            "members that a bulkId names are dropped",
            Profile::Rfc,
            &["7644-3.7.2"],
            |call| {
                let operations = call.body["Operations"].as_array_mut();
                for operation in operations.into_iter().flatten() {
                    if let Some(data) = operation["data"].as_object_mut() {
                        data.remove("members");
                    }
                }
                None
            },
        ),
        in_requests(
            "a posted search ignores its filter",
            Profile::Rfc,
            &["7644-3.4.3a", "7644-3.4.3b"],
            |call| {
                if let (true, Some(body)) =
                    (call.path.ends_with("/.search"), call.body.as_object_mut())
                {
                    body.remove("filter");
                }
                None
            },
        ),
        in_requests(
            "every cursor leads to the first page",
            Profile::Rfc,
            &["9865-2a"],
            |call| {
                if call.query.contains("cursor=") {
                    call.query = format!("{}&cursor=", without(&call.query, "cursor"));
                }
                None
            },
        ),
    ]
}
