//! Registering schemas and resource types: what their documents may say.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::path::is_name;
use super::registry::{Registry, built_in};
use super::schema::{
    Attribute, Extension, Kind, Mutability, Purpose, ResourceType, Schema, Uniqueness, common,
};
use crate::error::{Error, Result};

/// Most documents that are registered together.
pub const DOCUMENTS: usize = 100;
/// Largest document, in bytes of its canonical text.
pub const BYTES: usize = 64 * 1024;
/// Most attributes of a schema or parts of a complex attribute.
const ATTRIBUTES: usize = 200;

/// Paths below the base address that are the protocol's own.
const RESERVED: [&str; 9] = [
    "Users",
    "Groups",
    "Roles",
    "Me",
    "Bulk",
    "Schemas",
    "ResourceTypes",
    "ServiceProviderConfig",
    "search",
];

/// A document that can be registered.
#[derive(Debug, Clone, PartialEq)]
pub enum Document {
    /// A schema; its id.
    Schema(String),
    /// A resource type; its name.
    ResourceType(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TypeDocument {
    name: String,
    #[serde(default)]
    description: String,
    endpoint: Option<String>,
    schema: Option<String>,
    #[serde(default)]
    schema_extensions: Vec<ExtensionDocument>,
}

#[derive(Deserialize)]
struct ExtensionDocument {
    schema: String,
    #[serde(default)]
    required: bool,
}

/// What a document is, and its canonical form: every characteristic of an attribute is written out,
/// and what only the server says is left out.
pub fn read(document: &Value) -> Result<(Document, Value)> {
    let Value::Object(source) = document else {
        return Err(refused("expected a schema or resource type document"));
    };
    let canonical = if source.contains_key("attributes") {
        let schema = schema(source)?;
        let attributes = serde_json::to_value(&schema.attributes).map_err(Error::internal)?;
        let mut canonical = Map::new();
        canonical.insert("id".to_owned(), schema.id.clone().into());
        for (name, text) in [("name", &schema.name), ("description", &schema.description)] {
            if !text.is_empty() {
                canonical.insert(name.to_owned(), text.as_str().into());
            }
        }
        canonical.insert("attributes".to_owned(), attributes);
        (Document::Schema(schema.id), Value::Object(canonical))
    } else {
        let kind = resource_type(source)?;
        let mut canonical = source.clone();
        canonical.retain(|name, _| {
            [
                "name",
                "description",
                "endpoint",
                "schema",
                "schemaExtensions",
            ]
            .contains(&name.as_str())
        });
        (Document::ResourceType(kind.name), Value::Object(canonical))
    };
    if canonical.1.to_string().len() > BYTES {
        return Err(refused("expected a document of at most 64 KiB"));
    }
    Ok(canonical)
}

/// The built-in registry with these documents.
pub(super) fn build(documents: &[Value]) -> Result<Registry> {
    if documents.len() > DOCUMENTS {
        return Err(refused("expected at most 100 schemas and resource types"));
    }
    let mut registry = built_in();
    let (schemas, types): (Vec<_>, Vec<_>) = documents
        .iter()
        .filter_map(Value::as_object)
        .partition(|document| document.contains_key("attributes"));
    for document in schemas {
        let schema = schema(document)?;
        let is_within = |one: &str, other: &str| {
            let (one, other) = (one.to_ascii_lowercase(), other.to_ascii_lowercase());
            one.strip_prefix(&other)
                .is_some_and(|rest| rest.starts_with(':'))
        };
        let clash = registry
            .schemas
            .iter()
            .any(|known| is_within(&known.id, &schema.id) || is_within(&schema.id, &known.id));
        if clash
            || schema
                .id
                .to_ascii_lowercase()
                .starts_with("urn:ietf:params:scim:api:")
        {
            return Err(refused(format!(
                "id: {} would be taken for a path or a message",
                schema.id
            )));
        }
        if registry.schema(&schema.id).is_some() {
            return Err(refused(format!("schema {} is there already", schema.id)));
        }
        registry.schemas.push(Box::leak(Box::new(schema)));
    }
    for document in types {
        add_type(&mut registry, &resource_type(document)?)?;
    }
    Ok(registry)
}

fn add_type(registry: &mut Registry, document: &TypeDocument) -> Result<()> {
    let mut extensions = Vec::new();
    for extension in &document.schema_extensions {
        let schema = registry
            .schema(&extension.schema)
            .ok_or_else(|| refused(format!("schema {} is not registered", extension.schema)))?;
        extensions.push(Extension {
            schema,
            required: extension.required,
        });
    }
    let known = registry
        .types
        .iter()
        .position(|kind| kind.name.eq_ignore_ascii_case(&document.name));
    let at = match known {
        Some(at) => {
            let kind = &registry.types[at];
            let is_extensible = matches!(kind.purpose, Purpose::User | Purpose::Group);
            let fits =
                |given: &Option<String>, own: &str| given.as_ref().is_none_or(|it| it == own);
            if !is_extensible
                || !fits(&document.endpoint, &kind.endpoint)
                || !fits(&document.schema, &kind.schema.id)
            {
                return Err(refused(format!(
                    "resource type {} is there already",
                    document.name
                )));
            }
            at
        }
        None => {
            let kind = new_type(registry, document)?;
            registry.types.push(kind);
            registry.types.len() - 1
        }
    };
    let kind = &mut registry.types[at];
    for extension in extensions {
        let urn = &extension.schema.id;
        if kind.schemas().any(|(schema, _)| schema.id == *urn) {
            return Err(refused(format!("{} has schema {urn} already", kind.name)));
        }
        kind.extensions.push(extension);
    }
    Ok(())
}

fn new_type(registry: &Registry, document: &TypeDocument) -> Result<ResourceType> {
    let (Some(endpoint), Some(urn)) = (&document.endpoint, &document.schema) else {
        return Err(refused(
            "a resource type needs an endpoint and a schema of its own",
        ));
    };
    let is_reserved = |name: &str| {
        let mut reserved = ["Schema", "ResourceType", "ServiceProviderConfig"].iter();
        reserved.any(|known| known.eq_ignore_ascii_case(name))
    };
    if is_reserved(&document.name) {
        return Err(refused("name: expected another than those of the protocol"));
    }
    let path = endpoint.strip_prefix('/').unwrap_or_default();
    let is_free = registry.at(path).is_none()
        && !RESERVED
            .iter()
            .any(|reserved| reserved.eq_ignore_ascii_case(path));
    if !is_name(path) || path.len() > 64 || !is_free {
        return Err(refused(
            "endpoint: expected a slash and a name that is not taken, such as /Devices",
        ));
    }
    let schema = registry
        .schema(urn)
        .ok_or_else(|| refused(format!("schema {urn} is not registered")))?;
    if schema.attributes.iter().any(is_common) {
        return Err(refused(
            "a base schema does not define id, externalId, meta or schemas",
        ));
    }
    Ok(ResourceType {
        name: document.name.clone(),
        endpoint: endpoint.clone(),
        description: document.description.clone(),
        purpose: Purpose::Custom,
        schema,
        extensions: Vec::new(),
    })
}

fn is_common(attribute: &Attribute) -> bool {
    common(&attribute.name).is_some()
}

fn resource_type(source: &Map<String, Value>) -> Result<TypeDocument> {
    let document: TypeDocument = serde_json::from_value(Value::Object(source.clone()))
        .map_err(|error| refused(format!("resource type: {error}")))?;
    if !is_name(&document.name) || document.name.len() > 64 {
        return Err(refused("name: expected letters, digits, - and _"));
    }
    Ok(document)
}

fn schema(source: &Map<String, Value>) -> Result<Schema> {
    let document = Value::Object(source.clone()).to_string();
    let schema = Schema::read(&document).map_err(|error| refused(format!("schema: {error}")))?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    if !schema.id.starts_with("urn:") || !schema.id.chars().all(fits) || schema.id.len() > 200 {
        return Err(refused(
            "id: expected a URN of letters, digits, - _ . and :",
        ));
    }
    attributes(&schema.attributes, true)?;
    Ok(schema)
}

fn attributes(attributes: &[Attribute], is_top: bool) -> Result<()> {
    if attributes.is_empty() || attributes.len() > ATTRIBUTES {
        return Err(refused("attributes: expected 1 to 200 of them"));
    }
    let mut names = HashSet::new();
    for attribute in attributes {
        let name = &attribute.name;
        let wrong = |expected: &str| Err(refused(format!("{name}: expected {expected}")));
        if !is_name(name) || name.len() > 100 {
            return Err(refused(
                "name: expected a letter, then letters, digits, - and _",
            ));
        }
        if name.eq_ignore_ascii_case("schemas") {
            return wrong("another name, which no resource has already");
        }
        if !names.insert(name.to_ascii_lowercase()) {
            return wrong("each name once");
        }
        let is_complex = attribute.kind == Kind::Complex;
        if is_complex == attribute.sub_attributes.is_empty() {
            return wrong("subAttributes with type complex, and only there");
        }
        if is_complex && !is_top {
            return wrong("no complex attribute within another (RFC 7643 section 2.3.8)");
        }
        let can_be_unique = matches!(
            attribute.kind,
            Kind::String | Kind::Reference | Kind::Integer | Kind::DateTime
        );
        if attribute.uniqueness != Uniqueness::None && !can_be_unique {
            return wrong("uniqueness of text, references, integers or instants");
        }
        if attribute.required && attribute.mutability == Mutability::ReadOnly {
            return wrong("no required attribute that nobody can write");
        }
        if is_complex {
            self::attributes(&attribute.sub_attributes, false)?;
        }
    }
    Ok(())
}

fn refused(detail: impl Into<String>) -> Error {
    Error::value(detail)
}
