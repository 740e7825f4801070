//! Which schemas and resource types there are: the built-in ones, and what a deployment or a
//! workspace registered beside them. Code that reads or writes a resource takes its type from here,
//! so that a registered one behaves like a built-in one.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::Value;

use super::register;
use super::schema::{ENTERPRISE_USER, Extension, GROUP, Purpose, ResourceType, Schema, USER};
use crate::error::Result;

/// URN of the schema of roles as entitlements.
pub const ROLE: &str = "urn:okta:scim:schemas:core:1.0:Role";

/// Schemas and resource types.
#[derive(Debug)]
pub struct Registry {
    pub(super) schemas: Vec<&'static Schema>,
    pub(super) types: Vec<ResourceType>,
}

impl Registry {
    /// What every workspace has.
    #[must_use]
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// The built-in ones and what these documents add: schemas (RFC 7643 section 7) and resource
    /// types (section 6); the type `User` or `Group` adds extensions to the built-in one. What does
    /// not fit together is refused.
    ///
    /// A registry lives as long as the process, as the paths of filters do that point into it; the
    /// same documents give the same one.
    pub fn with(documents: &[Value]) -> Result<&'static Self> {
        static KNOWN: LazyLock<Mutex<HashMap<String, &'static Registry>>> =
            LazyLock::new(Mutex::default);
        if documents.is_empty() {
            return Ok(Self::built_in());
        }
        let key = Value::from(documents.to_vec()).to_string();
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(&key) {
            return Ok(found);
        }
        let made: &'static Self = Box::leak(Box::new(register::build(documents)?));
        known.insert(key, made);
        Ok(made)
    }

    /// The resource type User.
    #[must_use]
    pub fn user(&self) -> &ResourceType {
        &self.types[0]
    }

    /// The resource type Group.
    #[must_use]
    pub fn group(&self) -> &ResourceType {
        &self.types[1]
    }

    /// Every resource type, the built-in ones first. Roles are among them where the directory's
    /// provider asks for entitlements: to others a type that nobody can write is of no use.
    pub fn types(&self, with_roles: bool) -> impl Iterator<Item = &ResourceType> {
        let is_shown = move |kind: &&ResourceType| with_roles || kind.purpose != Purpose::Role;
        self.types.iter().filter(is_shown)
    }

    /// The resource type of that endpoint, which is taken as it is spelled.
    #[must_use]
    pub fn at(&self, endpoint: &str) -> Option<&ResourceType> {
        let is_it = |kind: &&ResourceType| kind.endpoint.strip_prefix('/') == Some(endpoint);
        self.types.iter().find(is_it)
    }

    /// The resource type of that name, whatever its letter case.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&ResourceType> {
        self.types
            .iter()
            .find(|kind| kind.name.eq_ignore_ascii_case(name))
    }

    /// Every schema that has a document, in the order of `/Schemas`.
    pub fn schemas(&self, with_roles: bool) -> impl Iterator<Item = &'static Schema> {
        let is_shown = move |schema: &&'static Schema| with_roles || schema.id != ROLE;
        self.schemas.iter().copied().filter(is_shown)
    }

    /// The schema of that URN, whatever its letter case.
    #[must_use]
    pub fn schema(&self, urn: &str) -> Option<&'static Schema> {
        let is_it = |schema: &&'static Schema| schema.id.eq_ignore_ascii_case(urn);
        self.schemas.iter().copied().find(is_it)
    }
}

static BUILT_IN: LazyLock<Registry> = LazyLock::new(built_in);

/// The built-in registry, to which others add.
pub(super) fn built_in() -> Registry {
    static SCHEMAS: LazyLock<Vec<Schema>> = LazyLock::new(|| {
        [
            include_str!("../../schemas/user.json"),
            include_str!("../../schemas/enterprise_user.json"),
            include_str!("../../schemas/group.json"),
            include_str!("../../schemas/role.json"),
            include_str!("../../schemas/service_provider_config.json"),
            include_str!("../../schemas/resource_type.json"),
            include_str!("../../schemas/schema.json"),
        ]
        .map(|document| Schema::read(document).expect("embedded schemas are read by every test"))
        .into()
    });
    let known = |urn: &str| {
        let found = SCHEMAS.iter().find(|schema| schema.id == urn);
        found.expect("the document is embedded above")
    };
    let built_in = |name: &str, description: &str, purpose, urn| ResourceType {
        name: name.to_owned(),
        endpoint: format!("/{name}s"),
        description: description.to_owned(),
        purpose,
        schema: known(urn),
        extensions: Vec::new(),
    };
    let mut user = built_in("User", "User Account", Purpose::User, USER);
    user.extensions.push(Extension {
        schema: known(ENTERPRISE_USER),
        required: false,
    });
    Registry {
        schemas: SCHEMAS.iter().collect(),
        types: vec![
            user,
            built_in(
                "Group",
                "A group of people and groups",
                Purpose::Group,
                GROUP,
            ),
            built_in("Role", "A role of the workspace", Purpose::Role, ROLE),
        ],
    }
}
