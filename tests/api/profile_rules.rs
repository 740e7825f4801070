//! Rules over what members show of themselves: they hold for whoever is a member, whatever way it came,
//! and are held against a member whenever that is written.

use gatehouse::admission::adoption::{self, Adopt};
use gatehouse::changes::Origin;
use gatehouse::ids::MemberId;
use gatehouse::store::grants;
use gatehouse::workspace::keys::{Permission, Scopes};
use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway, operations, users};

impl Gateway {
    /// Adds a rule over profiles.
    pub(crate) async fn profile_rule(&self, key: &str, when: &str, gives: Value) -> Value {
        let mut rule = json!({"source": "profile", "when": when});
        for (name, value) in gives.as_object().unwrap() {
            rule[name] = value.clone();
        }
        self.asked(key, ("POST", "/rules"), rule, 201).await
    }

    /// A member made by hand.
    pub(crate) async fn profiled(&self, key: &str, profile: Value) -> MemberId {
        let new = json!({"profile": profile});
        let made = self.asked(key, ("POST", "/members"), new, 201).await;
        made["member"]["id"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) async fn write(&self, key: &str, member: MemberId, fields: Value) -> Answer {
        self.ask(key, "PATCH", &format!("/members/{member}"), fields)
            .await
    }

    /// How many rights a member has by rules, be they of effect or not.
    async fn by_rule(&self, member: MemberId) -> usize {
        let mut tx = self.app.db.one().await.unwrap();
        let given = grants::list_by_rule(&mut tx, self.workspace.id, &[member]).await;
        given.unwrap().len()
    }
}

/// A User with an address.
pub(crate) fn user(name: &str, address: &str) -> Value {
    json!({"userName": name, "emails": [{"value": address, "primary": true}]})
}

#[tokio::test]
async fn a_rule_holds_for_whoever_shows_it_whatever_way_the_member_came() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    let key = gateway.ruler(&["Field"], &[]).await;
    let rule = gateway
        .profile_rule(&key, "USER_ID sw f-", json!({"teams": ["Field"]}))
        .await;
    assert_eq!(
        (&rule["source"], &rule["state"], &rule["when"]),
        (
            &json!("profile"),
            &json!("live"),
            &json!(r#"user_id sw "f-""#)
        )
    );
    // By hand, in no directory at all: a draft has what it will have once it comes in.
    let bob = json!({"email": "bob@acme.example", "user_id": "F-1"});
    let bob = gateway.profiled(&key, bob).await;
    assert_eq!(
        (gateway.by_rule(bob).await, gateway.in_team("Field").await),
        (1, 0)
    );
    gateway.write(&key, bob, json!({"user_id": "X-1"})).await;
    assert_eq!(gateway.by_rule(bob).await, 0);
    // By a directory, and written by an admin.
    scim.created("/Users", &user("ada@acme.example", "ada@acme.example"))
        .await;
    let ada = gateway.member("ada@acme.example").await.id;
    assert_eq!(gateway.by_rule(ada).await, 0);
    let path = format!("/members/{ada}");
    let written = json!({"user_id": "F-2"});
    let shown = gateway.asked(&key, ("PATCH", &path), written, 200).await;
    assert_eq!(shown["teams"], json!(["Field"]));
    // Shut out it keeps what the rule gives, and it has no effect.
    gateway.suspend(ada).await.unwrap();
    assert_eq!(
        (gateway.by_rule(ada).await, gateway.in_team("Field").await),
        (1, 0)
    );
    gateway.activate(ada).await.unwrap();
    assert_eq!(gateway.in_team("Field").await, 1);
    // By an import.
    let table = "email,user_id\ncleo@acme.example,F-3\nbob@acme.example,F-1\n";
    let came = gateway.import(&key, "", "text/csv", table).await;
    assert_eq!(came.status, 200, "{}", came.text);
    let cleo = gateway.member("cleo@acme.example").await.id;
    assert_eq!(
        (gateway.by_rule(cleo).await, gateway.by_rule(bob).await),
        (1, 1)
    );
    // Who leaves has nothing, and nothing comes back that is not said anew.
    gateway.remove(cleo).await.unwrap();
    assert_eq!(gateway.by_rule(cleo).await, 0);
    let new = json!({"profile": {"email": "cleo@acme.example"}});
    gateway.asked(&key, ("POST", "/members"), new, 200).await;
    assert_eq!(gateway.by_rule(cleo).await, 0);
    gateway.write(&key, cleo, json!({"user_id": "f-4"})).await;
    assert_eq!(gateway.by_rule(cleo).await, 1);
    let erase = format!("/members/{cleo}/erase");
    let everything = json!({"remove": true});
    let erased = gateway.ask(&key, "POST", &erase, everything).await;
    assert_eq!(erased.status, 200, "{}", erased.text);
    assert_eq!(gateway.by_rule(cleo).await, 0);
    gateway.check().await;
}

#[tokio::test]
async fn what_a_directory_says_of_a_member_is_held_against_such_rules_at_once() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    let key = gateway.ruler(&["Field", "London", "Reports"], &[]).await;
    let when = r#"email ew "@field.example" or user_name sw "field-""#;
    gateway
        .profile_rule(&key, when, json!({"teams": ["Field"]}))
        .await;
    gateway
        .profile_rule(&key, r#"phone sw "+4420""#, json!({"teams": ["London"]}))
        .await;
    let bob = scim
        .created("/Users", &user("bob", "bob@field.example"))
        .await;
    assert_eq!(gateway.in_team("Field").await, 1);
    let path = format!("/Users/{bob}");
    let replaced = user("bob", "bob@acme.example");
    assert_eq!(scim.send("PUT", &path, Some(&replaced)).await.0, 200);
    assert_eq!(gateway.in_team("Field").await, 0);
    let renamed = operations(json!([{"op": "replace", "path": "userName", "value": "field-bob"}]));
    assert_eq!(scim.send("PATCH", &path, Some(&renamed)).await.0, 200);
    assert_eq!(gateway.in_team("Field").await, 1);
    let phone = json!([{"op": "add", "path": "phoneNumbers",
                        "value": [{"value": "+44 20 7946 0958", "type": "work"}]}]);
    let phone = operations(phone);
    assert_eq!(scim.send("PATCH", &path, Some(&phone)).await.0, 200);
    assert_eq!(gateway.in_team("London").await, 1);

    // A manager who comes after those who wait for it.
    let schema = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let mut dan = user("dan", "dan@acme.example");
    dan[schema] = json!({"manager": {"value": "ada"}});
    scim.created("/Users", &dan).await;
    let dan = gateway.member("dan").await.id;
    let ada = json!({"email": "ada@acme.example", "user_id": "A-1"});
    let ada = gateway.profiled(&key, ada).await;
    let when = format!(r#"manager eq "{ada}""#);
    gateway
        .profile_rule(&key, &when, json!({"teams": ["Reports"]}))
        .await;
    assert_eq!(gateway.by_rule(dan).await, 0);
    scim.created("/Users", &user("ada", "ada@acme.example"))
        .await;
    assert_eq!(gateway.member("ada").await.id, ada);
    assert_eq!(gateway.in_team("Reports").await, 1);
    // Who leaves is still whom they report to, until somebody says otherwise.
    gateway.check().await;
    let gone = scim.send("DELETE", &path, None).await;
    assert_eq!(gone.0, 204, "{}", gone.1);
    assert_eq!(
        (
            gateway.in_team("Field").await,
            gateway.in_team("London").await
        ),
        (0, 0)
    );
    gateway.check().await;
    // Nobody has the directory's word any more: what it said is the admins' and stays.
    let back = scim
        .created("/Users", &user("field-eve", "eve@acme.example"))
        .await;
    let eve = gateway.member("field-eve").await.id;
    assert_eq!(gateway.by_rule(eve).await, 1);
    let out = operations(json!([{"op": "replace", "path": "active", "value": false}]));
    let path = format!("/Users/{back}");
    assert_eq!(scim.send("PATCH", &path, Some(&out)).await.0, 200);
    assert_eq!(
        (gateway.by_rule(eve).await, gateway.in_team("Field").await),
        (1, 0)
    );
    gateway.check().await;
}

#[tokio::test]
async fn an_end_of_the_directory_takes_the_name_and_what_the_name_gave() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    let key = gateway.ruler(&["Named", "Mailed"], &[]).await;
    gateway
        .profile_rule(&key, "user_name pr", json!({"teams": ["Named"]}))
        .await;
    gateway
        .profile_rule(&key, "email pr", json!({"teams": ["Mailed"]}))
        .await;
    scim.created("/Users", &user("ada", "ada@acme.example"))
        .await;
    assert_eq!(
        (
            gateway.in_team("Named").await,
            gateway.in_team("Mailed").await
        ),
        (1, 1)
    );
    let path = format!("/directories/{}/end", scim.directory.id);
    let end = json!({"members": "keep"});
    let ended = gateway.ask(&key, "POST", &path, end).await;
    assert!([200, 201, 202].contains(&ended.status), "{}", ended.text);
    gateway.work().await;
    assert_eq!(
        (
            gateway.in_team("Named").await,
            gateway.in_team("Mailed").await
        ),
        (0, 1)
    );
    gateway.check().await;
}

// C083: by what rules make of a profile
#[tokio::test]
async fn whoever_writes_a_profile_gives_nobody_more_than_it_could_by_hand() {
    let gateway = Gateway::new().await;
    let all = gateway.ruler(&["Field"], &[]).await;
    gateway
        .profile_rule(&all, r#"user_id sw "A-""#, json!({"roles": ["admin"]}))
        .await;
    gateway
        .profile_rule(&all, r#"user_id sw "F-""#, json!({"teams": ["Field"]}))
        .await;
    let bob = json!({"email": "bob@acme.example", "user_id": "B-1"});
    let bob = gateway.profiled(&all, bob).await;
    let weak = gateway.key(&[Permission::MembersManage]).await;
    let admin = json!({"user_id": "A-1"});
    let refused = gateway.write(&weak, bob, admin.clone()).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    let new = json!({"profile": {"email": "eve@acme.example", "user_id": "A-2"}});
    let refused = gateway.ask(&weak, "POST", "/members", new).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    let table = "email,user_id\nzoe@acme.example,A-3\nyve@acme.example,F-3\n";
    let came = gateway.import(&weak, "", "text/csv", table).await;
    assert_eq!(came.body["rows"][0]["outcome"], "refused", "{}", came.text);
    assert_eq!(came.body["rows"][1]["outcome"], "created", "{}", came.text);
    assert_eq!(gateway.by_rule(bob).await, 0);
    let allowed = gateway.write(&weak, bob, json!({"user_id": "F-1"})).await;
    assert_eq!(allowed.status, 200, "{}", allowed.text);
    assert_eq!(gateway.by_rule(bob).await, 1);
    let allowed = gateway.write(&all, bob, admin).await;
    assert_eq!(allowed.status, 200, "{}", allowed.text);
    assert_eq!(gateway.by_rule(bob).await, 1);
    // No more could it take away what it could not give.
    let refused = gateway.write(&weak, bob, json!({"user_id": "F-1"})).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    // And the rule itself is as much as what it gives.
    let ruler = gateway
        .key(&[Permission::RulesManage, Permission::MembersManage])
        .await;
    let wide = json!({"source": "profile", "when": "user_id pr", "roles": ["admin"]});
    let refused = gateway.ask(&ruler, "POST", "/rules", wide).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    gateway.check().await;
}

#[tokio::test]
async fn the_last_admin_is_not_written_away_by_a_field() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    let key = gateway.ruler(&[], &[]).await;
    gateway
        .profile_rule(&key, r#"user_id sw "A-""#, json!({"roles": ["admin"]}))
        .await;
    scim.created("/Users", &user("ada", "ada@acme.example"))
        .await;
    let ada = gateway.member("ada").await.id;
    gateway.write(&key, ada, json!({"user_id": "A-1"})).await;
    assert_eq!(gateway.by_rule(ada).await, 1);
    let refused = gateway.write(&key, ada, json!({"user_id": "B-1"})).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert_eq!(gateway.details(ada).await.user_id.as_deref(), Some("A-1"));
    scim.created("/Users", &user("bob", "bob@acme.example"))
        .await;
    let bob = gateway.member("bob").await.id;
    gateway.write(&key, bob, json!({"user_id": "A-2"})).await;
    let written = gateway.write(&key, ada, json!({"user_id": "B-1"})).await;
    assert_eq!(written.status, 200, "{}", written.text);
    gateway.check().await;
}

#[tokio::test]
async fn an_explanation_says_which_field_and_value_held_and_the_log_says_the_source() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.ruler(&["Field"], &[]).await;
    let when = r#"user_id sw "F-" and not (phone pr)"#;
    let rule = gateway
        .profile_rule(&key, when, json!({"teams": ["Field"]}))
        .await;
    scim.created("/Users", &user("ada", "ada@acme.example"))
        .await;
    let ada = gateway.member("ada").await.id;
    gateway.write(&key, ada, json!({"user_id": "F-7"})).await;
    let path = format!("/members/{ada}/explanation");
    let told = gateway.asked(&key, ("GET", &path), Value::Null, 200).await;
    let why = &told["grants"][0];
    assert_eq!(
        (&why["name"], &why["effective"], &why["cause"]),
        (&json!("Field"), &json!(true), &json!("rule"))
    );
    assert_eq!(
        (&why["rule"]["source"], &why["rule"]["when"]),
        (&json!("profile"), &rule["when"])
    );
    assert_eq!(
        why["rule"]["satisfied_by"],
        json!({"user_id": ["F-7"], "phone": []})
    );
    let ends = why["ends_with"].as_array().unwrap().iter();
    let mut ends = ends.filter_map(Value::as_str);
    assert!(
        ends.any(|end| end.starts_with("a change of phone or user_id so that")),
        "{why}"
    );
    let listed = gateway
        .asked(&key, ("GET", "/rules"), Value::Null, 200)
        .await;
    assert_eq!(
        (
            &listed["items"][0]["source"],
            &listed["items"][0]["directory"]
        ),
        (&json!("profile"), &Value::Null)
    );
    let details = gateway.texts("changes", "detail").await;
    let told = details
        .iter()
        .filter(|it| it.contains(r#""source":"profile""#));
    assert_eq!(told.count(), 1, "{details:?}");
    gateway.check().await;
}

#[tokio::test]
async fn a_write_looks_at_profiles_only_where_a_rule_does_and_costs_one_statement_more_then() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.ruler(&["Field"], &[]).await;
    let titled = json!({"directory": "idp", "when": "title pr", "teams": ["Field"]});
    gateway.asked(&key, ("POST", "/rules"), titled, 201).await;
    users(&scim, "warm", 1).await;
    let bearer = format!("Bearer {}", scim.token);
    let cost = async |method: &str, path: &str, body: Value| {
        let path = format!("/scim/v2{path}");
        let answer = gateway.call(method, &path, &[&bearer], Some(body)).await;
        assert!([200, 201].contains(&answer.status), "{}", answer.text);
        let id = answer.body["id"].as_str().unwrap().to_owned();
        (answer.statements, id)
    };
    let mut costs = Vec::new();
    for name in ["before", "after"] {
        let (create, id) = cost("POST", "/Users", json!({"userName": name})).await;
        let nick = operations(json!([{"op": "replace", "path": "nickName", "value": "x"}]));
        let (patch, _) = cost("PATCH", &format!("/Users/{id}"), nick).await;
        costs.push((create, patch));
        if name == "before" {
            gateway
                .profile_rule(&key, "user_id pr", json!({"teams": ["Field"]}))
                .await;
            users(&scim, "again", 1).await;
        }
    }
    let (create, patch) = costs[0];
    assert_eq!(
        costs[1],
        (create + 1, patch + 1),
        "the profile is read with the facts"
    );
}

// C019: what admins wrote of somebody is not for whoever bears the address
#[tokio::test]
async fn one_who_comes_in_by_an_address_that_nobody_proved_waits_for_adoption() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    let key = gateway.ruler(&["Field"], &[]).await;
    gateway
        .profile_rule(&key, r#"user_id sw "F-""#, json!({"teams": ["Field"]}))
        .await;
    let bob = json!({"email": "bob@acme.example", "user_id": "F-1"});
    let bob = gateway.profiled(&key, bob).await;
    assert_eq!(gateway.by_rule(bob).await, 1);
    let body = user("bob@acme.example", "bob@acme.example");
    let path = format!("/Users/{}", scim.created("/Users", &body).await);
    assert_eq!(gateway.member("bob@acme.example").await.id, bob);
    assert_eq!(gateway.by_rule(bob).await, 0);
    // Whatever is written of it meanwhile.
    let nick = operations(json!([{"op": "replace", "path": "nickName", "value": "B"}]));
    assert_eq!(scim.send("PATCH", &path, Some(&nick)).await.0, 200);
    gateway.write(&key, bob, json!({"user_id": "F-2"})).await;
    gateway.check().await;
    assert_eq!(gateway.by_rule(bob).await, 0);
    let by = (&Origin::cli(), &Scopes::everything());
    let place = (gateway.workspace.id, scim.directory.id);
    let adopted = adoption::adopt(&gateway.app, by, place, Adopt::Member(bob)).await;
    assert_eq!(adopted.unwrap(), bob);
    assert_eq!(gateway.in_team("Field").await, 1);
    let again = adoption::adopt(&gateway.app, by, place, Adopt::Member(bob)).await;
    assert!(again.is_err(), "it waits no longer");
    gateway.check().await;
}
