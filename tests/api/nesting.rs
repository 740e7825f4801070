//! Groups within groups: who is in by which way, what that gives, and what is refused.

use std::collections::BTreeSet;

use gatehouse::directory::NewDirectory;
use gatehouse::mapping::explain;
use gatehouse::workspace::members;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, member, new_directory, operations, users};

/// Makes a group; gives its id.
pub(crate) async fn group(scim: &Scim, name: &str, ids: &[&String]) -> String {
    let ids: Vec<_> = ids.iter().map(|id| member(id)).collect();
    let body = json!({"displayName": name, "members": ids});
    scim.created("/Groups", &body).await
}

/// Sends a PATCH of one operation; gives the status.
pub(crate) async fn patch(scim: &Scim, group: &str, operation: Value) -> u16 {
    let body = operations(json!([operation]));
    let (status, body) = scim
        .send("PATCH", &format!("/Groups/{group}"), Some(&body))
        .await;
    let is_told = status != 409 || !body["detail"].as_str().unwrap_or_default().is_empty();
    assert!(is_told, "{body}");
    assert!(body.get("scimType").is_none(), "{body}");
    status
}

pub(crate) async fn add(scim: &Scim, group: &str, id: &str) -> u16 {
    let value = json!([member(id)]);
    patch(
        scim,
        group,
        json!({"op": "add", "path": "members", "value": value}),
    )
    .await
}

pub(crate) async fn remove(scim: &Scim, group: &str, id: &str) -> u16 {
    let path = format!("members[value eq \"{id}\"]");
    patch(scim, group, json!({"op": "remove", "path": path})).await
}

async fn get(scim: &Scim, path: &str) -> Value {
    let (status, body) = scim.send("GET", path, None).await;
    assert_eq!(status, 200, "{body}");
    body
}

/// The groups of a user: id and type.
pub(crate) async fn groups(scim: &Scim, user: &str) -> BTreeSet<(String, String)> {
    let body = get(scim, &format!("/Users/{user}")).await;
    let groups = body["groups"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let found = groups
        .iter()
        .map(|group| (text(&group["value"]), text(&group["type"])));
    found.collect()
}

fn ways(ways: &[(&String, &str)]) -> BTreeSet<(String, String)> {
    let ways = ways.iter();
    ways.map(|(id, kind)| ((*id).clone(), (*kind).to_owned()))
        .collect()
}

async fn found(scim: &Scim, kind: &str, filter: &str) -> BTreeSet<String> {
    let filter: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
    let body = get(scim, &format!("/{kind}?filter={filter}")).await;
    let resources = body["Resources"].as_array().unwrap();
    assert_eq!(body["totalResults"], resources.len());
    let ids = resources.iter().map(|it| it["id"].as_str().unwrap());
    ids.map(str::to_owned).collect()
}

fn set(ids: &[&String]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).clone()).collect()
}

#[tokio::test]
async fn a_member_may_be_a_group_and_is_shown_as_one() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 2).await;
    let inner = group(&scim, "Inner", &[&ids[0]]).await;
    let outer = group(&scim, "Outer", &[&ids[1], &inner]).await;
    let path = format!(
        "/Groups/{outer}?attributes=members.value,members.$ref,members.type,members.display"
    );
    let body = get(&scim, &path).await;
    let base = format!("{}/scim/v2", gateway.url);
    assert_eq!(
        body["members"],
        json!([
            {"value": ids[1], "$ref": format!("{base}/Users/{}", ids[1]), "type": "User",
             "display": "u1@acme.example"},
            {"value": inner, "$ref": format!("{base}/Groups/{inner}"), "type": "Group",
             "display": "Inner"},
        ])
    );
    let listed = get(&scim, "/Groups?filter=displayName%20eq%20%22outer%22").await;
    assert_eq!(listed["Resources"][0]["members"][1]["type"], "Group");
    assert_eq!(
        groups(&scim, &ids[0]).await,
        ways(&[(&inner, "direct"), (&outer, "indirect")])
    );
    assert_eq!(groups(&scim, &ids[1]).await, ways(&[(&outer, "direct")]));
    // Whoever is in a group both ways is in it directly.
    assert_eq!(add(&scim, &outer, &ids[0]).await, 200);
    assert_eq!(
        groups(&scim, &ids[0]).await,
        ways(&[(&inner, "direct"), (&outer, "direct")])
    );
    let listed = get(&scim, "/Users?filter=userName%20eq%20%22u1@acme.example%22").await;
    assert_eq!(listed["Resources"][0]["groups"][0]["type"], "direct");
    gateway.check().await;
}

