//! Schemas and resource types, read from `schemas/*.json`: what each attribute is and may do.

use std::sync::LazyLock;

use serde::Deserialize;

/// URN of the core User schema.
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// URN of the core Group schema.
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// URN of the enterprise extension of User.
pub const ENTERPRISE_USER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// The data type of an attribute (RFC 7643 section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attribute {
    /// Its name in the spelling of the schema.
    pub name: String,
    /// Its data type.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Whether it holds a list of values.
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
    #[serde(default)]
    pub canonical_values: Vec<String>,
    /// What a reference may point to.
    #[serde(default)]
    pub reference_types: Vec<String>,
    /// The parts of a complex attribute.
    #[serde(default)]
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
    pub name: String,
    /// What it describes, for people.
    pub description: String,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
    /// The document it was read from.
    #[serde(skip)]
    pub source: &'static str,
}

impl Schema {
    /// The attribute of that name, whatever its letter case.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        find(&self.attributes, name)
    }
}

/// A kind of resource: a base schema and its extensions.
#[derive(Debug)]
pub struct ResourceType {
    /// Its name, as in `meta.resourceType`.
    pub name: &'static str,
    /// Its path below the base address.
    pub endpoint: &'static str,
    /// What it is, for people.
    pub description: &'static str,
    /// Its base schema.
    pub schema: &'static Schema,
    /// Extensions that a resource may have; none is required.
    pub extensions: Vec<&'static Schema>,
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
        let known = |schema: &&Schema| schema.id.eq_ignore_ascii_case(urn);
        self.extensions.iter().copied().find(known)
    }

    /// Whether resources of this type have members.
    #[must_use]
    pub fn has_members(&self) -> bool {
        self.schema.attribute("members").is_some()
    }
}

/// The resource type User.
#[must_use]
pub fn user() -> &'static ResourceType {
    &REGISTRY.user
}

/// The resource type Group.
#[must_use]
pub fn group() -> &'static ResourceType {
    &REGISTRY.group
}

/// Every schema that has a document, in the order of `/Schemas`.
pub fn all_schemas() -> impl Iterator<Item = &'static Schema> {
    SCHEMAS.iter()
}

/// The schema of that URN, whatever its letter case.
pub fn schema(urn: &str) -> Option<&'static Schema> {
    SCHEMAS
        .iter()
        .find(|schema| schema.id.eq_ignore_ascii_case(urn))
}

/// The attribute of that name that every resource has: `schemas`, `id`, `externalId`, `meta`.
pub fn common(name: &str) -> Option<&'static Attribute> {
    COMMON.attribute(name)
}

struct Registry {
    user: ResourceType,
    group: ResourceType,
}

static SCHEMAS: LazyLock<Vec<Schema>> = LazyLock::new(|| {
    [
        include_str!("../../schemas/user.json"),
        include_str!("../../schemas/enterprise_user.json"),
        include_str!("../../schemas/group.json"),
        include_str!("../../schemas/service_provider_config.json"),
        include_str!("../../schemas/resource_type.json"),
        include_str!("../../schemas/schema.json"),
    ]
    .map(read)
    .into()
});

static COMMON: LazyLock<Schema> = LazyLock::new(|| read(include_str!("../../schemas/common.json")));

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let known = |urn| schema(urn).expect("the document is embedded above");
    Registry {
        user: ResourceType {
            name: "User",
            endpoint: "/Users",
            description: "A person",
            schema: known(USER),
            extensions: vec![known(ENTERPRISE_USER)],
        },
        group: ResourceType {
            name: "Group",
            endpoint: "/Groups",
            description: "A group of people and groups",
            schema: known(GROUP),
            extensions: Vec::new(),
        },
    }
});

fn read(source: &'static str) -> Schema {
    let mut schema: Schema =
        serde_json::from_str(source).expect("embedded schemas are read by every test");
    schema.source = source;
    schema
}

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
        assert!(schema("urn:nothing").is_none());
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
        assert_eq!(all_schemas().count(), 6);
    }
}
