//! Deciding whether a resource satisfies a filter; the meaning that SQL must not differ from.
//!
//! * A multi-valued attribute satisfies a comparison if one of its values does.
//! * `ne` is the opposite of `eq`: true if no value is equal, so also where there is none. Inside
//!   brackets both speak of the one element.
//! * `eq null` is the opposite of `pr`, `ne null` is `pr`.
//! * An entry without `primary` is not the primary one: `primary eq false` (RFC 7643 section 2.4).
//! * Text is compared by [`fold::key`], or as it is where the attribute is `caseExact`; order of text
//!   is the order of its bytes. Instants are compared as instants.

use std::cmp::Ordering;

use serde_json::Value;

use crate::clock::Timestamp;
use crate::scim::filter::{Filter, Literal, Operator};
use crate::scim::fold;
use crate::scim::path::Resolved;
use crate::scim::schema::{Attribute, Kind};

/// Whether a resource, as it would be answered in full, satisfies the filter.
///
/// ```
/// use gatehouse::scim::{evaluate, filter, schema};
/// use serde_json::json;
///
/// let filter = filter::parse(r#"emails[type eq "work"].value sw "ADA@""#, schema::user())?;
/// let ada = json!({"emails": [{"type": "work", "value": "ada@example.com"}]});
/// assert!(evaluate::matches(&filter, &ada));
/// # Ok::<(), gatehouse::error::Error>(())
/// ```
#[must_use]
pub fn matches(filter: &Filter, resource: &Value) -> bool {
    decide(filter, &|path| values(path, resource))
}

/// Whether one element of a multi-valued attribute satisfies the filter in its brackets.
#[must_use]
pub fn matches_element(filter: &Filter, element: &Value) -> bool {
    decide(filter, &|path| match path.sub {
        Some(sub) => flat(element.get(&sub.name)),
        None => flat(Some(element)),
    })
}

type Values<'a> = &'a dyn Fn(Resolved) -> Vec<&'a Value>;

/// Recursion is bounded by the depth that the parser allows.
fn decide(filter: &Filter, values: Values<'_>) -> bool {
    match filter {
        Filter::And(inner) => inner.iter().all(|filter| decide(filter, values)),
        Filter::Or(inner) => inner.iter().any(|filter| decide(filter, values)),
        Filter::Not(inner) => !decide(inner, values),
        Filter::Present { path } => values(*path).into_iter().any(is_present),
        Filter::Compare {
            path,
            operator,
            value,
        } => {
            let found = match path.sub.filter(|sub| is_flag(sub, value)) {
                Some(flag) => values(Resolved { sub: None, ..*path })
                    .into_iter()
                    .map(|entry| entry.get(&flag.name).unwrap_or(&UNSAID))
                    .collect(),
                None => values(*path),
            };
            any_compares(path.definition(), &found, *operator, value)
        }
        Filter::ValuePath {
            path,
            filter,
            sub,
            comparison,
        } => {
            let mut elements = values(Resolved { sub: None, ..*path }).into_iter();
            elements.any(|element| {
                matches_element(filter, element) && part_holds(element, *sub, comparison.as_ref())
            })
        }
    }
}

pub(super) fn part_holds(
    element: &Value,
    sub: Option<&Attribute>,
    comparison: Option<&(Operator, Literal)>,
) -> bool {
    let Some(sub) = sub else {
        return true;
    };
    let values = flat(element.get(&sub.name));
    match comparison {
        Some((operator, literal)) if values.is_empty() && is_flag(sub, literal) => {
            any_compares(sub, &[&UNSAID], *operator, literal)
        }
        Some((operator, literal)) => any_compares(sub, &values, *operator, literal),
        None => values.into_iter().any(is_present),
    }
}

/// What `primary` is where an entry does not say it.
static UNSAID: Value = Value::Bool(false);

fn is_flag(sub: &Attribute, literal: &Literal) -> bool {
    sub.name == "primary" && sub.kind == Kind::Boolean && *literal != Literal::Null
}

/// The values that a path selects, lists taken apart.
pub(super) fn values(path: Resolved, resource: &Value) -> Vec<&Value> {
    let holder = match path.extension {
        Some(schema) => resource.get(&schema.id),
        None => Some(resource),
    };
    let value = holder.and_then(|holder| holder.get(&path.attribute.name));
    value.map_or_else(Vec::new, |value| values_of(path, value))
}

/// The same of the attribute's value alone.
pub fn values_of(path: Resolved, value: &Value) -> Vec<&Value> {
    let found = flat(Some(value));
    match path.sub {
        Some(sub) => found
            .into_iter()
            .flat_map(|value| flat(value.get(&sub.name)))
            .collect(),
        None => found,
    }
}

fn flat(value: Option<&Value>) -> Vec<&Value> {
    match value {
        None => Vec::new(),
        Some(Value::Array(items)) => items.iter().collect(),
        Some(one) => vec![one],
    }
}

