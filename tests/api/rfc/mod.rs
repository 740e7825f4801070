//! The examples of RFC 7643 section 8 and RFC 7644, sent as they are printed, and held against the
//! answers and effects that the texts give. What a server chooses is replaced on both sides: ids,
//! the base address, times and versions. Where a text shortens ids by dots they are written out,
//! and a missing brace is set.

mod patch;
mod protocol;
mod representations;
mod schemas;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway, Scim};

/// Babs Jensen, James Smith and the Tour Guides, as the texts name them.
const BABS: &str = "2819c223-7f76-453a-919d-413861904646";
const JAMES: &str = "08e1d05d-121c-4561-8b96-473d93df9210";
const GUIDES: &str = "acbf3ae7-8463-4692-b4fd-9b4da3f908ce";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    section: String,
    method: String,
    path: String,
    body: Value,
    statuses: Vec<u16>,
    answer: Value,
    /// Whether the answer holds nothing else.
    #[serde(default)]
    exact: bool,
    /// Whether it names the version that is there: in `If-Match`, or in `If-None-Match`.
    #[serde(default)]
    if_match: bool,
    #[serde(default)]
    if_none_match: bool,
}

/// A directory in which the ids of the texts stand for ours.
struct Stage {
    scim: Scim,
    base: String,
    ids: Vec<(String, String)>,
    gateway: Gateway,
}

fn fixture(text: &str) -> Value {
    serde_json::from_str(text).expect("a fixture is JSON")
}

impl Stage {
    async fn new() -> Self {
        let gateway = Gateway::new().await;
        Self {
            scim: gateway.scim().await,
            base: format!("{}/scim/v2", gateway.url),
            ids: Vec::new(),
            gateway,
        }
    }

    /// Babs with what a test gives her, James, and a group of those named.
    async fn with_babs(more: Value, members: &[&str]) -> Self {
        let mut stage = Self::new().await;
        let mut babs = json!({"userName": "bjensen", "displayName": "Babs Jensen"});
        for (name, value) in more.as_object().unwrap() {
            babs[name] = value.clone();
        }
        stage.make("/Users", BABS, babs).await;
        stage
            .make("/Users", JAMES, json!({"userName": "jsmith"}))
            .await;
        let members: Vec<_> = members.iter().map(|id| json!({"value": id})).collect();
        let group = json!({"displayName": "Tour Guides", "members": members});
        stage.make("/Groups", GUIDES, group).await;
        stage
    }

    async fn make(&mut self, path: &str, id: &str, body: Value) {
        let ours = self.scim.created(path, &self.filled(&body)).await;
        self.ids.push((id.to_owned(), ours));
    }

    fn fill(&self, text: &str) -> String {
        let text = text.replace("https://example.com/v2", &self.base);
        let ids = self.ids.iter();
        ids.fold(text, |text, (theirs, ours)| text.replace(theirs, ours))
    }

    fn filled(&self, value: &Value) -> Value {
        fixture(&self.fill(&value.to_string()))
    }

    async fn read(&self, path: &str) -> Value {
        let (status, body) = self.scim.send("GET", &self.fill(path), None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Sends an example; its answer must be the one printed.
    async fn run(&self, name: &str) -> Value {
        let example = examples().remove(name).expect("an example of that name");
        let shown = format!("{name}, section {}", example.section);
        let answer = self.send(&example).await;
        assert!(
            example.statuses.contains(&answer.status),
            "{shown}: {} {}",
            answer.status,
            answer.text
        );
        let found = answer.body;
        // The id of what is made is the server's.
        let mut expected = self.filled(&example.answer);
        if answer.status == 201 {
            expected = fixture(&expected.to_string().replace(BABS, text(&found["id"])));
        }
        if let Err(fault) = contains(&expected, &found, example.exact) {
            panic!("{shown}: {fault}\n{found}");
        }
        found
    }

    /// Sends an example with the version that it names replaced by the one that is there.
    async fn send(&self, example: &Example) -> Answer {
        let path = format!("/scim/v2{}", self.fill(&example.path));
        let token = format!("Bearer {}", self.scim.token);
        let mut headers = vec![
            ("accept", "application/scim+json"),
            ("authorization", token.as_str()),
        ];
        let (resource, _) = path.split_once('?').unwrap_or((&path, ""));
        let known = self.gateway.exchange("GET", resource, &headers, None).await;
        if example.if_match {
            headers.push(("if-match", known.header("etag")));
        }
        if example.if_none_match {
            headers.push(("if-none-match", known.header("etag")));
        }
        let mut body = None;
        if !example.body.is_null() {
            headers.push(("content-type", "application/scim+json"));
            body = Some(self.filled(&example.body).to_string());
        }
        self.gateway
            .exchange(&example.method, &path, &headers, body)
            .await
    }
}

fn examples() -> BTreeMap<String, Example> {
    serde_json::from_str(include_str!("../fixtures/rfc/protocol.json")).expect("well formed")
}

#[test]
fn every_example_is_sent_by_some_test() {
    let tests = [include_str!("patch.rs"), include_str!("protocol.rs")].concat();
    for name in examples().keys() {
        assert!(tests.contains(&format!("\"{name}\"")), "{name}");
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Whether `found` says all that `expected` says; for what the server chooses, that it is there.
fn contains(expected: &Value, found: &Value, exact: bool) -> Result<(), String> {
    match (expected, found) {
        (Value::Null, _) => Ok(()),
        (Value::Object(expected), Value::Object(parts)) => {
            if exact && expected.len() != parts.len() {
                return Err(format!("more than {expected:?}"));
            }
            for (name, value) in expected {
                let Some(part) = parts.get(name) else {
                    return Err(format!("no {name} in {found}"));
                };
                if ["created", "lastModified", "version"].contains(&name.as_str()) {
                    continue;
                }
                contains(value, part, exact).map_err(|fault| format!("{name}: {fault}"))?;
            }
            Ok(())
        }
        (Value::Array(expected), Value::Array(items)) if expected.len() == items.len() => {
            // The order of values says nothing (RFC 7643 section 2.4).
            for value in expected {
                if !items
                    .iter()
                    .any(|item| contains(value, item, exact).is_ok())
                {
                    return Err(format!("no {value} in {found}"));
                }
            }
            Ok(())
        }
        (expected, found) if expected == found => Ok(()),
        _ => Err(format!("{found} instead of {expected}")),
    }
}