#[tokio::test]
async fn filters_see_who_is_in_by_way_of_others() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 4).await;
    let inner = group(&scim, "Inner", &[&ids[0], &ids[1]]).await;
    let middle = group(&scim, "Middle", &[&ids[1], &inner]).await;
    let outer = group(&scim, "Outer", &[&ids[2], &middle]).await;
    let all = set(&[&ids[0], &ids[1], &ids[2]]);
    for (id, expected) in [
        (&inner, set(&[&ids[0], &ids[1]])),
        (&middle, set(&[&ids[0], &ids[1]])),
        (&outer, all.clone()),
    ] {
        for filter in [
            format!("groups eq \"{id}\""),
            format!("groups.value eq \"{}\"", id.to_uppercase()),
            format!("groups[value eq \"{id}\"]"),
            format!("not (groups.value ne \"{id}\")"),
            format!("title eq \"x\" or groups.value eq \"{id}\""),
        ] {
            assert_eq!(found(&scim, "Users", &filter).await, expected, "{filter}");
        }
        let others = format!("not (groups eq \"{id}\")");
        let others = found(&scim, "Users", &others).await;
        assert_eq!(others.len(), ids.len() - expected.len());
    }
    let by_kind = |kind: &str| format!("groups[value eq \"{middle}\" and type eq \"{kind}\"]");
    let direct = found(&scim, "Users", &by_kind("direct")).await;
    assert_eq!(direct, set(&[&ids[1]]));
    let indirect = found(&scim, "Users", &by_kind("indirect")).await;
    assert_eq!(indirect, set(&[&ids[0]]));
    assert_eq!(found(&scim, "Users", "groups pr").await, all);
    for (id, expected) in [
        (&ids[1], set(&[&inner, &middle])),
        (&inner, set(&[&middle])),
        (&middle, set(&[&outer])),
        (&outer, set(&[])),
    ] {
        for filter in [
            format!("members eq \"{id}\""),
            format!("members.value eq \"{}\"", id.to_uppercase()),
            format!("members[value eq \"{id}\"]"),
            format!("externalId eq \"x\" or members eq \"{id}\""),
        ] {
            assert_eq!(found(&scim, "Groups", &filter).await, expected, "{filter}");
        }
    }
    assert_eq!(
        found(&scim, "Groups", "members.type eq \"Group\"").await,
        set(&[&middle, &outer])
    );
    assert_eq!(remove(&scim, &middle, &ids[1]).await, 200);
    assert_eq!(
        found(&scim, "Groups", "members pr").await,
        set(&[&inner, &middle, &outer])
    );
    assert_eq!(remove(&scim, &middle, &inner).await, 200);
    assert_eq!(
        found(&scim, "Groups", "members pr").await,
        set(&[&inner, &outer])
    );
}

