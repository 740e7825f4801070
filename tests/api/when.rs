//! Rules over a user's own attributes: rights come and go with what the directory says of a person,
//! and with nothing else.

use gatehouse::admission::rules::{self, Added, NewRule};
use gatehouse::changes::Origin;
use gatehouse::directory::{Mode, NewDirectory};
use gatehouse::error::{Error, Result};
use gatehouse::mapping::explain;
use gatehouse::mapping::rules::RuleState;
use gatehouse::workspace::{members, schemas};
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, member, new_directory, operations, users};

const BADGE: &str = "urn:example:params:scim:schemas:extension:Badge";

impl Gateway {
    /// Adds a rule: who is in these groups and satisfies the filter gets this team.
    pub(crate) async fn try_when(&self, groups: &[&str], when: &str, team: &str) -> Result<Added> {
        let rule = NewRule {
            directory: "idp".to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            when: Some(when.to_owned()),
            teams: vec![team.to_owned()],
            ..NewRule::default()
        };
        rules::add(&self.app, &Origin::cli(), &self.workspace, rule).await
    }

    /// The same without groups.
    pub(crate) async fn when(&self, when: &str, team: &str) -> Added {
        self.try_when(&[], when, team).await.unwrap()
    }

    /// Writes with one text bound.
    pub(crate) async fn execute(&self, sql: &'static str, text: &str) {
        let text = text.to_owned();
        let write = self.app.write(move |tx| {
            let text = text.clone();
            Box::pin(async move {
                tx.query(sql).bind(text).execute().await?;
                Ok(())
            })
        });
        write.await.unwrap();
    }
}

impl Scim {
    /// Patches a User.
    pub(crate) async fn patch(&self, user: &str, changes: Value) {
        let path = format!("/Users/{user}");
        let answer = self.send("PATCH", &path, Some(&operations(changes))).await;
        assert_eq!(answer.0, 200, "{}", answer.1);
    }

    /// Replaces a User.
    pub(crate) async fn put(&self, user: &str, body: Value) {
        let answer = self
            .send("PUT", &format!("/Users/{user}"), Some(&body))
            .await;
        assert_eq!(answer.0, 200, "{}", answer.1);
    }
}

#[tokio::test]
async fn rights_come_and_go_with_the_attribute() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    gateway.when("title eq \"Lead\"", "Leads").await;
    gateway
        .when(
            "emails[type eq \"work\"].value ew \"@acme.example\"",
            "Mail",
        )
        .await;
    gateway.when("not (nickName pr)", "Plain").await;
    let has = async |expected: [usize; 3]| {
        let found = [
            gateway.in_team("Leads").await,
            gateway.in_team("Mail").await,
            gateway.in_team("Plain").await,
        ];
        assert_eq!(found, expected);
    };
    let body =
        |title: &str| json!({"userName": "ada@acme.example", "externalId": "e1", "title": title});
    let ada = scim.created("/Users", &body("LEAD")).await;
    has([1, 0, 1]).await;
    let one =
        |op: &str, path: &str, value: Value| json!([{"op": op, "path": path, "value": value}]);
    scim.patch(&ada, one("replace", "title", json!("Clerk")))
        .await;
    has([0, 0, 1]).await;
    scim.patch(&ada, one("add", "title", json!("Lead"))).await;
    has([1, 0, 1]).await;
    scim.patch(&ada, json!([{"op": "remove", "path": "title"}]))
        .await;
    has([0, 0, 1]).await;
    let wide = json!([{"op": "replace", "value": {"title": "Lead", "nickName": "A"}}]);
    scim.patch(&ada, wide).await;
    has([1, 0, 0]).await;
    let mail = "emails[type eq \"work\"].value";
    scim.patch(&ada, one("add", mail, json!("ada@acme.example")))
        .await;
    has([1, 1, 0]).await;
    scim.patch(&ada, one("replace", mail, json!("ada@other.example")))
        .await;
    has([1, 0, 0]).await;
    scim.put(&ada, body("Clerk")).await;
    has([0, 0, 1]).await;
    scim.put(&ada, body("Lead")).await;
    has([1, 0, 1]).await;
    // What is written a second time changes nothing.
    let told = gateway.count("changes").await;
    scim.put(&ada, body("Lead")).await;
    assert_eq!(gateway.count("changes").await, told);
    assert_eq!(
        scim.send("DELETE", &format!("/Users/{ada}"), None).await.0,
        204
    );
    has([0, 0, 0]).await;
    assert_eq!(
        live_grants(&gateway).await,
        0,
        "the ended are ended, not masked"
    );
    // The same person is back, with what holds now.
    scim.created("/Users", &body("Lead")).await;
    has([1, 0, 1]).await;
    assert_eq!(gateway.count("members").await, 1);
    gateway.check().await;
}

