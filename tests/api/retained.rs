//! What is kept for a time alone, and what becomes of a deleted workspace.

use std::time::Duration;

use gatehouse::app::App;
use gatehouse::changes::Origin;
use gatehouse::clock::Clock;
use gatehouse::directory::{Mode, NewDirectory, erasure, request_log};
use gatehouse::ids::MemberId;
use gatehouse::store::tables;
use gatehouse::workspace::keys::{Permission, Scopes};
use gatehouse::workspace::{self, deletion};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::gateway::{Gateway, Scim, member, new_directory, users};
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

// C257
#[tokio::test]
async fn what_a_user_was_that_never_had_a_member_goes_after_its_time() {
    let clock = clock();
    let gateway = Gateway::at(clock.clone(), |config| {
        config.retention.tombstones_days = Some(20);
    })
    .await;
    let collecting = NewDirectory {
        mode: Mode::Collect,
        ..new_directory("collecting")
    };
    let collecting = gateway.scim_of(&gateway.workspace, collecting).await;
    let made = users(&collecting, "fact", 2).await;
    let live = gateway.scim().await;
    let ada = live.created("/Users", &json!({"userName": "ada"})).await;
    live.send("DELETE", &format!("/Users/{ada}"), None).await;
    let gone = format!("/Users/{}", made[0]);
    assert_eq!(collecting.send("DELETE", &gone, None).await.0, 204);
    let destroyed = "person_keys WHERE length(sealed) = 0";
    clock.advance(DAY * 19);
    gateway.work().await;
    assert_eq!(gateway.count("buried_users").await, 1);
    assert_eq!(gateway.count(destroyed).await, 0);
    clock.advance(DAY * 2);
    gateway.work().await;
    assert_eq!(gateway.count("buried_users").await, 0);
    // The one who is still there keeps its key, and so does a member who left.
    assert_eq!(gateway.count(destroyed).await, 1);
    assert_eq!(gateway.count("person_keys").await, 3);
    gateway.check().await;
}

/// How many lines the request log has.
async fn lines(gateway: &Gateway) -> i64 {
    let mut tx = gateway.app.db.read_log().await.unwrap();
    let sql = "SELECT COUNT(*) AS rows FROM request_log";
    let row: (i64,) = tx.query(sql).fetch_one().await.unwrap();
    row.0
}

// C257
#[tokio::test]
async fn several_who_left_are_looked_for_at_once_and_a_sealed_line_keeps_nobody() {
    let clock = clock();
    let gateway = Gateway::at(clock.clone(), |config| {
        config.retention.removed_members_days = Some(1);
    })
    .await;
    let scim = gateway.scim().await;
    let people = ["ada.lovelace", "grace.hopper", "mary.somerville"];
    for name in people {
        let asked = format!("/scim/v2/Users?filter=userName%20eq%20%22{name}%22");
        let user = scim.created("/Users", &json!({"userName": name})).await;
        scim.send("DELETE", &format!("/Users/{user}"), None).await;
        let bearer = format!("Bearer {}", scim.token);
        gateway.call("GET", &asked, &[&bearer], None).await;
    }
    request_log::flush(&gateway.app).await;
    assert_eq!(lines(&gateway).await, 9);
    // A line that was sealed with another key.
    let mut tx = gateway.app.db.write_log().await.unwrap();
    let spoiled = tx
        .query(
            "UPDATE request_log SET sealed = $1 WHERE id = (SELECT l.id FROM request_log l \
             WHERE l.method = 'GET' ORDER BY l.id LIMIT 1)",
        )
        .bind(vec![7_u8; 64])
        .execute()
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(spoiled, 1);
    gateway.work().await;
    clock.advance(DAY + DAY / 2);
    gateway.work().await;
    assert_eq!(gateway.count("erasures").await, 3);
    assert_eq!(lines(&gateway).await, 1);
    clock.advance(DAY / 24);
    gateway.work().await;
    assert_eq!(gateway.count("erasures WHERE log_at IS NULL").await, 0);
    gateway.check().await;
}

/// Somebody who left, by that name.
async fn who_left(gateway: &Gateway, scim: &Scim, name: &str) -> MemberId {
    let user = scim.created("/Users", &json!({"userName": name})).await;
    let id = gateway.member(name).await.id;
    scim.send("DELETE", &format!("/Users/{user}"), None).await;
    id
}

// C257
#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_on_two_nodes_at_once_is_on_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("erased");
    let path = list.clone();
    let gateway = Gateway::with(|config| config.retention.erasure_list = Some(path)).await;
    let node = gateway.second_node().await;
    let mut drafts = Vec::new();
    for at in 0..16 {
        let person = json!({"email": format!("person{at}@acme.example")});
        drafts.push(gateway.enter(person, &[]).await.unwrap().member);
    }
    let erase = async |app: &App, member: MemberId| {
        let (origin, scopes) = (Origin::cli(), Scopes::everything());
        let which = (gateway.workspace.id, member);
        erasure::erase(app, (&origin, &scopes), which, true).await
    };
    for pair in drafts.chunks(2) {
        let (one, two) = tokio::join!(erase(&gateway.app, pair[0]), erase(&node, pair[1]));
        one.unwrap();
        two.unwrap();
        let text = std::fs::read_to_string(&list).unwrap();
        for member in pair {
            assert!(text.contains(&member.to_string()), "{member} in {text}");
        }
    }
}

// C257
#[tokio::test]
async fn a_list_that_cannot_be_written_leaves_no_line_that_names_who_was_erased() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("away").join("erased");
    let gateway = Gateway::with(|config| config.retention.erasure_list = Some(list)).await;
    let scim = gateway.scim().await;
    let ada = who_left(&gateway, &scim, "ada.lovelace").await;
    request_log::flush(&gateway.app).await;
    assert_eq!(lines(&gateway).await, 2);
    let (origin, scopes) = (Origin::cli(), Scopes::everything());
    let which = (gateway.workspace.id, ada);
    let erased = erasure::erase(&gateway.app, (&origin, &scopes), which, false).await;
    assert!(erased.is_err(), "the list cannot be written");
    assert_eq!(gateway.count("erasures").await, 1);
    assert_eq!(lines(&gateway).await, 0);
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
