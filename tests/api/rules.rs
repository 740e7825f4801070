//! The life of a rule through the management API: added, changed, put in order, limited in time, ended.

use std::time::Duration;

use gatehouse::clock::{Clock, Timestamp};
use gatehouse::workspace::keys::Permission;
use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway, Scim, member, users};

const HOUR: Duration = Duration::from_hours(1);

impl Gateway {
    /// Asks the management API something about this workspace.
    pub(crate) async fn ask(&self, key: &str, method: &str, path: &str, body: Value) -> Answer {
        let path = format!("/workspaces/acme{path}");
        let body = Some(body).filter(|body| !body.is_null());
        self.api(key, method, &path, body.as_ref()).await
    }

    /// The same, which must come out so; gives the body.
    pub(crate) async fn asked(
        &self,
        key: &str,
        (method, path): (&str, &str),
        body: Value,
        status: u16,
    ) -> Value {
        let answer = self.ask(key, method, path, body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        answer.body
    }

    /// A key that may do everything that a key of a workspace may, and teams and roles of these names.
    pub(crate) async fn ruler(&self, teams: &[&str], roles: &[&str]) -> String {
        let key = self.key(&Permission::ALL[..9]).await;
        for (kind, names) in [("/teams", teams), ("/roles", roles)] {
            for name in names {
                let made = json!({"name": name});
                self.asked(&key, ("POST", kind), made, 201).await;
            }
        }
        key
    }
}

/// A group of those users.
pub(crate) async fn group(scim: &Scim, name: &str, ids: &[String]) -> String {
    let members: Vec<_> = ids.iter().map(|id| member(id)).collect();
    let body = json!({"displayName": name, "members": members});
    scim.created("/Groups", &body).await
}

fn path(rule: &Value) -> String {
    format!("/rules/{}", rule["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_rule_is_added_shown_changed_and_ended() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 3).await;
    let sales = group(&scim, "Sales", &ids[..2]).await;
    group(&scim, "Support", &ids[1..]).await;
    let key = gateway.ruler(&["Sales", "All"], &[]).await;
    let new = json!({
        "directory": "idp", "groups": [sales], "teams": ["sales"], "permissions": ["members.read"],
        "priority": 5,
    });
    let added = gateway.asked(&key, ("POST", "/rules"), new, 201).await;
    assert_eq!(
        (
            &added["state"],
            &added["changed"],
            &added["groups"][0]["name"]
        ),
        (&json!("live"), &json!(2), &json!("Sales"))
    );
    assert_eq!(gateway.in_team("Sales").await, 2);
    let shown = gateway
        .asked(&key, ("GET", &path(&added)), Value::Null, 200)
        .await;
    assert_eq!(
        (
            &shown["groups"],
            &shown["teams"][0]["name"],
            &shown["permissions"],
            &shown["priority"]
        ),
        (
            &json!(["Sales"]),
            &json!("Sales"),
            &json!(["members.read"]),
            &json!(5)
        )
    );
    assert_eq!(
        (&shown["enabled"], &shown["in_effect"]),
        (&json!(true), &json!(true))
    );
    let members = gateway
        .asked(&key, ("GET", "/members"), Value::Null, 200)
        .await;
    assert_eq!(members["items"][0]["permissions"], json!(["members.read"]));

    // A further version: other groups, another team; who is in both keeps nothing of the old one.
    let edit = json!({"groups": ["support"], "teams": ["All"], "permissions": []});
    let changed = gateway
        .asked(&key, ("PATCH", &path(&added)), edit.clone(), 200)
        .await;
    assert_eq!(
        (&changed["version"], &changed["changed"]),
        (&json!(2), &json!(3))
    );
    assert_eq!(gateway.in_team("Sales").await, 0);
    assert_eq!(gateway.in_team("All").await, 2);
    let again = gateway
        .asked(&key, ("PATCH", &path(&added)), edit, 200)
        .await;
    assert_eq!(
        (&again["version"], &again["changed"]),
        (&json!(2), &json!(0))
    );

    let bearer = format!("Bearer {key}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("if-match", "\"1\""),
        ("content-type", "application/json"),
    ];
    let full = format!("/api/v1/workspaces/acme{}", path(&added));
    let stale = gateway.exchange("DELETE", &full, &headers, None).await;
    assert_eq!(stale.status, 412, "{}", stale.text);

    let off = json!({"enabled": false});
    gateway
        .asked(&key, ("PATCH", &path(&added)), off, 200)
        .await;
    assert_eq!(gateway.in_team("All").await, 0);
    let on = json!({"enabled": true});
    gateway.asked(&key, ("PATCH", &path(&added)), on, 200).await;
    assert_eq!(gateway.in_team("All").await, 2);
    let ended = gateway
        .asked(&key, ("DELETE", &path(&added)), Value::Null, 200)
        .await;
    assert_eq!(ended["changed"], 2);
    assert_eq!(gateway.in_team("All").await, 0);
    gateway
        .asked(&key, ("GET", &path(&added)), Value::Null, 200)
        .await;
    assert_eq!(gateway.count("grants WHERE to_at IS NULL").await, 0);
    assert_eq!(
        gateway.count("changes WHERE subject_kind = 'rule'").await,
        5
    );
    gateway.check().await;
}

#[tokio::test]
async fn a_rule_that_is_wrong_is_refused_and_says_why() {
    let gateway = Gateway::new().await;
    gateway.scim().await;
    let key = gateway.ruler(&["T"], &["agent"]).await;
    for (wrong, part) in [
        (json!({"groups": ["G"], "teams": ["T"]}), "directory"),
        (
            json!({"directory": "nowhere", "groups": ["G"], "teams": ["T"]}),
            "directory",
        ),
        (json!({"directory": "idp", "teams": ["T"]}), "group"),
        (
            json!({"directory": "idp", "groups": ["G"]}),
            "at least one team",
        ),
        (
            json!({"directory": "idp", "groups": ["G"], "teams": ["Nobody's"]}),
            "\"Nobody's\"",
        ),
        (
            json!({"directory": "idp", "groups": ["G"], "roles": ["boss"]}),
            "\"boss\"",
        ),
        (
            json!({"directory": "idp", "groups": ["G"], "permissions": ["fly"]}),
            "\"fly\"",
        ),
        (
            json!({"directory": "idp", "groups": ["G", "g"], "teams": ["T"]}),
            "twice",
        ),
        (
            json!({"directory": "idp", "when": "groups.display eq \"x\"", "teams": ["T"]}),
            "groups",
        ),
        (
            json!({"directory": "idp", "groups": ["G"], "teams": ["T"], "colour": 1}),
            "colour",
        ),
        (
            json!({"directory": "idp", "groups": ["G"], "teams": ["T"], "from": "soon"}),
            "date-time",
        ),
        (
            json!({
                "directory": "idp", "groups": ["G"], "teams": ["T"],
                "from": "2031-01-01T00:00:00Z", "until": "2030-01-01T00:00:00Z",
            }),
            "before until",
        ),
        (
            json!({"directory": "idp", "groups": ["G"], "teams": ["T"], "language": "no tag"}),
            "language",
        ),
        (
            json!({
                "directory": "idp", "groups": ["G"], "when": "title eq \"Lead\"", "teams": ["T"],
                "examples": [
                    {"groups": ["G"], "user": {"title": "lead"}, "gives": true},
                    {"groups": ["G"], "user": {"title": "Clerk"}, "teams": ["T"]},
                ],
            }),
            "example 2: the rule gives teams none, expected are \"T\"",
        ),
    ] {
        let answer = gateway.ask(&key, "POST", "/rules", wrong.clone()).await;
        assert!(
            [400, 404].contains(&answer.status),
            "{wrong}: {}",
            answer.text
        );
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(part), "{wrong}: {detail}");
    }
    assert_eq!(gateway.count("rules").await, 0);
    let good = json!({
        "directory": "idp", "groups": ["G"], "when": "title eq \"Lead\"", "teams": ["T"],
        "examples": [{"groups": ["G"], "user": {"title": "Clerk"}, "gives": false}],
    });
    let added = gateway.asked(&key, ("POST", "/rules"), good, 201).await;
    // What was expected of it is expected of each further version.
    let wider = json!({"when": null});
    let refused = gateway
        .asked(&key, ("PATCH", &path(&added)), wider, 400)
        .await;
    assert!(
        refused["detail"].as_str().unwrap().starts_with("example 1"),
        "{refused}"
    );
    let moved = json!({"directory": "idp"});
    gateway
        .asked(&key, ("PATCH", &path(&added)), moved, 400)
        .await;
    let shown = gateway
        .asked(&key, ("GET", &path(&added)), Value::Null, 200)
        .await;
    assert_eq!(
        (&shown["version"], &shown["state"]),
        (&json!(1), &json!("pending"))
    );
}

// C083
#[tokio::test]
async fn nobody_gives_by_a_rule_what_he_could_not_give_himself() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 1).await;
    group(&scim, "G", &ids).await;
    let key = gateway.ruler(&["T"], &["agent"]).await;
    let weak = gateway.key(&[Permission::RulesManage]).await;
    let of = |gives: Value| {
        let mut rule = json!({"directory": "idp", "groups": ["G"]});
        rule.as_object_mut()
            .unwrap()
            .extend(gives.as_object().unwrap().clone());
        rule
    };
    let admin = of(json!({"roles": ["admin"]}));
    let single = of(json!({"permissions": ["keys.manage"]}));
    for beyond in [&admin, &single] {
        let answer = gateway.ask(&weak, "POST", "/rules", beyond.clone()).await;
        assert_eq!(answer.status, 403, "{}", answer.text);
        let plan = json!({"action": "add", "rule": beyond});
        let answer = gateway.ask(&weak, "POST", "/rules/plan", plan).await;
        assert_eq!(answer.status, 403, "{}", answer.text);
    }
    let own = of(json!({"roles": ["agent"], "permissions": ["rules.manage"]}));
    let own = gateway.asked(&weak, ("POST", "/rules"), own, 201).await;
    let theirs = gateway.asked(&key, ("POST", "/rules"), single, 201).await;
    for (method, body) in [("PATCH", json!({"priority": 1})), ("DELETE", Value::Null)] {
        let answer = gateway.ask(&weak, method, &path(&theirs), body).await;
        assert_eq!(answer.status, 403, "{}", answer.text);
    }
    let more = json!({"roles": ["admin"]});
    let answer = gateway.ask(&weak, "PATCH", &path(&own), more).await;
    assert_eq!(answer.status, 403, "{}", answer.text);
    gateway
        .asked(&weak, ("DELETE", &path(&own)), Value::Null, 200)
        .await;
    gateway.check().await;
}

