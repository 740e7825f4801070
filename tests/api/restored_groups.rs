//! One group is put back to what it was, or comes back that a directory deleted.

use std::time::Duration;

use gatehouse::admission::brake::{self, Mode};
use gatehouse::admission::rules::{self, NewRule};
use gatehouse::changes::Origin;
use gatehouse::clock::Clock;
use gatehouse::workspace::keys::Permission;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, operations, users};
use crate::keys::new_key;
use crate::rules::group;

const MINUTE: Duration = Duration::from_mins(1);

impl Gateway {
    /// How many members have each of two teams.
    pub(crate) async fn in_teams(&self, one: &str, other: &str) -> (usize, usize) {
        (self.in_team(one).await, self.in_team(other).await)
    }
}

fn path(scim: &Scim, group: &str) -> String {
    format!("/directories/{}/groups/{group}/restore", scim.directory.id)
}

async fn planned(gateway: &Gateway, key: &str, path: &str, body: Value) -> Value {
    let changes = gateway.count("changes").await;
    let plan = gateway
        .asked(key, ("POST", &format!("{path}/plan")), body, 200)
        .await;
    // What is foreseen has not happened.
    assert_eq!(gateway.count("changes").await, changes);
    plan
}

fn count<'v>(plan: &'v Value, list: &str, name: &str) -> &'v Value {
    let all = plan["effects"][list].as_array().unwrap();
    let found = all.iter().find(|it| it["name"] == name);
    found.map_or(&Value::Null, |it| &it["members"])
}

async fn set(scim: &Scim, group: &str, op: &str, ids: &[String]) {
    let members: Vec<_> = ids.iter().map(|id| json!({"value": id})).collect();
    let body = operations(json!([{"op": op, "path": "members", "value": members}]));
    let (status, body) = scim
        .send("PATCH", &format!("/Groups/{group}"), Some(&body))
        .await;
    assert!([200, 204].contains(&status), "{body}");
}

// C078
#[tokio::test]
async fn a_deleted_group_comes_back_with_its_members_and_what_rules_gave_through_it() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 8).await;
    let crew = group(&scim, "Crew", &ids[..6]).await;
    let deck = group(&scim, "Deck", &ids[6..7]).await;
    let fleet = group(&scim, "Fleet", std::slice::from_ref(&crew)).await;
    set(&scim, &crew, "add", std::slice::from_ref(&deck)).await;
    gateway.rule(&["Crew"], "Sailors").await;
    gateway.rule(&["Fleet"], "Ships").await;
    gateway.work().await;
    let before = scim.members(&crew).await;
    assert_eq!(gateway.in_team("Sailors").await, 7);
    clock.advance(MINUTE);

    let gone = scim.send("DELETE", &format!("/Groups/{crew}"), None).await;
    assert_eq!(gone.0, 204);
    gateway.check().await;
    assert_eq!(gateway.in_teams("Sailors", "Ships").await, (0, 0));
    let left = scim
        .send("DELETE", &format!("/Users/{}", ids[0]), None)
        .await;
    assert_eq!(left.0, 204);
    clock.advance(Duration::from_hours(29 * 24));

    let key = gateway.key(&[Permission::DirectoriesManage]).await;
    let deleted = format!("/directories/{}/deleted-groups", scim.directory.id);
    let deleted = gateway
        .asked(&key, ("GET", &deleted), Value::Null, 200)
        .await;
    assert_eq!(deleted["items"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&deleted["items"][0]["id"], &deleted["items"][0]["name"]),
        (&json!(crew), &json!("Crew"))
    );
    let path = path(&scim, "crew");
    let plan = planned(&gateway, &key, &path, json!({})).await;
    assert_eq!(
        (
            &plan["made_again"],
            &plan["added"],
            &plan["added_groups"],
            &plan["holders"]
        ),
        (&json!(true), &json!(5), &json!(1), &json!(1)),
        "{plan}"
    );
    assert_eq!(count(&plan, "gains", "Sailors"), 6, "{plan}");
    assert_eq!(count(&plan, "gains", "Ships"), 6, "{plan}");
    assert_eq!(plan["rules"].as_array().unwrap().len(), 1);
    assert_eq!(plan["skipped"][0]["id"], ids[0].as_str(), "{plan}");
    assert_eq!(plan["skipped_count"], 1);
    assert_eq!(gateway.in_team("Sailors").await, 0);

    // The world moves on: the plan is told anew, and nothing is done.
    scim.send("DELETE", &format!("/Users/{}", ids[1]), None)
        .await;
    let stale = json!({"hash": plan["hash"]});
    let refused = gateway.ask(&key, "POST", &path, stale).await;
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (409, &json!("plan_stale"))
    );
    let now = &refused.body["difference"];
    assert_eq!(
        (&now["added"], &now["skipped_count"]),
        (&json!(4), &json!(2))
    );
    assert_eq!(gateway.in_team("Sailors").await, 0);
    let apply = json!({"hash": now["hash"]});
    let done = gateway
        .asked(&key, ("POST", &path), apply.clone(), 200)
        .await;
    assert_eq!(done["added"], 4);
    gateway.check().await;
    assert_eq!(gateway.in_teams("Sailors", "Ships").await, (5, 5));
    let again: std::collections::BTreeSet<_> = scim.members(&crew).await;
    let expected = before.into_iter().filter(|id| !ids[..2].contains(id));
    assert_eq!(again, expected.collect());
    assert!(scim.members(&fleet).await.contains(&crew));
    // It is the directory's own again, under the id that it knows.
    set(&scim, &crew, "remove", &ids[2..3]).await;
    assert_eq!(gateway.in_team("Sailors").await, 4);
    let told = gateway
        .texts("changes WHERE kind = 'group.restored'", "detail")
        .await;
    assert_eq!(told.len(), 1);
    let twice = gateway.ask(&key, "POST", &path, apply).await;
    assert_eq!(twice.status, 400, "{}", twice.text);
    gateway.check().await;
}

