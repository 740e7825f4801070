//! Every request shape that identity providers are known or said to send: its status, and the
//! effect that it must have. `fixtures/requests.json` holds one on each line: what is there before
//! (`user`, `group`, `more`, `pre`), the request, and what must be true then (`then`).

use std::collections::BTreeSet;

use gatehouse::directory::{DirectoryKind, Mode, NewDirectory};
use gatehouse::store::changes;
use gatehouse::workspace::members;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::gateway::{Gateway, Scim};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    name: String,
    idp: String,
    method: String,
    path: String,
    body: Value,
    statuses: Vec<u16>,
    /// What the standing user has besides or instead.
    #[serde(default)]
    user: Map<String, Value>,
    /// What the standing group has besides or instead.
    #[serde(default)]
    group: Map<String, Value>,
    /// How many more users there are.
    #[serde(default)]
    more: usize,
    /// Requests sent before.
    #[serde(default)]
    pre: Vec<(String, String, Value)>,
    /// Whether the token goes without the word `Bearer`.
    #[serde(default)]
    bare: bool,
    /// Whether the credential is no token at all.
    #[serde(default)]
    bad: bool,
    /// Whether the directory restores inactive users.
    #[serde(default)]
    restore: bool,
    media: Option<String>,
    then: Vec<Value>,
}

/// What a shape runs against: a directory of its own.
struct World<'g> {
    gateway: &'g Gateway,
    scim: Scim,
    /// Placeholders and what they stand for.
    names: Vec<(&'static str, String)>,
}

fn shapes() -> Vec<Shape> {
    serde_json::from_str(include_str!("fixtures/requests.json")).expect("the table is well formed")
}

#[tokio::test]
async fn every_shape_of_entra_has_its_status_and_effect() {
    run(&["entra"], 97).await;
}

#[tokio::test]
async fn every_shape_of_okta_has_its_status_and_effect() {
    run(&["okta"], 28).await;
}

#[tokio::test]
async fn every_shape_of_onelogin_has_its_status_and_effect() {
    run(&["onelogin"], 24).await;
}

#[tokio::test]
async fn every_shape_of_ping_jumpcloud_and_google_has_its_status_and_effect() {
    run(&["ping", "jumpcloud", "google"], 32).await;
}

#[tokio::test]
async fn every_shape_of_sailpoint_cyberark_and_rippling_has_its_status_and_effect() {
    run(&["sailpoint", "cyberark", "rippling"], 18).await;
}

#[tokio::test]
async fn every_shape_of_other_servers_as_clients_has_its_status_and_effect() {
    run(
        &["authentik", "keycloak", "wso2", "bitwarden", "one_identity"],
        20,
    )
    .await;
}

#[tokio::test]
async fn every_other_shape_has_its_status_and_effect() {
    run(&["generic"], 23).await;
}

