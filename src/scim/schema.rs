//! Schemas and resource types, read from `schemas/*.json`: what each attribute is and may do.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::path::Resolved;
use super::registry::Registry;

/// URN of the core User schema.
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// URN of the core Group schema.
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// URN of the enterprise extension of User.
pub const ENTERPRISE_USER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// The data type of an attribute (RFC 7643 section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Text.
    String,
    /// True or false.
    Boolean,
    /// A number with fraction.
    Decimal,
    /// A whole number.
    Integer,
    /// An instant.
    DateTime,
    /// Bytes in base64.
    Binary,
    /// A URI or the id of a resource.
    Reference,
    /// An object of sub-attributes.
    Complex,
}

/// Whether and when an attribute can be written (RFC 7643 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mutability {
    /// Only the server writes it.
    ReadOnly,
    /// The client may write it at any time.
    #[default]
    ReadWrite,
    /// The client may write it once.
    Immutable,
    /// The client may write it but never read it.
    WriteOnly,
}

/// When an attribute is returned (RFC 7643 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Returned {
    /// Whatever the request asks for.
    Always,
    /// Not even on request.
    Never,
    /// Unless the request excludes it.
    #[default]
    Default,
    /// Only if the request names it.
    Request,
}

/// Where a value must be unique (RFC 7643 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Uniqueness {
    /// Nowhere.
    #[default]
    None,
    /// Within the directory.
    Server,
    /// Everywhere.
    Global,
}

/// One attribute of a schema with its characteristics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attribute {
    /// Its name in the spelling of the schema.
    pub name: String,
    /// Its data type.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Whether it holds a list of values.
    #[serde(default)]
    pub multi_valued: bool,
    /// Whether a resource must have it.
    #[serde(default)]
    pub required: bool,
    /// Whether letter case counts when it is compared.
    #[serde(default)]
    pub case_exact: bool,
    /// Whether and when it can be written.
    #[serde(default)]
    pub mutability: Mutability,
    /// When it is returned.
    #[serde(default)]
    pub returned: Returned,
    /// Where its value is unique.
    #[serde(default)]
    pub uniqueness: Uniqueness,
    /// Suggested values; others are accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub canonical_values: Vec<String>,
    /// What a reference may point to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reference_types: Vec<String>,
    /// The parts of a complex attribute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sub_attributes: Vec<Attribute>,
    /// What it is, for people.
    #[serde(default)]
    pub description: String,
}

impl Attribute {
    /// The sub-attribute of that name, whatever its letter case.
    #[must_use]
    pub fn sub(&self, name: &str) -> Option<&Attribute> {
        find(&self.sub_attributes, name)
    }

    /// Whether it refers to something outside of the service, as an address on the web does.
    #[must_use]
    pub fn is_external(&self) -> bool {
        self.reference_types.iter().any(|kind| kind == "external")
    }

    /// The `value` of a complex attribute, for which the attribute itself can stand.
    #[must_use]
    pub fn value(&self) -> Option<&Attribute> {
        self.sub("value")
    }
}

/// A schema: a URN and the attributes defined under it.
#[derive(Debug, Deserialize)]
pub struct Schema {
    /// Its URN.
    pub id: String,
    /// Its short name.
    #[serde(default)]
    pub name: String,
    /// What it describes, for people.
    #[serde(default)]
    pub description: String,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
    /// The document it was read from.
    #[serde(skip)]
    pub source: Map<String, Value>,
}

impl Schema {
    /// Reads a schema document (RFC 7643 section 7) without checking what it says.
    pub(super) fn read(document: &str) -> serde_json::Result<Self> {
        let source: Map<String, Value> = serde_json::from_str(document)?;
        let mut schema: Self = serde_json::from_value(Value::Object(source.clone()))?;
        schema.source = source;
        Ok(schema)
    }

    /// The attribute of that name, whatever its letter case.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        find(&self.attributes, name)
    }
}

/// What the program itself does with resources of a type, beyond keeping them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A person.
    User,
    /// A set of users and groups.
    Group,
    /// A role of the workspace, as an entitlement; only read.
    Role,
    /// Whatever a workspace registered.
    Custom,
}

/// A kind of resource: a base schema and its extensions.
#[derive(Debug)]
pub struct ResourceType {
    /// Its name, as in `meta.resourceType`.
    pub name: String,
    /// Its path below the base address, with a slash before it.
    pub endpoint: String,
    /// What it is, for people.
    pub description: String,
    /// What the program does with it.
    pub purpose: Purpose,
    /// Its base schema.
    pub schema: &'static Schema,
    /// Extensions that a resource may or must have.
    pub extensions: Vec<Extension>,
}

/// An extension of a resource type.
#[derive(Debug, Clone, Copy)]
pub struct Extension {
    /// Its schema.
    pub schema: &'static Schema,
    /// Whether every resource must have it.
    pub required: bool,
}

