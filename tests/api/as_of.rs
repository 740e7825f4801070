//! What was at an instant, and what differs between two.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gatehouse::clock::{Clock, Timestamp};
use gatehouse::workspace::keys::Permission;
use gatehouse::workspace::members;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, member, operations, users};

const STEP: Duration = Duration::from_mins(5);

/// Status, address and teams of each member as the list of now shows them.
async fn now(gateway: &Gateway) -> BTreeMap<String, Value> {
    let listed = members::list(&gateway.app, gateway.workspace.id, None, 500).await;
    let listed = listed.unwrap().into_iter().map(|it| {
        let shown = json!([it.status, it.user_name, it.display_name, it.teams, it.roles]);
        (it.id.to_string(), shown)
    });
    listed.collect()
}

/// The same as of an instant.
async fn then(gateway: &Gateway, key: &str, at: Timestamp) -> BTreeMap<String, Value> {
    let (mut found, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let path = format!("/members?limit=3&as_of={at}{cursor}");
        let page = gateway.about(key, "GET", &path, Value::Null).await;
        assert_eq!(page.status, 200, "{}", page.text);
        for it in page.body["items"].as_array().unwrap() {
            let shown = json!([
                it["status"],
                it["user_name"],
                it["display_name"],
                it["teams"],
                it["roles"]
            ]);
            found.insert(it["id"].as_str().unwrap().to_owned(), shown);
        }
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

async fn patch(scim: &Scim, path: &str, op: Value) {
    let answer = scim
        .send("PATCH", path, Some(&operations(json!([op]))))
        .await;
    assert!([200, 204].contains(&answer.0), "{}", answer.1);
}

#[tokio::test]
async fn what_nobody_has_numbered_yet_was_there_all_the_same() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    let key = gateway.key(&[Permission::MembersRead]).await;
    let scim = gateway.scim().await;
    users(&scim, "u", 2).await;
    let was = clock.now();
    clock.advance(STEP);
    users(&scim, "v", 3).await;
    // No worker came by.
    assert_eq!(then(&gateway, &key, was).await.len(), 2);
    assert_eq!(then(&gateway, &key, clock.now()).await.len(), 5);
    let waits = gateway.count("changes WHERE number IS NULL").await;
    assert_eq!(waits, 0);
    gateway.check().await;
}

/// Does something in each of eight steps; gives what was seen after each, and before the first.
async fn eight_steps(
    gateway: &Gateway,
    clock: &Clock,
    key: &str,
) -> Vec<(Timestamp, BTreeMap<String, Value>)> {
    let scim = gateway.scim().await;
    let mut seen = vec![(clock.now(), now(gateway).await)];
    let mut made = Vec::new();
    let mut crew = String::new();
    for step in 0..8 {
        clock.advance(STEP);
        match step {
            0 => made = users(&scim, "u", 5).await,
            1 => {
                let members = [member(&made[0]), member(&made[1])];
                let body = json!({"displayName": "Crew", "members": members});
                crew = scim.created("/Groups", &body).await;
                gateway.rule(&["Crew"], "Sailors").await;
            }
            2 => {
                let off = json!({"op": "replace", "path": "active", "value": false});
                patch(&scim, &format!("/Users/{}", made[0]), off).await;
            }
            3 => {
                let name = json!({"op": "replace", "path": "displayName", "value": "Ada"});
                patch(&scim, &format!("/Users/{}", made[1]), name).await;
                let add = json!({"op": "add", "path": "members", "value": [member(&made[2])]});
                patch(&scim, &format!("/Groups/{crew}"), add).await;
            }
            4 => {
                let path = format!("/Users/{}", made[3]);
                scim.send("DELETE", &path, None).await;
            }
            5 => {
                let on = json!({"op": "replace", "path": "active", "value": true});
                patch(&scim, &format!("/Users/{}", made[0]), on).await;
            }
            6 => {
                let path = format!("members[value eq \"{}\"]", made[1]);
                let out = json!({"op": "remove", "path": path});
                patch(&scim, &format!("/Groups/{crew}"), out).await;
            }
            _ => {
                let id = now(gateway).await.into_keys().next().unwrap();
                let role = format!("/members/{id}/roles/user");
                let given = gateway.about(key, "PUT", &role, Value::Null).await;
                assert_eq!(given.status, 204, "{}", given.text);
            }
        }
        gateway.work().await;
        seen.push((clock.now(), now(gateway).await));
    }
    clock.advance(STEP);
    seen
}

async fn gateway() -> (Gateway, Clock, String) {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    (gateway, clock, key)
}

#[tokio::test]
async fn a_look_at_an_instant_is_what_was_seen_at_that_instant() {
    let (gateway, clock, key) = gateway().await;
    let seen = eight_steps(&gateway, &clock, &key).await;
    for (at, shown) in &seen {
        assert_eq!(&then(&gateway, &key, *at).await, shown, "as of {at}");
        // Between two steps nothing happened.
        let later = at.after(STEP / 2);
        assert_eq!(&then(&gateway, &key, later).await, shown, "as of {later}");
    }
    let (at, shown) = &seen[5];
    let id = shown.keys().next().unwrap();
    let one = format!("/members/{id}?as_of={at}");
    let one = gateway.about(&key, "GET", &one, Value::Null).await;
    assert_eq!(one.body["status"], shown[id][0], "{}", one.text);
    let before = format!("/members/{id}?as_of={}", seen[0].0);
    let before = gateway.about(&key, "GET", &before, Value::Null).await;
    assert_eq!(before.status, 404);
    let future = clock.now().after(STEP);
    for path in [
        format!("/members?as_of={future}"),
        "/members?as_of=yesterday".to_owned(),
        format!("/history/diff?from={at}"),
        format!("/history/diff?from={at}&to={}", seen[0].0),
    ] {
        let refused = gateway.about(&key, "GET", &path, Value::Null).await;
        assert_eq!(
            refused.body["code"], "invalid_value",
            "{path}: {}",
            refused.text
        );
    }
    gateway.check().await;
}

#[tokio::test]
async fn what_differs_between_two_instants_is_what_differs_between_what_was_seen() {
    let (gateway, clock, key) = gateway().await;
    let seen = eight_steps(&gateway, &clock, &key).await;
    for (from, to) in [(0, 8), (1, 4), (2, 3), (3, 7), (6, 7), (5, 5)] {
        let path = format!("/history/diff?from={}&to={}", seen[from].0, seen[to].0);
        let diff = gateway.about(&key, "GET", &path, Value::Null).await;
        assert_eq!(diff.status, 200, "{}", diff.text);
        let items = diff.body["items"].as_array().unwrap().iter();
        let mut told: BTreeMap<&str, &Value> = items
            .map(|it| (it["member"].as_str().unwrap(), it))
            .collect();
        told.retain(|_, it| it["status_to"] != "removed" || it["status_from"] != Value::Null);
        let (before, after) = (&seen[from].1, &seen[to].1);
        let all = before.keys().chain(after.keys());
        let differ: BTreeSet<&str> = all
            .filter(|id| before.get(*id) != after.get(*id))
            .map(String::as_str)
            .collect();
        assert_eq!(
            told.keys().copied().collect::<BTreeSet<_>>(),
            differ,
            "from {from} to {to}"
        );
        for (id, it) in told {
            let teams = |seen: &BTreeMap<String, Value>| match seen.get(id) {
                Some(shown) => shown[3].as_array().unwrap().clone(),
                None => Vec::new(),
            };
            let (had, has) = (teams(before), teams(after));
            let began: Vec<_> = has.iter().filter(|it| !had.contains(it)).collect();
            let ended: Vec<_> = had.iter().filter(|it| !has.contains(it)).collect();
            assert_eq!(it["began"]["teams"], json!(began), "from {from} to {to}");
            assert_eq!(it["ended"]["teams"], json!(ended), "from {from} to {to}");
        }
    }
}

#[tokio::test]
async fn teams_and_roles_are_shown_as_they_were() {
    let (gateway, clock, key) = gateway().await;
    let made = gateway
        .about(&key, "POST", "/teams", json!({"name": "Support"}))
        .await;
    let team = format!("/teams/{}", made.body["id"].as_str().unwrap());
    let role = json!({"name": "Lead", "permissions": ["members.read"]});
    let made = gateway.about(&key, "POST", "/roles", role).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let role = format!("/roles/{}", made.body["id"].as_str().unwrap());
    gateway.work().await;
    let at = clock.now();
    clock.advance(STEP);
    let renamed = json!({"name": "Care", "archived": true});
    gateway.about(&key, "PATCH", &team, renamed).await;
    let more = json!({"permissions": ["members.read", "data.export"]});
    gateway.about(&key, "PATCH", &role, more).await;
    gateway
        .about(&key, "POST", "/teams", json!({"name": "Later"}))
        .await;
    gateway.work().await;
    let teams = format!("/teams?as_of={at}");
    let teams = gateway.about(&key, "GET", &teams, Value::Null).await;
    let items = teams.body["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{}", teams.text);
    assert_eq!(items[0]["name"], "Support");
    assert_eq!(items[0]["archived"], false);
    let roles = format!("/roles?as_of={at}");
    let roles = gateway.about(&key, "GET", &roles, Value::Null).await;
    let items = roles.body["items"].as_array().unwrap();
    let lead = items.iter().find(|it| it["name"] == "Lead").unwrap();
    assert_eq!(lead["permissions"], json!(["members.read"]));
    assert_eq!(items.len(), 3, "{}", roles.text);
    let span = format!("from={at}&to={}", clock.now());
    let path = format!("/history/diff/teams?{span}");
    let teams = gateway.about(&key, "GET", &path, Value::Null).await;
    let items = teams.body["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{}", teams.text);
    let care = items.iter().find(|it| it["to"]["name"] == "Care").unwrap();
    assert_eq!(care["from"]["name"], "Support");
    let archived = (&care["from"]["archived"], &care["to"]["archived"]);
    assert_eq!(archived, (&json!(false), &json!(true)));
    let later = items.iter().find(|it| it["to"]["name"] == "Later").unwrap();
    assert_eq!(later["from"], Value::Null);
    let path = format!("/history/diff/roles?{span}");
    let roles = gateway.about(&key, "GET", &path, Value::Null).await;
    let items = roles.body["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{}", roles.text);
    assert_eq!(items[0]["from"]["permissions"], json!(["members.read"]));
    let more = json!(["data.export", "members.read"]);
    assert_eq!(items[0]["to"]["permissions"], more);
}

#[tokio::test]
async fn a_member_is_shown_with_the_names_that_its_rights_had() {
    let (gateway, clock, key) = gateway().await;
    let made = gateway
        .about(&key, "POST", "/teams", json!({"name": "Support"}))
        .await;
    let team = format!("/teams/{}", made.body["id"].as_str().unwrap());
    let role = json!({"name": "Lead", "permissions": ["members.read"]});
    let made = gateway.about(&key, "POST", "/roles", role).await;
    let role = format!("/roles/{}", made.body["id"].as_str().unwrap());
    let scim = gateway.scim().await;
    scim.created("/Users", &json!({"userName": "zoe"})).await;
    let zoe = gateway.member("zoe").await.id.to_string();
    for right in ["teams/Support", "roles/Lead"] {
        let path = format!("/members/{zoe}/{right}");
        let given = gateway.about(&key, "PUT", &path, Value::Null).await;
        assert_eq!(given.status, 204, "{}", given.text);
    }
    gateway.work().await;
    let at = clock.now();
    clock.advance(STEP);
    let care = json!({"name": "Care"});
    gateway.about(&key, "PATCH", &team, care).await;
    let chief = json!({"name": "Chief"});
    gateway.about(&key, "PATCH", &role, chief).await;
    let path = format!("/members/{zoe}");
    let changed = json!({"user_id": "Z-1"});
    let changed = gateway.about(&key, "PATCH", &path, changed).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    gateway.work().await;
    let then = format!("{path}?as_of={at}");
    let then = gateway.about(&key, "GET", &then, Value::Null).await;
    assert_eq!(then.body["teams"], json!(["Support"]), "{}", then.text);
    assert_eq!(then.body["roles"], json!(["Lead"]), "{}", then.text);
    let now = format!("{path}?as_of={}", clock.now());
    let now = gateway.about(&key, "GET", &now, Value::Null).await;
    assert_eq!(now.body["teams"], json!(["Care"]), "{}", now.text);
    // A new name is no other right.
    let differ = format!("/history/diff?from={at}&to={}", clock.now());
    let differ = gateway.about(&key, "GET", &differ, Value::Null).await;
    let items = differ.body["items"].as_array().unwrap();
    let of_zoe = items.iter().find(|it| it["member"] == zoe.as_str());
    let of_zoe = of_zoe.unwrap();
    assert_eq!(of_zoe["began"]["teams"], json!([]), "{}", differ.text);
    assert_eq!(of_zoe["ended"]["roles"], json!([]), "{}", differ.text);
}

#[tokio::test]
async fn one_person_is_put_back_as_a_new_change() {
    let (gateway, clock, key) = gateway().await;
    gateway
        .about(&key, "POST", "/teams", json!({"name": "Support"}))
        .await;
    let new = json!({
        "profile": {"email": "ada@acme.example", "phone": "+442079460958", "user_id": "A-1"},
        "teams": ["Support"], "roles": ["user"],
    });
    let made = gateway.about(&key, "POST", "/members", new).await;
    let id = made.body["member"]["id"].as_str().unwrap().to_owned();
    let path = format!("/members/{id}");
    gateway.work().await;
    let at = clock.now();
    let before = gateway.about(&key, "GET", &path, Value::Null).await.body;
    clock.advance(STEP);
    let edit = json!({"phone": null, "display_name": "Ada", "user_id": "A-2"});
    gateway.about(&key, "PATCH", &path, edit).await;
    for (method, right) in [
        ("DELETE", "/teams/Support"),
        ("DELETE", "/roles/user"),
        ("PUT", "/roles/admin"),
        ("PUT", "/permissions/data.export"),
    ] {
        let done = gateway
            .about(&key, method, &format!("{path}{right}"), Value::Null)
            .await;
        assert_eq!(done.status, 204, "{}", done.text);
    }
    gateway.work().await;
    clock.advance(STEP);
    let restore = format!("{path}/restore");
    let weak = gateway.key(&[Permission::MembersManage]).await;
    let as_of = json!({"as_of": at});
    let refused = gateway.about(&weak, "POST", &restore, as_of.clone()).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    let done = gateway.about(&key, "POST", &restore, as_of.clone()).await;
    assert_eq!(
        done.body,
        json!({
            "fields": ["display_name", "user_id", "phone"], "fields_left": [], "given": 2,
            "rights_left": [], "taken": 2,
        }),
        "{}",
        done.text
    );
    let shown = gateway.about(&key, "GET", &path, Value::Null).await.body;
    for name in ["phone", "display_name", "user_id", "email", "status"] {
        assert_eq!(shown[name], before[name], "{name}");
    }
    let id = id.parse().unwrap();
    let mut tx = gateway.app.db.one().await.unwrap();
    let have = gatehouse::store::grants::list_by_hand(&mut tx, gateway.workspace.id, &[id]).await;
    drop(tx);
    assert_eq!(have.unwrap().len(), 2);
    let again = gateway.about(&key, "POST", &restore, as_of).await;
    assert_eq!(
        again.body,
        json!({"fields": [], "fields_left": [], "given": 0, "rights_left": [], "taken": 0})
    );
    assert!(gateway.told("as_of").await);
    gateway.check().await;
}