async fn run(idps: &[&str], count: usize) {
    let shapes: Vec<_> = shapes()
        .into_iter()
        .filter(|shape| idps.contains(&shape.idp.as_str()))
        .collect();
    assert_eq!(shapes.len(), count);
    let mut wrong = Vec::new();
    for shape in &shapes {
        let gateway = Gateway::new().await;
        let world = World::prepare(&gateway, shape).await;
        if let Err(fault) = check(&world, shape).await {
            wrong.push(format!("{} {}: {fault}", shape.idp, shape.name));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

impl<'g> World<'g> {
    async fn prepare(gateway: &'g Gateway, shape: &Shape) -> Self {
        let kind = match shape.idp.as_str() {
            "entra" => DirectoryKind::Entra,
            "okta" => DirectoryKind::Okta,
            _ => DirectoryKind::Generic,
        };
        let new = NewDirectory {
            name: "idp".to_owned(),
            kind,
            mode: Mode::Live,
            strict: false,
            restore_inactive: shape.restore,
        };
        let scim = gateway.scim_of(&gateway.workspace, new).await;
        let mut world = Self {
            gateway,
            scim,
            names: Vec::new(),
        };
        let mut user = json!({
            "userName": "standing@contoso.example", "externalId": "standing-1",
            "displayName": "Mara Lindt", "title": "Analyst",
            "name": {"givenName": "Mara", "familyName": "Lindt", "middleName": "M"},
            "emails": [{"type": "work", "primary": true, "value": "standing@contoso.example"}],
        });
        merge(&mut user, &shape.user);
        let id = world.scim.created("/Users", &user).await;
        world.names.push(("{userId}", id));
        for (name, user) in [
            ("{userId2}", "second"),
            ("{userId3}", "third"),
            ("{managerId}", "boss"),
        ] {
            let user = json!({"userName": format!("{user}@contoso.example")});
            let id = world.scim.created("/Users", &user).await;
            world.names.push((name, id));
        }
        let mut group = json!({
            "displayName": "Standing Group", "members": ["{userId}", "{userId2}", "{userId3}"],
        });
        merge(&mut group, &shape.group);
        let id = world.scim.created("/Groups", &world.filled(&group)).await;
        world.names.push(("{groupId}", id));
        for at in 0..shape.more {
            let user = json!({"userName": format!("more{at}@contoso.example")});
            world.scim.created("/Users", &user).await;
        }
        for (method, path, body) in &shape.pre {
            let answer = world.call(method, path, body).await;
            assert!(
                (200..300).contains(&answer.0),
                "{}: {}",
                shape.name,
                answer.1
            );
        }
        world
    }

    fn fill(&self, text: &str) -> String {
        let names = self.names.iter();
        names.fold(text.to_owned(), |text, (name, id)| text.replace(name, id))
    }

    /// A value with its placeholders filled in.
    fn filled(&self, value: &Value) -> Value {
        serde_json::from_str(&self.fill(&value.to_string())).expect("JSON stays JSON")
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let answer = self
            .answer(method, path, body, "application/scim+json", true)
            .await;
        (answer.status, answer.body)
    }

    async fn answer(
        &self,
        method: &str,
        path: &str,
        body: &Value,
        media: &str,
        with_word: bool,
    ) -> crate::gateway::Answer {
        let word = if with_word { "Bearer " } else { "" };
        let credential = format!("{word}{}", self.scim.token);
        let body = match body {
            Value::Null => None,
            // A text is sent as it is: bytes that are no JSON.
            Value::String(raw) => Some(raw.clone()),
            other => Some(self.filled(other).to_string()),
        };
        let path = format!("/scim/v2{}", self.fill(path))
            .replace(' ', "%20")
            .replace('"', "%22");
        self.gateway
            .call_text(method, &path, &[&credential], media, body)
            .await
    }

    async fn read(&self, path: &str) -> (u16, Value) {
        self.call("GET", path, &Value::Null).await
    }
}

fn merge(into: &mut Value, from: &Map<String, Value>) {
    for (name, value) in from {
        into[name] = value.clone();
    }
}

async fn check(world: &World<'_>, shape: &Shape) -> Result<(), String> {
    let mut before = Vec::new();
    for path in ["/Users/{userId}", "/Groups/{groupId}"] {
        before.push((path, world.read(path).await));
    }
    let media = shape.media.as_deref().unwrap_or("application/scim+json");
    let answer = if shape.bad {
        world
            .gateway
            .call(&shape.method, "/scim/v2/Users", &["non-token"], None)
            .await
    } else {
        world
            .answer(&shape.method, &shape.path, &shape.body, media, !shape.bare)
            .await
    };
    if !shape.statuses.contains(&answer.status) {
        return Err(format!("status {}: {}", answer.status, answer.text));
    }
    for claim in &shape.then {
        let claim = world.filled(claim);
        let holds = Claim {
            world,
            shape,
            answer: &answer,
            before: &before,
        };
        Box::pin(holds.check(&claim, &answer.body))
            .await
            .map_err(|fault| format!("{claim}: {fault}"))?;
    }
    Ok(())
}

/// What a claim is held against.
struct Claim<'a> {
    world: &'a World<'a>,
    shape: &'a Shape,
    answer: &'a crate::gateway::Answer,
    before: &'a [(&'static str, (u16, Value))],
}

fn ensure(holds: bool, found: impl std::fmt::Debug) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(format!("found {found:?}"))
    }
}

/// The value at a pointer whose steps may be URNs, which hold no slash.
fn at<'v>(body: &'v Value, pointer: &str) -> Option<&'v Value> {
    body.pointer(pointer).filter(|value| !value.is_null())
}

