//! The API as it describes itself: `OpenAPI` 3.1, made of the table of routes, of what each handler's
//! file says of its operations, and of the very types that are read and written.
//!
//! Who adds a route adds an [`Operation`] beside its handler; a test fails for one that is missing
//! or left over. The types derive their schemas by `schemars`, which reads the attributes of serde
//! and tells what is taken from what is given: `utoipa` knows one schema for both, and would be a
//! second table of paths beside [`ROUTES`].

use std::sync::LazyLock;

use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::operation::{Answer, Operation};
use super::problem::{CODES, Told};
use super::{
    ROUTES, V1, brake, bulk, configuration, connections, directories, directory_runs, domains,
    explanations, exports, group_restores, history, idempotency, imports, join_requests, keys,
    logins, members, people, plans, protection, requests, rules, runs, sessions, sign_in_policy,
    teams, tokens, workspaces,
};
use crate::workspace::keys::Permission;

/// Where schemas are.
const SCHEMAS: &str = "/components/schemas";

/// What every route refuses.
const ALWAYS: &[u16] = &[400, 401, 414, 415, 421, 429, 431, 500, 503];

/// Every operation that a handler's file describes.
pub(super) fn operations() -> Vec<Operation> {
    let files = [
        workspaces::operations(),
        members::operations(),
        bulk::operations(),
        teams::operations(),
        brake::operations(),
        requests::operations(),
        people::operations(),
        protection::operations(),
        tokens::operations(),
        directory_runs::operations(),
        group_restores::operations(),
        history::operations(),
        imports::operations(),
        exports::operations(),
        configuration::operations(),
        directories::operations(),
        explanations::operations(),
        connections::operations(),
        join_requests::operations(),
        sign_in_policy::operations(),
        sessions::operations(),
        logins::operations(),
        domains::operations(),
        rules::operations(),
        plans::operations(),
        runs::operations(),
        keys::operations(),
    ];
    files.into_iter().flatten().collect()
}

/// The document; the same for every caller.
pub(super) static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// Its text.
static TEXT: LazyLock<String> = LazyLock::new(|| DOCUMENT.to_string());

/// Answers the document. It tells nothing of what is in a deployment, and needs no key.
pub(super) async fn show() -> Response {
    let media_type = HeaderValue::from_static("application/json");
    ([(CONTENT_TYPE, media_type)], TEXT.as_str()).into_response()
}

/// Schemas of what is taken and of what is given.
struct Schemas {
    taken: SchemaGenerator,
    given: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = SCHEMAS.into();
                settings.meta_schema = None;
            })
        };
        Self {
            taken: settings().for_deserialize().into_generator(),
            given: settings().for_serialize().into_generator(),
        }
    }

    /// All of them by name. A type that is both taken and given has one schema, which must then be
    /// true of both: that of what is taken, where less has to be there.
    fn components(mut self) -> Map<String, Value> {
        let mut all = self.taken.take_definitions(true);
        let mut differing = Vec::new();
        for (name, given) in self.given.take_definitions(true) {
            match all.get(&name) {
                Some(taken) if without_required(taken) == without_required(&given) => {}
                Some(_) => differing.push(name),
                None => {
                    all.insert(name, given);
                }
            }
        }
        debug_assert!(
            differing.is_empty(),
            "{differing:?} need two names, taken and given"
        );
        all.sort_keys();
        all
    }
}

/// A schema but for which of its fields have to be there.
fn without_required(schema: &Value) -> Value {
    match schema {
        Value::Object(parts) => {
            let parts = parts.iter();
            let parts = parts.filter(|(name, part)| *name != "required" || !part.is_array());
            parts
                .map(|(name, part)| (name.clone(), without_required(part)))
                .collect()
        }
        Value::Array(items) => items.iter().map(without_required).collect(),
        other => other.clone(),
    }
}

