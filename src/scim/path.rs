//! Attribute paths: `name.givenName`, `urn:…:User:manager`, and what they mean for a resource type.

use std::fmt;

use crate::error::{Error, Invalid, Result};
use crate::scim::schema::{Attribute, ResourceType, Returned, Schema};

/// Longest path of a PATCH operation, in bytes.
pub const LIMIT: usize = 512;

/// A well-formed attribute path as it was sent (RFC 7644 section 3.10), not yet looked up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AttributePath {
    /// What stands before the last colon.
    urn: Option<String>,
    /// One to three names: after a URN, Entra also puts a dot before the attribute.
    names: Vec<String>,
}

/// What an attribute path means for a resource type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Resolution {
    /// An attribute or sub-attribute.
    Known(Resolved),
    /// A bare URN: everything under that schema.
    Schema(&'static Schema),
    /// Nothing that the resource type has.
    Unknown,
}

/// An attribute of a resource type, found.
#[derive(Clone, Copy)]
pub struct Resolved {
    /// The extension that defines it; none for core and common attributes.
    pub extension: Option<&'static Schema>,
    /// The attribute at the top of a resource or of an extension.
    pub attribute: &'static Attribute,
    /// The part of a complex attribute.
    pub sub: Option<&'static Attribute>,
}

impl AttributePath {
    /// Reads a path; broken syntax is `invalidPath`.
    ///
    /// ```
    /// use gatehouse::scim::path::AttributePath;
    /// use gatehouse::scim::schema;
    ///
    /// let path = AttributePath::parse("EMAILS.value")?;
    /// assert_eq!(path.resolve(schema::user()).known().unwrap().key(), "emails.value");
    /// assert!(AttributePath::parse("emails.").is_err());
    /// # Ok::<(), gatehouse::error::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > LIMIT {
            return Err(invalid("expected a path of at most 512 bytes"));
        }
        Self::read(text).ok_or_else(|| invalid("expected an attribute path"))
    }

    /// Reads a path of any length, or gives none where the syntax is broken.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (urn, rest) = match text.rsplit_once(':') {
            Some((urn, rest)) => (Some(urn), rest),
            None => (None, text),
        };
        if let Some(urn) = urn
            && !(urn.starts_with(|c: char| c.is_ascii_alphabetic()) && urn.bytes().all(is_urn_byte))
        {
            return None;
        }
        let most = if urn.is_some() { 3 } else { 2 };
        let names: Vec<String> = rest.split('.').take(most + 1).map(str::to_owned).collect();
        let fits = names.len() <= most && names.iter().all(|name| is_name(name));
        fits.then(|| Self {
            urn: urn.map(str::to_owned),
            names,
        })
    }

    /// Whether that name, in any letter case, is part of the path.
    pub(super) fn names(&self, name: &str) -> bool {
        self.names
            .iter()
            .any(|part| part.eq_ignore_ascii_case(name))
    }

    /// Looks the path up; names and URNs match whatever their letter case.
    pub fn resolve(&self, kind: &'static ResourceType) -> Resolution {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let Some(urn) = &self.urn else {
            return find_bare(kind, &names);
        };
        if let Some(schema) = find_schema(kind, urn) {
            return find_in(kind, schema, &names);
        }
        // The last segment of the URN was taken for a name, with or without a dot behind it.
        let whole = format!("{urn}:{}", names[0]);
        match find_schema(kind, &whole) {
            Some(schema) if names.len() == 1 => Resolution::Schema(schema),
            Some(schema) => find_in(kind, schema, &names[1..]),
            None => Resolution::Unknown,
        }
    }
}

impl fmt::Display for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(urn) = &self.urn {
            write!(f, "{urn}:")?;
        }
        f.write_str(&self.names.join("."))
    }
}

impl Resolution {
    /// The attribute, where the path means one.
    #[must_use]
    pub fn known(self) -> Option<Resolved> {
        match self {
            Self::Known(resolved) => Some(resolved),
            Self::Schema(_) | Self::Unknown => None,
        }
    }
}

impl Resolved {
    /// An attribute of the base schema or common to all.
    pub(super) fn core(attribute: &'static Attribute) -> Self {
        Self {
            extension: None,
            attribute,
            sub: None,
        }
    }

    /// The same attribute with one of its parts.
    #[must_use]
    pub fn with_sub(self, sub: &'static Attribute) -> Self {
        Self {
            sub: Some(sub),
            ..self
        }
    }

    /// The definition of what the path ends in.
    #[must_use]
    pub fn definition(self) -> &'static Attribute {
        self.sub.unwrap_or(self.attribute)
    }

    /// Canonical text: `userName`, `emails.value`, `urn:…:User:manager.value`.
    #[must_use]
    pub fn key(self) -> String {
        self.to_string()
    }

    /// The attribute without its part: `emails` for `emails.value`.
    #[must_use]
    pub fn attribute_key(self) -> String {
        Self { sub: None, ..self }.to_string()
    }

    /// Whether no answer ever shows it.
    #[must_use]
    pub fn is_never_returned(self) -> bool {
        self.attribute.returned == Returned::Never
            || self.sub.is_some_and(|sub| sub.returned == Returned::Never)
    }
}

