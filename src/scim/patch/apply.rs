//! Applying the operations of a request to a copy of a document.

use serde_json::{Map, Value};

use super::{
    Applied, Document, MembersOperation, Op, Operation, PatchPath, PatchRequest, Place, bad_path,
    entries, members, no_target,
};
use crate::error::{Error, Invalid, Result};
use crate::scim::fold;
use crate::scim::path::{Resolution, Resolved};
use crate::scim::resource::{self, Intake, Reason, Strictness};
use crate::scim::schema::{Kind, Mutability, Purpose, ResourceType, Schema};

/// Applies a request to a document; on an error the document is as it was.
pub fn apply(
    kind: &'static ResourceType,
    request: &PatchRequest,
    document: &mut Map<String, Value>,
    resource_id: &str,
    strictness: Strictness,
) -> Result<Applied> {
    let mut work = Work {
        kind,
        id: resource_id,
        document: document.clone(),
        intake: Intake::new(strictness),
        members: Vec::new(),
        speaks_of_active: false,
    };
    fold::keep_keys(|| {
        let mut operations = request.operations.iter();
        operations.try_for_each(|operation| work.operation(operation))
    })?;
    resource::check(kind, &work.document)?;
    resource::refuse_immutable(kind, document, &work.document)?;
    let active = work.document.get("active").and_then(Value::as_bool);
    if work.speaks_of_active && active.is_none() {
        return Err(Error::value("active: expected true or false"));
    }
    let changed_attributes = differences(kind, document, &work.document);
    *document = work.document;
    Ok(Applied {
        changed: !changed_attributes.is_empty(),
        changed_attributes,
        members: work.members,
        notes: work.intake.into_notes(),
        active: active.filter(|_| work.speaks_of_active),
    })
}

struct Work<'a> {
    kind: &'static ResourceType,
    id: &'a str,
    document: Document,
    intake: Intake,
    members: Vec<MembersOperation>,
    speaks_of_active: bool,
}

/// Where an attribute is named: a path means it, the key of a value may just echo what was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Path,
    Key,
}

/// Attributes about which silence would be dangerous (C037).
const GUARDED: [&str; 3] = ["members", "active", "roles"];

