//! Why a resource satisfies a filter: the values that decided.

use std::collections::BTreeMap;

use serde_json::Value;

use super::evaluate::{compares, is_present, matches, matches_element, part_holds, values};
use super::filter::{Filter, Literal, Operator};
use super::path::Resolved;

/// The values by which a resource satisfies a filter, by attribute; none if it does not. An
/// attribute that must be absent, or must not be equal, stands there with what it has, if anything.
///
/// ```
/// use gatehouse::scim::{filter, grounds, schema};
/// use serde_json::json;
///
/// let filter = filter::parse(r#"title sw "lead" or roles.value eq "x""#, schema::user())?;
/// let ada = json!({"title": "Lead of sales", "roles": [{"value": "y"}]});
/// let grounds = grounds::of(&filter, &ada);
/// assert_eq!(serde_json::to_value(grounds).unwrap(), json!({"title": ["Lead of sales"]}));
/// # Ok::<(), gatehouse::error::Error>(())
/// ```
#[must_use]
pub fn of(filter: &Filter, resource: &Value) -> BTreeMap<String, Vec<Value>> {
    let mut grounds = BTreeMap::new();
    if matches(filter, resource) {
        collect(filter, resource, &mut grounds);
    }
    grounds
}

fn collect(filter: &Filter, resource: &Value, grounds: &mut BTreeMap<String, Vec<Value>>) {
    match filter {
        Filter::And(inner) => inner
            .iter()
            .for_each(|filter| collect(filter, resource, grounds)),
        Filter::Or(inner) => inner
            .iter()
            .filter(|filter| matches(filter, resource))
            .for_each(|filter| collect(filter, resource, grounds)),
        Filter::Not(inner) => present(inner, resource, grounds),
        Filter::Compare {
            path,
            operator,
            value,
        } => {
            let found = values(*path, resource).into_iter();
            let decides = |found: &&Value| {
                let is_opposite = *operator == Operator::Ne || *value == Literal::Null;
                is_opposite || compares(path.definition(), found, *operator, value)
            };
            note(*path, found.filter(decides), grounds);
        }
        Filter::Present { path } => {
            let found = values(*path, resource).into_iter();
            note(*path, found.filter(|value| is_present(value)), grounds);
        }
        Filter::ValuePath {
            path,
            filter,
            sub,
            comparison,
        } => {
            let elements = values(*path, resource).into_iter().filter(|element| {
                matches_element(filter, element) && part_holds(element, *sub, comparison.as_ref())
            });
            note(*path, elements, grounds);
        }
    }
}

/// What a filter that must not hold looks at.
fn present(filter: &Filter, resource: &Value, grounds: &mut BTreeMap<String, Vec<Value>>) {
    match filter {
        Filter::And(inner) | Filter::Or(inner) => inner
            .iter()
            .for_each(|filter| present(filter, resource, grounds)),
        Filter::Not(inner) => present(inner, resource, grounds),
        Filter::Compare { path, .. }
        | Filter::Present { path }
        | Filter::ValuePath { path, .. } => {
            note(*path, values(*path, resource).into_iter(), grounds);
        }
    }
}

fn note<'v>(
    path: Resolved,
    values: impl Iterator<Item = &'v Value>,
    grounds: &mut BTreeMap<String, Vec<Value>>,
) {
    let noted = grounds.entry(path.key()).or_default();
    for value in values {
        if !noted.contains(value) {
            noted.push(value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::of;
    use crate::scim::{filter, schema};

    #[test]
    fn the_values_that_decided_are_named() {
        let resource = json!({
            "userName": "ada@example.com", "active": true, "title": "Lead",
            "roles": [{"value": "a"}, {"value": "b", "primary": true}],
            "emails": [{"value": "w@example.com", "type": "work"}, {"value": "h@example.org"}],
        });
        let check = |text: &str, expect: serde_json::Value| {
            let filter = filter::parse(text, schema::user()).unwrap();
            let found = serde_json::to_value(of(&filter, &resource)).unwrap();
            assert_eq!(found, expect, "{text}");
        };
        check(r#"roles.value eq "B""#, json!({"roles.value": ["b"]}));
        check(r#"roles.value eq "c""#, json!({}));
        check(
            r#"title pr and (roles.value eq "a" or roles.value eq "b" or active eq false)"#,
            json!({"title": ["Lead"], "roles.value": ["a", "b"]}),
        );
        check(
            r#"roles[primary eq "True"].value eq "b""#,
            json!({"roles": [{"value": "b", "primary": true}]}),
        );
        check(
            r#"emails[type eq "work"]"#,
            json!({"emails": [{"value": "w@example.com", "type": "work"}]}),
        );
        check("nickName eq null", json!({"nickName": []}));
        check(r#"title ne "boss""#, json!({"title": ["Lead"]}));
        check(
            r#"not (title eq "boss" or nickName pr)"#,
            json!({"title": ["Lead"], "nickName": []}),
        );
    }
}
