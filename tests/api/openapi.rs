//! The API as it describes itself: the document, and the page for people.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse::http::api::ROUTES;
use gatehouse::workspace::keys::Permission;
use serde_json::Value;

use crate::gateway::Gateway;

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
