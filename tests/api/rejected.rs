//! What the brake holds is rejected: an admin has decided, until the fact changes again or an admin ends
//! it.

use std::time::Duration;

use gatehouse::clock::Clock;
use gatehouse::workspace::keys::Permission;
use gatehouse::workspace::members::Status;
use serde_json::{Value, json};

use crate::brake::off;
use crate::gateway::{Gateway, Scim, member, operations, users};
use crate::keys::new_key;
use crate::rules::group;

const HOUR: Duration = Duration::from_hours(1);

impl Gateway {
    /// Those of whom something waits.
    async fn waiting(&self, key: &str) -> Vec<Value> {
        let path = ("GET", "/brake/held?limit=200");
        let held = self.asked(key, path, Value::Null, 200).await;
        held["items"].as_array().unwrap().clone()
    }

    /// Rejects what waits for everybody; tells of how many.
    async fn rejects(&self, key: &str) -> i64 {
        let path = ("POST", "/brake/reject");
        let done = self.asked(key, path, json!({"all": true}), 200).await;
        done["rejected"].as_i64().unwrap()
    }

    async fn explained(&self, key: &str, member: &Value) -> Value {
        let path = format!("/members/{}/explanation", member.as_str().unwrap());
        self.asked(key, ("GET", &path), Value::Null, 200).await
    }
}

async fn write(scim: &Scim, method: &str, path: &str, body: &Value) {
    let body = Some(body).filter(|body| !body.is_null());
    let (status, answer) = scim.send(method, path, body).await;
    assert!([200, 204].contains(&status), "{method} {path}: {answer}");
}

fn active(is: bool) -> Value {
    operations(json!([{"op": "replace", "path": "active", "value": is}]))
}

// C076
#[tokio::test]
async fn who_was_to_be_shut_out_stays_in_until_the_directory_says_something_else() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    let scim = gateway.scim().await;
    let key = gateway.ruler(&[], &[]).await;
    let mut ids = Vec::new();
    for at in 0..9 {
        let named = format!("u{at}@acme.example");
        let body = json!({"userName": named, "externalId": format!("e{at}")});
        ids.push(scim.created("/Users", &body).await);
    }
    off(&scim, &ids[..7]).await;
    write(&scim, "DELETE", &format!("/Users/{}", ids[7]), &Value::Null).await;
    let held = gateway.waiting(&key).await;
    let wants: Vec<_> = held.iter().map(|it| it["wants"].clone()).collect();
    assert_eq!(wants, ["suspended", "suspended", "removed"]);
    assert_eq!(gateway.rejects(&key).await, 3);
    assert_eq!(gateway.rejects(&key).await, 0, "once");
    assert!(gateway.waiting(&key).await.is_empty());
    gateway.check().await;
    let kinds = gateway.texts("changes", "kind").await;
    assert!(kinds.contains(&"member.brake_rejected".to_owned()));
    // Nothing is carried out, and what the directory says again is no news.
    clock.advance(HOUR);
    gateway.work().await;
    off(&scim, &ids[5..7]).await;
    let in_now = async || gateway.having(Status::Active).await;
    assert_eq!(in_now().await, 4);
    assert!(gateway.waiting(&key).await.is_empty());
    let explained = gateway.explained(&key, &held[0]["member"]).await;
    assert_eq!(explained["rejected"], "suspended", "{explained}");
    let path = "/admission/explanation?person=u5@acme.example";
    let why = gateway.asked(&key, ("GET", path), Value::Null, 200).await;
    assert!(why.to_string().contains("\"kept\""), "{why}");
    gateway.check().await;

    // In, and out again: that is another word, which counts anew.
    let path = format!("/Users/{}", ids[5]);
    write(&scim, "PATCH", &path, &active(true)).await;
    let explained = gateway.explained(&key, &held[0]["member"]).await;
    assert_eq!(explained["rejected"], Value::Null);
    write(&scim, "PATCH", &path, &active(false)).await;
    assert_eq!(in_now().await, 3);
    // And so is to be gone altogether.
    write(&scim, "DELETE", &format!("/Users/{}", ids[6]), &Value::Null).await;
    assert_eq!(in_now().await, 2);
    // Who was gone and comes back is the same one, and the directory's again.
    let body = json!({"userName": "u7@acme.example", "externalId": "e7"});
    let again = scim.created("/Users", &body).await;
    let explained = gateway.explained(&key, &held[2]["member"]).await;
    assert_eq!(
        (&explained["rejected"], &explained["user_name"]),
        (&Value::Null, &json!("u7@acme.example"))
    );
    write(&scim, "DELETE", &format!("/Users/{again}"), &Value::Null).await;
    assert_eq!(in_now().await, 1);
    gateway.check().await;
}

