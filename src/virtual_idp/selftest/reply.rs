//! Answers, and what must hold of them.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde_json::Value;

use super::report::Exchange;
use crate::virtual_idp::Error;

pub(super) const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
pub(super) const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// What a check gives: `Err` ends its case.
pub(super) type Checked<T = ()> = Result<T, Stop>;

/// Why a case ends before its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// What must hold does not; with what decided, if it was not the last answer.
    Failed(String, Option<Arc<Exchange>>),
    /// It does not concern this service.
    Skipped(String),
    /// No answer came.
    Silent(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Silent(error)
    }
}

/// The end of a case that failed, as the last answer showed.
pub(super) fn failed<T>(reason: impl Into<String>) -> Checked<T> {
    Err(Stop::Failed(reason.into(), None))
}

/// The end of a case that does not concern this service.
pub(super) fn skipped<T>(reason: impl Into<String>) -> Checked<T> {
    Err(Stop::Skipped(reason.into()))
}

/// Fails with `reason` unless `holds`.
pub(super) fn ensure(holds: bool, reason: impl Into<String>) -> Checked {
    if holds { Ok(()) } else { failed(reason) }
}

/// An answer to a request.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// `Null` where it is not JSON.
    pub(super) body: Value,
    pub(super) exchange: Arc<Exchange>,
    pub(super) took: Duration,
}

/// A page of resources.
#[derive(Debug)]
pub(super) struct List {
    pub(super) total: u64,
    pub(super) resources: Vec<Value>,
    pub(super) reply: Reply,
}

impl Reply {
    /// Fails because of this answer.
    pub(super) fn fail<T>(&self, reason: impl Into<String>) -> Checked<T> {
        Err(Stop::Failed(reason.into(), Some(self.exchange.clone())))
    }

    /// The status is one of these.
    pub(super) fn is(self, expected: &[u16]) -> Checked<Self> {
        if expected.contains(&self.status) {
            return Ok(self);
        }
        let expected: Vec<_> = expected.iter().map(u16::to_string).collect();
        let (expected, status) = (expected.join(" or "), self.status);
        self.fail(format!("expected {expected}, answered {status}"))
    }

    /// The status is one of these, and the body is an error of RFC 7644 section 3.12.
    pub(super) fn refused(self, expected: &[u16]) -> Checked<Self> {
        let reply = self.is(expected)?;
        let status = reply.status.to_string();
        if !reply.body.is_object() {
            return reply.fail("expected the error as a JSON object");
        }
        if !has_schema(&reply.body, ERROR) {
            return reply.fail(format!("expected {ERROR} among the schemas of the error"));
        }
        if reply.body["status"].as_str() != Some(&status) {
            let found = &reply.body["status"];
            return reply.fail(format!(
                "expected status \"{status}\" as text, found {found}"
            ));
        }
        Ok(reply)
    }

    /// The error says so in words, as Okta shows them to the admin.
    pub(super) fn with_detail(self) -> Checked<Self> {
        match self.body["detail"].as_str() {
            Some(detail) if !detail.is_empty() => Ok(self),
            _ => self.fail("expected a detail in the error"),
        }
    }

    /// The error is of that kind.
    pub(super) fn of_type(self, expected: &str) -> Checked<Self> {
        if self.body["scimType"] == expected {
            return Ok(self);
        }
        let found = &self.body["scimType"];
        self.fail(format!("expected scimType {expected}, found {found}"))
    }

    /// The body is a resource with an id.
    pub(super) fn resource(self, expected: &[u16]) -> Checked<Self> {
        let reply = self.is(expected)?;
        match reply.body["id"].as_str() {
            Some(id) if !id.is_empty() => Ok(reply),
            _ => reply.fail("expected the resource with its id in the body"),
        }
    }

    /// The body is a page of resources, with numbers for counters.
    pub(super) fn list(self) -> Checked<List> {
        let reply = self.is(&[200])?;
        if !has_schema(&reply.body, LIST) {
            return reply.fail(format!("expected {LIST} among the schemas of the list"));
        }
        let is_by_cursor = reply.exchange.path.contains("cursor=");
        for counter in ["totalResults", "itemsPerPage", "startIndex"] {
            let value = &reply.body[counter];
            // RFC 9865 section 2: pages by cursor need not tell the total.
            let may_lack = counter != "totalResults" || is_by_cursor;
            let is_fine = value.is_u64() || value.is_null() && may_lack;
            if !is_fine {
                return reply.fail(format!("expected {counter} as an integer, found {value}"));
            }
        }
        let resources = match &reply.body["Resources"] {
            Value::Null => Vec::new(),
            Value::Array(resources) => resources.clone(),
            _ => return reply.fail("expected Resources as an array"),
        };
        Ok(List {
            total: reply.body["totalResults"].as_u64().unwrap_or_default(),
            resources,
            reply,
        })
    }

