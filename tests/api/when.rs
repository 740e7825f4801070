//! Rules over a user's own attributes: rights come and go with what the directory says of a person,
//! and with nothing else.

use std::collections::BTreeSet;

use gatehouse::admission::rules::{self, Added, NewRule};
use gatehouse::admission::templates::{self, Mapped, Template};
use gatehouse::changes::Origin;
use gatehouse::directory::{DirectoryKind, Mode, NewDirectory};
use gatehouse::error::{Error, Result};
use gatehouse::mapping::explain;
use gatehouse::mapping::rules::RuleState;
use gatehouse::scim::{evaluate, filter, schema};
use gatehouse::worker::Worker;
use gatehouse::workspace::{members, roles};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, member, operations, users};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

impl Gateway {
    async fn try_when(&self, groups: &[&str], when: &str, team: &str) -> Result<Added> {
        let rule = NewRule {
            directory: "idp".to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            when: Some(when.to_owned()),
            teams: vec![team.to_owned()],
            ..NewRule::default()
        };
        rules::add(&self.app, &Origin::cli(), &self.workspace, rule).await
    }

    async fn when(&self, when: &str, team: &str) -> Added {
        self.try_when(&[], when, team).await.unwrap()
    }

    async fn template(&self, template: Template, roles: &[&str]) -> Result<Vec<Mapped>> {
        let roles: Vec<_> = roles.iter().map(|role| (*role).to_owned()).collect();
        let of = (template, "idp");
        templates::add(&self.app, &Origin::cli(), &self.workspace, of, &roles).await
    }

    /// The roles of the member of that user name.
    async fn roles_of(&self, user_name: &str) -> Vec<String> {
        let page = members::list(&self.app, self.workspace.id, None, 500).await;
        let mut page = page.unwrap().into_iter();
        let member = page.find(|member| member.user_name.as_deref() == Some(user_name));
        member.unwrap().roles.into_iter().collect()
    }

