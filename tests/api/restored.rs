//! A directory took away what it should not have, and it is given back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gatehouse::clock::Clock;
use gatehouse::ids::UserId;
use gatehouse::workspace::keys::Permission;
use gatehouse::workspace::members;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, member, operations};

const MINUTE: Duration = Duration::from_mins(1);

/// What members and Users are to apps and to the IdP.
async fn state(gateway: &Gateway, scim: &Scim) -> (BTreeMap<String, Value>, Vec<Value>) {
    let listed = members::list(&gateway.app, gateway.workspace.id, None, 500).await;
    let members = listed.unwrap().into_iter().map(|it| {
        let shown = json!([it.status, it.user_name, it.display_name, it.teams, it.roles]);
        (it.id.to_string(), shown)
    });
    let (_, users) = scim.send("GET", "/Users?count=200&sortBy=id", None).await;
    let mut users = users["Resources"].as_array().unwrap().clone();
    for user in &mut users {
        let meta = user["meta"].as_object_mut().unwrap();
        meta.retain(|name, _| name == "created" || name == "resourceType");
    }
    (members.collect(), users)
}

async fn restore(gateway: &Gateway, scim: &Scim, key: &str, body: Value) -> crate::gateway::Answer {
    let path = format!("/directories/{}/restore", scim.directory.id);
    gateway.about(key, "POST", &path, body).await
}

async fn set_active(scim: &Scim, user: &str, active: bool) {
    let op = json!([{"op": "replace", "path": "active", "value": active}]);
    let path = format!("/Users/{user}");
    assert_eq!(
        scim.send("PATCH", &path, Some(&operations(op))).await.0,
        200
    );
}

// C078
#[tokio::test]
async fn what_a_bad_sync_took_away_is_given_back_in_one_act() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    gateway.without_brake().await;
    bad_sync(&gateway, &clock).await;
}

// C078
#[tokio::test]
async fn what_the_brake_still_holds_of_a_bad_sync_is_given_back_with_the_rest() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    bad_sync(&gateway, &clock).await;
}

async fn bad_sync(gateway: &Gateway, clock: &Clock) {
    let key = gateway.key(&[Permission::DirectoriesManage]).await;
    let scim = gateway.scim().await;
    let mut users = Vec::new();
    for at in 0..30 {
        let user = json!({
            "userName": format!("u{at}@acme.example"), "externalId": format!("x{at}"),
            "displayName": format!("User {at}"), "title": "Agent",
            "emails": [{"value": format!("u{at}@acme.example"), "primary": true}],
        });
        users.push(scim.created("/Users", &user).await);
    }
    let all: Vec<_> = users.iter().map(|user| member(user)).collect();
    let crew = json!({"displayName": "Crew", "members": all});
    let crew = scim.created("/Groups", &crew).await;
    gateway.rule(&["Crew"], "Sailors").await;
    // Whoever was out before stays out.
    set_active(&scim, &users[29], false).await;
    gateway.work().await;
    clock.advance(MINUTE);
    let from = clock.now();
    let before = state(gateway, &scim).await;
    let in_crew = scim.members(&crew).await;
    let epoch = gateway.epoch("u0@acme.example").await;
    clock.advance(MINUTE);

    for user in &users[..10] {
        assert_eq!(
            scim.send("DELETE", &format!("/Users/{user}"), None).await.0,
            204
        );
    }
    for user in &users[10..15] {
        set_active(&scim, user, false).await;
    }
    set_active(&scim, &users[29], false).await;
    let out = users[15..20]
        .iter()
        .map(|user| json!({"op": "remove", "path": format!("members[value eq \"{user}\"]")}));
    let out = operations(Value::Array(out.collect()));
    let path = format!("/Groups/{crew}");
    assert!([200, 204].contains(&scim.send("PATCH", &path, Some(&out)).await.0));
    // One that was taken away and given back by the directory itself.
    set_active(&scim, &users[20], false).await;
    set_active(&scim, &users[20], true).await;
    gateway.work().await;
    clock.advance(MINUTE);
    let to = clock.now();
    assert_ne!(state(gateway, &scim).await, before);
    gateway.check().await;

    clock.advance(Duration::from_hours(29 * 24));
    let restored = restore(gateway, &scim, &key, json!({"from": from, "to": to})).await;
    assert_eq!(restored.status, 200, "{}", restored.text);
    assert_eq!(
        restored.body,
        json!({
            "users": 10, "activated": 5, "memberships": 5, "skipped": [], "groups": 0,
            "groups_skipped": [], "groups_lost": 0, "memberships_unknown": 0,
        })
    );
    assert_eq!(state(gateway, &scim).await, before);
    assert_eq!(scim.members(&crew).await, in_crew);
    // Sessions stay dead: they hang on the epoch.
    assert!(gateway.epoch("u0@acme.example").await > epoch);
    let request = restored.header("x-request-id").to_owned();
    let told = gateway
        .texts("changes WHERE kind = 'directory.restored'", "detail")
        .await;
    assert_eq!(told.len(), 1, "{told:?}");
    let mut tx = gateway.app.db.one().await.unwrap();
    let rows: Vec<(uuid::Uuid,)> = tx
        .query("SELECT COALESCE(request, id) FROM changes WHERE kind LIKE '%.restored'")
        .fetch_all()
        .await
        .unwrap();
    drop(tx);
    let requests: BTreeSet<String> = rows.iter().map(|row| row.0.to_string()).collect();
    assert_eq!(requests, [request].into());
    gateway.check().await;
    // Done again it finds nothing left to do.
    let again = restore(gateway, &scim, &key, json!({"from": from, "to": to})).await;
    let done = ["users", "activated", "memberships"].map(|name| again.body[name].clone());
    assert_eq!(done, [json!(0), json!(0), json!(0)], "{}", again.text);
    // The IdP goes on with the ids that it knows.
    set_active(&scim, &users[0], false).await;
    clock.advance(Duration::from_hours(48));
    for wrong in [
        json!({"from": from, "to": to}),
        json!({"from": to, "to": to}),
        json!({}),
    ] {
        let refused = restore(gateway, &scim, &key, wrong).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
    }
    gateway.check().await;
}