impl Claim<'_> {
    async fn check(&self, claim: &Value, body: &Value) -> Result<(), String> {
        let word = claim[0].as_str().unwrap_or_default();
        let text = claim[1].as_str().unwrap_or_default();
        let found = at(body, text);
        let empty = Vec::new();
        let list = found.and_then(Value::as_array).unwrap_or(&empty);
        match word {
            "status" => ensure(claim[1] == json!(self.answer.status), self.answer.status),
            "type" => ensure(
                self.answer.header("content-type") == "application/scim+json",
                self.answer.header("content-type"),
            ),
            "location" => ensure(
                !self.answer.header("location").is_empty()
                    && body["meta"]["location"] == self.answer.header("location"),
                self.answer.header("location"),
            ),
            "is" => ensure(found == Some(&claim[2]), found),
            "has" => ensure(found.is_some(), body),
            "no" => ensure(found.is_none(), found),
            "len" => ensure(json!(list.len()) == claim[2], list.len()),
            "empty" => ensure(list.is_empty(), list),
            "in" => ensure(list.contains(&claim[2]), list),
            "each" => ensure(
                list.iter()
                    .all(|item| item[claim[2].as_str().unwrap_or_default()].is_array()),
                list.len(),
            ),
            "ids" => {
                let ids: BTreeSet<_> = list.iter().map(|item| item["id"].to_string()).collect();
                let wanted = claim[2].as_array().into_iter().flatten();
                ensure(ids == wanted.map(Value::to_string).collect(), &ids)
            }
            "keys" => {
                let keys = found.and_then(Value::as_object).into_iter().flatten();
                let keys: BTreeSet<_> = keys.map(|(key, _)| json!(key).to_string()).collect();
                let wanted = claim[2].as_array().into_iter().flatten();
                ensure(keys == wanted.map(Value::to_string).collect(), &keys)
            }
            "nonulls" => ensure(!body.to_string().contains("null"), body),
            "sent" => self.sent(body),
            _ => self.look(word, claim, body).await,
        }
    }

    /// Every value that was sent is echoed; what the shape says of single ones comes on top.
    fn sent(&self, body: &Value) -> Result<(), String> {
        for name in [
            "userName",
            "externalId",
            "displayName",
            "title",
            "nickName",
            "locale",
        ] {
            let sent = at(&self.shape.body, &format!("/{name}"));
            if sent.is_some_and(Value::is_string) {
                ensure(body.get(name) == sent, body.get(name))?;
            }
        }
        let id = body["id"].as_str().unwrap_or_default();
        ensure(uuid::Uuid::parse_str(id).is_ok(), id)
    }

    async fn look(&self, word: &str, claim: &Value, body: &Value) -> Result<(), String> {
        let path = claim[1].as_str().unwrap_or_default();
        match word {
            "get" => {
                let (status, read) = self.world.read(path).await;
                ensure(status == 200, status)?;
                for claim in claim[2].as_array().into_iter().flatten() {
                    Box::pin(self.check(claim, &read))
                        .await
                        .map_err(|fault| format!("{claim}: {fault}"))?;
                }
                Ok(())
            }
            "gone" => {
                let (status, _) = self.world.read(path).await;
                ensure(status == 404, status)
            }
            "same" => {
                let now = self.world.read(path).await;
                let before = self
                    .before
                    .iter()
                    .find(|(name, _)| self.world.fill(name) == path);
                ensure(before.is_some_and(|(_, before)| *before == now), now)
            }
            "members" => {
                let id = path;
                let found: BTreeSet<_> = match claim[1].as_str() {
                    Some(_) => self.world.scim.members(id).await,
                    None => BTreeSet::new(),
                };
                let wanted = claim[2].as_array().into_iter().flatten();
                let wanted: BTreeSet<_> = wanted
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect();
                ensure(found == wanted, found)
            }
            "apart" => {
                let (_, other) = self.world.read(path).await;
                let ids = |page: &Value| -> BTreeSet<String> {
                    let items = page["Resources"].as_array().into_iter().flatten();
                    items.map(|item| item["id"].to_string()).collect()
                };
                ensure(ids(body).is_disjoint(&ids(&other)), ids(&other))
            }
            "again" => {
                let shape = self.shape;
                let (status, _) = self
                    .world
                    .call(&shape.method, &shape.path, &shape.body)
                    .await;
                ensure((200..300).contains(&status), status)
            }
            _ => self.behind(word, path).await,
        }
    }

    /// What no SCIM request shows: the member, and what was noted.
    async fn behind(&self, word: &str, text: &str) -> Result<(), String> {
        let gateway = self.world.gateway;
        match word {
            "email" => {
                let found = members::find(&gateway.app, gateway.workspace.id, text).await;
                ensure(
                    found.is_ok_and(|member| member.email.as_deref() == Some(text)),
                    text,
                )
            }
            "status_of" => {
                let name = "standing@contoso.example";
                let found = members::find(&gateway.app, gateway.workspace.id, name).await;
                let status = found.map(|member| json!(member.status)).unwrap_or_default();
                ensure(status == json!(text), status)
            }
            "noted" => {
                let mut tx = gateway
                    .app
                    .db
                    .one()
                    .await
                    .map_err(|error| error.to_string())?;
                let written = changes::list_unnumbered(&mut tx, gateway.workspace.id, 1_000)
                    .await
                    .map_err(|error| error.to_string())?;
                ensure(
                    written.iter().any(|change| change.detail.contains(text)),
                    written.len(),
                )
            }
            other => Err(format!("there is no claim {other}")),
        }
    }
}
