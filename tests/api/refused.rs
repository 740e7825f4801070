//! What was refused to somebody who is known is told in the log, and nothing changed.

use std::time::Duration;

use gatehouse::changes::refusals::{self, MOST, SPAN};
use gatehouse::clock::Clock;
use gatehouse::http::api::ROUTES;
use gatehouse::ids::{ApiKeyId, WorkspaceId};
use gatehouse::workspace::keys::{NewKey, Permission};
use gatehouse::workspace::members;
use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway, new_directory, users};
use crate::keys::new_key;

const NOWHERE: &str = "019aa000-0000-7000-8000-000000000001";

/// A refusal as the log has it.
#[derive(Debug, PartialEq, sqlx::FromRow)]
struct Told {
    subject_kind: String,
    subject: uuid::Uuid,
    credential: Option<uuid::Uuid>,
    actor: Option<String>,
    method: Option<String>,
    path: Option<String>,
    detail: String,
}

impl Told {
    fn detail(&self) -> Value {
        serde_json::from_str(&self.detail).expect("JSON")
    }
}

/// The refusals in a workspace's log, oldest first; of one request if that is given.
async fn told(gateway: &Gateway, workspace: WorkspaceId, answer: Option<&Answer>) -> Vec<Told> {
    let request = answer.map(|answer| answer.header("x-request-id").parse::<uuid::Uuid>());
    let mut tx = gateway.app.db.one().await.unwrap();
    tx.query(
        "SELECT subject_kind, subject, credential, actor, method, path, detail FROM changes \
         WHERE workspace = $1 AND kind = 'request.refused' \
         AND (CAST($2 AS UUID) IS NULL OR request = $2) ORDER BY at, id",
    )
    .bind(workspace)
    .bind(request.transpose().unwrap())
    .fetch_all()
    .await
    .unwrap()
}

/// A key of the gateway's own workspace with its id.
async fn key(gateway: &Gateway, scopes: &[Permission]) -> (ApiKeyId, String) {
    let new: NewKey = new_key(scopes);
    gateway.key_of(Some(&gateway.workspace), new).await
}

// C212
#[tokio::test]
async fn each_call_that_is_refused_for_a_right_leaves_one_record() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    let own = gateway.workspace.id;
    let (id, weak) = key(&gateway, &[Permission::DataExport]).await;
    let mut tried = 0;
    for (route, methods) in ROUTES {
        let path = route.replace("{workspace}", "acme");
        let path = path.replace("{kind}", "roles").replace("{name}", "admin");
        let ids = ["{id}", "{directory}", "{group}", "{run}", "{request}"];
        let path = ids
            .iter()
            .fold(path, |path, part| path.replace(part, NOWHERE));
        for (method, needed) in methods.iter().filter(|(method, _)| *method != "GET") {
            let what = format!("{method} {route}");
            let needed = needed.expect("whoever changes something needs a right");
            let before = gateway.count("changes").await;
            let body = (*method != "DELETE").then(|| json!({}));
            let refused = gateway.api(&weak, method, &path, body.as_ref()).await;
            assert_eq!(refused.status, 403, "{what}: {}", refused.text);
            assert_eq!(gateway.count("changes").await, before + 1, "{what}");
            let told = told(&gateway, own, Some(&refused)).await;
            let [told] = told.as_slice() else {
                panic!("{what}: {told:?}");
            };
            assert_eq!(
                (told.subject_kind.as_str(), told.subject),
                ("api_key", id.0)
            );
            assert_eq!(told.credential, Some(id.0), "{what}");
            assert_eq!(told.actor.as_deref(), Some("api_key"), "{what}");
            assert_eq!(told.method.as_deref(), Some(*method), "{what}");
            let kept = format!("/api/v1{path}");
            assert_eq!(told.path.as_deref(), Some(kept.as_str()), "{what}");
            let target = path.contains(NOWHERE).then_some(NOWHERE);
            let expected = json!({
                "route": route, "target": target, "status": 403, "permission": needed.name(),
            });
            assert_eq!(told.detail(), expected, "{what}");
            tried += 1;
            // So that each is told by itself.
            clock.advance(Duration::from_secs(3));
        }
    }
    assert!(tried > 40, "{tried} routes change something");
    // What is read changes nothing, and leaves nothing.
    let before = gateway.count("changes").await;
    let read = gateway.api(&weak, "GET", "/workspaces/acme/members", None);
    assert_eq!(read.await.status, 403);
    assert_eq!(gateway.count("changes").await, before);
    gateway.check().await;
}

