//! Rules over attributes under races, by runs, and held against the evaluator.

use std::collections::BTreeSet;

use gatehouse::admission::templates::Template;
use gatehouse::changes::Origin;
use gatehouse::mapping::rules::RuleState;
use gatehouse::scim::{evaluate, filter, schema};
use gatehouse::worker::Worker;
use gatehouse::workspace::{self, members};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, member, operations, users};
use crate::templates::named_roles;
use crate::when::live_grants;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

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
        let ((), added) = tokio::join!(
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

/// Nobody can lock a member who is being made: the sweeper finds the one whom a rule missed, also
/// when it swept in between. Each trial is a workspace's first rule over attributes.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_added_among_creates_finds_everybody() {
    let mut gateway = Gateway::new().await;
    for trial in 0..40 {
        let slug = format!("t{trial}");
        gateway.workspace = workspace::create(&gateway.app, &Origin::cli(), &slug, "Trial")
            .await
            .unwrap();
        let scim = gateway.scim().await;
        let body = |at: usize| {
            json!({"userName": format!("{at}@acme.example"), "externalId": format!("{at}"),
                   "title": "Lead"})
        };
        // Two of them were there before and come back.
        for at in 0..2 {
            let id = scim.created("/Users", &body(at)).await;
            scim.send("DELETE", &format!("/Users/{id}"), None).await;
        }
        let mut creates = tokio::task::JoinSet::new();
        for at in 0..4 {
            let (scim, body) = (scim.clone(), body(at));
            creates.spawn(async move { scim.created("/Users", &body).await });
        }
        let add_and_sweep = async {
            gateway.when("title eq \"Lead\"", "Leads").await;
            gateway.work().await;
        };
        tokio::join!(creates.join_all(), add_and_sweep);
        gateway.work().await;
        assert_eq!(gateway.in_team("Leads").await, 4, "{slug}");
    }
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
    gateway.without_brake().await;
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
