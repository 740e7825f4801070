//! Which attributes an answer shows (RFC 7644 section 3.9).

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::scim::patch::PatchPath;
use crate::scim::path::{Resolution, Resolved};
use crate::scim::schema::{Attribute, ResourceType, Returned, Schema};

/// Most names in a list of attributes.
pub const NAMES: usize = 100;

/// What an answer shows of resources of one type.
#[derive(Debug, Clone)]
pub struct Projection {
    kind: &'static ResourceType,
    choice: Choice,
    /// Whether something of the stored document is not shown unless it is asked for.
    hides: bool,
}

#[derive(Debug, Clone)]
enum Choice {
    Everything,
    Only(Vec<Name>),
    Without(Vec<Name>),
}

/// What a name in a list means.
#[derive(Debug, Clone, Copy)]
enum Name {
    Attribute(Resolved),
    Schema(&'static Schema),
}

/// How much of an attribute a list names.
enum Extent<'a> {
    Nothing,
    Parts(Vec<&'a str>),
    All,
}

impl Projection {
    /// Reads `attributes` and `excludedAttributes`; both at once are refused, unknown names ignored.
    ///
    /// ```
    /// use gatehouse::scim::{projection::Projection, schema};
    /// use serde_json::json;
    ///
    /// let projection = Projection::parse(schema::user(), Some("emails.value"), None)?;
    /// let ada = json!({"id": "1", "title": "x", "emails": [{"value": "a@b.c", "type": "work"}]});
    /// assert_eq!(projection.apply(ada), json!({"id": "1", "emails": [{"value": "a@b.c"}]}));
    /// # Ok::<(), gatehouse::error::Error>(())
    /// ```
    pub fn parse(
        kind: &'static ResourceType,
        attributes: Option<&str>,
        excluded: Option<&str>,
    ) -> Result<Self> {
        let given = |list: Option<&'_ str>| list.is_some_and(|list| !list.trim().is_empty());
        let choice = match (given(attributes), given(excluded)) {
            (true, true) => {
                return Err(Error::value(
                    "expected attributes or excludedAttributes, not both",
                ));
            }
            (true, false) => Choice::Only(names(kind, attributes.unwrap_or_default())?),
            (false, true) => Choice::Without(names(kind, excluded.unwrap_or_default())?),
            (false, false) => Choice::Everything,
        };
        Ok(Self {
            kind,
            choice,
            hides: kind.hides_something(),
        })
    }

    /// The resource type.
    #[must_use]
    pub fn kind(&self) -> &'static ResourceType {
        self.kind
    }