fn document() -> Value {
    let mut schemas = Schemas::new();
    let problem = schemas.given.subschema_for::<Told>();
    let mut paths: Map<String, Value> = ROUTES
        .iter()
        .map(|(path, _)| (format!("{V1}{path}"), json!({})))
        .collect();
    for operation in operations() {
        let offered = ROUTES.iter().find(|(path, _)| *path == operation.path);
        let mut offered = offered.iter().flat_map(|(_, offered)| offered.iter());
        let permission = offered.find(|(method, _)| *method == operation.method);
        let permission = permission.and_then(|(_, permission)| *permission);
        let told = told(&operation, permission, &mut schemas);
        let methods = &mut paths[&format!("{V1}{}", operation.path)];
        methods[operation.method.to_ascii_lowercase()] = told;
    }
    let responses: Map<String, Value> = CODES
        .iter()
        .map(|(status, codes)| {
            (
                format!("Problem{status}"),
                refusal(*status, codes, &problem),
            )
        })
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Gatehouse management API",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
            "description": ABOUT,
        },
        "servers": [{"url": "/", "description": "This deployment."}],
        "security": [{"key": []}],
        "tags": tags(),
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {
                "type": "http", "scheme": "bearer",
                "description": "An API key of a workspace, of a person in one, or of the operators.",
            }},
            "responses": responses,
            "schemas": schemas.components(),
        },
    })
}

const ABOUT: &str = "Members, teams, roles and what stands behind them, for admins and their \
    programs. Every request carries an API key as `Authorization: Bearer KEY`; the key decides \
    which workspaces are there. `{workspace}` is the id or the slug of one. Errors are problem \
    details (RFC 9457), whose `code` says what is wrong in one word. Lists come in pages: \
    `next_cursor` of one is the `cursor` of the next. Where an answer has an `ETag`, it can be sent \
    as `If-None-Match` and `If-Match` (RFC 9110).";

fn tags() -> Vec<Value> {
    let mut names: Vec<&str> = ROUTES.iter().map(|(path, _)| tag(path)).collect();
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(*name));
    names.iter().map(|name| json!({"name": name})).collect()
}

/// What a path is about: the first list below the workspace, if it is in one.
fn tag(path: &str) -> &str {
    let at = if path.starts_with("/workspaces") {
        3
    } else {
        1
    };
    path.split('/').nth(at).unwrap_or("workspaces")
}

/// A name for programs: `patch_members_id`.
fn operation_id(method: &str, path: &str) -> String {
    let words = path
        .trim_start_matches("/workspaces/{workspace}/")
        .split(['/', '{', '}', '-'])
        .filter(|word| !word.is_empty());
    std::iter::once(method.to_ascii_lowercase().as_str())
        .chain(words)
        .collect::<Vec<_>>()
        .join("_")
}

