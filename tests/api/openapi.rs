//! The API as it describes itself: the document, and the page for people.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse::directory::{Mode, NewDirectory, request_log};
use gatehouse::http::api::ROUTES;
use gatehouse::workspace::keys::Permission;
use serde_json::{Value, json};

use crate::gateway::{Gateway, new_directory, users};
use crate::keys::new_key;
use crate::live_runs::live;

async fn document(gateway: &Gateway) -> Value {
    let answer = gateway
        .exchange("GET", "/api/v1/openapi.json", &[], None)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "application/json");
    answer.body
}

/// The operations of a document, each with its path and method.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let each = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().expect("methods");
        let named = methods.iter();
        named.map(move |(method, it)| (path.clone(), method.to_uppercase(), it))
    });
    each.collect()
}

#[tokio::test]
async fn every_route_is_described_and_nothing_else() {
    let gateway = Gateway::new().await;
    let document = document(&gateway).await;
    assert_eq!(document["openapi"], "3.1.0");
    let mut offered = BTreeMap::new();
    for (path, methods) in ROUTES {
        for (method, permission) in *methods {
            let place = (format!("/api/v1{path}"), (*method).to_owned());
            offered.insert(place, permission.map(Permission::name));
        }
    }
    let described = operations(&document);
    let places: BTreeSet<_> = described
        .iter()
        .map(|(path, method, _)| (path.clone(), method.clone()))
        .collect();
    let wanted: BTreeSet<_> = offered.keys().cloned().collect();
    let missing: Vec<_> = wanted.difference(&places).collect();
    assert!(missing.is_empty(), "add an Operation for {missing:?}");
    let left: Vec<_> = places.difference(&wanted).collect();
    assert!(left.is_empty(), "no route for the Operations {left:?}");
    for (path, method, operation) in described {
        let needed = offered[&(path.clone(), method.clone())];
        let told = operation.pointer("/security/0/key/0");
        assert_eq!(told.and_then(Value::as_str), needed, "{method} {path}");
        let responses = operation["responses"].as_object().unwrap();
        let has = |status: &str| responses.contains_key(status);
        assert!(responses.keys().any(|status| status.starts_with('2')));
        assert!(has("400") && has("401") && has("429") && has("500") && has("503"));
        assert_eq!(has("403"), needed.is_some(), "{method} {path}");
        assert_eq!(has("404"), path.contains('{'), "{method} {path}");
        let has_body = operation.get("requestBody").is_some();
        assert_eq!(has("413"), has_body, "{method} {path}");
        let named = path.split(['{', '}']).skip(1).step_by(2);
        for name in named {
            let parameters = operation["parameters"].as_array().unwrap();
            let found = parameters.iter().find(|it| it["name"] == name);
            assert_eq!(found.unwrap()["in"], "path", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn operations_have_names_of_their_own_and_references_lead_somewhere() {
    fn walk<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(parts) => {
                found.extend(parts.get("$ref").and_then(Value::as_str));
                parts.values().for_each(|part| walk(part, found));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
            _ => {}
        }
    }
    let gateway = Gateway::new().await;
    let document = document(&gateway).await;
    let all = operations(&document);
    let ids: BTreeSet<_> = all
        .iter()
        .map(|(.., operation)| operation["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), all.len());
    let mut found = Vec::new();
    walk(&document, &mut found);
    assert!(found.len() > 100);
    for reference in found {
        let place = reference.strip_prefix('#').expect("within the document");
        assert!(document.pointer(place).is_some(), "{reference}");
    }
}

/// Where the document leaves open what something is, and why.
const OPEN: &[(&str, &str)] = &[
    ("ChangedField.from", "a value of any field of a member"),
    ("ChangedField.to", "a value of any field of a member"),
    (
        "ConfigurationDifference.from",
        "a value of any field of a document",
    ),
    (
        "ConfigurationDifference.to",
        "a value of any field of a document",
    ),
    ("EndedRule.was", "a rule as it was told when it was written"),
    ("Event.detail", "each kind of change has its own"),
    ("Event.personal", "each kind of change has its own"),
    ("Example.member", "the fields that a member shows"),
    ("Example.user", "a SCIM User, custom attributes included"),
    ("LoggedRequest.request", "what a client sent"),
    ("LoggedRequest.response", "a SCIM answer"),
    ("Replayed.answer", "a SCIM answer"),
    ("ReplayedChange.detail", "each kind of change has its own"),
    (
        "SaidOfMember.document",
        "a SCIM User, custom attributes included",
    ),
    (
        "WhyRule.satisfied_by",
        "values of attributes, custom ones included",
    ),
];

/// What says more of a schema than that it is an object.
const TELLING: [&str; 10] = [
    "$ref",
    "const",
    "enum",
    "anyOf",
    "oneOf",
    "allOf",
    "properties",
    "items",
    "not",
    "format",
];

/// The places below a schema that may be anything, or any object.
fn find_open(place: &str, schema: &Value, found: &mut BTreeSet<String>) {
    let Value::Object(parts) = schema else {
        if schema == &Value::Bool(true) {
            found.insert(place.to_owned());
        }
        return;
    };
    let tells = TELLING.iter().any(|name| parts.contains_key(*name));
    let more = parts.get("additionalProperties");
    let is_object = parts.get("type").is_none_or(|name| {
        let names = name
            .as_array()
            .map_or(std::slice::from_ref(name), Vec::as_slice);
        names.iter().any(|name| name == "object" || name == "array")
    });
    if is_object && !tells && more.is_none_or(|more| more == &Value::Bool(true)) {
        found.insert(place.to_owned());
    }
    for (name, part) in parts
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        find_open(&format!("{place}.{name}"), part, found);
    }
    for name in ["items", "additionalProperties"] {
        if let Some(part @ Value::Object(_)) = parts.get(name) {
            find_open(place, part, found);
        }
    }
    if parts.get("items") == Some(&Value::Bool(true)) {
        found.insert(place.to_owned());
    }
    for name in ["anyOf", "oneOf", "allOf"] {
        for part in parts
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            find_open(place, part, found);
        }
    }
}

#[tokio::test]
async fn what_is_taken_and_given_is_said_field_by_field() {
    let gateway = Gateway::new().await;
    let document = document(&gateway).await;
    let mut found = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let body = operation.pointer("/requestBody/content").into_iter();
        let answers = operation["responses"].as_object().unwrap().values();
        let contents = body.chain(answers.filter_map(|answer| answer.get("content")));
        for schema in contents.flat_map(|it| it.as_object().unwrap().values()) {
            find_open(&format!("{method} {path}"), &schema["schema"], &mut found);
        }
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    assert!(schemas.len() > 100);
    for (name, schema) in schemas {
        find_open(name, schema, &mut found);
    }
    let left: BTreeSet<_> = OPEN.iter().map(|(place, _)| (*place).to_owned()).collect();
    assert_eq!(
        found, left,
        "give each a type; what is really open is listed with the reason"
    );
}

#[tokio::test]
async fn what_has_an_id_or_a_name_is_found_by_its_name() {
    let gateway = Gateway::new().await;
    let operator = new_key(&[Permission::Everything]);
    let (_, key) = gateway.key_of(None, operator).await;
    let new = NewDirectory {
        mode: Mode::Collect,
        ..new_directory("Staff list")
    };
    let scim = gateway.scim_of(&gateway.workspace, new).await;
    users(&scim, "u", 1).await;
    let crew = json!({"displayName": "Crew"});
    scim.created("/Groups", &crew).await;
    let run = live(&gateway, &scim).await;
    let token = scim.credential.to_string();
    request_log::flush(&gateway.app).await;
    let request = "/directories/Staff%20list/requests?limit=1";
    let all = ("GET", request);
    let request = gateway.asked(&key, all, Value::Null, 200).await["items"][0]["id"].clone();
    let all = gateway
        .asked(&key, ("GET", "/members"), Value::Null, 200)
        .await;
    let member = all["items"][0]["id"].as_str().unwrap().to_owned();
    let domain = json!({"name": "acme.example"});
    for (list, body) in [
        ("/teams", json!({"name": "Support"})),
        ("/roles", json!({"name": "Support"})),
        ("/domains", domain.clone()),
    ] {
        gateway.asked(&key, ("POST", list), body, 201).await;
    }
    let right = format!("/members/{member}/teams/Support");
    gateway.asked(&key, ("PUT", &right), Value::Null, 204).await;

    let document = document(&gateway).await;
    let mut tried = 0;
    for (path, method, operation) in operations(&document) {
        let parameters = operation["parameters"].as_array().unwrap();
        let mut is_named = false;
        let (mut known, mut unknown) = (path.clone(), path.clone());
        for parameter in parameters.iter().filter(|it| it["in"] == "path") {
            let name = parameter["name"].as_str().unwrap();
            let has_name =
                name != "workspace" && parameter["description"].as_str().unwrap().contains(" name");
            is_named |= has_name;
            let value = match name {
                "workspace" => "acme",
                "directory" => "Staff%20list",
                "group" => "Crew",
                "run" => run.trim_start_matches("/runs/"),
                "request" => request.as_str().unwrap(),
                "list" => "new",
                "kind" => "teams",
                "id" if path.contains("/domains/") => "acme.example",
                "id" if path.contains("/tokens/") => token.as_str(),
                "id" if path.contains("/members/") => member.as_str(),
                _ => "Support",
            };
            let place = format!("{{{name}}}");
            known = known.replace(&place, value);
            unknown = unknown.replace(&place, if has_name { "nobody-has-it" } else { value });
        }
        if !is_named {
            continue;
        }
        tried += 1;
        let body = operation.get("requestBody").map(|_| {
            if path.ends_with("/domains/{id}") {
                json!({"adoption": false})
            } else if path.ends_with("/groups/{group}/restore") {
                json!({"hash": "none"})
            } else {
                json!({})
            }
        });
        let [known, unknown] = [known, unknown].map(|it| it.replace("/api/v1", ""));
        let answer = gateway.api(&key, &method, &unknown, body.as_ref()).await;
        assert_eq!(answer.status, 404, "{method} {unknown}: {}", answer.text);
        let answer = gateway.api(&key, &method, &known, body.as_ref()).await;
        let is_found = answer.status != 404 && answer.status < 500;
        assert!(is_found, "{method} {known}: {}", answer.text);
        if method == "DELETE" && path.ends_with("/domains/{id}") {
            let again = ("POST", "/domains");
            gateway.asked(&key, again, domain.clone(), 201).await;
        }
    }
    assert!(tried >= 25, "{tried}");
}

#[tokio::test]
async fn what_is_answered_has_the_fields_that_the_document_names() {
    let gateway = Gateway::new().await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    let document = document(&gateway).await;
    let answer = gateway.api(&key, "GET", "/workspaces/acme", None).await;
    let schema = &document["components"]["schemas"]["Workspace"];
    let fields: BTreeSet<_> = schema["properties"].as_object().unwrap().keys().collect();
    let given: BTreeSet<_> = answer.body.as_object().unwrap().keys().collect();
    assert_eq!(fields, given);
    let edit = &document["components"]["schemas"]["MemberEdit"];
    assert_eq!(edit["additionalProperties"], false);
    assert_eq!(edit["required"], Value::Null);
}

#[tokio::test]
async fn the_reference_names_every_route_and_loads_nothing_from_elsewhere() {
    let gateway = Gateway::new().await;
    let page = gateway.exchange("GET", "/api/v1/docs", &[], None).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    for (path, _) in ROUTES {
        // A template that escapes shows braces as they are.
        assert!(page.text.contains(&format!("<code>/api/v1{path}</code>")));
    }
    for outside in ["http:", "https:", "//", "<script", "style=", "@import"] {
        let found = page.text.find(outside);
        assert_eq!(found, None, "{outside}");
    }
    let style = gateway
        .exchange("GET", "/api/v1/docs/style.css", &[], None)
        .await;
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    assert!(style.text.contains("light-dark("));
    assert!(!style.text.contains("url("));
}