#[tokio::test]
async fn a_rule_that_ended_is_told_with_what_it_said_last() {
    let gateway = Gateway::new().await;
    gateway.scim().await;
    let key = gateway.ruler(&["Crew", "Deck"], &[]).await;
    let new = json!({"directory": "idp", "groups": ["G"], "teams": ["Crew"]});
    let rule = gateway.asked(&key, ("POST", "/rules"), new, 201).await;
    let path = path(&rule);
    let edit = json!({"teams": ["Deck"]});
    gateway.asked(&key, ("PATCH", &path), edit, 200).await;
    gateway
        .asked(&key, ("DELETE", &path), Value::Null, 200)
        .await;
    let ended = gateway.asked(&key, ("GET", &path), Value::Null, 200).await;
    assert_eq!((&ended["id"], &ended["version"]), (&rule["id"], &json!(2)));
    assert!(ended["ended_at"].is_string(), "{ended}");
    assert_eq!(ended["was"]["grants"][0]["name"], "Deck", "{ended}");
    assert_eq!(ended["was"]["grants"][0]["kind"], "team");
    let listed = gateway
        .asked(&key, ("GET", "/rules"), Value::Null, 200)
        .await;
    assert_eq!(listed["items"], json!([]));
    let nobodys = "/rules/019aa000-0000-7000-8000-000000000001";
    gateway
        .asked(&key, ("GET", nobodys), Value::Null, 404)
        .await;
}

