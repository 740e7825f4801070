//! Every change through the management API leaves its records, in whose name it was done: walked
//! along the table of routes.

use std::time::Duration;

use gatehouse::clock::Clock;
use gatehouse::directory::request_log::{self, Wanted};
use gatehouse::http::api::ROUTES;
use gatehouse::workspace::keys::Permission;
use serde_json::{Value, json};

use crate::connections;
use crate::gateway::{Scim, new_directory, users};
use crate::join_requests;
use crate::keys::new_key;
use crate::live_runs::small;
use crate::rules::group;
use crate::sign_in_policies;
use crate::walk::Walk;

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

async fn people(walk: &mut Walk<'_>, scim: &Scim) {
    let (by_id, right) = ("/members/{id}", "/members/{id}/{kind}/{name}");
    let new = json!({"profile": {"email": "new@acme.example"}, "roles": ["user"]});
    let made = walk
        .admin(("POST", "/members"), &[], new, &["member.added"])
        .await;
    let new = text(&made["member"]["id"]);
    let phone = json!({"phone": "+44 20 7946 0958"});
    walk.admin(("PATCH", by_id), &[&new], phone, &["member.updated"])
        .await;
    let ada = json!({"userName": "ada@acme.example"});
    scim.created("/Users", &ada).await;
    let ada = walk.gateway.member("ada@acme.example").await.id.to_string();
    walk.gateway.work().await;
    let then = walk.clock.now();
    walk.clock.advance(Duration::from_secs(1));
    walk.admin(
        ("PUT", right),
        &[&ada, "roles", "user"],
        Value::Null,
        &["member.grants_changed"],
    )
    .await;
    walk.admin(
        ("DELETE", right),
        &[&ada, "roles", "user"],
        Value::Null,
        &["member.grants_changed"],
    )
    .await;
    walk.admin(
        ("POST", "/members/{id}/suspend"),
        &[&ada],
        json!({}),
        &["member.suspended"],
    )
    .await;
    walk.admin(
        ("POST", "/members/{id}/activate"),
        &[&ada],
        json!({}),
        &["member.reactivated"],
    )
    .await;
    walk.admin(
        ("PUT", right),
        &[&ada, "permissions", "data.export"],
        Value::Null,
        &["member.grants_changed"],
    )
    .await;
    walk.gateway.work().await;
    let body = json!({"as_of": then});
    walk.admin(
        ("POST", "/members/{id}/restore"),
        &[&ada],
        body,
        &["member.grants_changed", "member.put_back"],
    )
    .await;
    walk.admin(("DELETE", by_id), &[&new], Value::Null, &["member.removed"])
        .await;
    walk.admin(
        ("POST", "/members/{id}/erase"),
        &[&new],
        json!({}),
        &["member.erased"],
    )
    .await;
    let add = json!({"op": "add", "profile": {"email": "bulk@acme.example"}});
    let body = json!({"operations": [add]});
    walk.admin(("POST", "/members/bulk"), &[], body, &["member.added"])
        .await;
    let body = json!([{"email": "row@acme.example"}]);
    walk.admin(
        ("POST", "/imports"),
        &[],
        body,
        &["import.finished", "import.started", "member.added"],
    )
    .await;
}

async fn names(walk: &mut Walk<'_>) {
    let team = json!({"name": "Support"});
    let team = walk
        .admin(("POST", "/teams"), &[], team, &["team.created"])
        .await;
    let team = text(&team["id"]);
    let archived = json!({"archived": true});
    walk.admin(("POST", "/teams/{id}/plan"), &[&team], archived, &[])
        .await;
    let new = json!({"name": "Help"});
    walk.admin(("PATCH", "/teams/{id}"), &[&team], new, &["team.updated"])
        .await;
    let role = json!({"name": "lead", "permissions": ["members.read"]});
    let role = walk
        .admin(("POST", "/roles"), &[], role, &["role.created"])
        .await;
    let role = text(&role["id"]);
    let none = json!({"permissions": []});
    walk.admin(("POST", "/roles/{id}/plan"), &[&role], none, &[])
        .await;
    let new = json!({"name": "head"});
    walk.admin(("PATCH", "/roles/{id}"), &[&role], new, &["role.updated"])
        .await;
    walk.admin(
        ("DELETE", "/roles/{id}"),
        &[&role],
        Value::Null,
        &["role.deleted"],
    )
    .await;
    let configuration = json!({"teams": [{"name": "Help"}, {"name": "Sailors"}]});
    let body = json!({"configuration": configuration});
    walk.admin(("POST", "/configuration/plan"), &[], body.clone(), &[])
        .await;
    let kinds = ["configuration.applied", "team.created"];
    walk.admin(("POST", "/configuration/apply"), &[], body, &kinds)
        .await;
    let key = json!({"name": "CI", "scopes": ["members.read"]});
    let key = walk
        .admin(("POST", "/api-keys"), &[], key, &["api_key.issued"])
        .await;
    let key = text(&key["id"]);
    walk.admin(
        ("DELETE", "/api-keys/{id}"),
        &[&key],
        Value::Null,
        &["api_key.revoked"],
    )
    .await;
}