#[tokio::test]
async fn a_group_comes_back_before_anybody_numbered_that_it_went() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 2).await;
    let crew = group(&scim, "Crew", &ids).await;
    let gone = scim.send("DELETE", &format!("/Groups/{crew}"), None).await;
    assert_eq!(gone.0, 204);
    let key = gateway.key(&[Permission::DirectoriesManage]).await;
    let plan = planned(&gateway, &key, &path(&scim, "Crew"), json!({})).await;
    assert_eq!(
        (&plan["made_again"], &plan["added"]),
        (&json!(true), &json!(2))
    );
    gateway.check().await;
}

// C078
#[tokio::test]
async fn a_group_is_put_back_to_an_instant_with_who_came_and_went_since() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 30).await;
    let crew = group(&scim, "Crew", &ids[..20]).await;
    gateway.rule(&["Crew"], "Sailors").await;
    gateway.work().await;
    clock.advance(MINUTE);
    let then = clock.now();
    let before = scim.members(&crew).await;
    clock.advance(MINUTE);
    set(&scim, &crew, "remove", &ids[..12]).await;
    set(&scim, &crew, "add", &ids[20..]).await;
    // Out and in again, in and out again: these are as they were.
    set(&scim, &crew, "remove", &ids[19..20]).await;
    set(&scim, &crew, "add", &ids[19..20]).await;
    set(&scim, &crew, "remove", &ids[29..]).await;
    assert_eq!(gateway.in_team("Sailors").await, 17);
    clock.advance(MINUTE);
    let key = gateway.key(&[Permission::DirectoriesManage]).await;
    let path = path(&scim, &crew);
    // Not all of it has its number yet.
    let plan = planned(&gateway, &key, &path, json!({"as_of": then})).await;
    assert_eq!(
        (&plan["made_again"], &plan["added"], &plan["removed"]),
        (&json!(false), &json!(12), &json!(9)),
        "{plan}"
    );
    assert_eq!(count(&plan, "gains", "Sailors"), 12);
    assert_eq!(count(&plan, "losses", "Sailors"), 9);
    gateway.work().await;
    let same = planned(&gateway, &key, &path, json!({"as_of": then})).await;
    assert_eq!(same["hash"], plan["hash"]);
    // Whoever loses something by it is held against the brake like anybody else.
    gateway.brake(Mode::Hold).await;
    let apply = json!({"as_of": then, "hash": plan["hash"]});
    gateway.asked(&key, ("POST", &path), apply, 200).await;
    assert_eq!(scim.members(&crew).await, before);
    let held = brake::held(&gateway.app, gateway.workspace.id, None, 100).await;
    let held = held.unwrap().len();
    assert!(held > 0 && held < 9, "{held} are held");
    assert_eq!(gateway.in_team("Sailors").await, 20 + held);
    gateway.check().await;

    for (body, status) in [
        (json!({}), 400),
        (json!({"as_of": clock.now().after(MINUTE)}), 400),
        (
            json!({"as_of": clock.now().before(Duration::from_hours(31 * 24))}),
            400,
        ),
        (json!({"as_of": then.before(Duration::from_hours(1))}), 409),
    ] {
        let refused = gateway
            .ask(&key, "POST", &format!("{path}/plan"), body.clone())
            .await;
        assert_eq!(refused.status, status, "{body}: {}", refused.text);
    }
}

