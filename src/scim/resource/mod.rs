//! Resources as documents: taking them in, reading their core, giving them out.
//!
//! A document holds what the client may write, in schema spelling and otherwise as sent: no `id`,
//! `meta`, `schemas`, `groups`, `members` or `password`. Members are rows elsewhere.

mod coerce;
mod core;
mod render;
mod rules;

use serde::Serialize;
use serde_json::{Map, Value};

pub(super) use self::coerce::{
    Intake, distinct, make_primary, members, part, primary_at, too_many,
};
pub use self::core::{EmailRef, GroupCore, UserCore, group_core, user_core};
pub use self::render::{Meta, from_stored, render, to_stored};
pub(super) use self::rules::{check, refuse_immutable};
pub use self::rules::{check_declared, check_message, keep_immutable};
use crate::error::{Error, Invalid, Result};
use crate::scim::schema::{Attribute, Mutability, ResourceType};

/// Longest string value, in characters.
pub const STRING: usize = 1024;
/// Longest binary value, in bytes of its base64 text.
pub const BINARY: usize = 64 * 1024;
/// Most entries of a multi-valued attribute; members have no such limit.
pub const ENTRIES: usize = 100;

/// What happens to input that the schemas do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// It is left out and noted, so that one odd attribute does not block the rest.
    Lenient,
    /// It is refused.
    Strict,
}

/// A resource taken from a request body.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// What is to be stored.
    pub document: Map<String, Value>,
    /// The members of a group, if the body speaks of them.
    pub members: Option<Vec<MemberRef>>,
    /// The body's `id`, which is never written.
    pub id: Option<String>,
    /// What was left out.
    pub notes: Vec<Note>,
}

/// A member as the client names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MemberRef {
    /// The id, as it was sent.
    pub value: String,
    /// Whether it is a user or a group, if the client says so.
    pub kind: Option<MemberKind>,
}

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum MemberKind {
    /// A person.
    User,
    /// A group within the group.
    Group,
}

/// Something in a request that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Note {
    /// The attribute or path, cut to 100 characters.
    pub path: String,
    /// Why it was left out.
    pub reason: Reason,
}

/// Why something was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "NoteReason")]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No schema of the resource type has it.
    Unknown,
    /// Only the server writes it.
    ReadOnly,
    /// Passwords are not taken over.
    Password,
    /// The path is malformed.
    Malformed,
    /// It names nobody in this directory.
    UnknownMember,
    /// The member's field takes no such value.
    Unfit,
    /// The manager reports to the person, directly or through others.
    Circle,
    /// Somebody stays an admin all the same: the last one, or one who is protected.
    KeptAdmin,
}

impl Note {
    /// A note about that attribute or path.
    pub fn new(path: &str, reason: Reason) -> Self {
        Self {
            path: path.chars().take(100).collect(),
            reason,
        }
    }
}

impl Incoming {
    /// Whether the body says if the user is active; a PUT that does not leaves it as it was (C035).
    #[must_use]
    pub fn has_active(&self) -> bool {
        self.document.contains_key("active")
    }

    /// Says it for a silent body: a new user is active, a known one stays what it was. A document
    /// that says it needs no default when it is filtered or patched.
    pub fn default_active(&mut self, active: bool) {
        let entry = self.document.entry("active");
        entry.or_insert(Value::Bool(active));
    }
}

/// Takes a body of POST or PUT as a resource of that type.
///
/// ```
/// use gatehouse::scim::resource::{Strictness, normalise};
/// use gatehouse::scim::schema;
/// use serde_json::json;
///
/// let body = json!({"USERNAME": "ada", "active": "True", "title": "", "password": "x"});
/// let ada = normalise(schema::user(), body, Strictness::Lenient)?;
/// assert_eq!(json!(ada.document), json!({"userName": "ada", "active": true}));
/// # Ok::<(), gatehouse::error::Error>(())
/// ```
pub fn normalise(
    kind: &'static ResourceType,
    body: Value,
    strictness: Strictness,
) -> Result<Incoming> {
    let Value::Object(body) = body else {
        return Err(Error::invalid(Invalid::Syntax, "expected a JSON object"));
    };
    let mut intake = Intake::new(strictness);
    let mut incoming = Incoming {
        document: Map::new(),
        members: None,
        id: None,
        notes: Vec::new(),
    };
    for (name, value) in body {
        if let Some(extension) = kind.extension(&name) {
            let mut inner = Map::new();
            for (name, value) in coerce::extension(extension, value)? {
                match extension.attribute(&name) {
                    // Some clients repeat the schema within its own object.
                    None if name.eq_ignore_ascii_case("schemas") => {}
                    Some(attribute) => store(&mut intake, &mut inner, attribute, value)?,
                    None => intake.note(&name, Reason::Unknown)?,
                }
            }
            if !inner.is_empty() {
                incoming
                    .document
                    .insert(extension.id.clone(), Value::Object(inner));
            }
            continue;
        }
        let Some(attribute) = kind.attribute(&name) else {
            if !value.is_null() || intake.is_strict() {
                intake.note(&name, Reason::Unknown)?;
            }
            continue;
        };
        match attribute.name.as_str() {
            "schemas" | "meta" => {}
            "id" => incoming.id = value.as_str().map(str::to_owned),
            "members" if kind.has_members() => {
                incoming.members = Some(members(value, attribute)?);
            }
            _ => store(&mut intake, &mut incoming.document, attribute, value)?,
        }
    }
    check(kind, &incoming.document)?;
    incoming.notes = intake.into_notes();
    Ok(incoming)
}

fn store(
    intake: &mut Intake,
    document: &mut Map<String, Value>,
    attribute: &Attribute,
    value: Value,
) -> Result<()> {
    match attribute.mutability {
        Mutability::WriteOnly => intake.leave_out(&attribute.name, Reason::Password),
        Mutability::ReadOnly => {
            // Clients echo what they read; only what says something is worth a note.
            if !matches!(&value, Value::Null) && value != Value::Array(Vec::new()) {
                intake.leave_out(&attribute.name, Reason::ReadOnly);
            }
        }
        Mutability::ReadWrite | Mutability::Immutable => {
            if let Some(value) = intake.attribute(attribute, value)? {
                document.insert(attribute.name.clone(), value);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