async fn domains(walk: &mut Walk<'_>) {
    let world = walk.gateway.world();
    let new = json!({"name": "acme.example"});
    let added = walk
        .admin(("POST", "/domains"), &[], new, &["domain.added"])
        .await;
    let id = text(&added["id"]);
    world.put(&text(&added["record"]), &text(&added["challenge"]));
    walk.admin(
        ("POST", "/domains/{id}/check"),
        &[&id],
        Value::Null,
        &["domain.proved"],
    )
    .await;
    let on = json!({"adoption": true});
    walk.admin(("PATCH", "/domains/{id}"), &[&id], on, &["domain.updated"])
        .await;
    walk.admin(
        ("DELETE", "/domains/{id}"),
        &[&id],
        Value::Null,
        &["domain.removed"],
    )
    .await;
    let new = json!({"name": "acme.test"});
    let added = walk
        .admin(("POST", "/domains"), &[], new, &["domain.added"])
        .await;
    let (id, call) = (text(&added["id"]), ("POST", "/domains/{id}/attest"));
    walk.operator(call, &[&id], Value::Null, &["domain.proved"])
        .await;
}

async fn rules(walk: &mut Walk<'_>, scim: &Scim) {
    let ids = users(scim, "crew", 8).await;
    group(scim, "Crew", &ids).await;
    let (by_id, run) = ("/rules/{id}", "/runs/{id}");
    let rule = json!({"directory": "idp", "groups": ["Crew"], "teams": ["Help"]});
    let rule = walk
        .admin(("POST", "/rules"), &[], rule, &["rule.added"])
        .await;
    let (id, first) = (text(&rule["id"]), text(&rule["run"]));
    for (end, kind) in [("pause", "run.paused"), ("resume", "run.resumed")] {
        let end = format!("{run}/{end}");
        walk.admin(("POST", &end), &[&first], Value::Null, &[kind])
            .await;
    }
    walk.gateway.work().await;
    walk.admin(
        ("PATCH", by_id),
        &[&id],
        json!({"priority": 2}),
        &["rule.change_planned"],
    )
    .await;
    walk.gateway.work().await;
    let plan = json!({"action": "change", "id": id, "rule": {"teams": ["Sailors"]}});
    let plan = walk.admin(("POST", "/rules/plan"), &[], plan, &[]).await;
    let plan = json!({"plan": plan["id"]});
    let applied = walk
        .admin(
            ("POST", "/rules/apply"),
            &[],
            plan,
            &["rule.change_planned"],
        )
        .await;
    walk.gateway.work().await;
    let applied = text(&applied["run"]);
    let undo = format!("{run}/undo");
    walk.admin(("POST", &undo), &[&applied], Value::Null, &["run.undone"])
        .await;
    walk.gateway.work().await;
    let gone = json!({"directory": "idp", "group": "Crew"});
    walk.admin(("POST", "/groups/plan-delete"), &[], gone, &[])
        .await;
    walk.admin(("DELETE", by_id), &[&id], Value::Null, &["rule.ended"])
        .await;
    walk.gateway.work().await;
}

async fn brake(walk: &mut Walk<'_>, scim: &Scim) {
    let setting = json!({"mode": "hold", "people": 1, "percent": 0});
    walk.admin(("PUT", "/brake"), &[], setting, &["workspace.brake_set"])
        .await;
    let ids = users(scim, "held", 4).await;
    crate::brake::off(scim, &ids).await;
    let all = json!({"all": true});
    walk.admin(
        ("POST", "/brake/wait"),
        &[],
        all.clone(),
        &["member.brake_waits"],
    )
    .await;
    let released = all.clone();
    walk.admin(
        ("POST", "/brake/release"),
        &[],
        released,
        &["member.suspended"],
    )
    .await;
    let ids = users(scim, "spared", 4).await;
    crate::brake::off(scim, &ids).await;
    let kinds = ["member.brake_rejected"];
    walk.admin(("POST", "/brake/reject"), &[], all, &kinds)
        .await;
    walk.admin(
        ("PUT", "/brake"),
        &[],
        json!({"mode": "off"}),
        &["workspace.brake_set"],
    )
    .await;
}

