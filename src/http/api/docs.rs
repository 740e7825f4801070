//! The reference of the API for people: one page made of the document, without scripts and without
//! anything from elsewhere.

use std::sync::LazyLock;

use askama::Template;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use super::openapi::DOCUMENT;
use super::problem::Problem;
use crate::error::Error;

/// What the page may load: its own style, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

static PAGE: LazyLock<Option<String>> = LazyLock::new(|| page(&DOCUMENT).render().ok());

/// Answers the page.
pub(super) async fn show() -> Result<Response, Problem> {
    let page = PAGE.as_deref();
    let page = page.ok_or_else(|| Error::internal(anyhow::anyhow!("the page has no text")))?;
    Ok(text("text/html; charset=utf-8", page))
}

/// Answers its style.
pub(super) async fn style() -> Response {
    text(
        "text/css; charset=utf-8",
        include_str!("../../../assets/reference.css"),
    )
}

fn text(media_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    ];
    (headers, text).into_response()
}

/// The page, as its template shows it.
#[derive(Template)]
#[template(path = "reference.html")]
struct Page {
    title: String,
    version: String,
    about: String,
    groups: Vec<Group>,
    schemas: Vec<Named>,
    refusals: Vec<(String, String)>,
}

/// The operations about one thing.
struct Group {
    name: String,
    operations: Vec<Shown>,
}

struct Shown {
    id: String,
    method: String,
    path: String,
    summary: String,
    description: String,
    permission: String,
    parameters: Vec<Field>,
    body: Option<Type>,
    answers: Vec<Answer>,
}

struct Answer {
    status: String,
    description: String,
    body: Option<Type>,
}

/// A schema with a name of its own.
struct Named {
    name: String,
    description: String,
    fields: Vec<Field>,
    /// What it may be, where it is no object.
    is: Type,
}

/// A field of an object, or a parameter.
struct Field {
    name: String,
    place: String,
    is: Type,
    is_required: bool,
    description: String,
}

/// A type in words, with the schema that it leads to.
struct Type {
    words: String,
    link: Option<String>,
}

fn page(document: &Value) -> Page {
    let text = |pointer: &str| string(document.pointer(pointer));
    let mut groups: Vec<Group> = Vec::new();
    for (path, methods) in entries(&document["paths"]) {
        for (method, operation) in entries(methods) {
            let name = string(operation.pointer("/tags/0"));
            let shown = shown(path, method, operation);
            match groups.iter_mut().find(|group| group.name == name) {
                Some(group) => group.operations.push(shown),
                None => groups.push(Group {
                    name,
                    operations: vec![shown],
                }),
            }
        }
    }
    let schemas = entries(&document["components"]["schemas"]);
    let responses = entries(&document["components"]["responses"]);
    Page {
        title: text("/info/title"),
        version: text("/info/version"),
        about: text("/info/description"),
        groups,
        schemas: schemas.map(|(name, schema)| named(name, schema)).collect(),
        refusals: responses
            .map(|(name, told)| {
                let status = name.trim_start_matches("Problem").to_owned();
                (status, string(told.get("description")))
            })
            .collect(),
    }
}

fn shown(path: &str, method: &str, operation: &Value) -> Shown {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let body = operation.pointer("/requestBody/content/application~1json/schema");
    let answers = entries(&operation["responses"]).filter(|(_, told)| {
        // What every route refuses stands at the end of the page, once.
        told.get("$ref").is_none() || told.get("description").is_some()
    });
    Shown {
        id: string(operation.get("operationId")),
        method: method.to_ascii_uppercase(),
        path: path.to_owned(),
        summary: string(operation.get("summary")),
        description: string(operation.get("description")),
        permission: string(operation.pointer("/security/0/key/0")),
        parameters: parameters.map(parameter).collect(),
        body: body.map(type_of),
        answers: answers
            .map(|(status, told)| Answer {
                status: status.to_owned(),
                description: string(told.get("description")),
                body: ["json", "problem+json"].iter().find_map(|media| {
                    let schema = format!("/content/application~1{media}/schema");
                    told.pointer(&schema).map(type_of)
                }),
            })
            .collect(),
    }
}

fn parameter(parameter: &Value) -> Field {
    Field {
        name: string(parameter.get("name")),
        place: string(parameter.get("in")),
        is: type_of(&parameter["schema"]),
        is_required: parameter["required"] == true,
        description: string(parameter.get("description")),
    }
}

fn named(name: &str, schema: &Value) -> Named {
    let required = |name: &str| {
        let required = schema["required"].as_array();
        required.is_some_and(|required| required.iter().any(|it| it == name))
    };
    let fields = entries(&schema["properties"]).map(|(name, schema)| Field {
        name: name.to_owned(),
        place: String::new(),
        is: type_of(schema),
        is_required: required(name),
        description: string(schema.get("description")),
    });
    Named {
        name: name.to_owned(),
        description: string(schema.get("description")),
        fields: fields.collect(),
        is: type_of(schema),
    }
}

/// A schema in words: what it leads to is the last part of its reference.
fn type_of(schema: &Value) -> Type {
    if let Some(Value::String(reference)) = schema.get("$ref") {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return Type {
            words: name.to_owned(),
            link: Some(format!("#schema-{name}")),
        };
    }
    if let Some(value) = schema.get("const") {
        return plain(value.to_string());
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<_> = values.iter().map(Value::to_string).collect();
        return plain(values.join(" | "));
    }
    if let Some(parts) = schema["allOf"].as_array() {
        // A problem that tells what a stale plan differs by.
        let mut parts = parts.iter();
        let more = parts.find_map(|part| part.pointer("/properties/difference"));
        let of = type_of(more.unwrap_or(&Value::Null));
        let words = format!("Problem, with difference: {}", of.words);
        return Type { words, ..of };
    }
    for join in ["anyOf", "oneOf"] {
        if let Some(options) = schema[join].as_array() {
            let options: Vec<_> = options.iter().map(type_of).collect();
            let words: Vec<_> = options.iter().map(|it| it.words.as_str()).collect();
            let words = words.join(" | ");
            let link = options.into_iter().find_map(|it| it.link);
            return Type { words, link };
        }
    }
    match &schema["type"] {
        Value::String(name) if name == "array" => {
            let of = type_of(&schema["items"]);
            let words = format!("list of {}", of.words);
            Type { words, ..of }
        }
        Value::String(name) if name == "object" => {
            // A page shows what its items are.
            match schema.pointer("/properties/items") {
                Some(items) => {
                    let of = type_of(items);
                    let words = format!("page: {}", of.words);
                    Type { words, ..of }
                }
                None => plain(name.clone()),
            }
        }
        Value::String(name) => {
            let format = schema["format"].as_str();
            plain(format.unwrap_or(name).to_owned())
        }
        Value::Array(names) => {
            let names: Vec<_> = names.iter().filter_map(Value::as_str).collect();
            let format = schema["format"].as_str();
            let names = names.into_iter().map(|name| match (name, format) {
                ("string", Some(format)) => format,
                (name, _) => name,
            });
            plain(names.collect::<Vec<_>>().join(" | "))
        }
        _ => plain("anything".to_owned()),
    }
}

fn plain(words: String) -> Type {
    Type { words, link: None }
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let parts = value.as_object().into_iter().flat_map(Map::iter);
    parts.map(|(name, part)| (name.as_str(), part))
}

fn string(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}
