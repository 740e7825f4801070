//! Which fields rules over profiles may look at, and examples of what members show.

use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::profile_rules::user;

#[tokio::test]
async fn fields_that_rules_set_or_people_write_are_refused_with_those_that_are_open() {
    let gateway = Gateway::new().await;
    gateway.scim().await;
    let key = gateway.ruler(&["Field"], &["Lead"]).await;
    let refused = async |rule: Value, says: &str| {
        let answer = gateway.ask(&key, "POST", "/rules", rule.clone()).await;
        let is_refused = [400, 422].contains(&answer.status);
        assert!(
            is_refused && answer.text.contains(says),
            "{rule}: {}",
            answer.text
        );
    };
    let over = |when: &str| json!({"source": "profile", "when": when, "teams": ["Field"]});
    refused(over(r#"teams eq "Field""#), "rules set it").await;
    refused(
        over(r#"user_id pr and roles eq "Lead""#),
        "must not name roles",
    )
    .await;
    refused(over(r#"line.kind eq "numbered""#), "rules set it").await;
    refused(
        over(r#"status eq "active""#),
        "not what is said of the person",
    )
    .await;
    refused(over("updated_at pr"), "must not name updated_at").await;
    refused(
        over(r#"display_name co "Boss""#),
        "people write it themselves",
    )
    .await;
    refused(
        over("picture pr"),
        "it may name user_name, email, user_id, phone, manager, source",
    )
    .await;
    refused(over("title pr"), "title").await;
    refused(
        json!({"source": "profile", "teams": ["Field"]}),
        "needs `when`",
    )
    .await;
    let mut grouped = over("user_id pr");
    grouped["groups"] = json!(["Crew"]);
    refused(grouped, "asks for no groups").await;
    let mut placed = over("user_id pr");
    placed["directory"] = json!("idp");
    refused(placed, "looks at no directory").await;
    refused(
        json!({"source": "profile", "when": "user_id pr"}),
        "must give",
    )
    .await;
    refused(
        json!({"when": "user_id pr", "teams": ["Field"]}),
        "directory",
    )
    .await;
}

// It cannot come to give any right then.
#[tokio::test]
async fn a_rule_that_gives_no_right_may_look_at_what_people_write() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.ruler(&["Field"], &["Lead"]).await;
    let when = r#"time_zone eq "Europe/Vienna""#;
    let rule = gateway
        .profile_rule(&key, when, json!({"language": "de-at"}))
        .await;
    let path = format!("/rules/{}", rule["id"].as_str().unwrap());
    let answer = gateway
        .ask(&key, "PATCH", &path, json!({"teams": ["Field"]}))
        .await;
    assert!(
        answer.text.contains("people write it themselves"),
        "{}",
        answer.text
    );
    for said in [json!({"directory": "idp"}), json!({"source": "directory"})] {
        let answer = gateway.ask(&key, "PATCH", &path, said).await;
        assert!(answer.text.contains("said once"), "{}", answer.text);
    }
    let ada = json!({"email": "ada@acme.example", "time_zone": "Europe/Vienna"});
    let ada = gateway.profiled(&key, ada).await;
    let shown = async || {
        let path = format!("/members/{ada}");
        let shown = gateway.asked(&key, ("GET", &path), Value::Null, 200).await;
        (shown["language"].clone(), shown["ruled"].clone())
    };
    assert_eq!(shown().await, (json!("de-AT"), json!(["language"])));
    let why = format!("/members/{ada}/explanation");
    let why = gateway.asked(&key, ("GET", &why), Value::Null, 200).await;
    assert_eq!(
        (&why["filled"][0]["field"], &why["filled"][0]["rule"]),
        (&json!("language"), &rule["id"])
    );
    gateway
        .write(&key, ada, json!({"time_zone": "Europe/Berlin"}))
        .await;
    assert_eq!(shown().await, (Value::Null, json!([])));
    let mut body = user("bob", "bob@acme.example");
    body["timezone"] = json!("europe/vienna");
    scim.created("/Users", &body).await;
    let bob = gateway.member("bob").await.id;
    assert_eq!(
        gateway.details(bob).await.language.as_deref(),
        Some("de-AT")
    );
    gateway.check().await;
}

#[tokio::test]
async fn examples_of_such_a_rule_say_what_the_member_shows() {
    let gateway = Gateway::new().await;
    let key = gateway.ruler(&["Field"], &[]).await;
    let rule = |examples: Value| {
        json!({
            "source": "profile", "when": r#"user_id sw "F-" and not (phone pr)"#,
            "teams": ["Field"], "examples": examples,
        })
    };
    let good = json!([
        {"member": {"user_id": "f-1"}, "teams": ["Field"]},
        {"member": {"user_id": "f-1", "phone": "+431"}, "gives": false},
    ]);
    gateway
        .asked(&key, ("POST", "/rules"), rule(good), 201)
        .await;
    for (examples, says) in [
        (
            json!([{"member": {"user_id": "x"}, "gives": true}]),
            "example 1: the rule does not give",
        ),
        (
            json!([{"user": {"user_id": "f-1"}, "gives": true}]),
            "looks at member",
        ),
        (
            json!([{"groups": ["Crew"], "gives": false}]),
            "looks at member",
        ),
    ] {
        let answer = gateway.ask(&key, "POST", "/rules", rule(examples)).await;
        assert!(
            answer.status >= 400 && answer.text.contains(says),
            "{}",
            answer.text
        );
    }
    gateway.scim().await;
    let examples = json!([{"member": {"user_id": "x"}, "gives": false}]);
    let of_directory = json!({
        "directory": "idp", "when": "title pr", "teams": ["Field"], "examples": examples,
    });
    let answer = gateway.ask(&key, "POST", "/rules", of_directory).await;
    assert!(answer.text.contains("not at member"), "{}", answer.text);
    assert_eq!(gateway.count("rules").await, 1);
}
