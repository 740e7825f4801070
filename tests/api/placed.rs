//! An explanation names the request that put somebody into a group, whatever the rule came after.

use gatehouse::mapping::explain::{self, WhyGroup};
use gatehouse::workspace::members;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, member, operations, users};
use crate::nesting::{add, group, remove};

/// Sends a request; gives the id that it is answered with.
async fn sent(gateway: &Gateway, scim: &Scim, (method, path): (&str, &str), body: Value) -> String {
    let path = format!("/scim/v2{path}");
    let bearer = format!("Bearer {}", scim.token);
    let answer = gateway.call(method, &path, &[&bearer], Some(body)).await;
    assert!(answer.status < 300, "{}", answer.text);
    answer.header("x-request-id").to_owned()
}

/// The one group behind the one grant of somebody.
async fn behind(gateway: &Gateway, name: &str) -> WhyGroup {
    let workspace = gateway.workspace.id;
    let found = members::find(&gateway.app, workspace, name).await.unwrap();
    let why = explain::explain(&gateway.app, workspace, &found).await;
    let grant = why.unwrap().grants.remove(0);
    let mut groups = grant.rule.unwrap().groups;
    assert_eq!(groups.len(), 1);
    groups.remove(0)
}

#[tokio::test]
async fn whoever_put_somebody_into_a_group_is_named() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 3).await;
    let inner = group(&scim, "Inner", &[&ids[1]]).await;
    let crew = group(&scim, "Crew", &[&ids[2]]).await;
    let path = format!("/Groups/{crew}");
    let first = json!([{"op": "add", "path": "members", "value": [member(&ids[0])]}]);
    let first = sent(&gateway, &scim, ("PATCH", &path), operations(first)).await;
    assert_eq!(add(&scim, &crew, &inner).await, 200);
    gateway.rule(&["Crew"], "Crew").await;

    let by = behind(&gateway, "u0@acme.example").await.put_in.unwrap();
    assert_eq!(by.id.to_string(), first);
    assert_eq!(by.method.as_deref(), Some("PATCH"));
    assert!(by.path.unwrap().ends_with(&path));
    assert_eq!(by.credential, Some(scim.credential));

    // Through a group within: whoever put it into that one.
    let nested = behind(&gateway, "u1@acme.example").await;
    assert_eq!(nested.through, ["Inner"]);
    let by = nested.put_in.unwrap();
    assert_eq!(by.method.as_deref(), Some("POST"));
    assert!(by.path.unwrap().ends_with("/Groups"));

    // The last time counts.
    assert_eq!(remove(&scim, &crew, &ids[0]).await, 200);
    let all = [&ids[0], &ids[2], &inner].map(|id| member(id));
    let whole = json!({"displayName": "Crew", "members": all});
    let again = sent(&gateway, &scim, ("PUT", &path), whole).await;
    let by = behind(&gateway, "u0@acme.example").await.put_in.unwrap();
    assert_eq!(by.id.to_string(), again);
    let kept = behind(&gateway, "u2@acme.example").await.put_in.unwrap();
    assert_eq!(
        kept.method.as_deref(),
        Some("POST"),
        "nothing moved it since"
    );
    gateway.check().await;
}
