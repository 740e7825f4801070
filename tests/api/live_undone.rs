//! What undoing that a directory went live leaves alone, and what happens while it is worked off.

use gatehouse::clock::Clock;
use gatehouse::directory::Mode;
use gatehouse::ids::MemberId;
use gatehouse::store::grants::GrantKind;
use gatehouse::workspace::manual::Right;
use gatehouse::workspace::members::{self, Status};
use serde_json::{Value, json};

use crate::gateway::{Gateway, operations, users};
use crate::live_runs::{asked, live, mode, small};
use crate::rules::group;

impl Gateway {
    /// The status of a member, be it one who left.
    async fn status_of(&self, id: MemberId) -> Status {
        let shown = members::show(&self.app, self.workspace.id, id).await;
        shown.unwrap().listed.status
    }
}

/// A User whose address is its name.
fn with_address(name: &str) -> Value {
    json!({"userName": name, "emails": [{"value": name, "primary": true}]})
}

#[tokio::test]
async fn a_directory_does_not_go_live_while_that_is_undone() {
    let gateway = small(Clock::system()).await;
    gateway.without_brake().await;
    let scim = gateway.collects().await;
    users(&scim, "u", 9).await;
    let run = live(&gateway, &scim).await;
    gateway.check().await;
    let by = asked(&gateway, &scim, "POST", &format!("{run}/undo"), 201).await;
    let by = format!("/runs/{}", by["id"].as_str().unwrap());
    asked(&gateway, &scim, "POST", &format!("{by}/pause"), 200).await;
    asked(&gateway, &scim, "POST", "/live/plan", 409).await;
    let hash = json!({"hash": "0".repeat(64)});
    let applied = gateway.of(&scim, "POST", "/live", hash).await;
    assert_eq!(applied.status, 409, "{}", applied.text);
    assert_eq!(mode(&gateway, &scim).await, Mode::Collect);
    asked(&gateway, &scim, "POST", &format!("{by}/resume"), 200).await;
    gateway.check().await;
    assert_eq!(gateway.present().await, 0);
    live(&gateway, &scim).await;
    gateway.check().await;
    assert_eq!(gateway.present().await, 9);
}

#[tokio::test]
async fn what_let_in_who_was_left_out_is_not_the_beginning_of_a_directory() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    users(&scim, "u", 3).await;
    gateway
        .done(&scim, "/end", json!({"members": "remove"}))
        .await;
    // Who is brought in anew by hand meanwhile is not linked to again at once.
    let one = json!({"email": "u0@acme.example"});
    gateway.enter(one, &[]).await.unwrap();
    gateway.done(&scim, "/undo-end", Value::Null).await;
    let run = live(&gateway, &scim).await;
    gateway.check().await;
    assert_eq!(gateway.present().await, 3);
    asked(&gateway, &scim, "POST", &format!("{run}/undo"), 409).await;
    assert_eq!(mode(&gateway, &scim).await, Mode::Live);
    gateway.check().await;
    assert_eq!(gateway.present().await, 3);
}

#[tokio::test]
async fn whom_an_admin_let_in_since_stays() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let other = gateway.second("other").await;
    gateway.adopts("acme.example").await;
    let names = ["s", "t"].map(|name| format!("{name}@acme.example"));
    let mut before = Vec::new();
    for name in &names {
        other.created("/Users", &with_address(name)).await;
        let id = gateway.member(name).await.id;
        gateway.suspend(id).await.unwrap();
        before.push(id);
    }
    gateway
        .done(&other, "/end", json!({"members": "suspend"}))
        .await;
    let scim = gateway.collects().await;
    for name in &names {
        scim.created("/Users", &json!({"userName": name})).await;
    }
    users(&scim, "u", 3).await;
    let run = live(&gateway, &scim).await;
    gateway.check().await;
    let new = gateway.member("u0@acme.example").await.id;
    let out = gateway.member("u1@acme.example").await.id;
    for id in [new, out] {
        gateway.suspend(id).await.unwrap();
    }
    for id in [before[0], new] {
        assert_eq!(gateway.status_of(id).await, Status::Suspended);
        gateway.activate(id).await.unwrap();
    }
    let by = asked(&gateway, &scim, "POST", &format!("{run}/undo"), 201).await;
    let by = format!("/runs/{}", by["id"].as_str().unwrap());
    gateway.check().await;
    let by = asked(&gateway, &scim, "GET", &by, 200).await;
    let kept: std::collections::BTreeSet<&str> = by["left_out"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let wanted = [before[0].to_string(), new.to_string()];
    assert_eq!(kept, wanted.iter().map(String::as_str).collect(), "{by}");
    assert_eq!(gateway.status_of(before[0]).await, Status::Active);
    assert_eq!(gateway.status_of(new).await, Status::Active);
    assert_eq!(gateway.status_of(before[1]).await, Status::Suspended);
    assert_eq!(gateway.status_of(out).await, Status::Removed);
}