/// How many grants have not ended, masked ones among them.
pub(crate) async fn live_grants(gateway: &Gateway) -> usize {
    let ends = gateway.texts("grants", "CAST(to_at AS TEXT)").await;
    ends.iter().filter(|end| end.is_empty()).count()
}

#[tokio::test]
async fn a_suspended_member_comes_back_with_what_holds_then() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    gateway.when("title eq \"Lead\"", "Leads").await;
    gateway.when("title eq \"Clerk\"", "Clerks").await;
    gateway.when("active eq true", "In").await;
    let body = json!({"userName": "ada@acme.example", "title": "Lead"});
    let ada = scim.created("/Users", &body).await;
    assert_eq!(gateway.in_team("In").await, 1);
    let active = |on: bool| json!([{"op": "replace", "path": "active", "value": on}]);
    scim.patch(&ada, active(false)).await;
    assert_eq!(gateway.in_team("Leads").await, 0);
    assert_eq!(
        live_grants(&gateway).await,
        1,
        "masked, but for `active eq true`"
    );
    let title = json!([{"op": "replace", "path": "title", "value": "Clerk"}]);
    scim.patch(&ada, title).await;
    scim.patch(&ada, active(true)).await;
    assert_eq!(gateway.in_team("Leads").await, 0);
    assert_eq!(gateway.in_team("Clerks").await, 1);
    assert_eq!(gateway.in_team("In").await, 1);
    gateway.check().await;
}

#[tokio::test]
async fn groups_and_attributes_must_hold_together() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let added = gateway
        .try_when(&["Crew"], "title pr", "Both")
        .await
        .unwrap();
    assert_eq!(added.state, RuleState::Pending);
    let ids = users(&scim, "u", 2).await;
    let title = json!([{"op": "add", "path": "title", "value": "x"}]);
    scim.patch(&ids[0], title.clone()).await;
    let all: Vec<_> = ids.iter().map(|id| member(id)).collect();
    let crew = json!({"displayName": "Crew", "members": all});
    let crew = scim.created("/Groups", &crew).await;
    assert_eq!(gateway.in_team("Both").await, 1);
    scim.patch(&ids[1], title.clone()).await;
    assert_eq!(gateway.in_team("Both").await, 2);
    let out = json!([{"op": "remove", "path": format!("members[value eq \"{}\"]", ids[0])}]);
    let path = format!("/Groups/{crew}");
    scim.send("PATCH", &path, Some(&operations(out))).await;
    assert_eq!(gateway.in_team("Both").await, 1);
    scim.send("DELETE", &path, None).await;
    assert_eq!(gateway.in_team("Both").await, 0);
    gateway.check().await;
}

