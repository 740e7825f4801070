//! Many requests in one (RFC 7644 section 3.7): reading them, and the order in which references
//! between them come out right.
//!
//! An operation that is malformed fails alone. One that is referred to by an earlier one is done
//! before it; where references go round in a circle, the ids are given out before anything is
//! made. Groups within each other in a circle cannot be had that way, and are refused.

mod references;

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use serde_json::{Map, Value};

use self::references::Place;
use super::path::is_name;
use super::registry::Registry;
use crate::error::{Error, Invalid, Result};

/// URN of a Bulk request.
pub const REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
const RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
/// What stands before a `bulkId` that refers to a resource.
const REFERENCE: &str = "bulkId:";
/// Longest `bulkId` and longest path, in bytes.
const TEXT: usize = 200;

/// A Bulk request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// After how many errors to stop; never if not given.
    pub fail_on_errors: Option<usize>,
    /// The operations as they were sent.
    pub operations: Vec<Operation>,
}

/// One operation: what the answer repeats of it, and what is to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Its method as it was sent; empty if there was none.
    pub method: String,
    /// Its `bulkId` as it was sent.
    pub bulk_id: Option<String>,
    /// What it asks for, or why it asks for nothing that can be done.
    pub task: Result<Task, Fault>,
}

/// Why an operation is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault(pub &'static str);

/// What an operation asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// What is done.
    pub method: Method,
    /// The endpoint of the resource type, without a slash.
    pub endpoint: String,
    /// The resource, or `bulkId:…` of one that another operation makes.
    pub id: Option<String>,
    /// The version that must be there.
    pub version: Option<String>,
    /// The body.
    pub data: Value,
    /// Where the body refers to what other operations make.
    places: Vec<Place>,
}

/// The method of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Makes a resource.
    Post,
    /// Replaces one.
    Put,
    /// Changes one.
    Patch,
    /// Takes one away.
    Delete,
}

/// The answer to an operation.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Its method.
    pub method: String,
    /// Its `bulkId`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bulk_id: Option<String>,
    /// The version that is there now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The address of the resource; none for one that was not made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The HTTP status, as text.
    pub status: String,
    /// The error, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Value>,
}

/// The answer to a Bulk request.
#[derive(Debug, Serialize)]
pub struct Response {
    schemas: [&'static str; 1],
    #[serde(rename = "Operations")]
    operations: Vec<Outcome>,
}

impl Response {
    /// The answers, in the order of the request.
    #[must_use]
    pub fn new(operations: Vec<Outcome>) -> Self {
        Self {
            schemas: [RESPONSE],
            operations,
        }
    }
}

/// One step of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Which operation of the request.
    pub index: usize,
    /// Whether it makes a resource that refers to itself by way of others.
    pub is_circular: bool,
}

/// Reads a Bulk request of at most `most` operations on the types of a registry.
///
/// ```
/// use gatehouse::scim::bulk;
/// use gatehouse::scim::registry::Registry;
/// use serde_json::json;
///
/// let types = Registry::with(&[])?;
/// let request = bulk::parse(json!({"Operations": [
///     {"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": "ada"}},
///     {"method": "GET", "path": "/Users"},
/// ]}), 1000, types)?;
/// assert!(request.operations[0].task.is_ok());
/// assert!(request.operations[1].task.is_err());
/// # Ok::<(), gatehouse::error::Error>(())
/// ```
pub fn parse(body: Value, most: usize, types: &'static Registry) -> Result<Request> {
    let Value::Object(mut body) = body else {
        return Err(syntax("expected an object with a list of Operations"));
    };
    let Some(Value::Array(operations)) = take(&mut body, "Operations") else {
        return Err(syntax("expected an object with a list of Operations"));
    };
    if operations.len() > most {
        return Err(Error::TooManyOperations(most));
    }
    let fail_on_errors = match take(&mut body, "failOnErrors") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
            let expected = || Error::value("failOnErrors: expected a whole number, 0 or more");
            Some(count.ok_or_else(expected)?)
        }
    };
    let mut known = HashSet::new();
    let operations = operations
        .into_iter()
        .map(|operation| read(operation, types, &mut known))
        .collect();
    Ok(Request {
        fail_on_errors,
        operations,
    })
}

fn read(operation: Value, types: &'static Registry, known: &mut HashSet<String>) -> Operation {
    let mut parts = match operation {
        Value::Object(parts) => parts,
        _ => Map::new(),
    };
    let mut text = |name: &str| match take(&mut parts, name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let (method, bulk_id) = (text("method").unwrap_or_default(), text("bulkId"));
    let path = text("path");
    let version = match take(&mut parts, "version") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Fault("version: expected text")),
    };
    let data = take(&mut parts, "data").unwrap_or_default();
    let task = version.and_then(|version| {
        let what = (method.as_str(), path.as_deref());
        let mut task = task(what, bulk_id.as_deref(), version, data, known)?;
        if let Some(kind) = types.at(&task.endpoint) {
            task.places = references::places(kind, task.method, &task.data);
        }
        Ok(task)
    });
    Operation {
        method: method.chars().take(TEXT).collect(),
        bulk_id: bulk_id.map(|id| id.chars().take(TEXT).collect()),
        task,
    }
}

