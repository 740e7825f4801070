//! What is kept for a time alone, and what becomes of a deleted workspace.

use std::time::Duration;

use gatehouse::changes::Origin;
use gatehouse::clock::Clock;
use gatehouse::directory::request_log;
use gatehouse::store::tables;
use gatehouse::workspace::keys::Permission;
use gatehouse::workspace::{self, deletion};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::gateway::{Gateway, member, new_directory, users};
use crate::keys::new_key;

const DAY: Duration = Duration::from_hours(24);

fn clock() -> Clock {
    Clock::fixed(Clock::system().now())
}

// C257
#[tokio::test]
async fn who_left_is_erased_after_the_days_that_are_set_and_changes_stay() {
    let clock = clock();
    let gateway = Gateway::at(clock.clone(), |config| {
        config.retention.removed_members_days = Some(10);
        config.retention.tombstones_days = Some(20);
        config.retention.conflicts_days = 5;
    })
    .await;
    let scim = gateway.scim().await;
    let body = json!({"userName": "ada", "externalId": "a1"});
    let ada = scim.created("/Users", &body).await;
    let bob = scim.created("/Users", &json!({"userName": "bob"})).await;
    let beside = new_directory("beside");
    let beside = gateway.scim_of(&gateway.workspace, beside).await;
    // A conflict is told, and kept for a while.
    let bob_too = json!({"userName": "bob"});
    let taken = beside.send("POST", "/Users", Some(&bob_too)).await;
    assert_eq!(taken.0, 409);
    scim.send("DELETE", &format!("/Users/{ada}"), None).await;
    gateway.work().await;
    let changes = gateway.count("changes").await;
    clock.advance(DAY * 4);
    gateway.work().await;
    assert_eq!(gateway.count("conflicts").await, 1);
    clock.advance(DAY * 2);
    gateway.work().await;
    assert_eq!(gateway.count("conflicts").await, 0);
    assert_eq!(gateway.count("erasures").await, 0);
    clock.advance(DAY * 5);
    gateway.work().await;
    assert_eq!(gateway.count("erasures").await, 1);
    let destroyed = "person_keys WHERE length(sealed) = 0";
    assert_eq!(gateway.count(destroyed).await, 1);
    assert_eq!(
        gateway.count("members WHERE erased_at IS NOT NULL").await,
        1
    );
    assert_eq!(gateway.count("tombstones").await, 1);
    clock.advance(DAY * 10);
    gateway.work().await;
    assert_eq!(gateway.count("tombstones").await, 0);
    // The one change more tells of the erasure; and the log was looked through once more.
    assert_eq!(gateway.count("changes").await, changes + 1);
    assert_eq!(gateway.count("erasures WHERE log_at IS NULL").await, 0);
    assert_eq!(
        scim.send("GET", &format!("/Users/{bob}"), None).await.0,
        200
    );
    gateway.check().await;
}

// C084
#[tokio::test]
async fn a_deleted_workspace_opens_nothing_and_comes_back_as_it_was() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    users(&scim, "u", 3).await;
    let key = gateway.key(&[Permission::MembersRead]).await;
    let (_, operator) = gateway
        .key_of(None, new_key(&[Permission::Everything]))
        .await;
    let path = "/workspaces/acme";
    let may_not = gateway.api(&key, "DELETE", path, None).await;
    assert_eq!(may_not.status, 403);
    let deleted = gateway.api(&operator, "DELETE", path, None).await;
    assert_eq!(deleted.status, 200, "{}", deleted.text);
    assert_eq!(deleted.body["workspace"]["status"], "deleted");
    assert!(deleted.body["purged_after"].is_string());
    assert_eq!(scim.send("GET", "/Users", None).await.0, 401);
    let members = "/workspaces/acme/members";
    assert_eq!(gateway.api(&key, "GET", members, None).await.status, 401);
    let refused = gateway.api(&operator, "GET", members, None).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(workspace::find(&gateway.app, "acme").await.is_err());
    let taken = workspace::create(&gateway.app, &Origin::cli(), "acme", "Another").await;
    assert!(taken.is_err());
    let undelete = format!("{path}/undelete");
    let back = gateway
        .api(&operator, "POST", &undelete, Some(&json!({})))
        .await;
    assert_eq!(back.body["status"], "active", "{}", back.text);
    assert_eq!(scim.send("GET", "/Users", None).await.1["totalResults"], 3);
    assert_eq!(gateway.api(&key, "GET", members, None).await.status, 200);
    gateway.check().await;
}