// C076
#[tokio::test]
async fn what_was_to_be_lost_is_had_by_the_word_of_an_admin() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 30).await;
    let crew = group(&scim, "Crew", &ids).await;
    let key = gateway.ruler(&["Crew"], &[]).await;
    let rule = json!({"directory": "idp", "groups": ["Crew"], "teams": ["Crew"]});
    let rule = gateway.asked(&key, ("POST", "/rules"), rule, 201).await;
    let path = format!("/Groups/{crew}");
    let nobody = json!({"displayName": "Crew", "members": []});
    write(&scim, "PUT", &path, &nobody).await;
    let held = gateway.waiting(&key).await;
    assert_eq!(held.len(), 25);
    assert_eq!(
        (&held[0]["loses"][0]["kind"], &held[0]["loses"][0]["name"]),
        (&json!("team"), &json!("Crew"))
    );
    // Why it waits, and because of what.
    let who = &held[0]["member"];
    let why = gateway.explained(&key, who).await["grants"][0].clone();
    assert_eq!(why["braked"]["until"], held[0]["until"], "{why}");
    let request = &why["braked"]["request"];
    assert_eq!(request["method"], "PUT");
    assert!(request["path"].as_str().unwrap().ends_with(&path), "{why}");

    assert_eq!(gateway.rejects(&key).await, 25);
    assert_eq!(gateway.in_team("Crew").await, 25);
    let of = gateway.explained(&key, who).await;
    let grants = of["grants"].as_array().unwrap();
    assert_eq!(grants.len(), 1, "{of}");
    assert_eq!(
        (&grants[0]["cause"], &grants[0]["rejected"]["rule"]),
        (&json!("api_key"), &rule["id"]),
        "{of}"
    );
    assert_eq!(grants[0].get("braked"), None);
    gateway.check().await;
    // It ends as what was given by hand does.
    let id = held[1]["member"].as_str().unwrap();
    let team = format!("/members/{id}/teams/Crew");
    gateway
        .asked(&key, ("DELETE", &team), Value::Null, 204)
        .await;
    assert_eq!(gateway.in_team("Crew").await, 24);
    // Or with the fact: the rule gives it again, and takes it as ever.
    let name = held[0]["user_name"].as_str().unwrap();
    let at: usize = name[1..name.find('@').unwrap()].parse().unwrap();
    let back = json!([{"op": "add", "path": "members", "value": [member(&ids[at])]}]);
    write(&scim, "PATCH", &path, &operations(back)).await;
    let of = gateway.explained(&key, who).await;
    let grants = of["grants"].as_array().unwrap();
    assert_eq!(
        (grants.len(), &grants[0]["cause"]),
        (1, &json!("rule")),
        "{of}"
    );
    gateway.check().await;
    write(&scim, "PUT", &path, &nobody).await;
    assert_eq!(gateway.waiting(&key).await.len(), 1);
    assert_eq!(gateway.in_team("Crew").await, 24);
    gateway.check().await;
}

#[tokio::test]
async fn nobody_keeps_for_others_what_they_could_not_give() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 8).await;
    let crew = group(&scim, "Crew", &ids).await;
    let everything = new_key(&[Permission::Everything]);
    let (_, key) = gateway.key_of(None, everything).await;
    let rule = json!({"directory": "idp", "groups": ["Crew"], "roles": ["admin"]});
    gateway.asked(&key, ("POST", "/rules"), rule, 201).await;
    let nobody = json!({"displayName": "Crew", "members": []});
    write(&scim, "PUT", &format!("/Groups/{crew}"), &nobody).await;
    let held = gateway.waiting(&key).await.len();
    assert!(held > 0);
    let weak = [Permission::DirectoriesManage, Permission::MembersRead];
    let weak = gateway.key(&weak).await;
    let all = json!({"all": true});
    let refused = gateway.ask(&weak, "POST", "/brake/reject", all).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert_eq!(gateway.waiting(&key).await.len(), held);
    gateway.check().await;
}