    async fn execute(&self, sql: &'static str, text: &str) {
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
    async fn patch(&self, user: &str, changes: Value) {
        let path = format!("/Users/{user}");
        let answer = self.send("PATCH", &path, Some(&operations(changes))).await;
        assert_eq!(answer.0, 200, "{}", answer.1);
    }

    async fn put(&self, user: &str, body: Value) {
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

async fn live_grants(gateway: &Gateway) -> usize {
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
        name: "second".to_owned(),
        kind: DirectoryKind::Generic,
        mode: Mode::Collect,
        strict: false,
        restore_inactive: false,
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

// C025
#[tokio::test]
async fn roles_of_okta_give_rights_by_the_template_alone() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    named_roles(&gateway, &["agent", "auditor"]).await;
    let all = roles::list(&gateway.app, gateway.workspace.id)
        .await
        .unwrap();
    let names: Vec<_> = all.iter().map(|role| role.name.as_str()).collect();
    assert_eq!(names, ["admin", "user", "agent", "auditor"]);
    let sent = |names: &[&str]| {
        let sent = all
            .iter()
            .filter(|role| names.contains(&role.name.as_str()));
        let sent = sent.map(|role| json!({"value": role.id, "display": role.name}));
        sent.collect::<Vec<_>>()
    };
    let body = json!({"userName": "ada@acme.example", "roles": sent(&["admin", "agent"])});
    let ada = scim.created("/Users", &body).await;
    let by_name = json!({"userName": "eve@acme.example", "roles": [{"value": "agent"}]});
    scim.created("/Users", &by_name).await;
    assert!(gateway.roles_of("ada@acme.example").await.is_empty());
    let mapped = gateway.template(Template::OktaRoles, &[]).await.unwrap();
    let given: Vec<_> = mapped.iter().map(|rule| rule.role.as_str()).collect();
    assert_eq!(
        given,
        ["user", "agent", "auditor"],
        "a directory makes no admins"
    );
    assert!(mapped.iter().all(|rule| rule.added));
    assert_eq!(gateway.roles_of("ada@acme.example").await, ["agent"]);
    assert!(gateway.roles_of("eve@acme.example").await.is_empty());
    let roles = json!([{"op": "replace", "value": {"roles": sent(&["admin", "auditor"])}}]);
    scim.patch(&ada, roles).await;
    assert_eq!(gateway.roles_of("ada@acme.example").await, ["auditor"]);
    let mapped = gateway
        .template(Template::OktaRoles, &["ADMIN", "agent"])
        .await;
    let added: Vec<_> = mapped
        .unwrap()
        .into_iter()
        .map(|rule| (rule.role, rule.added))
        .collect();
    assert_eq!(
        added,
        [("admin".to_owned(), true), ("agent".to_owned(), false)]
    );
    assert_eq!(
        gateway.roles_of("ada@acme.example").await,
        ["admin", "auditor"]
    );
    scim.patch(&ada, json!([{"op": "remove", "path": "roles"}]))
        .await;
    assert!(gateway.roles_of("ada@acme.example").await.is_empty());
    gateway.check().await;
}

#[tokio::test]
async fn a_template_adds_only_what_is_missing() {
    let gateway = Gateway::new().await;
    gateway.scim().await;
    let is_added = |mapped: Vec<Mapped>| {
        mapped
            .into_iter()
            .map(|rule| rule.added)
            .collect::<Vec<_>>()
    };
    let (one, other) = tokio::join!(
        gateway.template(Template::OktaRoles, &[]),
        gateway.template(Template::OktaRoles, &[])
    );
    let mut both = [is_added(one.unwrap()), is_added(other.unwrap())];
    both.sort();
    assert_eq!(both, [[false], [true]]);
    named_roles(&gateway, &["agent"]).await;
    let again = gateway.template(Template::OktaRoles, &[]).await.unwrap();
    assert_eq!(is_added(again), [false, true]);
    // Another template is another set of rules.
    let entra = gateway
        .template(Template::EntraRoles, &["agent"])
        .await
        .unwrap();
    assert_eq!(entra[0].when, "roles.value eq \"agent\"");
    assert!(entra[0].added);
    let unknown = gateway
        .template(Template::EntraRoles, &["agent", "nobody"])
        .await;
    assert!(matches!(unknown, Err(Error::NotFound("role"))));
    assert_eq!(
        gateway.count("rules").await,
        4,
        "three of templates, one beside"
    );
}

#[tokio::test]
async fn roles_of_entra_go_by_name() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    named_roles(&gateway, &["Editor", "a \"quoted\" one"]).await;
    gateway.template(Template::EntraRoles, &[]).await.unwrap();
    let mara = users(&scim, "mara", 1).await.remove(0);
    let name = "mara0@acme.example";
    let single = |value: &str| {
        json!([
            {"op": "Add", "path": "roles[primary eq \"True\"].display", "value": "Anything"},
            {"op": "Add", "path": "roles[primary eq \"True\"].value", "value": value},
        ])
    };
    scim.patch(&mara, single("editor")).await;
    assert_eq!(gateway.roles_of(name).await, ["Editor"]);
    scim.patch(&mara, single("a \"quoted\" one")).await;
    assert_eq!(gateway.roles_of(name).await, ["a \"quoted\" one"]);
    let assertive = json!([{"op": "replace", "path": "roles", "value": [
        {"display": "Admin", "value": "admin", "type": "WindowsAzureActiveDirectoryRole", "primary": false},
        {"displayName": "Editor", "value": "Editor", "type": "WindowsAzureActiveDirectoryRole", "primary": false},
    ]}]);
    scim.patch(&mara, assertive).await;
    assert_eq!(gateway.roles_of(name).await, ["Editor"]);
    gateway.check().await;
}

/// Roles come into being with a rule that gives them; the group of this one stays unheard of.
async fn named_roles(gateway: &Gateway, names: &[&str]) {
    let rule = NewRule {
        directory: "idp".to_owned(),
        groups: vec!["Nobody's".to_owned()],
        roles: names.iter().map(|name| (*name).to_owned()).collect(),
        ..NewRule::default()
    };
    rules::add(&gateway.app, &Origin::cli(), &gateway.workspace, rule)
        .await
        .unwrap();
}

/// A rule is added while the write goes on that makes it true, and the one before it false.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_added_among_writes_is_settled_as_it_wants() {
    const TRIALS: usize = 500;
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 2).await;
    for trial in 0..TRIALS {
        let name = format!("t{trial}");
        let title = json!([{"op": "replace", "path": "title", "value": name}]);
        let filter = format!("title eq \"{name}\"");
        let (_, added) = tokio::join!(
            scim.patch(&ids[trial % 2], title),
            gateway.when(&filter, &name)
        );
        assert_eq!(added.state, RuleState::Live);
        assert_eq!(gateway.in_team(&name).await, 1, "{name}");
        if trial > 1 {
            assert_eq!(gateway.in_team(&format!("t{}", trial - 2)).await, 0);
        }
    }
    gateway.check().await;
    assert_eq!(live_grants(&gateway).await, 2);
}