impl ResourceType {
    /// The attribute of the base schema or common to all resources (RFC 7643 section 3.1).
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        self.schema.attribute(name).or_else(|| common(name))
    }

    /// The extension of that URN, whatever its letter case.
    #[must_use]
    pub fn extension(&self, urn: &str) -> Option<&'static Schema> {
        self.extensions()
            .find(|schema| schema.id.eq_ignore_ascii_case(urn))
    }

    /// The schemas of its extensions.
    pub fn extensions(&self) -> impl Iterator<Item = &'static Schema> {
        self.extensions.iter().map(|extension| extension.schema)
    }

    /// The base schema and the extensions, each with whether it is an extension.
    pub fn schemas(&self) -> impl Iterator<Item = (&'static Schema, bool)> {
        let extensions = self.extensions().map(|schema| (schema, true));
        std::iter::once((self.schema, false)).chain(extensions)
    }

    /// Whether resources of this type have members that are kept as rows.
    #[must_use]
    pub fn has_members(&self) -> bool {
        self.purpose == Purpose::Group
    }

    /// Whether stored documents hold what an answer does not show unless it is asked for, so that
    /// no answer may be the stored text as it is.
    #[must_use]
    pub fn hides_something(&self) -> bool {
        fn hides(attribute: &Attribute) -> bool {
            let is_stored = attribute.mutability != Mutability::WriteOnly;
            let is_hidden = matches!(attribute.returned, Returned::Never | Returned::Request);
            is_stored && (is_hidden || attribute.sub_attributes.iter().any(hides))
        }
        // Members are rows, not text.
        let is_text = |attribute: &&Attribute| !(self.has_members() && attribute.name == "members");
        self.schemas()
            .any(|(schema, _)| schema.attributes.iter().filter(is_text).any(hides))
    }

    /// Every attribute or part of one whose values must be unique in a directory. Those of the core
    /// schemas are not among them: they have columns of their own.
    pub fn unique_attributes(&self) -> impl Iterator<Item = Resolved> {
        self.schemas().flat_map(move |(schema, is_extension)| {
            let has_columns = !is_extension && self.purpose != Purpose::Custom;
            let registered = schema.attributes.iter().filter(move |_| !has_columns);
            let all = registered.flat_map(move |attribute| {
                let extension = is_extension.then_some(schema);
                let subs = attribute.sub_attributes.iter().map(Some);
                std::iter::once(None).chain(subs).map(move |sub| Resolved {
                    extension,
                    attribute,
                    sub,
                })
            });
            all.filter(|path| path.definition().uniqueness != Uniqueness::None)
        })
    }
}

/// The resource type User without registered extensions.
#[must_use]
pub fn user() -> &'static ResourceType {
    Registry::built_in().user()
}

/// The resource type Group without registered extensions.
#[must_use]
pub fn group() -> &'static ResourceType {
    Registry::built_in().group()
}

/// What members of a workspace are searched by; no resource type of SCIM.
#[must_use]
pub fn member() -> &'static ResourceType {
    &MEMBER
}

static MEMBER: LazyLock<ResourceType> = LazyLock::new(|| {
    let document = include_str!("../../schemas/member.json");
    let schema = Schema::read(document).expect("embedded schemas are read by every test");
    ResourceType {
        name: schema.name.clone(),
        endpoint: String::new(),
        description: schema.description.clone(),
        purpose: Purpose::Custom,
        schema: Box::leak(Box::new(schema)),
        extensions: Vec::new(),
    }
});

/// The attribute of that name that every resource has: `schemas`, `id`, `externalId`, `meta`.
pub fn common(name: &str) -> Option<&'static Attribute> {
    COMMON.attribute(name)
}

static COMMON: LazyLock<Schema> = LazyLock::new(|| {
    let document = include_str!("../../schemas/common.json");
    Schema::read(document).expect("embedded schemas are read by every test")
});

fn find<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes
        .iter()
        .find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookups_ignore_letter_case() {
        assert_eq!(user().attribute("USERNAME").unwrap().name, "userName");
        assert_eq!(
            user()
                .attribute("emails")
                .unwrap()
                .sub("Value")
                .unwrap()
                .name,
            "value"
        );
        assert_eq!(user().attribute("externalid").unwrap().name, "externalId");
        let urn = ENTERPRISE_USER.to_uppercase();
        assert!(
            user()
                .extension(&urn)
                .unwrap()
                .attribute("manager")
                .is_some()
        );
        assert!(group().attribute("userName").is_none());
    }

    #[test]
    fn characteristics_are_those_of_the_standard() {
        let name = user().attribute("userName").unwrap();
        assert!(name.required && !name.case_exact && name.uniqueness == Uniqueness::Server);
        assert!(user().attribute("externalId").unwrap().case_exact);
        assert!(user().attribute("id").unwrap().case_exact);
        let password = user().attribute("password").unwrap();
        assert_eq!(password.returned, Returned::Never);
        assert_eq!(
            user().attribute("groups").unwrap().mutability,
            Mutability::ReadOnly
        );
        assert_eq!(
            user()
                .attribute("meta")
                .unwrap()
                .sub("created")
                .unwrap()
                .kind,
            Kind::DateTime
        );
        assert!(group().attribute("displayName").unwrap().required);
    }

    #[test]
    fn schema_documents_do_not_list_common_attributes() {
        for schema in [user().schema, group().schema] {
            for name in ["id", "externalId", "meta", "schemas"] {
                assert!(schema.attribute(name).is_none(), "{name}");
            }
        }
    }
}
