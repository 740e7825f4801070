//! What counts as a loss where rules end: what has effect, however the end comes.

use std::time::Duration;

use gatehouse::admission::brake::{self, Which};
use gatehouse::changes::Origin;
use gatehouse::clock::Clock;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, member, users};
use crate::rules::group;

const HOUR: Duration = Duration::from_hours(1);

/// Twenty people in a team by a rule; gives the path of that one.
async fn crew(gateway: &Gateway, scim: &Scim, key: &str) -> (String, String) {
    let ids = users(scim, "u", 20).await;
    let crew = group(scim, "Crew", &ids).await;
    let rule = json!({"directory": "idp", "groups": ["Crew"], "teams": ["Crew"]});
    let rule = gateway.asked(key, ("POST", "/rules"), rule, 201).await;
    assert_eq!(gateway.in_team("Crew").await, 20);
    (
        format!("/rules/{}", rule["id"].as_str().unwrap()),
        format!("/Groups/{crew}"),
    )
}

async fn lost(gateway: &Gateway) -> (i64, i64) {
    let workspace = gateway.workspace.id;
    let shown = brake::show(&gateway.app, workspace).await.unwrap();
    (shown.lost, shown.held)
}

// C076
#[tokio::test]
async fn an_end_that_was_said_a_moment_before_is_held_up_by_the_brake() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    let scim = gateway.scim().await;
    let key = gateway.ruler(&["Crew"], &[]).await;
    let (rule, _) = crew(&gateway, &scim, &key).await;
    clock.advance(HOUR * 48);
    let until = clock.now().after(Duration::from_secs(1)).to_string();
    let edit = json!({"until": until});
    gateway.asked(&key, ("PATCH", &rule), edit, 200).await;
    clock.advance(Duration::from_secs(2));
    gateway.check().await;
    assert_eq!(gateway.in_team("Crew").await, 15);
    assert_eq!(lost(&gateway).await, (5, 15));
    let workspace = gateway.workspace.id;
    brake::release(&gateway.app, &Origin::cli(), workspace, Which::All)
        .await
        .unwrap();
    gateway.check().await;
    assert_eq!(gateway.in_team("Crew").await, 0);
}

#[tokio::test]
async fn an_end_that_was_said_long_before_is_held_up_by_nothing_and_counted() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    let scim = gateway.scim().await;
    let key = gateway.ruler(&["Crew"], &[]).await;
    let (rule, _) = crew(&gateway, &scim, &key).await;
    let until = clock.now().after(HOUR * 2).to_string();
    let edit = json!({"until": until});
    gateway.asked(&key, ("PATCH", &rule), edit, 200).await;
    clock.advance(HOUR * 3);
    gateway.check().await;
    assert_eq!(gateway.in_team("Crew").await, 0);
    assert_eq!(lost(&gateway).await, (20, 0));
}

// C076
#[tokio::test]
async fn what_has_no_effect_is_no_loss() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    let scim = gateway.scim().await;
    let key = gateway.ruler(&["Crew"], &[]).await;
    let (rule, crew) = crew(&gateway, &scim, &key).await;
    let off = json!({"enabled": false});
    gateway.asked(&key, ("PATCH", &rule), off, 200).await;
    let workspace = gateway.workspace.id;
    brake::release(&gateway.app, &Origin::cli(), workspace, Which::All)
        .await
        .unwrap();
    clock.advance(HOUR * 2);
    assert_eq!(
        (gateway.in_team("Crew").await, lost(&gateway).await),
        (0, (0, 0))
    );
    // The rule that is off gives nothing, and breaks.
    assert_eq!(scim.send("DELETE", &crew, None).await.0, 204);
    gateway.check().await;
    assert_eq!(lost(&gateway).await, (0, 0));
}

// C076
#[tokio::test]
async fn what_members_have_by_something_else_as_well_is_no_loss() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.ruler(&["Crew"], &[]).await;
    let (rule, crew) = crew(&gateway, &scim, &key).await;
    let listed = gateway
        .asked(&key, ("GET", "/members?limit=200"), Value::Null, 200)
        .await;
    for it in &listed["items"].as_array().unwrap()[..18] {
        let give = format!("/members/{}/teams/Crew", it["id"].as_str().unwrap());
        gateway.asked(&key, ("PUT", &give), Value::Null, 204).await;
    }
    assert!(rule.starts_with("/rules/"));
    assert_eq!(scim.send("DELETE", &crew, None).await.0, 204);
    gateway.check().await;
    assert_eq!(lost(&gateway).await, (2, 0));
    assert_eq!(gateway.in_team("Crew").await, 18);
}

// C076
#[tokio::test]
async fn a_group_of_groups_that_goes_away_takes_from_few_at_once() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 4).await;
    let inner = group(&scim, "Inner", &ids[..3]).await;
    let members = json!([member(&inner), member(&ids[3])]);
    let outer = json!({"displayName": "Outer", "members": members});
    let outer = scim.created("/Groups", &outer).await;
    gateway.rule(&["Outer"], "Outer").await;
    assert_eq!(gateway.in_team("Outer").await, 4);
    let path = format!("/Groups/{outer}");
    assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    gateway.check().await;
    assert_eq!(
        (gateway.in_team("Outer").await, lost(&gateway).await),
        (0, (4, 0))
    );
}