#[tokio::test]
async fn groups_come_and_go_by_every_form_that_users_do() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    gateway.rule(&["Outer"], "Outer").await;
    let ids = users(&scim, "u", 2).await;
    let inner = group(&scim, "Inner", &[&ids[0]]).await;
    let outer = group(&scim, "Outer", &[&ids[1]]).await;
    let typed = json!({"value": inner, "type": "Group"});
    let additions = [
        json!({"op": "add", "path": "members", "value": [member(&inner)]}),
        json!({"op": "Add", "path": "members", "value": [typed]}),
        json!({"op": "add", "value": {"members": [typed, member(&ids[1])]}}),
        json!({"op": "add", "path": format!("members[value eq \"{inner}\"]")}),
        json!({"op": "replace", "path": "members", "value": [member(&ids[1]), typed]}),
        json!({"op": "replace", "value": {"members": [typed, member(&ids[1])]}}),
        json!({"op": "add", "value": {"displayName": "OUTER", "members": [typed]}}),
    ];
    let removals = [
        json!({"op": "remove", "path": "members", "value": [member(&inner)]}),
        json!({"op": "Remove", "path": "members", "value": [typed]}),
        json!({"op": "remove", "path": format!("members[value eq \"{inner}\"]")}),
        json!({"op": "remove", "path": "members[type eq \"Group\"]"}),
        json!({"op": "remove", "path": "members[display eq \"inner\"]"}),
        json!({"op": "replace", "path": "members", "value": [member(&ids[1])]}),
        json!({"op": "replace", "value": {"displayName": "Outer", "members": [member(&ids[1])]}}),
        json!({"op": "remove", "path": "members"}),
    ];
    let both = set(&[&inner, &ids[1]]);
    for (at, removal) in removals.iter().enumerate() {
        let addition = &additions[at % additions.len()];
        let before = version(&scim, &outer).await;
        assert_eq!(patch(&scim, &outer, addition.clone()).await, 200);
        assert_eq!(scim.members(&outer).await, both, "{addition}");
        assert_eq!(gateway.in_team("Outer").await, 2, "{addition}");
        let between = version(&scim, &outer).await;
        assert_ne!(before, between);
        assert_eq!(patch(&scim, &outer, addition.clone()).await, 200);
        assert_eq!(scim.members(&outer).await, both, "{addition}");
        assert_eq!(patch(&scim, &outer, removal.clone()).await, 200);
        let left = scim.members(&outer).await;
        assert!(!left.contains(&inner), "{removal}");
        assert_eq!(gateway.in_team("Outer").await, left.len(), "{removal}");
        assert_ne!(version(&scim, &outer).await, between);
        assert_eq!(gateway.count("nestings").await, 0);
    }
    for (members, there) in [
        (json!([typed]), set(&[&inner])),
        (json!([member(&ids[1]), member(&inner)]), both),
        (json!([member(&ids[1])]), set(&[&ids[1]])),
        (json!([typed]), set(&[&inner])),
        (json!([]), set(&[])),
    ] {
        let put = json!({"displayName": "Outer", "members": members});
        let path = format!("/Groups/{outer}");
        let (status, body) = scim.send("PUT", &path, Some(&put)).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(scim.members(&outer).await, there);
        assert_eq!(gateway.in_team("Outer").await, there.len());
    }
    assert!(
        gateway
            .told(&format!("\"added_groups\":[\"{inner}\"]"))
            .await
    );
    assert!(
        gateway
            .told(&format!("\"removed_groups\":[\"{inner}\"]"))
            .await
    );
    gateway.check().await;
}

async fn version(scim: &Scim, group: &str) -> String {
    let body = get(scim, &format!("/Groups/{group}")).await;
    body["meta"]["version"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_circle_is_refused_and_changes_nothing() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ada = users(&scim, "ada", 1).await.remove(0);
    let c = group(&scim, "C", &[]).await;
    let b = group(&scim, "B", &[&c]).await;
    let a = group(&scim, "A", &[&b]).await;
    for (outer, inner) in [(&a, &a), (&b, &a), (&c, &a), (&c, &b)] {
        let before = get(&scim, &format!("/Groups/{outer}")).await;
        let changes = gateway.count("changes").await;
        assert_eq!(add(&scim, outer, inner).await, 409);
        let value = json!([member(&ada), member(inner)]);
        let replace = json!({"op": "replace", "path": "members", "value": value});
        assert_eq!(patch(&scim, outer, replace).await, 409);
        let put = json!({"displayName": "Z", "members": value});
        let path = format!("/Groups/{outer}");
        let answer = scim.send("PUT", &path, Some(&put)).await;
        assert_eq!(answer.0, 409);
        assert!(
            answer.1["detail"]
                .as_str()
                .unwrap()
                .contains(inner.as_str())
        );
        assert_eq!(get(&scim, &format!("/Groups/{outer}")).await, before);
        assert_eq!(gateway.count("changes").await, changes);
    }
    // What was taken out is out of the way.
    assert_eq!(remove(&scim, &b, &c).await, 200);
    assert_eq!(add(&scim, &c, &a).await, 200);
    assert_eq!(add(&scim, &b, &c).await, 409);
    gateway.check().await;
}

#[tokio::test]
async fn groups_are_nested_twenty_deep_at_most() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    gateway.rule(&["G19"], "Top").await;
    let ada = users(&scim, "ada", 1).await.remove(0);
    let mut chain = vec![group(&scim, "G0", &[&ada]).await];
    for at in 1..20 {
        let inner = chain[at - 1].clone();
        chain.push(group(&scim, &format!("G{at}"), &[&inner]).await);
    }
    assert_eq!(groups(&scim, &ada).await.len(), 20);
    assert_eq!(gateway.in_team("Top").await, 1);
    let deeper = json!({"displayName": "G20", "members": [member(&chain[19])]});
    let (status, body) = scim.send("POST", "/Groups", Some(&deeper)).await;
    assert_eq!(status, 409, "{body}");
    assert!(body["detail"].as_str().unwrap().contains("20"));
    let below = group(&scim, "Below", &[]).await;
    assert_eq!(add(&scim, &chain[0], &below).await, 409);
    // Beside the longest way there is room.
    assert_eq!(add(&scim, &chain[1], &below).await, 200);
    gateway.check().await;
}