/// Nobody can lock a member who is being made: the sweeper finds the one whom a rule missed.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_added_among_creates_finds_everybody() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let mut left = 0;
    for trial in 0..60 {
        let team = format!("t{trial}");
        let body =
            |at: usize| json!({"userName": format!("{at}-{trial}@acme.example"), "title": team});
        let creates = async {
            let mut sent = tokio::task::JoinSet::new();
            for at in 0..4 {
                let (scim, body) = (scim.clone(), body(at));
                sent.spawn(async move { scim.created("/Users", &body).await });
            }
            sent.join_all().await
        };
        let filter = format!("title eq \"{team}\"");
        let (made, _) = tokio::join!(creates, gateway.when(&filter, &team));
        gateway.work().await;
        assert_eq!(gateway.in_team(&team).await, 4, "{team}");
        left += made.len();
    }
    assert_eq!(gateway.count("members").await, i64::try_from(left).unwrap());
    gateway.check().await;
}

/// A create that read the rules before one was added may commit after the sweep.
#[tokio::test]
async fn a_member_who_turns_up_after_the_sweep_is_swept_too() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    users(&scim, "u", 1).await;
    gateway.when("title eq \"Lead\"", "Leads").await;
    gateway.work().await;
    gateway
        .execute(
            "UPDATE users SET document = $1",
            r#"{"userName":"u0@acme.example","active":true,"title":"Lead"}"#,
        )
        .await;
    gateway.work().await;
    assert_eq!(gateway.in_team("Leads").await, 0);
    gateway
        .execute(
            "UPDATE members SET rules_version = 1 WHERE user_name = $1",
            "u0@acme.example",
        )
        .await;
    gateway.work().await;
    assert_eq!(gateway.in_team("Leads").await, 1);
    gateway.check().await;
}

#[tokio::test]
async fn a_rule_over_a_whole_directory_is_a_run() {
    let gateway = Gateway::with(|config| {
        config.scim.run_threshold = 10;
        config.scim.run_batch = 5;
    })
    .await;
    let scim = gateway.scim().await;
    let body = |at: usize, title: &str| {
        json!({"userName": format!("u{at}@acme.example"), "title": title,
               "roles": [{"value": "agent"}]})
    };
    let mut ids = Vec::new();
    for at in 0..24 {
        let title = if at % 2 == 0 { "Lead" } else { "Clerk" };
        ids.push(scim.created("/Users", &body(at, title)).await);
    }
    let added = gateway.when("title eq \"Lead\"", "Leads").await;
    assert_eq!(added.state, RuleState::Planned);
    assert!(added.run.is_some());
    assert_eq!(
        gateway.in_team("Leads").await,
        0,
        "what is planned gives nothing"
    );
    let mut worker = Worker::new(gateway.app.clone());
    // One ahead of the run, one behind it, and somebody new.
    for at in [23, 1] {
        worker.round().await.unwrap();
        scim.put(&ids[at], body(at, "Lead")).await;
    }
    worker.round().await.unwrap();
    scim.put(&ids[0], body(0, "Clerk")).await;
    scim.created("/Users", &body(24, "Lead")).await;
    gateway.check().await;
    assert_eq!(gateway.in_team("Leads").await, 12 + 2 - 1 + 1);
    // A template is one run for all its rules.
    named_roles(&gateway, &["agent", "auditor"]).await;
    let mapped = gateway.template(Template::EntraRoles, &[]).await.unwrap();
    let runs: BTreeSet<_> = mapped
        .iter()
        .map(|rule| rule.run.map(|run| run.0))
        .collect();
    assert_eq!(runs.len(), 1);
    gateway.check().await;
    assert_eq!(gateway.roles_of("u24@acme.example").await, ["agent"]);
    let again = gateway.template(Template::EntraRoles, &[]).await.unwrap();
    assert!(
        again
            .iter()
            .all(|rule| !rule.added && rule.state == RuleState::Live)
    );
    assert_eq!(gateway.count("runs").await, 2);
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
               "emails": [{"value": "a@acme.example"}]})
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

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["a", "b", "ab"][..])
}

fn a_user() -> impl Strategy<Value = Value> {
    let roles = prop::collection::vec((word(), any::<bool>()), 0..3);
    (
        prop::option::of(word()),
        prop::option::of(word()),
        prop::option::of(word()),
        roles,
        prop::bool::weighted(0.8),
    )
        .prop_map(|(title, nick, department, roles, active)| {
            let mut user = json!({"active": active});
            if let Some(title) = title {
                user["title"] = json!(title);
            }
            if let Some(nick) = nick {
                user["nickName"] = json!(nick);
            }
            if let Some(department) = department {
                user[ENTERPRISE] = json!({"department": department});
            }
            let mut primary = false;
            let roles = roles.into_iter().map(|(value, wanted)| {
                // One element at most is primary.
                let is = wanted && !primary;
                primary |= is;
                json!({"value": value, "primary": is})
            });
            user["roles"] = roles.collect::<Vec<_>>().into();
            user
        })
}