fn task(
    (method, path): (&str, Option<&str>),
    bulk_id: Option<&str>,
    version: Option<String>,
    data: Value,
    known: &mut HashSet<String>,
) -> Result<Task, Fault> {
    let method = match method {
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        _ => return Err(Fault("method: expected POST, PUT, PATCH or DELETE")),
    };
    let (endpoint, id) = path
        .and_then(split)
        .ok_or(Fault("path: expected /Users, /Users/{id} or the like"))?;
    if (method == Method::Post) != id.is_none() {
        return Err(Fault(
            "path: expected no id with POST, and one with every other method",
        ));
    }
    if method != Method::Delete && !data.is_object() {
        return Err(Fault("data: expected an object"));
    }
    if method == Method::Post {
        match bulk_id {
            None | Some("") => return Err(Fault("bulkId: expected with POST")),
            Some(id) if id.len() > TEXT => return Err(Fault("bulkId: expected at most 200 bytes")),
            Some(id) if !known.insert(id.to_owned()) => {
                return Err(Fault("bulkId: expected each once"));
            }
            Some(_) => {}
        }
    }
    Ok(Task {
        method,
        endpoint: endpoint.to_owned(),
        id: id.map(str::to_owned),
        version,
        data,
        places: Vec::new(),
    })
}

/// Endpoint and id of a path below the base address. Nothing in it is decoded or normalised, so
/// that it cannot mean another place than it says (C055).
fn split(path: &str) -> Option<(&str, Option<&str>)> {
    let rest = path.strip_prefix('/').filter(|rest| rest.len() <= TEXT)?;
    let (endpoint, id) = match rest.split_once('/') {
        Some((endpoint, id)) => (endpoint, Some(id)),
        None => (rest, None),
    };
    let is_id = |id: &str| {
        let plain = id.strip_prefix(REFERENCE).unwrap_or(id);
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !plain.is_empty() && plain.bytes().all(fits)
    };
    (is_name(endpoint) && id.is_none_or(is_id)).then_some((endpoint, id))
}

impl Task {
    /// The `bulkId`s that the operation refers to.
    pub fn references(&self) -> HashSet<&str> {
        let mut found = references::collect(&self.places, &self.data);
        found.extend(self.id.as_deref().and_then(references::reference));
        found
    }

    /// Puts ids in the place of references; one that is not known is a fault.
    pub fn resolve(&mut self, ids: &HashMap<String, String>) -> Result<(), Fault> {
        if let Some(id) = &mut self.id {
            references::replace(id, ids)?;
        }
        references::resolve(&self.places, &mut self.data, ids)
    }
}

impl Request {
    /// The operations in the order in which they are to be done: as they were sent, but what an
    /// operation refers to comes before it.
    #[must_use]
    pub fn plan(&self) -> Vec<Step> {
        let makers: HashMap<&str, usize> = (0..)
            .zip(&self.operations)
            .filter(|(_, it)| matches!(&it.task, Ok(task) if task.method == Method::Post))
            .filter_map(|(index, it)| Some((it.bulk_id.as_deref()?, index)))
            .collect();
        let needs: Vec<Vec<usize>> = self
            .operations
            .iter()
            .map(|operation| {
                let task = operation.task.as_ref().ok();
                let references = task.map(Task::references).unwrap_or_default();
                let mut needs: Vec<usize> = references
                    .into_iter()
                    .filter_map(|id| makers.get(id).copied())
                    .collect();
                needs.sort_unstable();
                needs
            })
            .collect();
        walk(&needs)
    }
}

/// Depth first, without recursion: a chain may be as long as the request.
fn walk(needs: &[Vec<usize>]) -> Vec<Step> {
    let mut steps = Vec::with_capacity(needs.len());
    let mut is_begun = vec![false; needs.len()];
    let mut is_circular = vec![false; needs.len()];
    let mut place: Vec<Option<usize>> = vec![None; needs.len()];
    for start in 0..needs.len() {
        if is_begun[start] {
            continue;
        }
        is_begun[start] = true;
        place[start] = Some(0);
        // The way to where we are: an operation, and how many of its needs were looked at.
        let mut way = vec![(start, 0)];
        while let Some((index, at)) = way.last_mut() {
            let index = *index;
            let Some(&need) = needs[index].get(*at) else {
                steps.push(index);
                place[index] = None;
                way.pop();
                continue;
            };
            *at += 1;
            if let Some(from) = place[need] {
                for (open, _) in &way[from..] {
                    is_circular[*open] = true;
                }
            } else if !is_begun[need] {
                is_begun[need] = true;
                place[need] = Some(way.len());
                way.push((need, 0));
            }
        }
    }
    let step = |index| Step {
        index,
        is_circular: is_circular[index],
    };
    steps.into_iter().map(step).collect()
}

fn take(object: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let is_it = |key: &&String| key.eq_ignore_ascii_case(name);
    let key = object.keys().find(is_it)?.clone();
    object.remove(&key)
}

fn syntax(detail: &str) -> Error {
    Error::invalid(Invalid::Syntax, detail)
}

#[cfg(test)]
mod tests;