// C003, C212
#[tokio::test]
async fn who_reaches_for_another_workspace_is_told_of_at_home() {
    let gateway = Gateway::new().await;
    let foreign = gateway.other_workspace().await;
    let (own, theirs) = (gateway.workspace.id, foreign.directory.workspace);
    users(&foreign, "theirs", 1).await;
    let listed = members::list(&gateway.app, theirs, None, 1).await;
    let member = listed.unwrap().remove(0).id.to_string();
    let (id, key) = key(&gateway, &Permission::OF_WORKSPACE).await;
    let before = gateway.count("changes").await;
    for (path, kept, target) in [
        (
            format!("/workspaces/other/members/{member}/suspend"),
            format!("/workspaces/other/members/{member}/suspend"),
            Some(&member),
        ),
        (
            format!("/workspaces/{theirs}/members/{member}/suspend"),
            format!("/workspaces/{theirs}/members/{member}/suspend"),
            Some(&member),
        ),
        (
            format!("/workspaces/acme/members/{member}/suspend"),
            format!("/workspaces/acme/members/{member}/suspend"),
            Some(&member),
        ),
        // What may be somebody's address is not kept.
        (
            "/workspaces/acme/members/ada@acme.example/suspend".to_owned(),
            "/workspaces/acme/members/{id}/suspend".to_owned(),
            None,
        ),
    ] {
        let refused = gateway.api(&key, "POST", &path, Some(&json!({}))).await;
        assert_eq!(refused.status, 404, "{path}: {}", refused.text);
        let told = told(&gateway, own, Some(&refused)).await;
        let [told] = told.as_slice() else {
            panic!("{path}: {told:?}");
        };
        assert_eq!(told.credential, Some(id.0));
        assert_eq!(told.path, Some(format!("/api/v1{kept}")));
        let detail = told.detail();
        assert_eq!(
            (&detail["status"], &detail["target"]),
            (&json!(404), &json!(target))
        );
        assert_eq!(detail["permission"], Value::Null);
    }
    // An operator's is told where it acts.
    let (_, operator) = gateway
        .key_of(None, new_key(&[Permission::MembersRead]))
        .await;
    let path = format!("/workspaces/other/members/{member}/suspend");
    let refused = gateway
        .api(&operator, "POST", &path, Some(&json!({})))
        .await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert!(told(&gateway, own, Some(&refused)).await.is_empty());
    let told_there = told(&gateway, theirs, Some(&refused)).await;
    assert_eq!(told_there.len(), 1);
    assert_eq!(told_there[0].actor.as_deref(), Some("operator"));
    assert_eq!(gateway.count("changes").await, before + 5);
    // Who is not known is told of nowhere but in the text log.
    let nobody = gateway.api("gha_x", "POST", &path, Some(&json!({}))).await;
    assert_eq!(nobody.status, 401);
    assert_eq!(gateway.count("changes").await, before + 5);
    gateway.check().await;
}

