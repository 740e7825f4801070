//! What an admin writes of one person moves what rules over profiles give that one, and nothing else: not
//! what a run has yet to do, nor what is kept of the member.

use gatehouse::ids::MemberId;
use gatehouse::worker::Worker;
use gatehouse::workspace::keys::Permission;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, operations, users};
use crate::kept_admins::{by_rule, keep};
use crate::profile_rules::user;

async fn patch(scim: &Scim, path: &str, operation: Value) -> u16 {
    let body = operations(json!([operation]));
    scim.send("PATCH", path, Some(&body)).await.0
}

/// Members of a directory, each with a `UserID` that begins with `F`.
async fn fielded(gateway: &Gateway, scim: &Scim, count: usize) -> Vec<MemberId> {
    users(scim, "f", count).await;
    let mut ids = Vec::with_capacity(count);
    for at in 0..count {
        let id = gateway.member(&format!("f{at}@acme.example")).await.id;
        let user_id = json!({"user_id": format!("F-{at}")});
        gateway.edit(id, user_id).await.unwrap();
        ids.push(id);
    }
    ids
}

#[tokio::test]
async fn a_rule_that_stops_others_looks_at_nothing_that_people_write_themselves() {
    let gateway = Gateway::new().await;
    let key = gateway.ruler(&["Field"], &[]).await;
    let mut rule = json!({"source": "profile", "when": r#"time_zone eq "Europe/Vienna""#,
                          "language": "de", "priority": 10});
    gateway
        .asked(&key, ("POST", "/rules"), rule.clone(), 201)
        .await;
    rule["stop"] = json!(true);
    let refused = gateway.ask(&key, "POST", "/rules", rule).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    let told = refused.body["detail"].as_str().unwrap();
    assert!(told.contains("people write it themselves"), "{told}");
    gateway.check().await;
}

// C073
#[tokio::test]
async fn whoever_is_kept_as_the_last_admin_is_written_like_anybody_else() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let (ada, group) = by_rule(&gateway, &scim).await;
    keep(&gateway, &scim, (ada, &group)).await;
    let key = gateway.ruler(&["Field"], &[]).await;
    gateway
        .profile_rule(&key, r#"user_id sw "F-""#, json!({"teams": ["Field"]}))
        .await;
    for fields in [json!({"phone": "+442079460958"}), json!({"user_id": "F-1"})] {
        let written = gateway.write(&key, ada, fields).await;
        assert_eq!(written.status, 200, "{}", written.text);
    }
    assert_eq!(gateway.in_team("Field").await, 1);
    let (_, found) = scim
        .send("GET", "/Users?filter=userName%20sw%20%22ada%22", None)
        .await;
    let path = format!("/Users/{}", found["Resources"][0]["id"].as_str().unwrap());
    let nick = json!({"op": "replace", "path": "nickName", "value": "A"});
    assert_eq!(patch(&scim, &path, nick).await, 200);
    assert!(gateway.listed(ada).await.roles.contains("admin"));
    gateway.check().await;
}

// C076
#[tokio::test]
async fn what_an_admin_writes_of_one_person_after_the_other_passes_the_brake() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.ruler(&["Field"], &[]).await;
    gateway
        .profile_rule(&key, r#"user_id sw "F-""#, json!({"teams": ["Field"]}))
        .await;
    let ids = fielded(&gateway, &scim, 12).await;
    assert_eq!(gateway.in_team("Field").await, 12);
    for (at, id) in ids.iter().enumerate() {
        let written = gateway.write(&key, *id, json!({"user_id": format!("X-{at}")}));
        let written = written.await;
        assert_eq!(written.status, 200, "{}", written.text);
    }
    assert_eq!(gateway.in_team("Field").await, 0);
    let held = "members WHERE braked_at IS NOT NULL";
    assert_eq!(gateway.count(held).await, 0);
    gateway.check().await;
}