async fn directories(walk: &mut Walk<'_>, scim: &Scim) {
    let of = "/directories/{directory}";
    let id = scim.directory.id.to_string();
    let id = id.as_str();
    let at = |end: &str| format!("{of}{end}");
    let plan = walk
        .admin(("POST", &at("/live/plan")), &[id], Value::Null, &[])
        .await;
    let hash = json!({"hash": plan["hash"]});
    let live = at("/live");
    let applied = walk
        .admin(("POST", &live), &[id], hash, &["directory.live"])
        .await;
    let run = text(&applied["run"]["id"]);
    for (end, kind) in [("pause", "run.paused"), ("resume", "run.resumed")] {
        let end = at(&format!("/runs/{{run}}/{end}"));
        walk.admin(("POST", &end), &[id, &run], Value::Null, &[kind])
            .await;
    }
    walk.gateway.work().await;
    let undo = at("/runs/{run}/undo");
    walk.admin(
        ("POST", &undo),
        &[id, &run],
        Value::Null,
        &["directory.live_undone"],
    )
    .await;
    walk.gateway.work().await;
    let plan = walk
        .admin(("POST", &at("/live/plan")), &[id], Value::Null, &[])
        .await;
    let hash = json!({"hash": plan["hash"]});
    walk.admin(("POST", &live), &[id], hash, &["directory.live"])
        .await;
    walk.gateway.work().await;
}

/// What a live directory took away comes back, and somebody is adopted.
async fn given_back(walk: &mut Walk<'_>, scim: &Scim, other: &Scim) {
    let of = "/directories/{directory}";
    let id = scim.directory.id.to_string();
    let id = id.as_str();
    let ids = users(scim, "lost", 2).await;
    let lost = group(scim, "Lost", &ids).await;
    walk.gateway.work().await;
    let from = walk.clock.now();
    walk.clock.advance(Duration::from_secs(1));
    let deleted = scim.send("DELETE", &format!("/Groups/{lost}"), None).await;
    assert_eq!(deleted.0, 204);
    let deleted = scim
        .send("DELETE", &format!("/Users/{}", ids[0]), None)
        .await;
    assert_eq!(deleted.0, 204);
    walk.gateway.work().await;
    walk.clock.advance(Duration::from_secs(1));
    let restore = format!("{of}/groups/{{group}}/restore");
    let plan = format!("{restore}/plan");
    let plan = walk
        .admin(("POST", &plan), &[id, &lost], json!({}), &[])
        .await;
    let hash = json!({"hash": plan["hash"]});
    let kinds = ["group.restored"];
    walk.admin(("POST", &restore), &[id, &lost], hash, &kinds)
        .await;
    let call = ("POST", "/directories/{directory}/restore");
    walk.admin(call, &[id], json!({"from": from}), &["user.restored"])
        .await;

    let taken = json!({"userName": "taken@acme.example"});
    other.created("/Users", &taken).await;
    assert_eq!(scim.send("POST", "/Users", Some(&taken)).await.0, 409);
    request_log::flush(&walk.gateway.app).await;
    let place = (walk.gateway.workspace.id, scim.directory.id);
    let refused = request_log::list(&walk.gateway.app, place, &Wanted::default(), 1).await;
    let refused = refused.unwrap().remove(0).id.to_string();
    let body = json!({"user_name": "taken@acme.example"});
    let call = format!("{of}/adoption");
    walk.admin(("POST", &call), &[id], body, &["member.adopted"])
        .await;
    // What is sent again is a request of its own.
    let route = format!("{of}/requests/{{request}}/replay");
    let path = format!("/workspaces/acme/directories/{id}/requests/{refused}/replay");
    let key = walk.gateway.key(&Permission::OF_WORKSPACE).await;
    let sent = walk
        .gateway
        .api(&key, "POST", &path, Some(&json!({"for_real": true})))
        .await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    let by = "kind || ' ' || actor";
    let told = walk.gateway.texts("changes", by).await;
    let replayed = told
        .iter()
        .filter(|by| by.starts_with("user.created replay by"));
    assert_eq!(replayed.count(), 1);
    walk.apart("POST", &format!("/workspaces/{{workspace}}{route}"));
    let (id, keep) = (other.directory.id.to_string(), json!({"members": "keep"}));
    let (end, undo) = (format!("{of}/end"), format!("{of}/undo-end"));
    let plan = format!("{end}/plan");
    walk.admin(("POST", &plan), &[&id], keep.clone(), &[]).await;
    walk.admin(("POST", &end), &[&id], keep, &["directory.ended"])
        .await;
    walk.gateway.work().await;
    walk.admin(
        ("POST", &undo),
        &[&id],
        Value::Null,
        &["directory.end_undone"],
    )
    .await;
    walk.gateway.work().await;
}