    /// Whether resources are shown as they are.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        !self.hides
            && match &self.choice {
                Choice::Everything => true,
                Choice::Only(_) => false,
                Choice::Without(names) => names.is_empty(),
            }
    }

    /// Whether anything of that core attribute is shown, so that it has to be read at all.
    #[must_use]
    pub fn wants(&self, attribute: &str) -> bool {
        match &self.choice {
            Choice::Everything => true,
            Choice::Only(names) => {
                is_always(self.kind, attribute)
                    || !matches!(extent(names, None, attribute), Extent::Nothing)
            }
            Choice::Without(names) => {
                is_always(self.kind, attribute)
                    || !matches!(extent(names, None, attribute), Extent::All)
            }
        }
    }

    /// Whether that part of an attribute was asked for by name, as what is returned on request is.
    pub fn asks_for(&self, attribute: &str, sub: &str) -> bool {
        match &self.choice {
            Choice::Only(names) => match extent(names, None, attribute) {
                Extent::Parts(parts) => parts.contains(&sub),
                Extent::All | Extent::Nothing => false,
            },
            Choice::Everything | Choice::Without(_) => false,
        }
    }

    /// What is shown of a resource. What is never returned is left out whatever was asked for.
    #[must_use]
    pub fn apply(&self, resource: Value) -> Value {
        let Value::Object(resource) = resource else {
            return resource;
        };
        let mut shown = Map::new();
        for (name, value) in resource {
            let value = match (self.kind.extension(&name), value) {
                (Some(extension), Value::Object(inner)) => {
                    let inner = self.shown_in(Some(extension), inner);
                    (!inner.is_empty()).then_some(Value::Object(inner))
                }
                (_, value) => self.shown(None, &name, value),
            };
            if let Some(value) = value {
                shown.insert(name, value);
            }
        }
        Value::Object(shown)
    }

    fn shown_in(
        &self,
        extension: Option<&'static Schema>,
        attributes: Map<String, Value>,
    ) -> Map<String, Value> {
        let shown = attributes.into_iter().filter_map(|(name, value)| {
            let value = self.shown(extension, &name, value)?;
            Some((name, value))
        });
        shown.collect()
    }

    fn shown(&self, extension: Option<&'static Schema>, name: &str, value: Value) -> Option<Value> {
        let attribute = match extension {
            Some(extension) => extension.attribute(name),
            None => self.kind.attribute(name),
        };
        let returned = attribute.map_or(Returned::Default, |attribute| attribute.returned);
        let sub = |part: &str| {
            let sub = attribute.and_then(|attribute| attribute.sub(part));
            sub.map_or(Returned::Default, |sub| sub.returned)
        };
        // What is returned on request is named itself; that its whole is named does not suffice.
        let is_open = |part: &str| !matches!(sub(part), Returned::Never | Returned::Request);
        match (returned, &self.choice) {
            (Returned::Never, _) | (Returned::Request, Choice::Everything | Choice::Without(_)) => {
                None
            }
            (Returned::Always, _) | (Returned::Default, Choice::Everything) => {
                open_parts(attribute, value, is_open)
            }
            (_, Choice::Only(names)) => match extent(names, extension, name) {
                Extent::Nothing => None,
                Extent::All => open_parts(attribute, value, is_open),
                Extent::Parts(parts) => with_parts(value, |part| match sub(part) {
                    Returned::Always => true,
                    Returned::Never => false,
                    Returned::Default | Returned::Request => parts.contains(&part),
                }),
            },
            (_, Choice::Without(names)) => match extent(names, extension, name) {
                Extent::Nothing => open_parts(attribute, value, is_open),
                Extent::All => None,
                Extent::Parts(parts) => with_parts(value, |part| {
                    sub(part) == Returned::Always || (is_open(part) && !parts.contains(&part))
                }),
            },
        }
    }
}

/// The value without the parts that are not open; nothing is copied where all are.
fn open_parts(
    attribute: Option<&Attribute>,
    value: Value,
    is_open: impl Fn(&str) -> bool + Copy,
) -> Option<Value> {
    let parts = attribute.map_or(&[][..], |attribute| &attribute.sub_attributes);
    if parts.iter().all(|part| is_open(&part.name)) {
        return Some(value);
    }
    with_parts(value, is_open)
}

fn names(kind: &'static ResourceType, list: &str) -> Result<Vec<Name>> {
    let texts = split(list);
    if texts.len() > NAMES {
        return Err(Error::value("expected at most 100 names of attributes"));
    }
    Ok(texts
        .into_iter()
        .filter_map(|text| name(kind, text))
        .collect())
}

/// A filter in a name is read past: the attribute itself is shown.
fn name(kind: &'static ResourceType, text: &str) -> Option<Name> {
    match PatchPath::parse(text.trim())
        .ok()?
        .attribute()
        .resolve(kind)
    {
        Resolution::Known(found) => Some(Name::Attribute(found)),
        Resolution::Schema(schema) => Some(Name::Schema(schema)),
        Resolution::Unknown => None,
    }
}

/// Splits at commas that are not within brackets.
fn split(list: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let at_comma = |c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    };
    list.split(at_comma)
        .filter(|name| !name.trim().is_empty())
        .collect()
}

fn extent<'a>(
    names: &'a [Name],
    extension: Option<&'static Schema>,
    attribute: &str,
) -> Extent<'a> {
    let mut parts = Vec::new();
    for name in names {
        match name {
            Name::Schema(schema) if extension == Some(*schema) => return Extent::All,
            // The bare URN of the base schema means all of its attributes.
            Name::Schema(schema) => {
                if extension.is_none() && schema.attribute(attribute).is_some() {
                    return Extent::All;
                }
            }
            Name::Attribute(found) => {
                let hits = found.extension == extension
                    && found.attribute.name.eq_ignore_ascii_case(attribute);
                match found.sub {
                    Some(sub) if hits => parts.push(sub.name.as_str()),
                    None if hits => return Extent::All,
                    _ => {}
                }
            }
        }
    }
    if parts.is_empty() {
        Extent::Nothing
    } else {
        Extent::Parts(parts)
    }
}

fn is_always(kind: &ResourceType, attribute: &str) -> bool {
    kind.attribute(attribute)
        .is_some_and(|attribute| attribute.returned == Returned::Always)
}