// C083
#[tokio::test]
async fn whoever_writes_answers_for_that_alone_and_not_for_what_a_run_has_yet_to_do() {
    let gateway = Gateway::with(|config| {
        config.scim.run_threshold = 4;
        config.scim.run_batch = 2;
    })
    .await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    let ids = fielded(&gateway, &scim, 6).await;
    let all = gateway.ruler(&["Field"], &[]).await;
    let rule = gateway
        .profile_rule(&all, r#"user_id sw "F-""#, json!({"teams": ["Field"]}))
        .await;
    gateway.check().await;
    let edit = json!({"roles": ["admin"]});
    let path = format!("/rules/{}", rule["id"].as_str().unwrap());
    let changed = gateway.asked(&all, ("PATCH", &path), edit, 200).await;
    let run = format!("/runs/{}", changed["run"].as_str().unwrap());
    let act = async |what: &str| {
        let path = format!("{run}/{what}");
        gateway.asked(&all, ("POST", &path), Value::Null, 200).await
    };
    let mut worker = Worker::new(gateway.app.clone());
    for _ in 0..2 {
        worker.round().await.unwrap();
    }
    act("pause").await;
    let weak = gateway.key(&[Permission::MembersManage]).await;
    let last = ids[5];
    let phone = json!({"phone": "+442079460958"});
    let written = gateway.write(&weak, last, phone).await;
    assert_eq!(written.status, 200, "{}", written.text);
    gateway.work().await;
    assert!(!gateway.listed(last).await.roles.contains("admin"));
    let other = json!({"user_id": "X-5"});
    let refused = gateway.write(&weak, last, other.clone()).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    let written = gateway.write(&all, last, other).await;
    assert_eq!(written.status, 200, "{}", written.text);
    act("resume").await;
    gateway.check().await;
    assert!(gateway.listed(ids[4]).await.roles.contains("admin"));
    assert!(!gateway.listed(last).await.roles.contains("admin"));
    gateway.check().await;
}

// C019, C083: what is written of somebody in doubt counts once that one is proved
#[tokio::test]
async fn of_somebody_in_doubt_nobody_writes_more_than_of_anybody_else() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    let all = gateway.ruler(&["Field"], &[]).await;
    gateway
        .profile_rule(&all, r#"user_id sw "A-""#, json!({"roles": ["admin"]}))
        .await;
    let bob = json!({"email": "bob@acme.example", "user_id": "B-1"});
    let bob = gateway.profiled(&all, bob).await;
    scim.created("/Users", &user("bob@acme.example", "bob@acme.example"))
        .await;
    let path = format!("/members/{bob}/explanation");
    let told = gateway.asked(&all, ("GET", &path), Value::Null, 200).await;
    assert!(told["unproved_at"].is_string(), "{told}");
    let weak = gateway.key(&[Permission::MembersManage]).await;
    let refused = gateway.write(&weak, bob, json!({"user_id": "A-9"})).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    let written = gateway.write(&all, bob, json!({"user_id": "A-9"})).await;
    assert_eq!(written.status, 200, "{}", written.text);
    assert!(!gateway.listed(bob).await.roles.contains("admin"));
    let refused = gateway.write(&weak, bob, json!({"user_id": "B-1"})).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    gateway.check().await;
}

// C253: of people whom a directory is about to bring in
#[tokio::test]
async fn a_directory_that_goes_live_tells_what_rules_will_see_of_those_whom_it_links() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let key = gateway.ruler(&["Field", "Named"], &[]).await;
    gateway
        .profile_rule(&key, r#"user_id sw "F-""#, json!({"teams": ["Field"]}))
        .await;
    gateway
        .profile_rule(&key, r#"user_name sw "u""#, json!({"teams": ["Named"]}))
        .await;
    // Expected, each with what the rule asks for; of one the directory proves the address.
    let mut expected = Vec::new();
    for (at, domain) in [(0, "acme.example"), (1, "proved.example")] {
        let address = format!("u{at}@{domain}");
        let profile = json!({"email": address, "user_id": format!("F-{at}")});
        expected.push((gateway.profiled(&key, profile).await, address));
    }
    gateway.adopts("proved.example").await;
    let scim = gateway.collects().await;
    for (_, address) in &expected {
        scim.created("/Users", &user(address, address)).await;
    }
    let plan = gateway.live_plan(&scim).await;
    let of = |which: &str| {
        let listed = plan[which].as_array().unwrap().iter();
        let named = listed.map(|it| {
            (
                it["name"].as_str().unwrap(),
                it["members"].as_i64().unwrap(),
            )
        });
        named.collect::<Vec<_>>()
    };
    // Of whom nobody is sure rules see nothing, until an admin adopts that one.
    assert_eq!(
        (of("gains"), of("losses")),
        (vec![("Named", 1)], vec![("Field", 1)])
    );
    gateway
        .done(&scim, "/live", json!({"hash": plan["hash"]}))
        .await;
    gateway.check().await;
    assert_eq!(
        (
            gateway.in_team("Field").await,
            gateway.in_team("Named").await
        ),
        (1, 1)
    );
}