/// RFC 7644 section 3.4.2.2: a non-empty value, or a complex one with a non-empty part.
pub(super) fn is_present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(is_present),
        Value::Object(parts) => parts.values().any(is_present),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn any_compares(
    attribute: &Attribute,
    values: &[&Value],
    operator: Operator,
    literal: &Literal,
) -> bool {
    if *literal == Literal::Null {
        let present = values.iter().any(|value| is_present(value));
        return present == (operator == Operator::Ne);
    }
    if operator == Operator::Ne {
        return !any_compares(attribute, values, Operator::Eq, literal);
    }
    values
        .iter()
        .any(|value| compares(attribute, value, operator, literal))
}

pub(super) fn compares(
    attribute: &Attribute,
    value: &Value,
    operator: Operator,
    literal: &Literal,
) -> bool {
    match (value, literal) {
        (Value::Bool(value), Literal::Boolean(literal)) => value == literal,
        (Value::Number(value), Literal::Number(literal)) => {
            let order = match (value.as_i64(), literal.as_i64()) {
                (Some(value), Some(literal)) => Some(value.cmp(&literal)),
                _ => value.as_f64().partial_cmp(&literal.as_f64()),
            };
            order.is_some_and(|order| orders(order, operator))
        }
        (Value::String(value), Literal::String(literal)) if attribute.kind == Kind::DateTime => {
            match (Timestamp::parse(value), Timestamp::parse(literal)) {
                (Some(value), Some(literal)) => orders(value.cmp(&literal), operator),
                _ => false,
            }
        }
        (Value::String(value), Literal::String(literal)) if attribute.case_exact => {
            text_compares(value, operator, literal)
        }
        (Value::String(value), Literal::String(literal)) => {
            if operator == Operator::Eq {
                return fold::is_same(value, literal);
            }
            text_compares(&fold::compared(value), operator, &fold::compared(literal))
        }
        _ => false,
    }
}

fn text_compares(value: &str, operator: Operator, literal: &str) -> bool {
    match operator {
        Operator::Co => value.contains(literal),
        Operator::Sw => value.starts_with(literal),
        Operator::Ew => value.ends_with(literal),
        _ => orders(value.cmp(literal), operator),
    }
}

fn orders(order: Ordering, operator: Operator) -> bool {
    match operator {
        Operator::Eq => order.is_eq(),
        Operator::Ne => order.is_ne(),
        Operator::Gt => order.is_gt(),
        Operator::Ge => order.is_ge(),
        Operator::Lt => order.is_lt(),
        Operator::Le => order.is_le(),
        Operator::Co | Operator::Sw | Operator::Ew => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scim::{filter, schema};

    #[test]
    fn filters_decide_as_the_standard_says() {
        let resource = json!({
            "id": "2819c223", "userName": "bJensen@example.com", "externalId": "Emp1",
            "active": true, "title": "50%_off\\", "nickName": "", "name": {"familyName": "O'Malley"},
            "emails": [
                {"value": "work@example.com", "type": "work", "primary": true},
                {"value": "home@example.org", "type": "home"},
            ],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {"value": "m1"}},
            "meta": {"created": "2020-01-01T00:00:00.000Z"},
            "groups": [{"value": "g1", "display": "Crew"}],
        });
        let check = |text: &str, expect: bool| {
            let filter = filter::parse(text, schema::user()).unwrap();
            assert_eq!(matches(&filter, &resource), expect, "{text}");
        };
        check(r#"userName eq "BJENSEN@example.com""#, true);
        check(r#"externalId eq "emp1""#, false);
        check(r#"externalId eq "Emp1""#, true);
        check("name.familyName co \"o'mal\"", true);
        check(r#"emails eq "HOME@example.org""#, true);
        check(
            r#"emails[type eq "home"].value eq "work@example.com""#,
            false,
        );
        check(r#"emails[type eq "home" and value ew ".org"]"#, true);
        check(r#"emails[type eq "home" and primary eq true]"#, false);
        check(
            r#"emails[primary eq "True"].value eq "work@example.com""#,
            true,
        );
        check(r#"emails.type eq "home" and emails.primary eq true"#, true);
        check(r#"emails[type eq "home"].value pr"#, true);
        check(r#"manager eq "m1" and id eq "2819c223""#, true);
        check("active eq false", false);
        check("nickName pr", false);
        check("title pr and not(nickName pr)", true);
        check("emails pr and name pr and manager pr", true);
        check("displayName ne \"x\"", true);
        check("displayName eq null and userName ne null", true);
        check("emails.type ne \"work\"", false);
        check("not (emails.type eq \"other\")", true);
        check("emails[type ne \"work\"]", true);
        check("meta.created gt 2019-12-31T23:59:59.9999999-00:00", true);
        check("meta.created eq \"2020-01-01T01:00:00+01:00\"", true);
        check("meta.created lt \"2020-01-01T00:00:00Z\"", false);
        check("groups eq g1", true);
        check("userName gt \"a\" and userName le \"c\"", true);
        check("displayName gt \"a\" or displayName co \"\"", false);
        // C058
        check(r#"title co "%_""#, true);
        check(r#"title ew "\\""#, true);
        check(r#"userName co "%""#, false);
    }
}
