//! What an admin does to many by one act is told before.

use gatehouse::admission::brake;
use serde_json::{Value, json};

use crate::gateway::{Gateway, users};
use crate::rules::group;

impl Gateway {
    async fn outlook(&self, key: &str, path: &str, body: Value) -> Value {
        self.asked(key, ("POST", path), body, 200).await
    }
}

fn losses(of: &Value) -> Vec<(&str, &str, i64)> {
    let listed = of["losses"].as_array().unwrap().iter();
    let told = listed.map(|it| {
        let count = it["members"].as_i64().unwrap();
        (
            it["kind"].as_str().unwrap(),
            it["name"].as_str().unwrap(),
            count,
        )
    });
    told.collect()
}

// C077
#[tokio::test]
async fn what_ends_by_the_hand_of_an_admin_is_told_before_and_passes_the_brake() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 20).await;
    group(&scim, "Crew", &ids).await;
    let key = gateway.ruler(&["Crew"], &["Hand"]).await;
    let roles = gateway
        .asked(&key, ("GET", "/roles"), Value::Null, 200)
        .await;
    let named = |list: &Value, name: &str| {
        let mut all = list["items"].as_array().unwrap().iter();
        let found = all.find(|it| it["name"] == name).unwrap();
        found["id"].as_str().unwrap().to_owned()
    };
    let role = format!("/roles/{}", named(&roles, "Hand"));
    let has = json!({"permissions": ["members.read", "data.export"]});
    gateway.asked(&key, ("PATCH", &role), has, 200).await;
    let gives = json!({
        "directory": "idp", "groups": ["Crew"], "teams": ["Crew"], "roles": ["Hand"],
    });
    gateway.asked(&key, ("POST", "/rules"), gives, 201).await;
    assert_eq!(gateway.in_team("Crew").await, 20);

    // A team.
    let teams = gateway
        .asked(&key, ("GET", "/teams"), Value::Null, 200)
        .await;
    let team = format!("/teams/{}", named(&teams, "Crew"));
    let away = json!({"archived": true});
    let told = gateway
        .outlook(&key, &format!("{team}/plan"), away.clone())
        .await;
    assert_eq!(losses(&told), [("team", "Crew", 20)], "{told}");
    assert_eq!((&told["members"], &told["held"]), (&json!(20), &json!(0)));
    assert_eq!(gateway.in_team("Crew").await, 20, "nothing is done");
    gateway.asked(&key, ("PATCH", &team), away, 200).await;
    assert_eq!(gateway.in_team("Crew").await, 0);
    let back = json!({"archived": false});
    let told = gateway
        .outlook(&key, &format!("{team}/plan"), back.clone())
        .await;
    assert_eq!(told["gains"][0]["members"], 20, "{told}");
    gateway.asked(&key, ("PATCH", &team), back, 200).await;
    // A role: what is had otherwise is not lost.
    let some = gateway
        .asked(&key, ("GET", "/members?limit=200"), Value::Null, 200)
        .await;
    let one = some["items"][0]["id"].as_str().unwrap();
    let give = format!("/members/{one}/permissions/data.export");
    gateway.asked(&key, ("PUT", &give), Value::Null, 204).await;
    let none = json!({"permissions": []});
    let told = gateway.outlook(&key, &format!("{role}/plan"), none).await;
    assert_eq!(
        losses(&told),
        [
            ("permission", "data.export", 19),
            ("permission", "members.read", 20)
        ],
        "{told}"
    );

    // A directory. Who stays loses what its rules gave, as far as the brake lets it.
    let plan = |members: &str, keep: bool| json!({"members": members, "keep_grants": keep});
    let end = "/directories/idp/end/plan";
    let told = gateway.outlook(&key, end, plan("suspend", false)).await;
    assert_eq!(
        (&told["suspended"], &told["removed"], &told["held"]),
        (&json!(20), &json!(0), &json!(0)),
        "{told}"
    );
    assert!(losses(&told).contains(&("team", "Crew", 20)), "{told}");
    let told = gateway.outlook(&key, end, plan("keep", true)).await;
    assert_eq!((&told["suspended"], losses(&told)), (&json!(0), vec![]));
    let told = gateway.outlook(&key, end, plan("keep", false)).await;
    assert_eq!(
        (&told["suspended"], &told["held"]),
        (&json!(0), &json!(15)),
        "{told}"
    );
    let ends = ("POST", "/directories/idp/end");
    gateway.asked(&key, ends, plan("keep", false), 200).await;
    let stands = brake::show(&gateway.app, gateway.workspace.id)
        .await
        .unwrap();
    assert_eq!((stands.lost, stands.held), (5, 15));
    gateway.check().await;
    let again = gateway.ask(&key, "POST", end, plan("keep", false)).await;
    assert_eq!(again.status, 409, "{}", again.text);
}