#[tokio::test]
async fn who_left_with_the_first_undoing_leaves_with_the_second() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.collects().await;
    let user = with_address("u0@acme.example");
    let user = scim.created("/Users", &user).await;
    let mut id = None;
    for _ in 0..2 {
        let run = live(&gateway, &scim).await;
        gateway.check().await;
        let member = gateway.member("u0@acme.example").await.id;
        assert_eq!(*id.get_or_insert(member), member);
        let by = asked(&gateway, &scim, "POST", &format!("{run}/undo"), 201).await;
        gateway.check().await;
        assert_eq!(by["left_out"], Value::Null, "{by}");
        assert_eq!(gateway.status_of(member).await, Status::Removed);
        scim.patch(&user, json!([{"op": "remove", "path": "emails"}]))
            .await;
    }
}

#[tokio::test]
async fn a_directory_that_collects_shuts_nobody_out_while_its_going_live_is_undone() {
    let gateway = small(Clock::system()).await;
    gateway.without_brake().await;
    let other = gateway.second("other").await;
    gateway.adopts("acme.example").await;
    for at in 0..4 {
        let user = with_address(&format!("u{at}@acme.example"));
        other.created("/Users", &user).await;
    }
    gateway
        .done(&other, "/end", json!({"members": "keep"}))
        .await;
    let scim = gateway.collects().await;
    let ids = users(&scim, "u", 9).await;
    group(&scim, "Crew", &ids).await;
    gateway.rule(&["Crew"], "Crew").await;
    let run = live(&gateway, &scim).await;
    gateway.check().await;
    assert_eq!(gateway.in_team("Crew").await, 9);
    let mut all = Vec::new();
    for at in 0..ids.len() {
        all.push(gateway.member(&format!("u{at}@acme.example")).await.id);
    }
    // An admin keeps one of those whom the directory is about to take away.
    let right = Right {
        kind: GrantKind::Team,
        name: "Crew".to_owned(),
    };
    gateway.give(all[5], right).await.unwrap();
    let by = asked(&gateway, &scim, "POST", &format!("{run}/undo"), 201).await;
    let by = format!("/runs/{}", by["id"].as_str().unwrap());
    asked(&gateway, &scim, "POST", &format!("{by}/pause"), 200).await;
    let off = json!([{"op": "replace", "path": "active", "value": false}]);
    for at in [0, 4, 5] {
        let path = format!("/Users/{}", ids[at]);
        assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    }
    for at in [1, 6] {
        scim.patch(&ids[at], off.clone()).await;
    }
    let name = json!([{"op": "replace", "path": "userName", "value": "new@acme.example"}]);
    scim.patch(&ids[2], name).await;
    let same = json!([{"op": "replace", "path": "active", "value": true}]);
    scim.patch(&ids[7], same).await;
    let (active, removed) = (Status::Active, Status::Removed);
    let wanted = [
        active, active, active, active, removed, active, removed, removed, active,
    ];
    for (at, id) in all.iter().enumerate() {
        assert_eq!(gateway.status_of(*id).await, wanted[at], "{at}");
    }
    let paused = asked(&gateway, &scim, "GET", &by, 200).await;
    assert_eq!(paused["left_out"], json!([all[5]]), "{paused}");
    asked(&gateway, &scim, "POST", &format!("{by}/resume"), 200).await;
    gateway.check().await;
    let done = asked(&gateway, &scim, "GET", &by, 200).await;
    assert_eq!(
        (&done["standing"], &done["left_out"], &done["skipped"]),
        (&json!("done"), &json!([all[5]]), &json!(1)),
        "{done}"
    );
    let is_in = |at: usize| if at < 4 || at == 5 { active } else { removed };
    for (at, id) in all.iter().enumerate() {
        assert_eq!(gateway.status_of(*id).await, is_in(at), "{at}");
    }
    assert_eq!(gateway.in_team("Crew").await, 1);
    let (_, shown) = scim.send("GET", &format!("/Users/{}", ids[1]), None).await;
    assert_eq!(shown["active"], false);
}