    /// The body holds this: see [`difference`].
    pub(super) fn holds(self, expected: &Value) -> Checked<Self> {
        match difference(expected, &self.body, "") {
            None => Ok(self),
            Some(difference) => self.fail(difference),
        }
    }

    /// The media type, without parameters and in lower case.
    pub(super) fn media(&self) -> String {
        let text = self.header(CONTENT_TYPE.as_str());
        let media = text.split(';').next().unwrap_or_default();
        media.trim().to_ascii_lowercase()
    }

    /// The text of a header; empty if there is none.
    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

impl List {
    /// Nothing is found, which is no error.
    pub(super) fn none(self) -> Checked<Self> {
        match (self.total, self.resources.len()) {
            (0, 0) => Ok(self),
            (total, _) => self.reply.fail(format!("expected no match, found {total}")),
        }
    }

    /// Exactly this one is found; gives it.
    pub(super) fn only(self, id: &str) -> Checked<Value> {
        if self.total != 1 || self.resources.len() != 1 {
            let (total, shown) = (self.total, self.resources.len());
            return self.reply.fail(format!(
                "expected one match, found {total} and {shown} shown"
            ));
        }
        if self.resources[0]["id"] != id {
            return self.reply.fail(format!("expected {id} to be found"));
        }
        Ok(self.resources[0].clone())
    }

    /// The ids on this page.
    pub(super) fn ids(&self) -> Vec<String> {
        let ids = self
            .resources
            .iter()
            .map(|resource| resource["id"].as_str());
        ids.map(|id| id.unwrap_or_default().to_owned()).collect()
    }
}

pub(super) fn has_schema(body: &Value, urn: &str) -> bool {
    let schemas = body["schemas"].as_array();
    schemas.is_some_and(|schemas| schemas.iter().any(|schema| schema == urn))
}

/// What of `expected` is not in `actual`. More may be there: a server adds attributes of its own.
/// `null`, `""` and `[]` stand for "has no value"; of an array each element must be somewhere.
pub(super) fn difference(expected: &Value, actual: &Value, at: &str) -> Option<String> {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            expected.iter().find_map(|(name, value)| {
                let found = actual.get(name).unwrap_or(&Value::Null);
                difference(value, found, &format!("{at}/{name}"))
            })
        }
        _ if is_empty(expected) => {
            (!is_empty(actual)).then(|| format!("expected no value at {at}, found {actual}"))
        }
        (Value::Array(expected), Value::Array(actual)) => expected.iter().find_map(|element| {
            let is_there = actual
                .iter()
                .any(|actual| difference(element, actual, at).is_none());
            (!is_there).then(|| format!("expected {element} in {at}, found {}", list(actual)))
        }),
        _ => (expected != actual).then(|| format!("expected {expected} at {at}, found {actual}")),
    }
}

/// Whether that is how a server says "no value".
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.values().all(is_empty),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn list(values: &[Value]) -> String {
    let values: Vec<_> = values.iter().map(Value::to_string).collect();
    format!("[{}]", values.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_is_what_is_missing_not_what_is_more() {
        let check = |expected: Value, actual: Value, differs: bool| {
            let found = difference(&expected, &actual, "");
            assert_eq!(
                found.is_some(),
                differs,
                "{expected} in {actual}: {found:?}"
            );
        };
        check(json!({"a": 1}), json!({"a": 1, "b": 2}), false);
        check(json!({"a": 1}), json!({"a": "1"}), true);
        check(json!({"a": {"b": "x"}}), json!({"a": {"b": "y"}}), true);
        check(json!({"a": null}), json!({}), false);
        check(json!({"a": null}), json!({"b": 1}), false);
        check(json!({"a": null}), json!({"a": 1}), true);
        check(json!({"a": ""}), json!({"a": "x"}), true);
        check(
            json!({"a": [{"v": 1}]}),
            json!({"a": [{"v": 2}, {"v": 1, "w": 3}]}),
            false,
        );
        check(json!({"a": [{"v": 1}]}), json!({"a": [{"v": 2}]}), true);
        check(json!({"a": [{"v": 1}]}), json!({"a": {"v": 1}}), true);
    }
}