fn told(operation: &Operation, permission: Option<Permission>, schemas: &mut Schemas) -> Value {
    let path = operation.path;
    let named = path.split(['{', '}']).skip(1).step_by(2);
    let mut parameters: Vec<Value> = named.map(|name| path_parameter(path, name)).collect();
    let has_parameters = !parameters.is_empty();
    parameters.extend(operation.parameters.iter().cloned());
    let mut responses: Vec<(u16, Value)> = Vec::new();
    for answer in &operation.answers {
        responses.push((answer.status, answered(answer, schemas)));
    }
    let own = operation.refusals.iter();
    responses.extend(own.map(|(status, description)| {
        let told = match operation.difference.filter(|_| *status == 409) {
            Some(difference) => stale(description, &difference(&mut schemas.given)),
            None => described(*status, description),
        };
        (*status, told)
    }));
    let common = ALWAYS.iter().copied();
    let is_posted = operation.method == "POST";
    if is_posted {
        parameters.push(idempotency_key());
    }
    let common = common
        .chain(is_posted.then_some([409, 422]).into_iter().flatten())
        .chain(permission.map(|_| 403))
        .chain(has_parameters.then_some(404))
        .chain(operation.body.map(|_| 413));
    for status in common {
        if responses.iter().all(|(known, _)| *known != status) {
            responses.push((status, reference(status)));
        }
    }
    responses.sort_by_key(|(status, _)| *status);
    let responses: Map<String, Value> = responses
        .into_iter()
        .map(|(status, response)| (status.to_string(), response))
        .collect();
    let mut told = json!({
        "tags": [tag(path)],
        "operationId": operation_id(operation.method, path),
        "summary": operation.summary,
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(description) = operation.description {
        told["description"] = description.into();
    }
    if let Some(permission) = permission {
        told["security"] = json!([{"key": [permission.name()]}]);
    }
    if let Some(body) = operation.body {
        let schema = body(&mut schemas.taken);
        told["requestBody"] = json!({
            "required": true, "content": {"application/json": {"schema": schema}},
        });
        for media in &operation.texts {
            told["requestBody"]["content"][media] = json!({"schema": {"type": "string"}});
        }
    }
    told
}

fn path_parameter(path: &str, name: &str) -> Value {
    let is_below = |list: &str| path.contains(&format!("/{list}/{{{name}}}"));
    let text = || json!({"type": "string", "minLength": 1});
    let (description, schema) = match name {
        "workspace" => ("The workspace's id or slug.", json!({"type": "string"})),
        "id" if is_below("domains") => ("The domain, by its id or name.", text()),
        "id" if is_below("teams") && path.ends_with("/explanation") => {
            ("The team, by its id or name.", text())
        }
        "id" if is_below("roles") && path.ends_with("/explanation") => {
            ("The role, by its id or name.", text())
        }
        "id" => ("The id.", json!({"type": "string", "format": "uuid"})),
        "kind" => (
            "What kind of right.",
            json!({"type": "string", "enum": ["teams", "roles", "permissions"]}),
        ),
        "name" if is_below("permissions") => ("The permission.", text()),
        "name" => ("A team's or role's name or id, or a permission.", text()),
        "directory" => ("The directory, by its id or name.", text()),
        "group" => ("The group, by its id or name.", text()),
        "run" => ("The run.", json!({"type": "string", "format": "uuid"})),
        "request" => ("The request.", json!({"type": "string", "format": "uuid"})),
        "list" => (
            "Which list.",
            json!({"type": "string", "enum": ["conflicts", "matched", "new", "unmatched"]}),
        ),
        _ => ("", json!({"type": "string"})),
    };
    json!({
        "name": name, "in": "path", "required": true, "description": description,
        "schema": schema,
    })
}

fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key", "in": "header",
        "description": "A name for this request that no other has, such as a UUID. Sent again \
            within a day it is carried out at most once, and gets the same answer. Where the \
            server died half way the answer is 409 outcome_unknown: look how far it came, and send \
            what is left under another name.",
        "schema": {"type": "string", "minLength": 1, "maxLength": idempotency::LENGTH},
    })
}

fn answered(answer: &Answer, schemas: &mut Schemas) -> Value {
    let mut told = json!({"description": answer.description});
    if let Some(body) = answer.body {
        let schema = body(&mut schemas.given);
        told["content"] = json!({"application/json": {"schema": schema}});
        for media in &answer.texts {
            told["content"][media] = json!({"schema": {"type": "string"}});
        }
    }
    if answer.is_tagged || answer.status == 304 {
        told["headers"] = json!({"ETag": {
            "description": "The version.", "schema": {"type": "string"},
        }});
    }
    told
}

fn reference(status: u16) -> Value {
    json!({"$ref": format!("#/components/responses/Problem{status}")})
}

/// A refusal with a word of the route's own.
fn described(status: u16, description: &str) -> Value {
    let mut own = reference(status);
    own["description"] = description.into();
    own
}

/// The refusal of a plan that would do something else by now: a problem that tells what.
fn stale(description: &str, difference: &schemars::Schema) -> Value {
    let more = json!({
        "type": "object",
        "properties": {"difference": difference},
    });
    let schema = json!({"allOf": [{"$ref": format!("#{SCHEMAS}/Problem")}, more]});
    json!({
        "description": format!(
            "{description} `plan_stale` comes with the `difference`; other codes do not."
        ),
        "content": {"application/problem+json": {"schema": schema}},
    })
}

fn refusal(status: u16, codes: &[(&str, &str)], problem: &schemars::Schema) -> Value {
    let told: Vec<_> = codes
        .iter()
        .map(|(code, meaning)| format!("`{code}`: {meaning}"))
        .collect();
    let mut headers = Map::new();
    let text =
        |description: &str| json!({"description": description, "schema": {"type": "string"}});
    if status == 401 || status == 403 {
        let challenge = text("What to authenticate with, or the scope that the key does not have.");
        headers.insert("WWW-Authenticate".to_owned(), challenge);
    }
    if status == 429 || status == 503 {
        let wait = text("After how many seconds to come back.");
        headers.insert("Retry-After".to_owned(), wait);
    }
    json!({
        "description": told.join("; "),
        "headers": headers,
        "content": {"application/problem+json": {"schema": problem}},
    })
}
