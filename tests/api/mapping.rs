//! From facts to grants, for many at once, and what happens when a group goes away.

use gatehouse::mapping::explain;
use gatehouse::mapping::rules::{self, RuleState};
use gatehouse::workspace::members;
use serde_json::json;

use crate::gateway::{Gateway, member, operations, users};

async fn states(gateway: &Gateway) -> Vec<RuleState> {
    let listed = rules::list(&gateway.app, gateway.workspace.id)
        .await
        .unwrap();
    listed.into_iter().map(|rule| rule.state).collect()
}

#[tokio::test]
async fn a_rule_after_the_sync_gives_what_it_would_have_given_before() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 3).await;
    let two: Vec<_> = ids[..2].iter().map(|id| member(id)).collect();
    scim.created("/Groups", &json!({"displayName": "One", "members": two}))
        .await;
    let last: Vec<_> = ids[1..].iter().map(|id| member(id)).collect();
    scim.created("/Groups", &json!({"displayName": "Two", "members": last}))
        .await;
    gateway.rule(&["one"], "First").await;
    gateway.rule(&["ONE", "Two"], "Both").await;
    gateway.rule(&["One", "Three"], "Never").await;
    assert_eq!(
        states(&gateway).await,
        [RuleState::Live, RuleState::Live, RuleState::Pending]
    );
    assert_eq!(gateway.in_team("First").await, 2);
    assert_eq!(gateway.in_team("Both").await, 1);
    assert_eq!(gateway.in_team("Never").await, 0);
    let third = json!({"displayName": "three", "members": [member(&ids[0])]});
    scim.created("/Groups", &third).await;
    assert_eq!(gateway.in_team("Never").await, 1);
    gateway.check().await;
}

#[tokio::test]
async fn a_deleted_group_breaks_its_rules_and_only_an_admin_binds_them_anew() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    gateway.rule(&["Crew"], "Crew").await;
    let ids = users(&scim, "u", 3).await;
    let all: Vec<_> = ids.iter().map(|id| member(id)).collect();
    let body = json!({"displayName": "Crew", "members": all});
    let crew = scim.created("/Groups", &body).await;
    assert_eq!(gateway.in_team("Crew").await, 3);
    assert_eq!(
        scim.send("DELETE", &format!("/Groups/{crew}"), None)
            .await
            .0,
        204
    );
    assert_eq!(gateway.in_team("Crew").await, 0);
    assert_eq!(states(&gateway).await, [RuleState::Broken]);
    assert!(gateway.told(&crew).await);
    scim.created("/Groups", &body).await;
    assert_eq!(
        gateway.in_team("Crew").await,
        0,
        "a name binds nothing a second time"
    );
    assert_eq!(states(&gateway).await, [RuleState::Broken]);
    gateway.check().await;
}

#[tokio::test]
async fn a_large_group_loses_its_access_at_once_and_its_rows_by_a_run() {
    let gateway = Gateway::with(|config| {
        config.scim.run_threshold = 10;
        config.scim.run_batch = 7;
    })
    .await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    gateway.rule(&["Crew"], "Crew").await;
    gateway.rule(&["Crew", "Few"], "Few").await;
    let ids = users(&scim, "u", 25).await;
    let all: Vec<_> = ids.iter().map(|id| member(id)).collect();
    let crew = json!({"displayName": "Crew", "members": all});
    let crew = scim.created("/Groups", &crew).await;
    scim.created(
        "/Groups",
        &json!({"displayName": "Few", "members": all[..3]}),
    )
    .await;
    assert_eq!(gateway.in_team("Crew").await, 25);
    assert_eq!(gateway.in_team("Few").await, 3);
    assert_eq!(
        scim.send("DELETE", &format!("/Groups/{crew}"), None)
            .await
            .0,
        204
    );
    // Nothing was worked off yet.
    assert_eq!(gateway.count("memberships").await, 28);
    assert_eq!(gateway.in_team("Crew").await, 0);
    assert_eq!(gateway.in_team("Few").await, 0);
    assert_eq!(
        scim.send("GET", &format!("/Groups/{crew}"), None).await.0,
        404
    );
    let user = scim.send("GET", &format!("/Users/{}", ids[9]), None).await;
    assert!(user.1.get("groups").is_none());
    let again = json!({"displayName": "Crew", "members": all[..2]});
    scim.created("/Groups", &again).await;
    gateway.check().await;
    assert_eq!(gateway.count("memberships").await, 5);
    assert_eq!(gateway.count("user_groups").await, 2);
}

