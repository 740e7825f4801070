//! What identity providers do in several requests, step by step as their documents tell it; the
//! single requests are in `fixtures/requests.json`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, member, operations, users};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// The resources that a query of this attribute finds.
async fn found(scim: &Scim, path: &str, attribute: &str, value: &str) -> Vec<Value> {
    let path = format!("{path}?filter={attribute}%20eq%20%22{value}%22");
    let (status, mut body) = scim.send("GET", &path, None).await;
    assert_eq!(status, 200, "{body}");
    match body["Resources"].take() {
        Value::Array(resources) => resources,
        other => panic!("{other}"),
    }
}

async fn sent(scim: &Scim, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    scim.send(method, path, body.as_ref()).await
}

#[tokio::test]
async fn jumpcloud_activates_twice_with_the_same_test_user_and_group() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    for round in 0..2 {
        let (status, empty) = sent(&scim, "GET", "/Users", None).await;
        assert_eq!((status, &empty["totalResults"]), (200, &json!(0)));
        let user = json!({
            "schemas": [USER], "userName": "jc.test@acme.example", "active": true,
            "name": {"givenName": "Test", "familyName": "User"},
            "emails": [{"value": "jc.test@acme.example", "type": "work", "primary": true}],
        });
        let user = scim.created("/Users", &user).await;
        let group = json!({"displayName": "JumpCloud Test", "members": [member(&user)]});
        let group = scim.created("/Groups", &group).await;
        for path in [format!("/Groups/{group}"), format!("/Users/{user}")] {
            let (status, _) = sent(&scim, "DELETE", &path, None).await;
            assert_eq!(status, 204, "round {round}: {path}");
            assert_eq!(sent(&scim, "GET", &path, None).await.0, 404, "{path}");
        }
    }
}

#[tokio::test]
async fn jumpcloud_takes_over_a_group_that_has_the_name_already() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 2).await;
    let standing = json!({"displayName": "Engineering", "members": [member(&ids[0])]});
    let standing = scim.created("/Groups", &standing).await;

    let hits = found(&scim, "/Groups", "displayName", "Engineering").await;
    assert_eq!(hits[0]["id"], json!(standing));
    let path = format!("/Groups/{standing}");
    let add = json!([{"op": "add", "path": "members", "value": [member(&ids[1])]}]);
    assert_eq!(
        sent(&scim, "PATCH", &path, Some(operations(add))).await.0,
        200
    );
    assert_eq!(scim.members(&standing).await, ids.into_iter().collect());
}

#[tokio::test]
async fn onelogin_fills_its_groups_and_takes_people_away() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 3).await;
    let (_, groups) = sent(&scim, "GET", "/Groups?", None).await;
    assert_eq!(groups["totalResults"], 0);
    let group = json!({"schemas": ["urn:scim:schemas:core:1.0"], "displayName": "Admin Role"});
    let group = scim.created("/Groups?", &group).await;

    let change = |members: Value| {
        let body = json!({"schemas": ["urn:scim:schemas:core:1.0"], "members": members});
        let (scim, path) = (scim.clone(), format!("/Groups/{group}?"));
        async move {
            let (status, body) = sent(&scim, "PATCH", &path, Some(body)).await;
            assert_eq!(status, 200, "{body}");
        }
    };
    let add: Vec<_> = ids
        .iter()
        .map(|id| json!({"value": id, "operation": "add"}))
        .collect();
    change(json!(add)).await;
    assert_eq!(scim.members(&group).await, ids.iter().cloned().collect());
    change(json!([{"value": ids[1], "operation": "delete"}])).await;
    let left = [&ids[0], &ids[2]].into_iter().cloned().collect();
    assert_eq!(scim.members(&group).await, left);
}

#[tokio::test]
async fn authentik_recreates_who_is_gone_and_adopts_who_is_there() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let user = json!({
        "schemas": [USER], "userName": "ak.user@ak.example", "externalId": "ak-7", "active": true,
    });
    let first = scim.created("/Users", &user).await;
    let path = format!("/Users/{first}");
    assert_eq!(sent(&scim, "DELETE", &path, None).await.0, 204);

    let (status, body) = scim.send("PUT", &path, Some(&user)).await;
    assert_eq!((status, &body["status"]), (404, &json!("404")));
    let second = scim.created("/Users", &user).await;
    assert_ne!(second, first);

    // A new installation knows no ids: it meets 409, looks the person up and goes on by PUT.
    let (status, body) = scim.send("POST", "/Users", Some(&user)).await;
    assert_eq!((status, &body["scimType"]), (409, &json!("uniqueness")));
    let hits = found(&scim, "/Users", "userName", "ak.user@ak.example").await;
    assert_eq!(hits[0]["id"], json!(second));
    let mut renamed = user.clone();
    renamed["displayName"] = json!("Ak User");
    let (status, body) = scim
        .send("PUT", &format!("/Users/{second}"), Some(&renamed))
        .await;
    assert_eq!((status, &body["displayName"]), (200, &json!("Ak User")));
    assert_eq!(body["id"], json!(second));
}

