//! One person as it was: every field is told, with both of its values, and comes back if it can.

use std::time::Duration;

use gatehouse::clock::Clock;
use gatehouse::workspace::keys::Permission;
use serde_json::{Value, json};

use crate::gateway::{Gateway, operations};

const STEP: Duration = Duration::from_mins(5);
const FIELDS: [&str; 11] = [
    "display_name",
    "given_name",
    "family_name",
    "email",
    "user_id",
    "phone",
    "line",
    "language",
    "time_zone",
    "manager",
    "picture",
];

async fn gateway() -> (Gateway, Clock, String) {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    let key = gateway.key(&Permission::OF_WORKSPACE).await;
    (gateway, clock, key)
}

impl Gateway {
    /// A draft that shows this; its id.
    async fn drafted(&self, key: &str, profile: Value) -> String {
        let new = json!({ "profile": profile });
        let made = self.asked(key, ("POST", "/members"), new, 201).await;
        made["member"]["id"].as_str().unwrap().to_owned()
    }
}

// C078
#[tokio::test]
async fn every_field_is_told_with_both_values_and_comes_back() {
    let (gateway, clock, key) = gateway().await;
    let boss = gateway.drafted(&key, json!({"display_name": "Boss"})).await;
    let first = json!({
        "display_name": "Ada Lovelace", "given_name": "Ada", "family_name": "Lovelace",
        "email": "ada@acme.example", "user_id": "A-1", "phone": "+442079460958",
        "line": {"kind": "numbered", "number": "+12025550123"}, "language": "en-GB",
        "time_zone": "Europe/London", "manager": boss, "picture": "https://acme.example/1.png",
    });
    let id = gateway.drafted(&key, first.clone()).await;
    gateway.work().await;
    let from = clock.now();
    clock.advance(STEP);
    let second = json!({
        "display_name": "Ada King", "given_name": "Augusta", "family_name": "King",
        "email": "ada@king.example", "user_id": "A-2", "phone": null,
        "line": {"kind": "numberless"}, "language": "fr", "time_zone": "Europe/Paris",
        "manager": null, "picture": null,
    });
    let path = format!("/members/{id}");
    gateway
        .asked(&key, ("PATCH", &path), second.clone(), 200)
        .await;
    gateway.work().await;
    let diff = format!("/history/diff?from={from}&to={}", clock.now());
    let diff = gateway.asked(&key, ("GET", &diff), Value::Null, 200).await;
    let told = diff["items"][0]["fields"].as_array().unwrap();
    for field in FIELDS {
        let of = told.iter().find(|it| it["field"] == field);
        let of = of.unwrap_or_else(|| panic!("{field}: {diff}"));
        assert_eq!(
            (&of["from"], &of["to"]),
            (&first[field], &second[field]),
            "{field}"
        );
    }
    assert_eq!(told.len(), FIELDS.len(), "{diff}");
    assert!(diff["items"][0].get("untold").is_none(), "{diff}");
    let then = format!("{path}?as_of={from}");
    let then = gateway.asked(&key, ("GET", &then), Value::Null, 200).await;
    let restore = format!("{path}/restore");
    let as_of = json!({ "as_of": from });
    let done = gateway.asked(&key, ("POST", &restore), as_of, 200).await;
    assert_eq!(done["fields"], json!(FIELDS), "{done}");
    assert_eq!(done["fields_left"], json!([]));
    let shown = gateway.asked(&key, ("GET", &path), Value::Null, 200).await;
    for field in FIELDS {
        assert_eq!(shown[field], first[field], "{field}");
        assert_eq!(then[field], first[field], "{field}");
    }
    gateway.check().await;
}

// C078
#[tokio::test]
async fn what_does_not_come_back_is_told_with_the_reason() {
    let (gateway, clock, key) = gateway().await;
    let scim = gateway.scim().await;
    let ada = json!({"userName": "ada", "displayName": "Ada", "externalId": "1"});
    let user = scim.created("/Users", &ada).await;
    let id = gateway.member("ada").await.id.to_string();
    let path = format!("/members/{id}");
    let boss = gateway.drafted(&key, json!({"display_name": "Boss"})).await;
    let role = json!({"name": "Lead", "permissions": []});
    let role = gateway.asked(&key, ("POST", "/roles"), role, 201).await;
    let role = format!("/roles/{}", role["id"].as_str().unwrap());
    let team = json!({"name": "Support"});
    let team = gateway.asked(&key, ("POST", "/teams"), team, 201).await;
    let team = format!("/teams/{}", team["id"].as_str().unwrap());
    let first = json!({"user_id": "A-1", "manager": boss, "picture": "https://acme.example/1.png"});
    gateway.asked(&key, ("PATCH", &path), first, 200).await;
    for right in ["roles/Lead", "teams/Support"] {
        let right = format!("{path}/{right}");
        gateway.asked(&key, ("PUT", &right), Value::Null, 204).await;
    }
    gateway.work().await;
    let from = clock.now();
    clock.advance(STEP);
    let renamed = json!([{"op": "replace", "path": "displayName", "value": "Eve"}]);
    let of = format!("/Users/{user}");
    assert_eq!(
        scim.send("PATCH", &of, Some(&operations(renamed))).await.0,
        200
    );
    let second = json!({"user_id": "A-2", "manager": null, "picture": null});
    gateway.asked(&key, ("PATCH", &path), second, 200).await;
    gateway
        .drafted(&key, json!({"display_name": "Bob", "user_id": "a-1"}))
        .await;
    let boss = format!("/members/{boss}");
    gateway
        .asked(&key, ("DELETE", &boss), Value::Null, 204)
        .await;
    for right in ["roles/Lead", "teams/Support"] {
        let right = format!("{path}/{right}");
        gateway
            .asked(&key, ("DELETE", &right), Value::Null, 204)
            .await;
    }
    gateway
        .asked(&key, ("DELETE", &role), Value::Null, 204)
        .await;
    let archived = json!({"archived": true});
    gateway.asked(&key, ("PATCH", &team), archived, 200).await;
    gateway.work().await;
    let restore = format!("{path}/restore");
    let as_of = json!({ "as_of": from });
    let mut done = gateway.asked(&key, ("POST", &restore), as_of, 200).await;
    let rights = done["rights_left"].as_array_mut().unwrap();
    rights.sort_by_key(|right| right["kind"].to_string());
    let expected = json!({
        "fields": ["picture"],
        "fields_left": [
            {"field": "display_name", "why": "directory"},
            {"field": "user_id", "why": "taken"},
            {"field": "manager", "why": "gone"},
        ],
        "given": 0, "taken": 0,
        "rights_left": [
            {"kind": "role", "name": "Lead"}, {"kind": "team", "name": "Support"},
        ],
    });
    assert_eq!(done, expected);
    gateway.check().await;
}
