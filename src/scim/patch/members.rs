//! What a PATCH says of the members of a group.

use serde_json::Value;

use super::{MembersOperation, Op, bad_path, no_target};
use crate::error::{Error, Invalid, Result};
use crate::scim::filter::{Filter, Literal, Operator};
use crate::scim::resource::{self, MemberRef};
use crate::scim::schema::Attribute;

/// `members`, or `members.value`, with a value.
pub(super) fn listed(
    op: Op,
    attribute: &Attribute,
    sub: Option<&Attribute>,
    value: Option<Value>,
) -> Result<Option<MembersOperation>> {
    if sub.is_some_and(|sub| sub.name != "value") {
        return Err(fixed());
    }
    let is_empty = matches!(&value, None | Some(Value::Null));
    let is_blank = value.as_ref().and_then(Value::as_str) == Some("");
    Ok(match op {
        Op::Add if is_empty => None,
        // Only no value at all means everybody; a list names whom it names (C038).
        Op::Remove if is_empty => Some(MembersOperation::Clear),
        Op::Replace if is_empty || is_blank => Some(MembersOperation::Clear),
        _ => {
            let members = resource::members(value.unwrap_or_default(), attribute)?;
            match (op, members.is_empty()) {
                (Op::Replace, true) => Some(MembersOperation::Clear),
                (_, true) => None,
                (Op::Add, false) => Some(MembersOperation::Add(members)),
                (Op::Replace, false) => Some(MembersOperation::Replace(members)),
                (Op::Remove, false) => Some(MembersOperation::Remove(members)),
            }
        }
    })
}

/// `members[filter]`, perhaps with a value.
pub(super) fn selected(
    op: Op,
    attribute: &Attribute,
    filter: Filter,
    sub: Option<&str>,
    value: Option<Value>,
) -> Result<Vec<MembersOperation>> {
    match sub {
        None => {}
        Some(name) if attribute.sub(name).is_some() => return Err(fixed()),
        Some(_) => return Err(bad_path("members has no such sub-attribute")),
    }
    // Members are looked at by their ids; an address would select nobody and be answered "done".
    if mentions_address(&filter) {
        return Err(bad_path(
            "members: expected a filter over value, display or type",
        ));
    }
    let named = named(&filter);
    match op {
        Op::Remove => Ok(vec![removal(filter, named)]),
        Op::Add => match named {
            Some(members) => Ok(vec![MembersOperation::Add(members)]),
            None => Err(no_target(
                "members: expected a filter that names members by value",
            )),
        },
        Op::Replace => {
            let fresh = resource::members(value.unwrap_or_default(), attribute)?;
            let mut steps = vec![removal(filter, named)];
            if !fresh.is_empty() {
                steps.push(MembersOperation::Add(fresh));
            }
            Ok(steps)
        }
    }
}

fn mentions_address(filter: &Filter) -> bool {
    match filter {
        Filter::And(terms) | Filter::Or(terms) => terms.iter().any(mentions_address),
        Filter::Not(inner) => mentions_address(inner),
        Filter::Compare { path, .. }
        | Filter::Present { path }
        | Filter::ValuePath { path, .. } => path.sub.is_some_and(|sub| sub.name == "$ref"),
    }
}

/// Appends an operation; adds and removals in a row become one, so that they cost one statement.
pub(super) fn push(steps: &mut Vec<MembersOperation>, step: MembersOperation) {
    match (steps.last_mut(), step) {
        (Some(MembersOperation::Add(known)), MembersOperation::Add(more))
        | (Some(MembersOperation::Remove(known)), MembersOperation::Remove(more)) => {
            known.extend(more);
        }
        (_, step) => steps.push(step),
    }
}

fn removal(filter: Filter, named: Option<Vec<MemberRef>>) -> MembersOperation {
    match named {
        Some(members) => MembersOperation::Remove(members),
        None => MembersOperation::RemoveMatching(filter),
    }
}

/// The members of `value eq "id"`, or of several such terms joined by `or`.
fn named(filter: &Filter) -> Option<Vec<MemberRef>> {
    match filter {
        Filter::Compare {
            path,
            operator: Operator::Eq,
            value: Literal::String(id),
        } if path.sub.is_some_and(|sub| sub.name == "value") && !id.is_empty() => {
            Some(vec![MemberRef {
                value: id.clone(),
                kind: None,
            }])
        }
        Filter::Or(terms) => {
            let all: Option<Vec<_>> = terms.iter().map(named).collect();
            all.map(|all| all.into_iter().flatten().collect())
        }
        _ => None,
    }
}

fn fixed() -> Error {
    Error::invalid(
        Invalid::Mutability,
        "members: a member can be added or removed, not changed",
    )
}