/// What one directory says of a person is nothing to the rules of another.
#[tokio::test]
async fn a_rule_looks_at_its_own_directory_alone() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let new = NewDirectory {
        mode: Mode::Collect,
        ..new_directory("second")
    };
    let second = gateway.scim_of(&gateway.workspace, new).await;
    let ada = json!({"userName": "ada@acme.example", "title": "Clerk"});
    let ada = scim.created("/Users", &ada).await;
    let same = json!({"userName": "ada@second.example", "title": "Lead"});
    let same = second.created("/Users", &same).await;
    // No surface links a person of two directories yet.
    gateway
        .execute(
            "UPDATE users SET member = (SELECT o.member FROM users o WHERE o.user_name_key = $1) \
             WHERE member IS NULL",
            "ada@acme.example",
        )
        .await;
    gateway.when("title eq \"Lead\"", "Leads").await;
    gateway.when("not (nickName pr)", "Plain").await;
    let check = async |leads: usize| {
        assert_eq!(gateway.in_team("Leads").await, leads);
        assert_eq!(gateway.in_team("Plain").await, 1);
    };
    check(0).await;
    let title = |title: &str| json!([{"op": "replace", "path": "title", "value": title}]);
    let nick = json!([{"op": "add", "path": "nickName", "value": "A"}]);
    second.patch(&same, nick).await;
    check(0).await;
    scim.patch(&ada, title("Lead")).await;
    check(1).await;
    second.patch(&same, title("Clerk")).await;
    check(1).await;
    assert_eq!(
        second
            .send("DELETE", &format!("/Users/{same}"), None)
            .await
            .0,
        204
    );
    check(1).await;
    gateway.check().await;
}

// C059, C026
#[tokio::test]
async fn a_filter_that_no_rule_may_have_is_refused_and_leaves_nothing() {
    let gateway = Gateway::new().await;
    gateway.scim().await;
    for refused in [
        "title eq",
        "groups.display eq \"Admins\"",
        "groups eq \"x\" or title pr",
        "password pr",
        "id eq \"x\"",
        &format!("title co \"{}\"", "a".repeat(10_000_000)),
        &vec!["title pr"; 101].join(" or "),
    ] {
        let outcome = gateway.try_when(&[], refused, "Team").await;
        let shown = &refused[..refused.len().min(40)];
        assert!(matches!(outcome, Err(Error::Invalid { .. })), "{shown}");
    }
    let nothing = NewRule {
        directory: "idp".to_owned(),
        teams: vec!["Team".to_owned()],
        ..NewRule::default()
    };
    let outcome = rules::add(&gateway.app, &Origin::cli(), &gateway.workspace, nothing).await;
    assert!(matches!(outcome, Err(Error::Invalid { .. })));
    assert_eq!(gateway.count("rules").await, 0);
    assert_eq!(gateway.count("teams").await, 0);
    // A pattern is text like any other.
    let added = gateway.when("TITLE co \"(a+)+$\"", "Team").await;
    assert_eq!(added.when.as_deref(), Some("title co \"(a+)+$\""));
    assert!(gateway.told("title co \\\"(a+)+$\\\"").await);
}

#[tokio::test]
async fn an_explanation_names_the_filter_and_the_value() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let filter = "(title eq \"Lead\" or roles.value eq \"x\") and not (nickName pr)";
    let added = gateway.when(filter, "Leads").await;
    let ada = json!({"userName": "ada@acme.example", "title": "lead"});
    scim.created("/Users", &ada).await;
    let found = members::find(&gateway.app, gateway.workspace.id, "ada@acme.example");
    let why = explain::explain(&gateway.app, gateway.workspace.id, &found.await.unwrap()).await;
    let why = serde_json::to_value(why.unwrap()).unwrap();
    let rule = &why["grants"][0]["rule"];
    assert_eq!(rule["when"], json!(added.when));
    assert_eq!(rule["groups"], json!([]));
    assert_eq!(
        rule["satisfied_by"],
        json!({"title": ["lead"], "nickName": []})
    );
    let ends: Vec<_> = why["grants"][0]["ends_with"]
        .as_array()
        .unwrap()
        .iter()
        .collect();
    let change = ends
        .iter()
        .find_map(|end| end.as_str()?.strip_prefix("a change of "));
    let change = change.unwrap();
    assert!(
        change.starts_with("nickName or roles.value or title "),
        "{change}"
    );
    assert!(change.contains("title eq \"Lead\""), "{change}");
    let listed = gatehouse::mapping::rules::list(&gateway.app, gateway.workspace.id).await;
    assert_eq!(listed.unwrap()[0].when, added.when);
}