#[tokio::test]
async fn pingfederate_meets_every_group_once_by_paging() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let mut names = BTreeSet::new();
    for at in 0..120 {
        let name = format!("Group {at}");
        scim.created("/Groups", &json!({"displayName": name})).await;
        names.insert(name);
    }
    for size in [0, 7, 50] {
        let (mut met, mut start) = (Vec::new(), 1);
        loop {
            let count = match size {
                0 => String::new(),
                size => format!("&count={size}"),
            };
            let path = format!("/Groups?startIndex={start}{count}");
            let (_, page) = sent(&scim, "GET", &path, None).await;
            assert_eq!(page["totalResults"], 120);
            let groups = page["Resources"].as_array().unwrap();
            if groups.is_empty() {
                break;
            }
            let shown = groups.iter().map(|group| &group["displayName"]);
            met.extend(shown.map(|name| name.as_str().unwrap().to_owned()));
            start += groups.len();
        }
        assert_eq!(met.len(), 120, "pages of {size}");
        assert_eq!(met.into_iter().collect::<BTreeSet<_>>(), names);
    }
}

#[tokio::test]
async fn pingfederate_puts_what_it_read_and_nothing_changes() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let user = json!({
        "schemas": [USER, ENTERPRISE], "userName": "p.user@ping.example",
        "emails": [{"type": "work", "value": "p.user@ping.example", "primary": true}],
        "phoneNumbers": [{"type": "work", "value": "+1 303 555 0100"}],
        ENTERPRISE: {"department": "R&D"},
    });
    let id = scim.created("/Users", &user).await;
    let path = format!("/Users/{id}");
    let (_, read) = sent(&scim, "GET", &path, None).await;
    for entry in ["/emails/0", "/phoneNumbers/0"] {
        assert_eq!(read.pointer(entry), user.pointer(entry), "{entry}");
    }
    let changes = gateway.count("changes").await;
    let (status, put) = sent(&scim, "PUT", &path, Some(read.clone())).await;
    assert_eq!((status, put), (200, read));
    assert_eq!(gateway.count("changes").await, changes, "nothing is told");
}

#[tokio::test]
async fn sailpoint_finds_schemas_first_in_every_listed_resource() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let plain = json!({"userName": "plain@sp.example"});
    let full = json!({
        ENTERPRISE: {"department": "Tour"}, "emails": [{"value": "full@sp.example"}],
        "userName": "full@sp.example", "displayName": "Full",
    });
    let mut ids = Vec::new();
    for user in [&plain, &full] {
        ids.push(scim.created("/Users", user).await);
    }
    let crew = json!({"displayName": "Crew", "members": [member(&ids[0])]});
    scim.created("/Groups", &crew).await;
    for path in [
        "/Users",
        "/Groups",
        "/Users?attributes=userName",
        "/Schemas",
        "/ResourceTypes",
    ] {
        let (_, page) = sent(&scim, "GET", path, None).await;
        let resources = page["Resources"].as_array().unwrap();
        assert!(!resources.is_empty());
        for resource in resources {
            let first = resource.as_object().unwrap().keys().next().unwrap();
            assert_eq!(first, "schemas", "{path}: {resource}");
        }
    }
    let (_, page) = sent(&scim, "GET", "/Users", None).await;
    assert_eq!(page["Resources"][0]["schemas"], json!([USER]));
    assert_eq!(page["Resources"][1]["schemas"], json!([USER, ENTERPRISE]));
}

#[tokio::test]
async fn keycloak_replaces_all_members_by_a_large_body_and_empties_by_null() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 60).await;
    let group = scim.created("/Groups", &json!({"displayName": "kc"})).await;
    let path = format!("/Groups/{group}");
    let replace = |ids: &[String]| {
        let members: Vec<_> = ids
            .iter()
            .map(|id| {
                json!({"value": id, "$ref": format!("Users/{id}"), "display": "k".repeat(20_000)})
            })
            .collect();
        operations(json!([{"op": "replace", "path": "members", "value": members}]))
    };
    assert!(replace(&ids).to_string().len() > 1_000_000);
    for kept in [&ids[..], &ids[1..], &ids[20..]] {
        let (status, body) = scim.send("PATCH", &path, Some(&replace(kept))).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(scim.members(&group).await, kept.iter().cloned().collect());
    }
    let empty = operations(json!([{"op": "remove", "path": "members", "value": null}]));
    assert_eq!(scim.send("PATCH", &path, Some(&empty)).await.0, 200);
    assert_eq!(scim.members(&group).await, BTreeSet::new());
}