#[tokio::test]
async fn a_rule_over_many_is_a_run_and_requests_meanwhile_settle_with_it() {
    let gateway = Gateway::with(|config| {
        config.scim.run_threshold = 10;
        config.scim.run_batch = 5;
    })
    .await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 24).await;
    let most: Vec<_> = ids[..20].iter().map(|id| member(id)).collect();
    let crew = json!({"displayName": "Crew", "members": most});
    let crew = scim.created("/Groups", &crew).await;
    gateway.rule(&["Crew"], "Crew").await;
    assert_eq!(states(&gateway).await, [RuleState::Planned]);
    assert_eq!(
        gateway.in_team("Crew").await,
        0,
        "what is planned gives nothing"
    );
    let mut worker = gatehouse::worker::Worker::new(gateway.app.clone());
    let add =
        |id: &str| operations(json!([{"op": "add", "path": "members", "value": [member(id)]}]));
    for id in &ids[20..] {
        worker.round().await.unwrap();
        let path = format!("/Groups/{crew}");
        assert_eq!(scim.send("PATCH", &path, Some(&add(id))).await.0, 200);
    }
    gateway.check().await;
    assert_eq!(gateway.in_team("Crew").await, 24);
}

#[tokio::test]
async fn a_member_who_is_out_keeps_its_grants_masked_and_explained() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    gateway.rule(&["Crew"], "Crew").await;
    let ada = users(&scim, "ada", 1).await.remove(0);
    let crew = json!({"displayName": "Crew", "members": [member(&ada)]});
    scim.created("/Groups", &crew).await;
    let off = operations(json!([{"op": "replace", "value": {"active": false}}]));
    scim.send("PATCH", &format!("/Users/{ada}"), Some(&off))
        .await;
    assert_eq!(gateway.in_team("Crew").await, 0);
    let found = members::find(&gateway.app, gateway.workspace.id, "ada0@acme.example");
    let why = explain::explain(&gateway.app, gateway.workspace.id, &found.await.unwrap()).await;
    let why = why.unwrap();
    assert_eq!(why.grants.len(), 1);
    assert!(!why.grants[0].effective);
    assert_eq!(why.grants[0].request.method.as_deref(), Some("POST"));
    assert!(
        why.grants[0]
            .ends_with
            .iter()
            .any(|end| end.contains("Crew"))
    );
    gateway.check().await;
}

/// A group's version counts every change of its members, and none that was no change.
#[tokio::test]
async fn versions_count_what_changed() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ada = users(&scim, "ada", 1).await.remove(0);
    let group = scim.created("/Groups", &json!({"displayName": "G"})).await;
    let path = format!("/Groups/{group}");
    let version = async || {
        let (_, body) = scim.send("GET", &path, None).await;
        body["meta"]["version"].as_str().unwrap().to_owned()
    };
    let add = operations(json!([{"op": "add", "path": "members", "value": [member(&ada)]}]));
    let before = version().await;
    scim.send("PATCH", &path, Some(&add)).await;
    let after = version().await;
    assert_ne!(after, before);
    scim.send("PATCH", &path, Some(&add)).await;
    assert_eq!(version().await, after, "nothing changed");
    scim.send("DELETE", &format!("/Users/{ada}"), None).await;
    assert_ne!(version().await, after, "a member went away");
}
