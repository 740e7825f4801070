//! What rules fill in of a profile, and who has a right and why.

use gatehouse::workspace::keys::Permission;
use serde_json::{Value, json};

use crate::gateway::{Gateway, member, users};
use crate::rules::group;

/// The members by user name.
async fn shown(gateway: &Gateway, key: &str, user_name: &str) -> Value {
    let listed = gateway
        .asked(key, ("GET", "/members?limit=200"), Value::Null, 200)
        .await;
    let items = listed["items"].as_array().unwrap().iter();
    let found = items
        .clone()
        .find(|it| it["user_name"] == user_name)
        .unwrap();
    let path = format!("/members/{}", found["id"].as_str().unwrap());
    gateway.asked(key, ("GET", &path), Value::Null, 200).await
}

#[tokio::test]
async fn a_rule_fills_in_line_and_language_where_nobody_else_says_any() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 2).await;
    let desk = group(&scim, "Desk", &ids).await;
    group(&scim, "Lead", &ids[..1]).await;
    let key = gateway.ruler(&[], &[]).await;
    let of = async |user_name: &str| {
        let shown = shown(&gateway, &key, user_name).await;
        (
            shown["line"]["kind"].clone(),
            shown["language"].clone(),
            shown["ruled"].clone(),
        )
    };
    let (first, second) = ("u0@acme.example", "u1@acme.example");
    let rule = json!({
        "directory": "idp", "groups": ["Desk"], "line": "numberless", "language": "de-at",
    });
    let rule = gateway.asked(&key, ("POST", "/rules"), rule, 201).await;
    let both = json!(["line", "language"]);
    let desked = (json!("numberless"), json!("de-AT"), both.clone());
    assert_eq!(of(first).await, desked);
    assert_eq!(of(second).await, desked);
    let who = shown(&gateway, &key, second).await["id"].clone();
    let why = format!("/members/{}/explanation", who.as_str().unwrap());
    let why = gateway.asked(&key, ("GET", &why), Value::Null, 200).await;
    assert_eq!(
        why["filled"],
        json!([
            {"field": "line", "rule": rule["id"], "version": 1},
            {"field": "language", "rule": rule["id"], "version": 1},
        ])
    );
    // The first rule in their order has the word.
    let lead = json!({
        "directory": "idp", "groups": ["Lead"], "line": "numbered", "priority": 1,
    });
    gateway.asked(&key, ("POST", "/rules"), lead, 201).await;
    assert_eq!(
        of(first).await,
        (json!("numbered"), json!("de-AT"), both.clone())
    );
    // An admin's word stays whatever rules say.
    let before = shown(&gateway, &key, second).await;
    let path = format!("/members/{}", before["id"].as_str().unwrap());
    let own = json!({"language": "fr"});
    gateway.asked(&key, ("PATCH", &path), own, 200).await;
    let edit = json!({"language": "it"});
    let changed = format!("/rules/{}", rule["id"].as_str().unwrap());
    gateway.asked(&key, ("PATCH", &changed), edit, 200).await;
    assert_eq!(of(first).await.1, "it");
    assert_eq!(
        of(second).await,
        (json!("numberless"), json!("fr"), json!(["line"]))
    );
    // Out of the group, what the rule filled in goes.
    let one = json!({"displayName": "Desk", "members": [member(&ids[0])]});
    scim.send("PUT", &format!("/Groups/{desk}"), Some(&one))
        .await;
    assert_eq!(of(second).await, (Value::Null, json!("fr"), json!([])));
    gateway
        .asked(&key, ("DELETE", &changed), Value::Null, 200)
        .await;
    assert_eq!(
        of(first).await,
        (json!("numbered"), Value::Null, json!(["line"]))
    );
    gateway.check().await;
}

#[tokio::test]
async fn who_has_a_right_is_told_with_the_reasons_a_page_at_a_time() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 5).await;
    group(&scim, "Sales", &ids[..4]).await;
    let key = gateway.ruler(&["Sales"], &["agent"]).await;
    let rule = json!({
        "directory": "idp", "groups": ["Sales"], "teams": ["Sales"], "roles": ["agent"],
        "priority": 4, "stop": true,
    });
    let rule = gateway.asked(&key, ("POST", "/rules"), rule, 201).await;
    let by_hand = shown(&gateway, &key, "u4@acme.example").await;
    let by_hand = by_hand["id"].as_str().unwrap();
    for right in ["teams/Sales", "permissions/members.read"] {
        let path = format!("/members/{by_hand}/{right}");
        gateway.asked(&key, ("PUT", &path), Value::Null, 204).await;
    }
    let roles = gateway
        .asked(&key, ("GET", "/roles"), Value::Null, 200)
        .await;
    let roles = roles["items"].as_array().unwrap().iter();
    let agent = roles.clone().find(|role| role["name"] == "agent").unwrap();
    let agent = agent["id"].as_str().unwrap();
    let worth = json!({"permissions": ["members.read"]});
    gateway
        .asked(&key, ("PATCH", &format!("/roles/{agent}")), worth, 200)
        .await;

    let all = async |path: &str| {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = format!("{path}?limit=2{cursor}");
            let page = gateway.asked(&key, ("GET", &page), Value::Null, 200).await;
            all.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next_cursor"].as_str() else {
                return all;
            };
            cursor = format!("&cursor={next}");
        }
    };
    let team = all("/teams/Sales/explanation").await;
    assert_eq!(team.len(), 5);
    let grant = &team[0]["grants"][0];
    assert_eq!(
        (
            &grant["rule"]["id"],
            &grant["rule"]["groups"],
            &grant["rule"]["priority"]
        ),
        (&rule["id"], &json!(["Sales"]), &json!(4))
    );
    assert_eq!(
        (&grant["cause"], &grant["effective"]),
        (&json!("rule"), &json!(true))
    );
    assert_eq!(grant["request"]["method"], "POST");
    assert_eq!(
        (&team[4]["user_name"], &team[4]["grants"][0]["cause"]),
        (&json!("u4@acme.example"), &json!("api_key"))
    );
    assert_eq!(all(&format!("/roles/{agent}/explanation")).await.len(), 4);
    // Singly or by a role.
    let permission = all("/permissions/members.read/explanation").await;
    assert_eq!(permission.len(), 5);
    assert_eq!(
        (
            &permission[0]["grants"][0]["kind"],
            &permission[0]["grants"][0]["name"]
        ),
        (&json!("role"), &json!("agent"))
    );
    gateway
        .asked(&key, ("GET", "/teams/Nobody/explanation"), Value::Null, 404)
        .await;
    let weak = gateway.key(&[Permission::RulesManage]).await;
    let refused = gateway
        .ask(&weak, "GET", "/teams/Sales/explanation", Value::Null)
        .await;
    assert_eq!(refused.status, 403);
    let member = team[0]["member"].as_str().unwrap();
    let own = format!("/members/{member}/explanation");
    let own = gateway.asked(&key, ("GET", &own), Value::Null, 200).await;
    assert_eq!(
        (
            &own["grants"][0]["rule"]["priority"],
            &own["grants"][0]["rule"]["stop"]
        ),
        (&json!(4), &json!(true))
    );
}