fn a_filter() -> impl Strategy<Value = String> {
    let paths = ["title", "nickName", "department", "roles.value"];
    let path = prop::sample::select(paths.to_vec());
    let operator = prop::sample::select(&["eq", "ne", "co", "sw", "gt"][..]);
    let term = prop_oneof![
        5 => (path.clone(), operator, word()).prop_map(|(path, operator, word)| {
            format!("{path} {operator} \"{word}\"")
        }),
        2 => path.prop_map(|path| format!("{path} pr")),
        1 => any::<bool>().prop_map(|active| format!("active eq {active}")),
        2 => word().prop_map(|word| format!("roles[primary eq true].value eq \"{word}\"")),
    ];
    term.prop_recursive(2, 6, 2, |inner| {
        let joined = (inner.clone(), inner.clone(), any::<bool>());
        prop_oneof![
            joined.prop_map(|(one, other, all)| {
                let word = if all { "and" } else { "or" };
                format!("({one} {word} {other})")
            }),
            inner.prop_map(|part| format!("not ({part})")),
        ]
    })
}

/// Whatever is written in whatever order, a member has what the evaluator finds in the answers.
#[tokio::test]
async fn grants_are_what_the_evaluator_finds() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), seed);
    let crew = scim
        .created("/Groups", &json!({"displayName": "Crew"}))
        .await;
    let crew = format!("/Groups/{crew}");
    let mut ids: Vec<(String, String)> = Vec::new();
    let mut all_rules: Vec<(filter::Filter, bool)> = Vec::new();
    let mut given = 0;
    for round in 0..200 {
        let mut draw = |most: usize| (0..most).new_tree(&mut runner).unwrap().current();
        let (act, at) = (draw(10), draw(ids.len().max(1)));
        let mut user = a_user().new_tree(&mut runner).unwrap().current();
        let known = ids.get(at).cloned();
        match (act, known) {
            (0, _) if all_rules.len() < 20 => {
                let text = a_filter().new_tree(&mut runner).unwrap().current();
                let in_group = round % 3 == 0;
                let groups = if in_group { &["Crew"][..] } else { &[] };
                let team = format!("T{}", all_rules.len());
                gateway.try_when(groups, &text, &team).await.unwrap();
                all_rules.push((filter::parse(&text, schema::user()).unwrap(), in_group));
            }
            (1 | 2, Some((id, name))) => {
                user["userName"] = json!(name);
                scim.put(&id, user).await;
            }
            (3 | 4, Some((id, _))) => {
                let changes = json!([{"op": "replace", "value": user}]);
                scim.patch(&id, changes).await;
            }
            (5, Some((id, _))) => {
                let attribute = ["title", "nickName", "roles"][round % 3];
                let changes = json!([{"op": "remove", "path": attribute}]);
                scim.patch(&id, changes).await;
            }
            (6, Some((id, _))) if ids.len() > 8 => {
                scim.send("DELETE", &format!("/Users/{id}"), None).await;
                ids.remove(at);
            }
            (7, Some((id, _))) => {
                let op = if round % 2 == 0 { "add" } else { "remove" };
                let change = json!([{"op": op, "path": "members", "value": [member(&id)]}]);
                scim.send("PATCH", &crew, Some(&operations(change))).await;
            }
            _ => {
                let name = format!("u{round}@acme.example");
                user["userName"] = json!(name);
                ids.push((scim.created("/Users", &user).await, name));
            }
        }
        if round % 5 == 4 {
            given += held_against_answers(&gateway, &scim, &all_rules).await;
        }
    }
    assert!(
        all_rules.len() > 10 && given > 500,
        "{} {given}",
        all_rules.len()
    );
    gateway.check().await;
}

async fn held_against_answers(
    gateway: &Gateway,
    scim: &Scim,
    rules: &[(filter::Filter, bool)],
) -> usize {
    let (_, answered) = scim.send("GET", "/Users?count=200", None).await;
    let mut expected = BTreeSet::new();
    for user in answered["Resources"].as_array().unwrap() {
        let is_member = !user["groups"].is_null();
        for (number, (filter, in_group)) in rules.iter().enumerate() {
            let holds = evaluate::matches(filter, user) && (is_member || !in_group);
            if holds && user["active"] == true {
                let name = user["userName"].as_str().unwrap().to_owned();
                expected.insert((name, format!("T{number}")));
            }
        }
    }
    let listed = members::list(&gateway.app, gateway.workspace.id, None, 500).await;
    let found: BTreeSet<_> = listed
        .unwrap()
        .into_iter()
        .flat_map(|member| {
            let name = member.user_name.unwrap();
            member
                .teams
                .into_iter()
                .map(move |team| (name.clone(), team))
        })
        .collect();
    assert_eq!(found, expected);
    found.len()
}