impl Work<'_> {
    fn operation(&mut self, operation: &Operation) -> Result<()> {
        let op = operation.op;
        match (&operation.path, operation.value.clone()) {
            (Some(path), value) => self.at(op, path, value, Origin::Path),
            (None, Some(Value::Object(parts))) => {
                for (name, value) in parts {
                    self.key(op, &name, &name, value)?;
                }
                Ok(())
            }
            (None, _) => Err(no_target("expected a path")),
        }
    }

    /// A key of a path-less value is a path itself: dotted, with URN or with a filter.
    fn key(&mut self, op: Op, shown: &str, text: &str, value: Value) -> Result<()> {
        if let Ok(path) = PatchPath::parse(text) {
            return self.at(op, &path, Some(value), Origin::Key);
        }
        let start = |name: &str| {
            text.get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name))
        };
        if GUARDED
            .iter()
            .any(|name| start(name) && self.kind.attribute(name).is_some())
        {
            return Err(bad_path("value: expected attribute paths as keys"));
        }
        self.skip(shown, Reason::Malformed)
    }

    fn at(&mut self, op: Op, path: &PatchPath, value: Option<Value>, origin: Origin) -> Result<()> {
        match path.attribute().resolve(self.kind) {
            Resolution::Known(found) => match found.attribute.mutability {
                Mutability::ReadOnly => self.read_only(found, value.as_ref(), origin),
                Mutability::WriteOnly => {
                    self.intake
                        .leave_out(&found.attribute.name, Reason::Password);
                    Ok(())
                }
                Mutability::ReadWrite | Mutability::Immutable => {
                    if found.attribute.name == "members"
                        && found.extension.is_none()
                        && self.kind.has_members()
                    {
                        return self.members(op, path, found, value);
                    }
                    self.attribute(op, path, found, value)
                }
            },
            Resolution::Schema(schema) if matches!(path.0, Place::Attribute(_)) => {
                self.schema(op, schema, value)
            }
            Resolution::Schema(_) | Resolution::Unknown => self.unknown(path),
        }
    }

    /// RFC 7644 section 3.5.2: what the server owns is not the client's to change (C028).
    fn read_only(&self, found: Resolved, value: Option<&Value>, origin: Origin) -> Result<()> {
        let is_id = found.attribute.name == "id";
        let echoes = match value {
            Some(Value::String(text)) if is_id => text == self.id,
            Some(value) => !is_id || value.is_null(),
            None => false,
        };
        if origin == Origin::Key && echoes {
            return Ok(());
        }
        let detail = format!("{} is not writable", found.attribute.name);
        Err(Error::invalid(Invalid::Mutability, detail))
    }

    /// Everything under a schema, by its bare URN.
    fn schema(&mut self, op: Op, schema: &'static Schema, value: Option<Value>) -> Result<()> {
        let value = value.unwrap_or_default();
        if let Value::Object(parts) = value {
            for (name, value) in parts {
                // Some clients repeat the schema within its own object.
                if !name.eq_ignore_ascii_case("schemas") {
                    self.key(op, &name, &format!("{}:{name}", schema.id), value)?;
                }
            }
            return Ok(());
        }
        if !value.is_null() && value.as_str() != Some("") {
            return Err(Error::value(format!("{}: expected an object", schema.name)));
        }
        if schema == self.kind.schema {
            return Err(no_target("expected an attribute of the schema"));
        }
        if op != Op::Add {
            self.document.shift_remove(&schema.id);
        }
        Ok(())
    }

    fn members(
        &mut self,
        op: Op,
        path: &PatchPath,
        found: Resolved,
        value: Option<Value>,
    ) -> Result<()> {
        let steps: Vec<MembersOperation> = match &path.0 {
            Place::Attribute(_) => members::listed(op, found.attribute, found.sub, value)?
                .into_iter()
                .collect(),
            Place::Selection(selection) => {
                let filter = selection.filter_of(found).map_err(bad_path)?;
                let sub = selection.sub.as_deref();
                members::selected(op, found.attribute, filter, sub, value)?
            }
        };
        for step in steps {
            members::push(&mut self.members, step);
        }
        Ok(())
    }

    fn attribute(
        &mut self,
        op: Op,
        path: &PatchPath,
        found: Resolved,
        value: Option<Value>,
    ) -> Result<()> {
        let attribute = found.attribute;
        let (filter, sub) = match &path.0 {
            Place::Attribute(_) => (None, found.sub),
            Place::Selection(selection) => {
                let sub = selection.sub.as_deref();
                let known = sub.map(|name| resource::part(attribute, name));
                let has_entries = attribute.multi_valued || attribute.kind == Kind::Complex;
                match (found.sub, selection.filter_of(found), known) {
                    _ if !has_entries => return self.unknown(path),
                    (None, Ok(filter), None) => (Some(filter), None),
                    (None, Ok(filter), Some(Some(sub))) => (Some(filter), Some(sub)),
                    _ => return self.unknown(path),
                }
            }
        };
        if sub.is_some_and(|sub| sub.mutability == Mutability::ReadOnly) {
            return self.skip(&path.attribute().to_string(), Reason::ReadOnly);
        }
        let current = self.take(found);
        let intake = &mut self.intake;
        let next = match (&filter, sub) {
            (Some(filter), sub) => {
                entries::selected(intake, op, attribute, filter, sub, current, value)?
            }
            (None, Some(sub)) => entries::part(intake, op, attribute, sub, current, value)?,
            (None, None) => entries::whole(intake, op, attribute, current, value)?,
        };
        self.speaks_of_active |= attribute.name == "active"
            && found.extension.is_none()
            && self.kind.purpose == Purpose::User;
        self.put(found, next);
        Ok(())
    }

    /// Takes the value out without copying it; its place is kept for [`Self::put`].
    fn take(&mut self, found: Resolved) -> Option<Value> {
        let holder = match found.extension {
            Some(schema) => self.document.get_mut(&schema.id)?.as_object_mut()?,
            None => &mut self.document,
        };
        holder.get_mut(&found.attribute.name).map(std::mem::take)
    }

    fn put(&mut self, found: Resolved, value: Option<Value>) {
        let name = &found.attribute.name;
        let Some(extension) = found.extension else {
            return put_in(&mut self.document, name, value);
        };
        let mut inner = match self.document.get_mut(&extension.id) {
            Some(Value::Object(inner)) => std::mem::take(inner),
            _ => Map::new(),
        };
        put_in(&mut inner, name, value);
        let inner = (!inner.is_empty()).then_some(Value::Object(inner));
        put_in(&mut self.document, &extension.id, inner);
    }

    fn unknown(&mut self, path: &PatchPath) -> Result<()> {
        let path = path.attribute();
        let is_guarded = |name: &&str| path.names(name) && self.kind.attribute(name).is_some();
        if GUARDED.iter().any(is_guarded) {
            return Err(bad_path(
                "the path names a sub-attribute that does not exist",
            ));
        }
        self.skip(&path.to_string(), Reason::Unknown)
    }

    /// Goes on without it, unless the directory is strict.
    fn skip(&mut self, path: &str, reason: Reason) -> Result<()> {
        if self.intake.is_strict() {
            return Err(bad_path(
                "the path names an attribute that cannot be written",
            ));
        }
        self.intake.leave_out(path, reason);
        Ok(())
    }
}

fn put_in(holder: &mut Document, name: &str, value: Option<Value>) {
    match value {
        Some(value) => {
            holder.insert(name.to_owned(), value);
        }
        None => {
            holder.shift_remove(name);
        }
    }
}

/// The attributes in which two documents differ.
fn differences(kind: &ResourceType, old: &Document, new: &Document) -> Vec<String> {
    let mut names = differing(old, new);
    for extension in kind.extensions() {
        let Some(at) = names.iter().position(|name| *name == extension.id) else {
            continue;
        };
        names.remove(at);
        let empty = Map::new();
        let inner = |document: &'_ Document| {
            document
                .get(&extension.id)
                .and_then(Value::as_object)
                .unwrap_or(&empty)
                .clone()
        };
        let parts = differing(&inner(old), &inner(new));
        names.extend(
            parts
                .into_iter()
                .map(|name| format!("{}:{name}", extension.id)),
        );
    }
    names
}

fn differing(old: &Document, new: &Document) -> Vec<String> {
    let changed = old
        .iter()
        .filter(|(name, value)| new.get(*name) != Some(value));
    let added = new.keys().filter(|name| !old.contains_key(*name));
    changed
        .map(|(name, _)| name)
        .chain(added)
        .cloned()
        .collect()
}