/// Figures of the requests that do nothing else, counted before there were such rules.
#[tokio::test]
async fn a_write_costs_nothing_more_where_no_rule_looks_at_attributes() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    gateway.rule(&["Crew"], "Crew").await;
    users(&scim, "warm", 1).await;
    let bearer = format!("Bearer {}", scim.token);
    let cost = async |method: &str, path: &str, body: Value| {
        let path = format!("/scim/v2{path}");
        let answer = gateway.call(method, &path, &[&bearer], Some(body)).await;
        assert!([200, 201].contains(&answer.status), "{}", answer.text);
        (
            answer.statements,
            answer.body["id"].as_str().unwrap().to_owned(),
        )
    };
    let body = |name: &str| {
        json!({"userName": format!("{name}@acme.example"), "title": "x",
               "emails": [{"value": format!("{name}@mail.example")}]})
    };
    let title =
        |title: &str| operations(json!([{"op": "replace", "path": "title", "value": title}]));
    let (create, ada) = cost("POST", "/Users", body("ada")).await;
    assert_eq!(create, 8);
    let (patch, _) = cost("PATCH", &format!("/Users/{ada}"), title("y")).await;
    assert_eq!(patch, 6 + 1, "the rules are looked at");
    let (nothing, _) = cost("PATCH", &format!("/Users/{ada}"), title("y")).await;
    assert!(nothing < patch);
    // Where one does: the mark, the member, what is said, what is had; and the grant.
    gateway.when("title eq \"z\"", "Team").await;
    users(&scim, "warm-again", 1).await;
    let (create, _) = cost("POST", "/Users", body("eve")).await;
    assert_eq!(create, 8 + 4);
    let (patch, _) = cost("PATCH", &format!("/Users/{ada}"), title("w")).await;
    assert_eq!(patch, 7 + 3);
}

/// What a workspace registered is an attribute like any other, and stays while a rule looks at it.
#[tokio::test]
async fn a_rule_looks_at_registered_attributes_and_keeps_them() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let filter = format!("{BADGE}:number eq \"7\"");
    let unknown = gateway.try_when(&[], &filter, "Badge").await;
    assert!(matches!(unknown, Err(Error::Invalid { .. })));
    let (origin, workspace) = (Origin::cli(), gateway.workspace.clone());
    let badge = |kind: &str| json!({"id": BADGE, "name": "Badge", "attributes": [{"name": "number", "type": kind}]});
    let user = json!({"name": "User", "schemaExtensions": [{"schema": BADGE, "required": false}]});
    let register =
        async |documents| schemas::add(&gateway.app, &origin, &workspace, documents).await;
    register(vec![badge("string"), user]).await.unwrap();
    let ada = json!({"userName": "ada@acme.example", (BADGE): {"number": "7"}});
    let ada = scim.created("/Users", &ada).await;
    let added = gateway.when(&filter, "Badge").await;
    assert_eq!(added.changed, 1);
    scim.send("DELETE", &format!("/Users/{ada}"), None).await;
    // Nobody has it any more, but the rule looks at it.
    let refused = register(vec![badge("boolean")]).await;
    assert!(matches!(refused, Err(Error::Conflict(_))));
    for key in ["User", BADGE] {
        let removed = schemas::remove(&gateway.app, &origin, &workspace, key).await;
        assert!(matches!(removed, Err(Error::Conflict(_))), "{key}");
    }
    let ada = json!({"userName": "ada@acme.example", (BADGE): {"number": "7"}});
    scim.created("/Users", &ada).await;
    assert_eq!(gateway.in_team("Badge").await, 1);
    gateway.check().await;
}
