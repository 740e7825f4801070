//! What every target shares: the resource types, and resources to decide over.

pub mod pieces;

use std::sync::LazyLock;

use gatehouse::scim::registry::Registry;
use gatehouse::scim::schema::{self, ResourceType};
use serde_json::{Map, Value, json};

/// The first byte chooses; the rest is the input.
pub fn choice(input: &[u8]) -> Option<(u8, &[u8])> {
    let (choice, rest) = input.split_first()?;
    Some((*choice, rest))
}

/// The resource type that the two lowest bits stand for: User, Group, or one of every kind of
/// attribute.
pub fn kind(choice: u8) -> &'static ResourceType {
    match choice & 3 {
        0 => schema::user(),
        1 => schema::group(),
        _ => {
            let device = registry().named("Device");
            device.expect("it is among them")
        }
    }
}

/// All resource types.
pub fn registry() -> &'static Registry {
    *TYPES
}

static TYPES: LazyLock<&Registry> = LazyLock::new(|| {
    let (schema, extension) = ("urn:example:Device", "urn:example:Warranty");
    let documents = [
        json!({"id": schema, "name": "Device", "attributes": [
            {"name": "serial", "type": "string", "required": true, "caseExact": true,
             "mutability": "immutable"},
            {"name": "pin", "type": "string", "mutability": "writeOnly", "returned": "never"},
            {"name": "notes", "type": "string", "returned": "request"},
            {"name": "checked", "type": "dateTime"},
            {"name": "weight", "type": "decimal"},
            {"name": "ports", "type": "integer"},
            {"name": "active", "type": "boolean"},
            {"name": "image", "type": "binary"},
            {"name": "seen", "type": "string", "mutability": "readOnly"},
            {"name": "members", "type": "string", "multiValued": true},
            {"name": "sizes", "type": "integer", "multiValued": true},
            {"name": "maker", "type": "complex", "subAttributes": [
                {"name": "name", "type": "string"},
                {"name": "codes", "type": "string", "multiValued": true},
                {"name": "since", "type": "dateTime"}]},
            {"name": "tags", "type": "complex", "multiValued": true, "subAttributes": [
                {"name": "value", "type": "string"}, {"name": "type", "type": "string"},
                {"name": "weight", "type": "decimal"}, {"name": "primary", "type": "boolean"}]},
        ]}),
        json!({"id": extension, "name": "Warranty", "attributes": [
            {"name": "until", "type": "dateTime", "required": true},
            {"name": "number", "type": "string"},
        ]}),
        json!({"name": "Device", "endpoint": "/Devices", "schema": schema, "schemaExtensions": [
            {"schema": extension, "required": true}]}),
    ];
    Registry::with(&documents).expect("the documents are fit to be registered")
});

/// A user, a group, and a device.
pub fn resources() -> [Value; 3] {
    [
        json!({
            "id": "2819c223-7f76-453a-919d-413861904646", "userName": "bjensen@example.com",
            "externalId": "701984", "active": true, "title": "Guide", "nickName": "",
            "name": {"givenName": "Barbara", "familyName": "O'Malley"},
            "emails": [
                {"value": "bjensen@example.com", "type": "work", "primary": true},
                {"value": "babs@jensen.org", "type": "home"},
            ],
            "groups": [{"value": "e9e30dba", "display": "Guides"}],
            "meta": {"resourceType": "User", "created": "2010-01-23T04:56:22Z"},
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
                "department": "Tour Operations", "manager": {"value": "26118915"},
            },
        }),
        json!({
            "id": "e9e30dba", "displayName": "Guides",
            "members": [{"value": "2819c223", "type": "User"}, {"value": "902c246b"}],
        }),
        json!({
            "id": "x", "serial": "A1", "weight": 1.5, "ports": 4, "active": false,
            "checked": "2020-01-01T00:00:00Z", "image": "AA==", "members": ["one", "two"],
            "sizes": [1, 2], "maker": {"name": "Acme", "codes": ["a", "b"]},
            "tags": [{"value": "x", "type": "a", "weight": 0}, {"value": "y", "primary": true}],
            "urn:example:Warranty": {"until": "2030-01-01T00:00:00Z"},
        }),
    ]
}

/// The document that a PATCH is applied to when the input brings none: without what only the server
/// writes, and without what is stored elsewhere.
pub fn document(choice: u8) -> Map<String, Value> {
    static DOCUMENTS: LazyLock<[Map<String, Value>; 3]> = LazyLock::new(|| {
        resources().map(|resource| match resource {
            Value::Object(mut document) => {
                let is_group = document.contains_key("displayName");
                document.retain(|name, value| {
                    let is_owned = ["id", "meta", "groups"].contains(&name.as_str());
                    let is_members = is_group && name == "members";
                    !is_owned && !is_members && value.as_str() != Some("")
                });
                document
            }
            _ => unreachable!("they are objects"),
        })
    });
    DOCUMENTS[usize::from(choice & 3).min(2)].clone()
}
