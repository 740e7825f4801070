//! The protocol's own messages: lists and errors.

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{Error, Result};

/// How many resources a page has when the request names no count.
pub const DEFAULT_RESULTS: u32 = 100;

/// URN of a search request (RFC 7644 section 3.4.3).
pub const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// One page of resources (RFC 7644 section 3.4.2), each the text it was rendered to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListResponse {
    schemas: [&'static str; 1],
    /// How many resources there are on all pages; none where a page by cursor did not find out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_results: Option<u64>,
    /// Where this page starts, counted from one; none where it was asked for by cursor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_index: Option<u64>,
    /// How many resources are on this page.
    pub items_per_page: usize,
    /// Where the next page starts (RFC 9865); none with the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// The resources.
    #[serde(rename = "Resources")]
    pub resources: Vec<Box<RawValue>>,
}

/// How a page was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// By the place of its first resource, counted from one.
    Index(u64),
    /// By cursor; where the next page starts, unless this is the last.
    Cursor(Option<String>),
}

impl ListResponse {
    /// A page of resources that are JSON texts.
    pub fn new(total_results: Option<u64>, start: Start, resources: Vec<String>) -> Result<Self> {
        let (start_index, next_cursor) = match start {
            Start::Index(index) => (Some(index), None),
            Start::Cursor(next) => (None, next),
        };
        let resources: Vec<Box<RawValue>> = resources
            .into_iter()
            .map(RawValue::from_string)
            .collect::<Result<_, _>>()
            .map_err(Error::internal)?;
        Ok(Self {
            schemas: [LIST],
            total_results,
            start_index,
            items_per_page: resources.len(),
            next_cursor,
            resources,
        })
    }

    /// All of a short list, on one page.
    pub fn whole(resources: &[Value]) -> Result<Self> {
        let texts: Vec<String> = resources.iter().map(Value::to_string).collect();
        Self::new(Some(texts.len() as u64), Start::Index(1), texts)
    }
}

/// An error (RFC 7644 section 3.12).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    schemas: [&'static str; 1],
    /// The HTTP status, as text.
    pub status: String,
    /// What kind of fault it is, where the standard has a word for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scim_type: Option<&'static str>,
    /// What went wrong, for people.
    pub detail: String,
}

impl ErrorBody {
    /// An error of that HTTP status.
    pub fn new(status: u16, scim_type: Option<&'static str>, detail: impl Into<String>) -> Self {
        Self {
            schemas: [ERROR],
            status: status.to_string(),
            scim_type,
            detail: detail.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_holds_rendered_texts() {
        let list =
            ListResponse::new(Some(7), Start::Index(3), vec![r#"{"id":"1"}"#.to_owned()]).unwrap();
        assert_eq!(
            json!(list),
            json!({
                "schemas": [LIST], "totalResults": 7, "startIndex": 3, "itemsPerPage": 1,
                "Resources": [{"id": "1"}],
            })
        );
        let list =
            ListResponse::new(Some(7), Start::Cursor(Some("n".to_owned())), Vec::new()).unwrap();
        assert_eq!(json!(list)["nextCursor"], "n");
        assert!(json!(list).get("startIndex").is_none());
        assert!(ListResponse::new(Some(1), Start::Index(1), vec!["{".to_owned()]).is_err());
    }

    #[test]
    fn an_error_has_its_status_as_text() {
        let error = ErrorBody::new(409, Some("uniqueness"), "userName is already taken");
        assert_eq!(
            json!(error),
            json!({
                "schemas": [ERROR], "status": "409", "scimType": "uniqueness",
                "detail": "userName is already taken",
            })
        );
        assert!(
            json!(ErrorBody::new(404, None, "x"))
                .get("scimType")
                .is_none()
        );
    }
}