// C078
#[tokio::test]
async fn a_large_group_comes_back_by_runs() {
    let gateway = Gateway::with(|config| {
        config.scim.run_threshold = 10;
        config.scim.run_batch = 7;
    })
    .await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 25).await;
    let crew = group(&scim, "Crew", &ids).await;
    let fleet = group(&scim, "Fleet", std::slice::from_ref(&crew)).await;
    gateway.rule(&["Crew"], "Sailors").await;
    gateway.rule(&["Fleet"], "Ships").await;
    gateway.work().await;
    assert_eq!(gateway.in_team("Sailors").await, 25);
    let before = scim.members(&crew).await;
    let gone = scim.send("DELETE", &format!("/Groups/{crew}"), None).await;
    assert_eq!(gone.0, 204);
    let key = gateway.key(&[Permission::DirectoriesManage]).await;
    let path = path(&scim, &crew);
    let early = gateway
        .ask(&key, "POST", &format!("{path}/plan"), json!({}))
        .await;
    assert_eq!(early.status, 409, "{}", early.text);
    gateway.check().await;
    let plan = planned(&gateway, &key, &path, json!({})).await;
    assert_eq!(plan["added"], 25, "{plan}");
    assert_eq!(count(&plan, "gains", "Sailors"), 25);
    assert_eq!(count(&plan, "gains", "Ships"), 25);
    let apply = json!({"hash": plan["hash"]});
    let done = gateway.asked(&key, ("POST", &path), apply, 200).await;
    assert_eq!(done["runs"].as_array().unwrap().len(), 2, "{done}");
    gateway.check().await;
    assert_eq!(gateway.in_teams("Sailors", "Ships").await, (25, 25));
    assert_eq!(scim.members(&crew).await, before);
    assert!(scim.members(&fleet).await.contains(&crew));
}