// C084
#[tokio::test]
async fn a_second_node_refuses_a_deleted_workspace_within_a_second() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let node = gateway.second_node().await;
    let door = gatehouse::directory::credentials::authenticate;
    assert!(door(&node, &scim.token).await.is_ok());
    deletion::delete(&gateway.app, &Origin::cli(), &gateway.workspace)
        .await
        .unwrap();
    assert!(door(&gateway.app, &scim.token).await.is_err());
    // What a node trusts without asking it trusts for a second.
    let until = std::time::Instant::now() + Duration::from_secs(5);
    while door(&node, &scim.token).await.is_ok() {
        assert!(std::time::Instant::now() < until, "it is refused by then");
        tokio::task::yield_now().await;
    }
}

// C084
#[tokio::test]
async fn after_the_time_of_grace_nothing_but_the_slug_is_left_of_a_workspace() {
    let clock = clock();
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    let scim = gateway.scim().await;
    let made = users(&scim, "u", 3).await;
    let crew = json!({"displayName": "Crew", "members": [member(&made[0]), member(&made[1])]});
    scim.created("/Groups", &crew).await;
    gateway.rule(&["Crew"], "Sailors").await;
    gateway.key(&[Permission::MembersRead]).await;
    scim.send("DELETE", &format!("/Users/{}", made[2]), None)
        .await;
    request_log::flush(&gateway.app).await;
    let other = gateway.other_workspace().await;
    users(&other, "other", 2).await;
    gateway.work().await;
    deletion::delete(&gateway.app, &Origin::cli(), &gateway.workspace)
        .await
        .unwrap();
    clock.advance(DAY * 29);
    gateway.check().await;
    assert_eq!(gateway.in_team("Sailors").await, 2);
    clock.advance(DAY * 2);
    gateway.check().await;

    let id = gateway.workspace.id;
    let mut tx = gateway.app.db.one().await.unwrap();
    for table in tables::list_owned(&mut tx).await.unwrap() {
        let sql = format!("SELECT COUNT(*) AS rows FROM {table} WHERE workspace = $1");
        let query = tx.query(AssertSqlSafe(sql)).bind(id);
        let rows: (i64,) = query.fetch_one().await.unwrap();
        assert_eq!(rows.0, 0, "{table}");
    }
    drop(tx);
    let logged = request_log::directories(&gateway.app).await.unwrap();
    assert!(logged.iter().all(|directory| directory.0 != id));
    let listed = workspace::list(&gateway.app).await.unwrap();
    let slugs: Vec<_> = listed.iter().map(|it| it.slug.as_str()).collect();
    assert_eq!(slugs, ["other"]);
    let undeleted = deletion::undelete(&gateway.app, &Origin::cli(), &gateway.workspace).await;
    assert!(undeleted.is_err());
    let taken = workspace::create(&gateway.app, &Origin::cli(), "acme", "Another").await;
    assert!(taken.is_err());
    assert_eq!(scim.send("GET", "/Users", None).await.0, 401);
    // The other one is whole.
    assert_eq!(other.send("GET", "/Users", None).await.1["totalResults"], 2);
    let gone = gateway
        .call("GET", "/api/v1/workspaces/acme", &[], None)
        .await;
    assert_eq!(
        (gone.status, gone.body["code"].clone()),
        (401, Value::from("unauthenticated"))
    );
}