#[tokio::test]
async fn an_id_of_another_directorys_group_names_nobody() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let new = NewDirectory {
        strict: true,
        ..new_directory("strict")
    };
    let strict = gateway.scim_of(&gateway.workspace, new).await;
    let theirs = group(&scim, "Theirs", &[]).await;
    let own = group(&strict, "Own", &[]).await;
    let outer = group(&strict, "Outer", &[&own]).await;
    let value = json!([member(&theirs)]);
    let foreign = operations(json!([{"op": "add", "path": "members", "value": value}]));
    let path = format!("/Groups/{outer}");
    let refused = strict.send("PATCH", &path, Some(&foreign)).await;
    assert_eq!(refused.0, 400);
    let nowhere = "019aa000-0000-7000-8000-000000000001";
    let value = json!([member(nowhere)]);
    let unknown = operations(json!([{"op": "add", "path": "members", "value": value}]));
    assert_eq!(strict.send("PATCH", &path, Some(&unknown)).await, refused);
    let mixed = json!([member(&own), member(nowhere)]);
    let mixed = json!({"displayName": "Mixed", "members": mixed});
    assert_eq!(strict.send("POST", "/Groups", Some(&mixed)).await.0, 400);
    let made = scim.created("/Groups", &mixed).await;
    assert!(scim.members(&made).await.is_empty());
    assert!(gateway.told("members: 2 unknown").await);
    gateway.check().await;
}

#[tokio::test]
async fn rules_see_everybody_below_whatever_comes_first() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 4).await;
    let inner = group(&scim, "Inner", &[&ids[0]]).await;
    let middle = group(&scim, "Middle", &[&ids[1], &inner]).await;
    let outer = group(&scim, "Outer", &[&middle]).await;
    // A rule after the groups, one that waits for its group, and one over two groups.
    gateway.rule(&["Outer"], "Outer").await;
    gateway.rule(&["Top"], "Top").await;
    gateway.rule(&["Outer", "Other"], "Both").await;
    assert_eq!(gateway.in_team("Outer").await, 2);
    let top = group(&scim, "Top", &[&outer, &ids[3]]).await;
    let other = group(&scim, "Other", &[&ids[0], &ids[3]]).await;
    assert_eq!(gateway.in_team("Top").await, 3);
    assert_eq!(gateway.in_team("Both").await, 1);
    // One member more or less at the bottom.
    assert_eq!(add(&scim, &inner, &ids[2]).await, 200);
    assert_eq!(gateway.in_team("Outer").await, 3);
    assert_eq!(gateway.in_team("Top").await, 4);
    assert_eq!(remove(&scim, &inner, &ids[2]).await, 200);
    assert_eq!(gateway.in_team("Outer").await, 2);
    // A second way keeps what one way gave.
    assert_eq!(add(&scim, &outer, &inner).await, 200);
    assert_eq!(remove(&scim, &middle, &inner).await, 200);
    assert_eq!(gateway.in_team("Outer").await, 2);
    assert_eq!(remove(&scim, &outer, &inner).await, 200);
    assert_eq!(gateway.in_team("Outer").await, 1);
    assert_eq!(gateway.in_team("Both").await, 0);
    assert_eq!(add(&scim, &other, &middle).await, 200);
    assert_eq!(gateway.in_team("Both").await, 1);
    gateway.check().await;
    // The group between goes away, and with it what went through it.
    let before = version(&scim, &outer).await;
    let gone = scim
        .send("DELETE", &format!("/Groups/{middle}"), None)
        .await;
    assert_eq!(gone.0, 204);
    assert_ne!(version(&scim, &outer).await, before);
    assert!(scim.members(&outer).await.is_empty());
    assert_eq!(gateway.in_team("Outer").await, 0);
    assert_eq!(gateway.in_team("Top").await, 1);
    assert_eq!(gateway.in_team("Both").await, 0);
    assert_eq!(gateway.count("nestings").await, 1);
    // The outermost goes away, and leaves what it held.
    assert_eq!(add(&scim, &top, &inner).await, 200);
    assert_eq!(gateway.in_team("Top").await, 2);
    let gone = scim.send("DELETE", &format!("/Groups/{top}"), None).await;
    assert_eq!(gone.0, 204);
    assert_eq!(gateway.in_team("Top").await, 0);
    assert_eq!(gateway.count("nestings").await, 0);
    assert_eq!(scim.members(&inner).await, set(&[&ids[0]]));
    gateway.check().await;
}