// C078
#[tokio::test]
async fn what_a_group_gives_beyond_ones_own_rights_stays_away() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 3).await;
    let chiefs = group(&scim, "Chiefs", &ids[..2]).await;
    let rule = NewRule {
        directory: "idp".to_owned(),
        groups: vec!["Chiefs".to_owned()],
        roles: vec!["admin".to_owned()],
        ..NewRule::default()
    };
    let added = rules::add(&gateway.app, &Origin::cli(), &gateway.workspace, rule).await;
    added.unwrap();
    gateway.work().await;
    // One stays admin by hand, so that the others can go.
    let all = gateway
        .key_of(None, new_key(&[Permission::Everything]))
        .await
        .1;
    let listed = gateway
        .asked(&all, ("GET", "/members?limit=10"), Value::Null, 200)
        .await;
    let mut items = listed["items"].as_array().unwrap().iter();
    let keeper = items.find(|it| it["user_name"] == "u2@acme.example");
    let keeper = keeper.unwrap()["id"].as_str().unwrap();
    let put = format!("/members/{keeper}/roles/admin");
    let given = gateway.ask(&all, "PUT", &put, Value::Null).await;
    assert!(given.status < 300, "{}", given.text);
    let gone = scim
        .send("DELETE", &format!("/Groups/{chiefs}"), None)
        .await;
    assert_eq!(gone.0, 204);
    gateway.work().await;
    let path = path(&scim, &chiefs);
    let plan = planned(&gateway, &all, &path, json!({})).await;
    assert_eq!(count(&plan, "gains", "admin"), 2, "{plan}");
    let key = gateway.key(&[Permission::DirectoriesManage]).await;
    let apply = json!({"hash": plan["hash"]});
    let refused = gateway.ask(&key, "POST", &path, apply.clone()).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    // Another group has its name by now.
    let other = group(&scim, "CHIEFS", &ids[2..]).await;
    let refused = gateway.ask(&all, "POST", &path, apply.clone()).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    scim.send("DELETE", &format!("/Groups/{other}"), None).await;
    gateway.work().await;
    gateway.asked(&all, ("POST", &path), apply, 200).await;
    gateway.check().await;
}

// C078
#[tokio::test]
async fn groups_come_back_with_the_rest_of_a_bad_sync() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 12).await;
    let deck = group(&scim, "Deck", &ids[8..]).await;
    let crew = group(&scim, "Crew", &ids[..9]).await;
    set(&scim, &crew, "add", std::slice::from_ref(&deck)).await;
    gateway.rule(&["Crew"], "Sailors").await;
    gateway.rule(&["Deck"], "Hands").await;
    gateway.work().await;
    assert_eq!(gateway.in_teams("Sailors", "Hands").await, (12, 4));
    let before = (scim.members(&crew).await, scim.members(&deck).await);
    let from = clock.now();
    clock.advance(MINUTE);
    for path in [
        format!("/Users/{}", ids[0]),
        format!("/Groups/{deck}"),
        format!("/Users/{}", ids[1]),
        format!("/Groups/{crew}"),
        format!("/Users/{}", ids[2]),
        format!("/Users/{}", ids[10]),
    ] {
        assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    }
    gateway.work().await;
    clock.advance(MINUTE);
    let key = gateway.key(&[Permission::DirectoriesManage]).await;
    let restore = format!("/directories/{}/restore", scim.directory.id);
    let restored = gateway
        .asked(&key, ("POST", &restore), json!({"from": from}), 200)
        .await;
    assert_eq!(
        (
            &restored["groups"],
            &restored["users"],
            &restored["groups_lost"]
        ),
        (&json!(2), &json!(4), &json!(0)),
        "{restored}"
    );
    assert_eq!(
        (scim.members(&crew).await, scim.members(&deck).await),
        before
    );
    assert_eq!(gateway.in_teams("Sailors", "Hands").await, (12, 4));
    gateway.check().await;
}

#[tokio::test]
async fn what_becomes_of_members_is_looked_at_beside_other_writes() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 9).await;
    let empty = group(&scim, "Empty", &[]).await;
    let crew = group(&scim, "Crew", &ids).await;
    gateway.rule(&["Empty"], "Nobody").await;
    gateway.rule(&["Crew"], "Sailors").await;
    for group in [&empty, &crew] {
        let path = format!("/Groups/{group}");
        assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    }
    gateway.check().await;
    let key = gateway.key(&[Permission::DirectoriesManage]).await;
    let longest = async |group: &str| {
        let path = format!("{}/plan", path(&scim, group));
        gateway.longest_write(&key, &path, &json!({})).await
    };
    assert_eq!(longest(&crew).await, longest(&empty).await);
    let path = path(&scim, &crew);
    let plan = planned(&gateway, &key, &path, json!({})).await;
    assert_eq!(count(&plan, "gains", "Sailors"), 9, "{plan}");
    let hash = json!({"hash": plan["hash"]});
    gateway.asked(&key, ("POST", &path), hash, 200).await;
    gateway.check().await;
    assert_eq!(gateway.in_team("Sailors").await, 9);
}