// C078
#[tokio::test]
async fn who_cannot_come_back_is_named_and_keeps_nobody_out() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    let key = gateway
        .key(&[Permission::DirectoriesManage, Permission::MembersManage])
        .await;
    let scim = gateway.scim().await;
    let mut users = Vec::new();
    for name in ["ada", "bob", "eve", "dan"] {
        let user = json!({"userName": name, "externalId": format!("{name}-1")});
        users.push(scim.created("/Users", &user).await);
    }
    let listed = members::list(&gateway.app, gateway.workspace.id, None, 500).await;
    let listed = listed.unwrap().into_iter();
    let ids: BTreeMap<_, _> = listed.map(|it| (it.user_name.unwrap(), it.id)).collect();
    gateway.work().await;
    let from = clock.now();
    clock.advance(MINUTE);
    for user in &users {
        scim.send("DELETE", &format!("/Users/{user}"), None).await;
    }
    // Ada's name is taken, Bob was erased, Eve is back under another id.
    scim.created("/Users", &json!({"userName": "ada", "externalId": "other"}))
        .await;
    let erase = format!("/members/{}/erase", ids["bob"]);
    let erased = gateway.about(&key, "POST", &erase, json!({})).await;
    assert_eq!(erased.status, 200, "{}", erased.text);
    scim.created(
        "/Users",
        &json!({"userName": "eve.new", "externalId": "eve-1"}),
    )
    .await;
    gateway.work().await;
    clock.advance(MINUTE);
    let restored = restore(&gateway, &scim, &key, json!({"from": from})).await;
    assert_eq!(restored.body["users"], 1, "{}", restored.text);
    let skipped = restored.body["skipped"].as_array().unwrap().iter();
    let skipped: BTreeMap<_, _> = skipped
        .map(|it| (it["user"].as_str().unwrap(), it["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(skipped.len(), 3, "{skipped:?}");
    assert!(skipped[users[0].as_str()].contains("taken"), "{skipped:?}");
    assert!(skipped[users[1].as_str()].contains("erased"), "{skipped:?}");
    assert!(
        skipped[users[2].as_str()].contains("another id"),
        "{skipped:?}"
    );
    let dan = format!("/Users/{}", users[3]);
    assert_eq!(scim.send("GET", &dan, None).await.1["userName"], "dan");
    gateway.check().await;
}

// C078
#[tokio::test]
async fn one_of_whom_nothing_can_be_read_is_named_and_keeps_nobody_out() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    let key = gateway.key(&[Permission::DirectoriesManage]).await;
    let scim = gateway.scim().await;
    let mut users = Vec::new();
    for name in ["ada", "bob", "eve"] {
        users.push(scim.created("/Users", &json!({"userName": name})).await);
    }
    gateway.work().await;
    let from = clock.now();
    clock.advance(MINUTE);
    for user in &users {
        scim.send("DELETE", &format!("/Users/{user}"), None).await;
    }
    gateway.work().await;
    let ada: UserId = users[0].parse().unwrap();
    let damaged = gateway
        .app
        .write(move |tx| {
            Box::pin(async move {
                let rows = tx
                    .query("UPDATE changes SET sealed = $1 WHERE kind = $2 AND subject = $3")
                    .bind(vec![7_u8; 64])
                    .bind("user.deleted".to_owned())
                    .bind(ada)
                    .execute()
                    .await?;
                Ok(rows)
            })
        })
        .await
        .unwrap();
    assert_eq!(damaged, 1);
    clock.advance(MINUTE);
    let restored = restore(&gateway, &scim, &key, json!({"from": from})).await;
    assert_eq!(restored.status, 200, "{}", restored.text);
    assert_eq!(restored.body["users"], 2, "{}", restored.text);
    let skipped = restored.body["skipped"].as_array().unwrap();
    assert_eq!(skipped.len(), 1, "{}", restored.text);
    assert_eq!(skipped[0]["user"], users[0].as_str());
}