#[tokio::test]
async fn explain_names_the_way_and_what_would_end_it() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    gateway.rule(&["Outer"], "Crew").await;
    let ada = users(&scim, "ada", 1).await.remove(0);
    let inner = group(&scim, "Inner", &[&ada]).await;
    let middle = group(&scim, "Middle", &[&inner]).await;
    let outer = group(&scim, "Outer", &[&middle]).await;
    let why = async || {
        let workspace = gateway.workspace.id;
        let ada = members::find(&gateway.app, workspace, "ada0@acme.example").await;
        let why = explain::explain(&gateway.app, workspace, &ada.unwrap()).await;
        why.unwrap().grants.remove(0)
    };
    let found = why().await;
    let rule = found.rule.unwrap();
    assert_eq!(rule.groups[0].through, ["Middle", "Inner"]);
    for end in [
        "removal from group \"Inner\"",
        "removal of group \"Middle\" from group \"Outer\"",
        "deletion of group \"Middle\"",
        "deletion of group \"Outer\"",
    ] {
        assert!(found.ends_with.contains(&end.to_owned()), "{end}");
    }
    assert_eq!(add(&scim, &outer, &ada).await, 200);
    let found = why().await;
    assert!(found.rule.unwrap().groups[0].through.is_empty());
    let way = "the end of every way into group \"Outer\"".to_owned();
    assert!(found.ends_with.contains(&way), "{:?}", found.ends_with);
    assert!(!found.ends_with.iter().any(|end| end.contains("Inner")));
}

/// What the free way costs must not grow with what few use.
#[tokio::test]
async fn nothing_nested_costs_no_statement() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    gateway.rule(&["Crew"], "Crew").await;
    let ids = users(&scim, "u", 3).await;
    let crew = group(&scim, "Crew", &[&ids[0]]).await;
    let bearer = format!("Bearer {}", scim.token);
    let send = async |method: &str, path: &str, body: Option<Value>| {
        // One in so many changes also folds the touches; the usual cost is the smallest.
        let mut least = u32::MAX;
        for _ in 0..2 {
            let path = format!("/scim/v2{path}");
            let answer = gateway.call(method, &path, &[&bearer], body.clone()).await;
            assert!(answer.status < 300, "{}", answer.text);
            least = least.min(answer.statements);
        }
        least
    };
    let path = format!("/Groups/{crew}?excludedAttributes=members");
    let change = |op: &str, id: &str| {
        let value = json!([member(id)]);
        Some(operations(
            json!([{"op": op, "path": "members", "value": value}]),
        ))
    };
    let nowhere = "019aa000-0000-7000-8000-000000000001";
    let plain = send("PATCH", &path, change("add", &ids[0])).await;
    let unknown = send("PATCH", &path, change("add", nowhere)).await;
    assert_eq!(unknown, plain, "it locks no member, but asks who that is");
    let user = send("GET", &format!("/Users/{}", ids[0]), None).await;
    let inner = group(&scim, "Inner", &[&ids[1]]).await;
    let outer = group(&scim, "Outer", &[&inner]).await;
    assert_eq!(send("PATCH", &path, change("add", &ids[0])).await, plain);
    assert_eq!(
        send("GET", &format!("/Users/{}", ids[1]), None).await,
        user,
        "one statement finds all ways"
    );
    let below = format!("/Groups/{inner}?excludedAttributes=members");
    assert_eq!(send("PATCH", &below, change("add", &ids[1])).await, plain);
    assert_eq!(scim.members(&outer).await.len(), 1);
}
