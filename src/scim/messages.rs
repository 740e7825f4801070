//! The protocol's own messages: lists, errors, and what the service says of itself.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::scim::schema::{self, ResourceType as Kind};

/// How many resources a page has when the request names no count.
pub const DEFAULT_RESULTS: u32 = 100;

const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
const CONFIG: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
const RESOURCE_TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";

/// One page of resources (RFC 7644 section 3.4.2), each the text it was rendered to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListResponse {
    schemas: [&'static str; 1],
    /// How many resources there are on all pages.
    pub total_results: u64,
    /// Where this page starts, counted from one.
    pub start_index: u64,
    /// How many resources are on this page.
    pub items_per_page: usize,
    /// The resources.
    #[serde(rename = "Resources")]
    pub resources: Vec<Box<RawValue>>,
}

impl ListResponse {
    /// A page of resources that are JSON texts.
    pub fn new(total_results: u64, start_index: u64, resources: Vec<String>) -> Result<Self> {
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
            resources,
        })
    }

    /// All of a short list, on one page.
    pub fn whole(resources: &[Value]) -> Result<Self> {
        let texts: Vec<String> = resources.iter().map(Value::to_string).collect();
        Self::new(texts.len() as u64, 1, texts)
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

/// What the service supports (RFC 7643 section 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceProviderConfig {
    schemas: [&'static str; 1],
    /// PATCH.
    pub patch: Supported,
    /// Bulk requests.
    pub bulk: Bulk,
    /// Filters.
    pub filter: Filter,
    /// Changing a password.
    pub change_password: Supported,
    /// Sorting.
    pub sort: Supported,
    /// Entity tags.
    pub etag: Supported,
    /// Ways of paging (RFC 9865).
    pub pagination: Pagination,
    /// Accepted ways of authentication.
    pub authentication_schemes: Vec<AuthenticationScheme>,
    meta: ConfigMeta,
}

/// Whether something is supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Supported {
    /// Whether it is.
    pub supported: bool,
}

/// Whether and how far bulk requests are supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bulk {
    /// Whether they are.
    pub supported: bool,
    /// Most operations in a request.
    pub max_operations: u32,
    /// Largest body in bytes.
    pub max_payload_size: u32,
}

/// Whether and how far filters are supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Filter {
    /// Whether they are.
    pub supported: bool,
    /// Most resources in an answer.
    pub max_results: u32,
}

/// Which ways of paging there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pagination {
    /// By cursor.
    pub cursor: bool,
    /// By index.
    pub index: bool,
    /// The way of paging when the request names none.
    pub default_pagination_method: &'static str,
    /// Page size when the request names none.
    pub default_page_size: u32,
    /// Largest page size.
    pub max_page_size: u32,
}

/// A way of authentication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticationScheme {
    /// The kind of scheme.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub description: &'static str,
    /// Where it is specified.
    pub spec_uri: &'static str,
    /// Whether it is the preferred one.
    pub primary: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ConfigMeta {
    resource_type: &'static str,
    location: String,
}

impl ServiceProviderConfig {
    /// What this service supports, for clients that know it by that base address. A page has at
    /// most `page_size` resources.
    #[must_use]
    pub fn new(base_url: &str, page_size: u32) -> Self {
        let no = Supported { supported: false };
        Self {
            schemas: [CONFIG],
            patch: Supported { supported: true },
            bulk: Bulk {
                supported: false,
                max_operations: 0,
                max_payload_size: 0,
            },
            filter: Filter {
                supported: true,
                max_results: page_size,
            },
            change_password: no,
            sort: no,
            etag: no,
            pagination: Pagination {
                cursor: false,
                index: true,
                default_pagination_method: "index",
                default_page_size: DEFAULT_RESULTS.min(page_size),
                max_page_size: page_size,
            },
            authentication_schemes: vec![AuthenticationScheme {
                kind: "oauthbearertoken",
                name: "OAuth Bearer Token",
                description: "A bearer token of the directory, in the Authorization header",
                spec_uri: "https://www.rfc-editor.org/info/rfc6750",
                primary: true,
            }],
            meta: ConfigMeta {
                resource_type: "ServiceProviderConfig",
                location: format!("{base_url}/ServiceProviderConfig"),
            },
        }
    }
}

