//! What the service says of itself: its configuration, resource types and schemas.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::cursor::LIFE_SECONDS;
use super::messages::DEFAULT_RESULTS;
use super::registry::Registry;
use super::schema::{ResourceType, Schema};

const CONFIG: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
const RESOURCE_TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";

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

/// What a request may ask for at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Resources of a page.
    pub page_size: u32,
    /// Operations of a Bulk request.
    pub bulk_operations: u32,
    /// The body of a Bulk request, in bytes.
    pub bulk_bytes: u32,
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
    /// How long a cursor is good, in seconds.
    pub cursor_timeout: u32,
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
    /// What this service supports, for clients that know it by that base address.
    #[must_use]
    pub fn new(base_url: &str, limits: Limits) -> Self {
        let yes = Supported { supported: true };
        let page_size = limits.page_size;
        Self {
            schemas: [CONFIG],
            patch: yes,
            bulk: Bulk {
                supported: true,
                max_operations: limits.bulk_operations,
                max_payload_size: limits.bulk_bytes,
            },
            filter: Filter {
                supported: true,
                max_results: page_size,
            },
            change_password: Supported { supported: false },
            sort: yes,
            etag: yes,
            pagination: Pagination {
                cursor: true,
                index: true,
                default_pagination_method: "index",
                default_page_size: DEFAULT_RESULTS.min(page_size),
                max_page_size: page_size,
                cursor_timeout: LIFE_SECONDS,
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
pub fn resource_types(registry: &Registry, with_roles: bool, base_url: &str) -> Vec<Value> {
    let kinds = registry.types(with_roles);
    kinds.map(|kind| describe(kind, base_url)).collect()
}

/// The documents of `/Schemas` (RFC 7643 section 7).
#[must_use]
pub fn schemas(registry: &Registry, with_roles: bool, base_url: &str) -> Vec<Value> {
    let schemas = registry.schemas(with_roles);
    schemas.map(|schema| document(schema, base_url)).collect()
}

fn describe(kind: &ResourceType, base_url: &str) -> Value {
    let extensions: Vec<Value> = kind
        .extensions
        .iter()
        .map(|it| json!({"schema": it.schema.id, "required": it.required}))
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

fn document(schema: &Schema, base_url: &str) -> Value {
    let mut document = Map::new();
    document.insert("schemas".to_owned(), json!([SCHEMA]));
    document.extend(schema.source.clone());
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
    use crate::scim::schema::{ENTERPRISE_USER, GROUP};

    const BASE: &str = "https://scim.example/scim/v2";

    #[test]
    fn the_service_provider_config_is_complete() {
        let limits = Limits {
            page_size: 200,
            bulk_operations: 1_000,
            bulk_bytes: 8_388_608,
        };
        let config = json!(ServiceProviderConfig::new(BASE, limits));
        for block in ["patch", "bulk", "filter", "changePassword", "sort", "etag"] {
            assert!(config[block]["supported"].is_boolean(), "{block}");
        }
        assert_eq!(config["bulk"]["maxOperations"], 1_000);
        assert_eq!(config["bulk"]["maxPayloadSize"], 8_388_608);
        assert_eq!(config["filter"]["maxResults"], 200);
        assert_eq!(config["pagination"]["maxPageSize"], 200);
        assert_eq!(config["pagination"]["defaultPaginationMethod"], "index");
        assert_eq!(
            config["authenticationSchemes"][0]["type"],
            "oauthbearertoken"
        );
    }

    #[test]
    fn documents_name_their_address() {
        let registry = Registry::built_in();
        let types = resource_types(registry, false, BASE);
        assert_eq!(types.len(), 2);
        let location = format!("{BASE}/ResourceTypes/User");
        assert_eq!(types[0]["meta"]["location"], location);
        assert_eq!(types[0]["schemaExtensions"][0]["schema"], ENTERPRISE_USER);
        assert_eq!(resource_types(registry, true, BASE).len(), 3);
        let schemas = schemas(registry, false, BASE);
        assert_eq!(schemas.len(), 6);
        let group = schemas.iter().find(|schema| schema["id"] == GROUP).unwrap();
        assert_eq!(group["attributes"][0]["name"], "displayName");
    }

    #[test]
    fn discovery_documents_hold_no_nulls() {
        let registry = Registry::built_in();
        let documents = [
            schemas(registry, true, BASE),
            resource_types(registry, true, BASE),
        ];
        assert!(
            !Value::Array(documents.concat())
                .to_string()
                .contains("null")
        );
    }
}