// C212
#[tokio::test]
async fn beyond_a_bound_refusals_are_counted_and_told_as_one() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    let own = gateway.workspace.id;
    let (id, weak) = key(&gateway, &[Permission::MembersRead]).await;
    let (_, other) = key(&gateway, &[Permission::DataExport]).await;
    let path = format!("/workspaces/acme/members/{NOWHERE}/roles/admin");
    let refused = async |key: &str, times: u64| {
        for _ in 0..times {
            assert_eq!(gateway.api(key, "PUT", &path, None).await.status, 403);
        }
    };
    let count = async || told(&gateway, own, None).await.len() as u64;
    let begun = clock.now();
    refused(&weak, MOST + 7).await;
    assert_eq!(count().await, MOST);
    // One key's bound is no other's.
    refused(&other, 1).await;
    assert_eq!(count().await, MOST + 1);
    refusals::tell_left(&gateway.app).await;
    assert_eq!(count().await, MOST + 1, "the minute is not over");
    clock.advance(SPAN);
    refusals::tell_left(&gateway.app).await;
    let all = told(&gateway, own, None).await;
    assert_eq!(all.len() as u64, MOST + 2);
    let last = all.last().unwrap();
    assert_eq!((last.subject, last.credential), (id.0, Some(id.0)));
    assert_eq!(last.detail(), json!({"times": 7, "since": begun}));
    refusals::tell_left(&gateway.app).await;
    assert_eq!(count().await, MOST + 2, "once");
    // Who asks again tells what is left of the minute before; a process that ends, of all.
    refused(&weak, MOST + 2).await;
    clock.advance(SPAN);
    refused(&weak, MOST + 1).await;
    assert_eq!(count().await, 3 * MOST + 3);
    refusals::tell_all_left(&gateway.app).await;
    let all = told(&gateway, own, None).await;
    assert_eq!(all.len() as u64, 3 * MOST + 4);
    let times: Vec<_> = all
        .iter()
        .map(|told| told.detail()["times"].clone())
        .collect();
    let times: Vec<_> = times.iter().filter_map(Value::as_u64).collect();
    assert_eq!(times, [7, 2, 1]);
    gateway.check().await;
}

// C212
#[tokio::test]
async fn what_is_refused_of_many_is_told_one_by_one() {
    let gateway = Gateway::new().await;
    let scim = gateway
        .scim_of(&gateway.workspace, new_directory("idp"))
        .await;
    users(&scim, "u", 1).await;
    let listed = members::list(&gateway.app, gateway.workspace.id, None, 1).await;
    let member = listed.unwrap().remove(0).id.to_string();
    let (_, weak) = key(&gateway, &[Permission::MembersManage]).await;
    let path = "/workspaces/acme/members/bulk";
    let give = |member: &str, role: &str| {
        let rights = json!([{"kind": "role", "name": role}]);
        json!({"op": "give", "member": member, "rights": rights})
    };
    let body = json!({"operations": [
        give(&member, "admin"), give(&member, "user"), give(NOWHERE, "user"), {"op": "nothing"},
    ]});
    let done = gateway.api(&weak, "POST", path, Some(&body)).await;
    assert_eq!(done.status, 200, "{}", done.text);
    let results = done.body["results"].as_array().unwrap();
    let statuses: Vec<_> = results.iter().map(|it| it["status"].clone()).collect();
    assert_eq!(statuses, [403, 204, 404, 400], "{}", done.text);
    let told = told(&gateway, gateway.workspace.id, Some(&done)).await;
    let told: Vec<_> = told.iter().map(Told::detail).collect();
    let about = |detail: &Value| (detail["status"].clone(), detail["target"].clone());
    let about: Vec<_> = told.iter().map(about).collect();
    assert_eq!(
        about,
        [(json!(403), json!(member)), (json!(404), json!(NOWHERE))]
    );
    gateway.check().await;
}

// C212: the record is not what the Idempotency-Key stands for
#[tokio::test]
async fn a_refusal_under_an_idempotency_key_is_told_and_decided_anew() {
    let gateway = Gateway::new().await;
    let (_, weak) = key(&gateway, &[Permission::MembersRead]).await;
    let bearer = format!("Bearer {weak}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("idempotency-key", "one"),
        ("content-type", "application/json"),
    ];
    for round in 1..=2 {
        let path = "/api/v1/workspaces/acme/members";
        let body = json!({"profile": {"email": "ada@acme.example"}}).to_string();
        let refused = gateway.exchange("POST", path, &headers, Some(body)).await;
        assert_eq!(refused.status, 403, "{}", refused.text);
        let told = told(&gateway, gateway.workspace.id, None).await;
        assert_eq!(told.len(), round);
    }
    gateway.check().await;
}
