//! Whoever is out by the directory and comes back is the same person.

use gatehouse::workspace::members::Status;
use serde_json::{Value, json};

use crate::gateway::{Gateway, member, operations};
use crate::members::person;

// C072
#[tokio::test]
async fn who_comes_back_is_the_same_with_the_rights_of_now() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    for (group, team) in [("Stays", "Stays"), ("Goes", "Goes"), ("Comes", "Comes")] {
        gateway.rule(&[group], team).await;
    }
    let (user, ada) = person(&gateway, &scim, "ada").await;
    let mut groups = Vec::new();
    for (name, members) in [
        ("Stays", json!([member(&user)])),
        ("Goes", json!([member(&user)])),
        ("Comes", json!([])),
    ] {
        let group = json!({"displayName": name, "members": members});
        groups.push(scim.created("/Groups", &group).await);
    }
    let teams = async || {
        let listed = gateway.listed(ada).await;
        listed.teams.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(teams().await, ["Goes", "Stays"]);
    let visible = async |active: bool| {
        let filter = "/Users?filter=userName%20eq%20%22ada@acme.example%22";
        let (_, one) = scim.send("GET", &format!("/Users/{user}"), None).await;
        let (_, found) = scim.send("GET", filter, None).await;
        let (_, all) = scim.send("GET", "/Users", None).await;
        for shown in [&one, &found["Resources"][0], &all["Resources"][0]] {
            assert_eq!(shown["id"], json!(user));
            assert_eq!(shown["active"], json!(active));
        }
    };
    let set = async |active: bool| {
        let body = operations(json!([{"op": "replace", "path": "active", "value": active}]));
        let path = format!("/Users/{user}");
        assert_eq!(scim.send("PATCH", &path, Some(&body)).await.0, 200);
    };
    visible(true).await;
    let epoch = gateway.epoch("ada@acme.example").await;
    set(false).await;
    visible(false).await;
    assert_eq!(gateway.listed(ada).await.status, Status::Suspended);
    assert_eq!(
        scim.members(&groups[0]).await.len(),
        1,
        "memberships are kept"
    );
    // Meanwhile the groups change.
    let change = async |group: &str, operation: Value| {
        let body = operations(json!([operation]));
        let path = format!("/Groups/{group}");
        assert_eq!(scim.send("PATCH", &path, Some(&body)).await.0, 200);
    };
    let out = format!("members[value eq \"{user}\"]");
    change(&groups[1], json!({"op": "remove", "path": out})).await;
    let into = json!({"op": "add", "path": "members", "value": [member(&user)]});
    change(&groups[2], into).await;
    set(true).await;
    visible(true).await;
    let back = gateway.member("ada@acme.example").await;
    assert_eq!((back.id, back.status), (ada, Status::Active));
    assert_eq!(teams().await, ["Comes", "Stays"]);
    assert!(
        gateway.epoch("ada@acme.example").await > epoch,
        "what was opened before stays shut"
    );
    gateway.check().await;
}