#[tokio::test]
async fn a_broken_rule_is_bound_anew_by_an_admin() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 2).await;
    let crew = group(&scim, "Crew", &ids).await;
    let key = gateway.ruler(&["Crew"], &[]).await;
    let new = json!({"directory": "idp", "groups": ["Crew"], "teams": ["Crew"]});
    let rule = gateway.asked(&key, ("POST", "/rules"), new, 201).await;
    let (status, _) = scim.send("DELETE", &format!("/Groups/{crew}"), None).await;
    assert_eq!(status, 204);
    group(&scim, "Crew", &ids[..1]).await;
    let of = async || {
        let shown = gateway
            .asked(&key, ("GET", &path(&rule)), Value::Null, 200)
            .await;
        shown["state"].clone()
    };
    assert_eq!(of().await, "broken");
    // Another change of it binds nothing.
    let edit = json!({"priority": 3});
    gateway
        .asked(&key, ("PATCH", &path(&rule)), edit, 200)
        .await;
    assert_eq!(
        (of().await, gateway.in_team("Crew").await),
        (json!("broken"), 0)
    );
    let anew = json!({"groups": ["Crew"]});
    gateway
        .asked(&key, ("PATCH", &path(&rule)), anew, 200)
        .await;
    assert_eq!(
        (of().await, gateway.in_team("Crew").await),
        (json!("live"), 1)
    );
    gateway.check().await;
}