impl fmt::Display for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(extension) = self.extension {
            write!(f, "{}:", extension.id)?;
        }
        f.write_str(&self.attribute.name)?;
        match self.sub {
            Some(sub) => write!(f, ".{}", sub.name),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Resolved {
    fn eq(&self, other: &Self) -> bool {
        let urn = |path: &Self| path.extension.map(|schema| schema.id.as_str());
        let sub = |path: &Self| path.sub.map(|sub| sub.name.as_str());
        urn(self) == urn(other)
            && self.attribute.name == other.attribute.name
            && sub(self) == sub(other)
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

fn invalid(detail: &str) -> Error {
    Error::invalid(Invalid::Path, detail)
}

/// `ATTRNAME` of RFC 7644 section 3.4.2.2, and `$ref`.
pub(super) fn is_name(name: &str) -> bool {
    let rest = name.strip_prefix('$').unwrap_or(name);
    rest.starts_with(|c: char| c.is_ascii_alphabetic())
        && rest
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Bytes that a path may hold; brackets, quotes and white space end it.
pub(super) fn is_path_char(c: char) -> bool {
    c == '$' || u8::try_from(c).is_ok_and(is_urn_byte)
}

fn is_urn_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.:/+%#~".contains(&byte)
}

fn find_schema(kind: &'static ResourceType, urn: &str) -> Option<&'static Schema> {
    if kind.schema.id.eq_ignore_ascii_case(urn) {
        return Some(kind.schema);
    }
    kind.extension(urn)
}

/// A path without URN: the base schema first, then the extensions (Entra sends bare `manager`).
fn find_bare(kind: &'static ResourceType, names: &[&str]) -> Resolution {
    if let Some(attribute) = kind.attribute(names[0]) {
        return with_parts(Resolved::core(attribute), &names[1..]);
    }
    for extension in kind.extensions() {
        if let Some(attribute) = extension.attribute(names[0]) {
            let found = Resolved {
                extension: Some(extension),
                attribute,
                sub: None,
            };
            return with_parts(found, &names[1..]);
        }
    }
    Resolution::Unknown
}

fn find_in(kind: &'static ResourceType, schema: &'static Schema, names: &[&str]) -> Resolution {
    if schema == kind.schema {
        return match kind.attribute(names[0]) {
            Some(attribute) => with_parts(Resolved::core(attribute), &names[1..]),
            None => Resolution::Unknown,
        };
    }
    match schema.attribute(names[0]) {
        Some(attribute) => {
            let found = Resolved {
                extension: Some(schema),
                attribute,
                sub: None,
            };
            with_parts(found, &names[1..])
        }
        None => Resolution::Unknown,
    }
}

fn with_parts(found: Resolved, parts: &[&str]) -> Resolution {
    match parts {
        [] => Resolution::Known(found),
        [part] => match found.attribute.sub(part) {
            Some(sub) => Resolution::Known(found.with_sub(sub)),
            None => Resolution::Unknown,
        },
        _ => Resolution::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scim::schema;

    #[test]
    fn paths_resolve_whatever_their_spelling() {
        fn check(text: &str, expect: &str) {
            let path = AttributePath::parse(text).unwrap();
            let found = match path.resolve(schema::user()) {
                Resolution::Known(resolved) => resolved.key(),
                Resolution::Schema(schema) => format!("all of {}", schema.name),
                Resolution::Unknown => "unknown".to_owned(),
            };
            assert_eq!(found, expect, "{text}");
        }
        let manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";
        check("userName", "userName");
        check("DISPLAYNAME", "displayName");
        check("name.FamilyName", "name.familyName");
        check("Meta.created", "meta.created");
        check("externalId", "externalId");
        check("groups.$ref", "groups.$ref");
        check(
            "urn:ietf:params:scim:schemas:core:2.0:User:active",
            "active",
        );
        check(
            "urn:ietf:params:scim:schemas:core:2.0:User:name.givenName",
            "name.givenName",
        );
        check("manager", manager);
        check("manager.value", &format!("{manager}.value"));
        check(manager, manager);
        check(&manager.to_uppercase(), manager);
        check(&format!("{manager}.value"), &format!("{manager}.value"));
        check(
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User.manager",
            manager,
        );
        check(schema::ENTERPRISE_USER, "all of EnterpriseUser");
        check(schema::USER, "all of User");
        check("constructor", "unknown");
        check("emails.other", "unknown");
        check("userName.value", "unknown");
        check("urn:example:2.0:Thing:manager", "unknown");
        check(
            "urn:ietf:params:scim:schemas:core:2.0:Group:members",
            "unknown",
        );
    }

    // C037
    #[test]
    fn broken_paths_are_refused() {
        for text in [
            "",
            ".",
            "..",
            "emails.",
            ".value",
            "a.b.c",
            "__proto__.admin",
            "a b",
            "a\"",
            "1a",
            ":a",
            "urn:",
            "urn:x:",
            "emails]",
            "a,b",
            "é",
            "$",
            "$.ref",
        ] {
            assert!(AttributePath::parse(text).is_err(), "{text:?}");
        }
        assert!(AttributePath::parse(&"a".repeat(LIMIT)).is_ok());
        assert!(AttributePath::parse(&"a".repeat(LIMIT + 1)).is_err());
    }

    proptest! {
        #![proptest_config(crate::scim::properties::cases(1_000))]

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            if let Ok(path) = AttributePath::parse(&text) {
                let _ = path.resolve(schema::user());
                prop_assert_eq!(path.to_string(), text);
            }
        }
    }
}