#[tokio::test]
async fn a_plan_tells_which_line_and_language_members_come_to_show() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 3).await;
    group(&scim, "Desk", &ids).await;
    let key = gateway.ruler(&[], &[]).await;
    // What an admin says is told of nobody.
    let own = shown(&gateway, &key, "u2@acme.example").await;
    let path = format!("/members/{}", own["id"].as_str().unwrap());
    let french = json!({"language": "fr"});
    gateway.asked(&key, ("PATCH", &path), french, 200).await;
    let rule = json!({"directory": "idp", "groups": ["Desk"], "language": "de"});
    let rule = gateway.asked(&key, ("POST", "/rules"), rule, 201).await;
    let planned = async |edit: Value| {
        let plan = json!({"action": "change", "id": rule["id"], "rule": edit});
        gateway
            .asked(&key, ("POST", "/rules/plan"), plan, 201)
            .await
    };
    let italian = planned(json!({"language": "it"})).await;
    assert_eq!(italian["members"], 2, "{italian}");
    let expected = json!([{"field": "language", "to": "it", "members": 2}]);
    assert_eq!(italian["fields"], expected);
    let expected = json!([{"field": "language", "from": "de", "to": "it"}]);
    assert_eq!(italian["sample"][0]["fields"], expected);
    assert_eq!(italian["sample"][0]["gains"], json!([]));
    let same = planned(json!({"language": "de"})).await;
    assert_eq!(same["members"], 0);
    assert_ne!(same["hash"], italian["hash"]);
    let spanish = planned(json!({"language": "es"})).await;
    assert_ne!(spanish["hash"], italian["hash"]);
    let lined = planned(json!({"line": "numbered"})).await;
    let expected = json!([{"field": "line", "to": "numbered", "members": 3}]);
    assert_eq!(lined["fields"], expected);
    // Whoever is an admin's by now is told of anew.
    let own = shown(&gateway, &key, "u1@acme.example").await;
    let path = format!("/members/{}", own["id"].as_str().unwrap());
    let french = json!({"language": "fr"});
    gateway.asked(&key, ("PATCH", &path), french, 200).await;
    let apply = json!({"plan": italian["id"]});
    let stale = gateway
        .asked(&key, ("POST", "/rules/apply"), apply, 409)
        .await;
    assert_eq!(stale["code"], "plan_stale");
    assert_eq!(stale["difference"]["now"]["members"], 1);
    let anew = planned(json!({"language": "it"})).await;
    let apply = json!({"plan": anew["id"]});
    gateway
        .asked(&key, ("POST", "/rules/apply"), apply, 200)
        .await;
    let mut languages = Vec::new();
    for name in ["u0", "u1", "u2"] {
        let name = format!("{name}@acme.example");
        languages.push(shown(&gateway, &key, &name).await["language"].clone());
    }
    assert_eq!(languages, ["it", "fr", "fr"]);
    gateway.check().await;
}

#[tokio::test]
async fn a_rule_that_is_still_to_begin_is_planned_as_of_its_beginning() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 2).await;
    group(&scim, "Crew", &ids).await;
    let key = gateway.ruler(&["Crew"], &[]).await;
    let (from, until) = ("2999-01-01T00:00:00.000Z", "2999-02-01T00:00:00.000Z");
    let rule = json!({
        "directory": "idp", "groups": ["Crew"], "teams": ["Crew"], "from": from, "until": until,
    });
    let plan = json!({"action": "add", "rule": rule});
    let plan = gateway
        .asked(&key, ("POST", "/rules/plan"), plan, 201)
        .await;
    assert_eq!(plan["members"], 2, "{plan}");
    assert_eq!(plan["gains"][0]["name"], "Crew");
    assert!(
        plan["in_effect_from"]
            .as_str()
            .unwrap()
            .starts_with("2999-01-01")
    );
    assert!(
        plan["in_effect_until"]
            .as_str()
            .unwrap()
            .starts_with("2999-02-01")
    );
    let apply = json!({"plan": plan["id"]});
    let applied = gateway
        .asked(&key, ("POST", "/rules/apply"), apply, 200)
        .await;
    assert_eq!(applied["changed"], 0, "it is still to begin");
    assert_eq!(gateway.in_team("Crew").await, 0);
}