#[tokio::test]
async fn a_directory_that_collected_links_to_nobody_when_its_end_is_undone() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.collects().await;
    users(&scim, "u", 2).await;
    let run = live(&gateway, &scim).await;
    asked(&gateway, &scim, "POST", &format!("{run}/undo"), 201).await;
    gateway
        .done(&scim, "/end", json!({"members": "remove"}))
        .await;
    gateway.done(&scim, "/undo-end", Value::Null).await;
    assert_eq!(mode(&gateway, &scim).await, Mode::Collect);
    assert_eq!(gateway.present().await, 0);
    gateway.check().await;
}

#[tokio::test]
async fn whom_an_admin_shuts_out_takes_no_seat_when_a_directory_goes_live_again() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.collects().await;
    users(&scim, "u", 3).await;
    let run = live(&gateway, &scim).await;
    gateway.check().await;
    let out = gateway.member("u1@acme.example").await.id;
    gateway.suspend(out).await.unwrap();
    asked(&gateway, &scim, "POST", &format!("{run}/undo"), 201).await;
    gateway.check().await;
    let plan = asked(&gateway, &scim, "POST", "/live/plan", 200).await;
    assert_eq!(plan["seats_needed"], 2, "{plan}");
    live(&gateway, &scim).await;
    gateway.check().await;
    assert_eq!(gateway.status_of(out).await, Status::Suspended);
    assert_eq!(
        gateway.present().await,
        3,
        "who is suspended is one of them"
    );
}

/// Another node may know the directory as it was a moment ago.
#[tokio::test]
async fn a_request_goes_by_what_a_directory_is_and_not_by_what_a_node_remembers() {
    let gateway = small(Clock::system()).await;
    gateway.without_brake().await;
    let other = gateway.second("other").await;
    gateway.adopts("acme.example").await;
    for at in 0..2 {
        let user = with_address(&format!("u{at}@acme.example"));
        other.created("/Users", &user).await;
    }
    gateway
        .done(&other, "/end", json!({"members": "keep"}))
        .await;
    let scim = gateway.collects().await;
    let ids = users(&scim, "u", 9).await;
    let run = live(&gateway, &scim).await;
    gateway.check().await;
    let node = gateway.second_node().await;
    let bearer = format!("Bearer {}", scim.token);
    let send = async |method: &str, path: &str, body: Option<Value>| {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("/scim/v2{path}"))
            .header("authorization", &bearer);
        if body.is_some() {
            request = request.header("content-type", "application/scim+json");
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = request.body(axum::body::Body::from(body)).unwrap();
        let answer = tower::ServiceExt::oneshot(gatehouse::http::router(node.clone()), request);
        answer.await.unwrap().status().as_u16()
    };
    // Whoever is told to come again does so.
    let again = async |method: &str, path: &str, body: Option<Value>| match send(
        method,
        path,
        body.clone(),
    )
    .await
    {
        503 => send(method, path, body).await,
        status => status,
    };
    assert_eq!(send("GET", &format!("/Users/{}", ids[0]), None).await, 200);
    let by = asked(&gateway, &scim, "POST", &format!("{run}/undo"), 201).await;
    let by = format!("/runs/{}", by["id"].as_str().unwrap());
    asked(&gateway, &scim, "POST", &format!("{by}/pause"), 200).await;
    let (first, second) = (
        gateway.member("u0@acme.example").await.id,
        gateway.member("u1@acme.example").await.id,
    );
    let off = operations(json!([{"op": "replace", "path": "active", "value": false}]));
    let status = again("PATCH", &format!("/Users/{}", ids[0]), Some(off)).await;
    assert_eq!(status, 200);
    let status = again("DELETE", &format!("/Users/{}", ids[1]), None).await;
    assert_eq!(status, 204);
    // A directory that collects shuts nobody out, and makes nobody a member.
    assert_eq!(gateway.status_of(first).await, Status::Active);
    assert_eq!(gateway.status_of(second).await, Status::Active);
    let new = json!({"userName": "new@acme.example"});
    assert_eq!(again("POST", "/Users", Some(new)).await, 201);
    assert_eq!(gateway.present().await, 9);
    asked(&gateway, &scim, "POST", &format!("{by}/resume"), 200).await;
    gateway.check().await;
    assert_eq!(gateway.present().await, 2);
}