#[tokio::test]
async fn rules_are_looked_at_in_their_order_and_one_may_be_the_last() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 3).await;
    group(&scim, "All", &ids).await;
    let guests = group(&scim, "Guests", &ids[..1]).await;
    let key = gateway.ruler(&["Everybody", "Lobby"], &[]).await;
    let all = json!({"directory": "idp", "groups": ["All"], "teams": ["Everybody"]});
    gateway.asked(&key, ("POST", "/rules"), all, 201).await;
    assert_eq!(gateway.in_team("Everybody").await, 3);
    let lobby = json!({
        "directory": "idp", "groups": ["Guests"], "teams": ["Lobby"], "priority": 10, "stop": true,
    });
    let lobby = gateway.asked(&key, ("POST", "/rules"), lobby, 201).await;
    assert_eq!(
        (
            gateway.in_team("Everybody").await,
            gateway.in_team("Lobby").await
        ),
        (2, 1)
    );
    // Who leaves the group of the first rule is looked at by the second again.
    let nobody = json!({"displayName": "Guests", "members": [member(&ids[2])]});
    scim.send("PUT", &format!("/Groups/{guests}"), Some(&nobody))
        .await;
    assert_eq!(
        (
            gateway.in_team("Everybody").await,
            gateway.in_team("Lobby").await
        ),
        (2, 1)
    );
    let last = json!({"priority": -1});
    gateway
        .asked(&key, ("PATCH", &path(&lobby)), last, 200)
        .await;
    assert_eq!(
        (
            gateway.in_team("Everybody").await,
            gateway.in_team("Lobby").await
        ),
        (3, 1)
    );
    let first = json!({"priority": 10});
    gateway
        .asked(&key, ("PATCH", &path(&lobby)), first, 200)
        .await;
    assert_eq!(gateway.in_team("Everybody").await, 2);
    gateway.check().await;
    gateway
        .asked(&key, ("DELETE", &path(&lobby)), Value::Null, 200)
        .await;
    assert_eq!(
        (
            gateway.in_team("Everybody").await,
            gateway.in_team("Lobby").await
        ),
        (3, 0)
    );
    gateway.check().await;
}

#[tokio::test]
async fn a_rule_has_effect_from_an_instant_until_another() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    let scim = gateway.scim().await;
    // More than the brake lets go within an hour, which does not hold up what was said before.
    let ids = users(&scim, "u", 8).await;
    group(&scim, "G", &ids).await;
    let key = gateway.ruler(&["Shift"], &[]).await;
    let now = clock.now();
    let (from, until): (Timestamp, Timestamp) = (now.after(HOUR), now.after(HOUR * 3));
    let new = json!({
        "directory": "idp", "groups": ["G"], "teams": ["Shift"], "from": from, "until": until,
    });
    let rule = gateway.asked(&key, ("POST", "/rules"), new, 201).await;
    let in_effect = async || {
        let shown = gateway
            .asked(&key, ("GET", &path(&rule)), Value::Null, 200)
            .await;
        shown["in_effect"] == json!(true)
    };
    gateway.work().await;
    assert_eq!(
        (in_effect().await, gateway.in_team("Shift").await),
        (false, 0)
    );
    clock.advance(HOUR + Duration::from_secs(1));
    gateway.work().await;
    assert_eq!(
        (in_effect().await, gateway.in_team("Shift").await),
        (true, 8)
    );
    gateway.check().await;
    clock.advance(HOUR * 2);
    gateway.work().await;
    assert_eq!(
        (in_effect().await, gateway.in_team("Shift").await),
        (false, 0)
    );
    gateway.check().await;
    assert_eq!(gateway.count("grants WHERE to_at IS NULL").await, 0);
    let longer = json!({"until": null});
    gateway
        .asked(&key, ("PATCH", &path(&rule)), longer, 200)
        .await;
    assert_eq!(gateway.in_team("Shift").await, 8);
    gateway.check().await;
}