/// The documents of `/ResourceTypes` (RFC 7643 section 6).
#[must_use]
pub fn resource_types(base_url: &str) -> Vec<Value> {
    [schema::user(), schema::group()]
        .map(|kind| describe(kind, base_url))
        .into()
}

/// The document of one resource type, by its name in any letter case.
#[must_use]
pub fn resource_type(base_url: &str, name: &str) -> Option<Value> {
    let kinds = [schema::user(), schema::group()];
    let kind = kinds
        .into_iter()
        .find(|kind| kind.name.eq_ignore_ascii_case(name))?;
    Some(describe(kind, base_url))
}

/// The documents of `/Schemas` (RFC 7643 section 7).
#[must_use]
pub fn schemas(base_url: &str) -> Vec<Value> {
    schema::all_schemas()
        .map(|schema| document(schema, base_url))
        .collect()
}

/// The document of one schema, by its URN in any letter case.
#[must_use]
pub fn schema(base_url: &str, urn: &str) -> Option<Value> {
    schema::schema(urn).map(|schema| document(schema, base_url))
}

fn describe(kind: &Kind, base_url: &str) -> Value {
    let extensions: Vec<Value> = kind
        .extensions
        .iter()
        .map(|schema| json!({"schema": schema.id, "required": false}))
        .collect();
    json!({
        "schemas": [RESOURCE_TYPE],
        "id": kind.name,
        "name": kind.name,
        "description": kind.description,
        "endpoint": kind.endpoint,
        "schema": kind.schema.id,
        "schemaExtensions": extensions,
        "meta": {
            "resourceType": "ResourceType",
            "location": format!("{base_url}/ResourceTypes/{}", kind.name),
        },
    })
}

fn document(schema: &schema::Schema, base_url: &str) -> Value {
    let source: Map<String, Value> =
        serde_json::from_str(schema.source).expect("the schema itself was read from this text");
    let mut document = Map::new();
    document.insert("schemas".to_owned(), json!([SCHEMA]));
    document.extend(source);
    document.insert(
        "meta".to_owned(),
        json!({
            "resourceType": "Schema",
            "location": format!("{base_url}/Schemas/{}", schema.id),
        }),
    );
    Value::Object(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://scim.example/scim/v2";

    #[test]
    fn a_list_holds_rendered_texts() {
        let list = ListResponse::new(7, 3, vec![r#"{"id":"1"}"#.to_owned()]).unwrap();
        assert_eq!(
            json!(list),
            json!({
                "schemas": [LIST], "totalResults": 7, "startIndex": 3, "itemsPerPage": 1,
                "Resources": [{"id": "1"}],
            })
        );
        assert!(ListResponse::new(1, 1, vec!["{".to_owned()]).is_err());
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

    #[test]
    fn the_service_provider_config_is_complete() {
        let config = json!(ServiceProviderConfig::new(BASE, 200));
        for block in ["patch", "bulk", "filter", "changePassword", "sort", "etag"] {
            assert!(config[block]["supported"].is_boolean(), "{block}");
        }
        assert!(config["bulk"]["maxOperations"].is_u64());
        assert!(config["bulk"]["maxPayloadSize"].is_u64());
        assert_eq!(config["filter"]["maxResults"], 200);
        assert_eq!(
            config["authenticationSchemes"][0]["type"],
            "oauthbearertoken"
        );
    }

    #[test]
    fn discovery_documents_are_found_whatever_the_letter_case() {
        assert_eq!(resource_types(BASE).len(), 2);
        let user = resource_type(BASE, "user").unwrap();
        assert_eq!(
            user["meta"]["location"],
            format!("{BASE}/ResourceTypes/User")
        );
        assert_eq!(
            user["schemaExtensions"][0]["schema"],
            schema::ENTERPRISE_USER
        );
        assert_eq!(schemas(BASE).len(), 6);
        let group = schema(BASE, &schema::GROUP.to_lowercase()).unwrap();
        assert_eq!(group["id"], schema::GROUP);
        assert_eq!(group["attributes"][0]["name"], "displayName");
        assert!(schema(BASE, "urn:nothing").is_none());
    }

    #[test]
    fn discovery_documents_hold_no_nulls() {
        let documents = [schemas(BASE), resource_types(BASE)].concat();
        assert!(!Value::Array(documents).to_string().contains("null"));
    }
}