/// A workspace, a directory and its tokens are made.
async fn made(walk: &mut Walk<'_>) {
    let new = json!({"name": "third", "kind": "okta"});
    let made = walk
        .admin(("POST", "/directories"), &[], new, &["directory.created"])
        .await;
    let (id, of) = (text(&made["id"]), "/directories/{directory}/tokens");
    let kinds = ["directory.token_issued"];
    let token = walk.admin(("POST", of), &[&id], json!({}), &kinds).await;
    let (token, end) = (text(&token["id"]), format!("{of}/{{id}}"));
    let kinds = ["directory.token_revoked"];
    walk.admin(("DELETE", &end), &[&id, &token], Value::Null, &kinds)
        .await;
    // It is told in the log of the new one.
    let everything = new_key(&[Permission::Everything]);
    let (_, operator) = walk.gateway.key_of(None, everything).await;
    let new = json!({"slug": "globex", "name": "Globex"});
    let made = walk
        .gateway
        .api(&operator, "POST", "/workspaces", Some(&new))
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let told = walk.gateway.texts("changes", "kind || ' ' || actor").await;
    let created = told.iter().filter(|by| *by == "workspace.created operator");
    assert_eq!(created.count(), 1);
    walk.apart("POST", "/workspaces");
}

async fn workspace(walk: &mut Walk<'_>) {
    let ada = walk.gateway.member("ada@acme.example").await.id.to_string();
    let end = "/members/{id}/protection";
    for (method, kind) in [
        ("PUT", "member.protected"),
        ("DELETE", "member.unprotected"),
    ] {
        walk.operator((method, end), &[&ada], Value::Null, &[kind])
            .await;
    }
    // Nobody is held by a restore, and nothing is told.
    walk.operator(("POST", "/members/release"), &[], json!({}), &[])
        .await;
    let new = json!({"name": "Acme Ltd"});
    walk.operator(("PATCH", ""), &[], new, &["workspace.renamed"])
        .await;
    let limit = json!({"limit": 100});
    walk.operator(("PUT", "/seats"), &[], limit, &["workspace.seats_set"])
        .await;
    for (call, kind) in [
        (("POST", "/suspend"), "workspace.suspended"),
        (("POST", "/resume"), "workspace.resumed"),
        (("DELETE", ""), "workspace.deleted"),
        (("POST", "/undelete"), "workspace.undeleted"),
    ] {
        walk.operator(call, &[], Value::Null, &[kind]).await;
    }
}

// C212
#[tokio::test]
async fn each_change_through_the_api_is_told_with_who_did_it() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = small(clock.clone()).await;
    let scim = gateway.collects().await;
    let other = gateway
        .scim_of(&gateway.workspace, new_directory("other"))
        .await;
    users(&scim, "first", 8).await;
    gateway.work().await;
    let mut walk = Walk::new(&gateway, clock).await;
    gateway.without_brake().await;
    directories(&mut walk, &scim).await;
    names(&mut walk).await;
    people(&mut walk, &scim).await;
    domains(&mut walk).await;
    connections::walked(&mut walk).await;
    join_requests::walked(&mut walk).await;
    sign_in_policies::walked(&mut walk).await;
    rules(&mut walk, &scim).await;
    given_back(&mut walk, &scim, &other).await;
    brake(&mut walk, &scim).await;
    made(&mut walk).await;
    workspace(&mut walk).await;
    let changing = ROUTES.iter().flat_map(|(route, methods)| {
        let methods = methods.iter().filter(|(method, _)| *method != "GET");
        methods.map(move |(method, _)| (*method, *route))
    });
    let left: Vec<_> = changing.filter(|it| !walk.done.contains(it)).collect();
    assert!(left.is_empty(), "say what they must leave: {left:?}");
    assert!(walk.wrong.is_empty(), "{:#?}", walk.wrong);
    gateway.check().await;
}