/// The chosen parts of each entry; entries and values of which nothing is left are dropped.
fn with_parts(value: Value, keep: impl Fn(&str) -> bool + Copy) -> Option<Value> {
    match value {
        Value::Array(items) => {
            let items: Vec<Value> = items.into_iter().filter_map(|i| entry(i, keep)).collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        one => entry(one, keep),
    }
}

fn entry(value: Value, keep: impl Fn(&str) -> bool) -> Option<Value> {
    let Value::Object(mut parts) = value else {
        return Some(value);
    };
    parts.retain(|name, _| keep(name));
    (!parts.is_empty()).then_some(Value::Object(parts))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scim::schema;

    const URN: &str = schema::ENTERPRISE_USER;

    fn ada() -> Value {
        json!({
            "schemas": [schema::USER, URN], "id": "1", "userName": "ada", "title": "x",
            "name": {"givenName": "Ada", "familyName": "L"}, "password": "secret",
            "emails": [{"value": "a@b.c", "type": "work"}, {"type": "home"}],
            (URN): {"department": "D", "manager": {"value": "m", "$ref": "r"}},
            "groups": [{"value": "g"}], "meta": {"version": "1"},
        })
    }

    #[test]
    fn lists_choose_what_is_shown() {
        fn check(attributes: Option<&str>, excluded: Option<&str>, expect: &Value) {
            let projection = Projection::parse(schema::user(), attributes, excluded).unwrap();
            let Value::Object(mut shown) = projection.apply(ada()) else {
                unreachable!()
            };
            assert_eq!(
                shown.shift_remove("schemas"),
                Some(json!([schema::USER, URN]))
            );
            assert_eq!(shown.shift_remove("id"), Some(json!("1")));
            assert_eq!(&Value::Object(shown), expect, "{attributes:?} {excluded:?}");
        }
        check(Some("id"), None, &json!({}));
        check(
            Some("USERNAME, emails"),
            None,
            &json!({
                "userName": "ada", "emails": [{"value": "a@b.c", "type": "work"}, {"type": "home"}],
            }),
        );
        check(
            Some("emails.value"),
            None,
            &json!({"emails": [{"value": "a@b.c"}]}),
        );
        check(
            Some("emails[type eq \"a,b\"].value,title"),
            None,
            &json!({
                "title": "x", "emails": [{"value": "a@b.c", "type": "work"}, {"type": "home"}],
            }),
        );
        check(
            Some("manager.value"),
            None,
            &json!({(URN): {"manager": {"value": "m"}}}),
        );
        check(
            Some(&format!("{URN}:department")),
            None,
            &json!({(URN): {"department": "D"}}),
        );
        check(
            Some(URN),
            None,
            &json!({
                (URN): {"department": "D", "manager": {"value": "m", "$ref": "r"}},
            }),
        );
        check(
            Some("name.givenName,unknown"),
            None,
            &json!({"name": {"givenName": "Ada"}}),
        );
        // C032
        check(Some("password"), None, &json!({}));
        check(Some("*"), None, &json!({}));
        check(
            None,
            Some(&format!(
                "id,schemas,name,emails.type,groups,meta,title,{URN}"
            )),
            &json!({"userName": "ada", "emails": [{"value": "a@b.c"}]}),
        );
    }

    #[test]
    fn lists_are_bounded_and_exclude_each_other() {
        let parse = |a: Option<&str>, e: Option<&str>| Projection::parse(schema::user(), a, e);
        assert!(parse(Some("id"), Some("title")).is_err());
        assert!(parse(Some("id"), Some("")).is_ok());
        assert!(parse(Some(&["title"; NAMES].join(",")), None).is_ok());
        assert!(parse(Some(&["title"; NAMES + 1].join(",")), None).is_err());
        assert!(parse(None, None).unwrap().is_everything());
    }

    #[test]
    fn wants_tells_what_has_to_be_read() {
        let check = |attributes: Option<&str>, excluded: Option<&str>, expect: bool| {
            let projection = Projection::parse(schema::group(), attributes, excluded).unwrap();
            assert_eq!(
                projection.wants("members"),
                expect,
                "{attributes:?} {excluded:?}"
            );
            assert!(projection.wants("id"));
        };
        check(None, None, true);
        check(Some("members.value"), None, true);
        check(Some("displayName"), None, false);
        check(None, Some("MEMBERS"), false);
        check(None, Some("members.display"), true);
        check(Some(schema::GROUP), None, true);
    }
}
