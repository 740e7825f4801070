//! Plans: what would become of a change of the rules, and the change itself.

use std::time::Duration;

use gatehouse::admission::plans::{self, Proposal};
use gatehouse::admission::rules::{Missing, RuleEdit};
use gatehouse::changes::Origin;
use gatehouse::clock::Clock;
use gatehouse::workspace::keys::{Permission, Scopes};
use gatehouse::workspace::lifecycle;
use serde_json::{Value, json};

use crate::gateway::{Gateway, member, operations, users};
use crate::keys::new_key;
use crate::rules::group;

fn counts(of: &Value) -> Vec<(String, i64)> {
    let listed = of.as_array().unwrap().iter();
    let count = |it: &Value| {
        let name = it["name"].as_str().unwrap().to_owned();
        (name, it["members"].as_i64().unwrap())
    };
    listed.map(count).collect()
}

fn of(name: &str, count: i64) -> Vec<(String, i64)> {
    vec![(name.to_owned(), count)]
}

#[tokio::test]
async fn a_plan_tells_who_would_gain_and_lose_and_does_exactly_that() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 6).await;
    group(&scim, "Old", &ids[..3]).await;
    group(&scim, "New", &ids[2..]).await;
    let key = gateway.ruler(&["Old", "New"], &[]).await;
    let rule = json!({"directory": "idp", "groups": ["Old"], "teams": ["Old"]});
    let plan = json!({"action": "add", "rule": rule});
    let plan = gateway
        .asked(&key, ("POST", "/rules/plan"), plan, 201)
        .await;
    assert_eq!((&plan["members"], &plan["seats"]), (&json!(3), &json!(0)));
    assert_eq!(
        (counts(&plan["gains"]), counts(&plan["losses"])),
        (of("Old", 3), vec![])
    );
    assert_eq!(plan["sample"][0]["gains"], json!(["team Old"]));
    assert_eq!(plan["sample"][0]["user_name"], "u0@acme.example");
    assert_eq!(
        (gateway.count("rules").await, gateway.in_team("Old").await),
        (0, 0)
    );
    let apply = json!({"plan": plan["id"]});
    let applied = gateway
        .asked(&key, ("POST", "/rules/apply"), apply.clone(), 200)
        .await;
    assert_eq!(
        (&applied["changed"], &applied["rule"]),
        (&json!(3), &plan["rule"])
    );
    assert_eq!(gateway.in_team("Old").await, 3);
    let again = gateway
        .asked(&key, ("POST", "/rules/apply"), apply, 409)
        .await;
    let run = applied["run"].as_str().unwrap();
    assert!(again["detail"].as_str().unwrap().contains(run), "{again}");
    assert_eq!(again["code"], "conflict");

    // A change: two lose, one has both, three gain.
    let id = applied["rule"].as_str().unwrap();
    let edit = json!({"groups": ["New"], "teams": ["New"]});
    let plan = json!({"action": "change", "id": id, "rule": edit});
    let plan = gateway
        .asked(&key, ("POST", "/rules/plan"), plan, 201)
        .await;
    assert_eq!(
        (&plan["members"], &plan["looked_at"]),
        (&json!(6), &json!(6))
    );
    assert_eq!(
        (counts(&plan["gains"]), counts(&plan["losses"])),
        (of("New", 4), of("Old", 3))
    );
    let apply = json!({"plan": plan["id"]});
    gateway
        .asked(&key, ("POST", "/rules/apply"), apply, 200)
        .await;
    assert_eq!(
        (gateway.in_team("Old").await, gateway.in_team("New").await),
        (0, 4)
    );

    // What somebody has by hand is not lost.
    let listed = gateway
        .asked(&key, ("GET", "/members?limit=200"), Value::Null, 200)
        .await;
    let items = listed["items"].as_array().unwrap().iter();
    let last = items
        .clone()
        .find(|it| it["user_name"] == "u5@acme.example");
    let give = format!(
        "/members/{}/teams/New",
        last.unwrap()["id"].as_str().unwrap()
    );
    gateway.asked(&key, ("PUT", &give), Value::Null, 204).await;
    let plan = json!({"action": "end", "id": id});
    let plan = gateway
        .asked(&key, ("POST", "/rules/plan"), plan, 201)
        .await;
    assert_eq!(
        (counts(&plan["gains"]), counts(&plan["losses"])),
        (vec![], of("New", 3))
    );
    let shown = format!("/plans/{}", plan["id"].as_str().unwrap());
    let shown = gateway.asked(&key, ("GET", &shown), Value::Null, 200).await;
    assert_eq!(shown, plan);
    let apply = json!({"plan": plan["id"]});
    gateway
        .asked(&key, ("POST", "/rules/apply"), apply, 200)
        .await;
    assert_eq!(
        (gateway.in_team("New").await, gateway.count("rules").await),
        (1, 0)
    );
    gateway.check().await;
}

// C253
#[tokio::test]
async fn a_plan_that_would_do_something_else_by_now_is_refused_with_the_difference() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 4).await;
    let crew = group(&scim, "Crew", &ids[..2]).await;
    let key = gateway.ruler(&["Crew", "Other"], &[]).await;
    let apply = async |plan: &Value, status: u16| {
        let apply = json!({"plan": plan["id"]});
        gateway
            .asked(&key, ("POST", "/rules/apply"), apply, status)
            .await
    };
    let rule = json!({"directory": "idp", "groups": ["Crew"], "teams": ["Crew"]});
    let plan = json!({"action": "add", "rule": rule});
    let planned = gateway
        .asked(&key, ("POST", "/rules/plan"), plan, 201)
        .await;
    // A sync that concerns nobody of it is no reason to refuse; one that does is.
    scim.patch(
        &ids[3],
        json!([{"op": "replace", "value": {"title": "Lead"}}]),
    )
    .await;
    let add = operations(json!([{"op": "add", "path": "members", "value": [member(&ids[2])]}]));
    scim.send("PATCH", &format!("/Groups/{crew}"), Some(&add))
        .await;
    let stale = apply(&planned, 409).await;
    assert_eq!(
        (&stale["code"], &stale["type"]),
        (
            &json!("plan_stale"),
            &json!("urn:gatehouse:problem:plan_stale"),
        )
    );
    let difference = &stale["difference"];
    assert_eq!(
        (
            &difference["planned"]["members"],
            &difference["now"]["members"]
        ),
        (&json!(2), &json!(3))
    );
    assert_eq!(
        (
            &difference["differing"],
            &difference["sample"][0]["user_name"]
        ),
        (&json!(1), &json!("u2@acme.example"))
    );
    assert_eq!(gateway.count("rules").await, 0);
    // Taken back, it is what was told again.
    let remove = json!([{"op": "remove", "path": format!("members[value eq \"{}\"]", ids[2])}]);
    scim.send(
        "PATCH",
        &format!("/Groups/{crew}"),
        Some(&operations(remove)),
    )
    .await;
    let applied = apply(&planned, 200).await;
    assert_eq!(gateway.in_team("Crew").await, 2);

    // The rule itself moved.
    let id = applied["rule"].as_str().unwrap();
    let change = json!({"action": "change", "id": id, "rule": {"teams": ["Other"]}});
    let change = gateway
        .asked(&key, ("POST", "/rules/plan"), change, 201)
        .await;
    let edit = json!({"priority": 1});
    gateway
        .asked(&key, ("PATCH", &format!("/rules/{id}")), edit, 200)
        .await;
    let stale = apply(&change, 409).await;
    assert_eq!(
        (&stale["code"], &stale["difference"]["rule_moved"]),
        (&json!("plan_stale"), &json!(true))
    );
}

// C253
#[tokio::test]
async fn a_plan_is_applied_by_the_rights_of_now_in_its_own_workspace_alone() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 2).await;
    group(&scim, "Crew", &ids).await;
    let key = gateway.ruler(&[], &["agent"]).await;
    let rule = json!({"directory": "idp", "groups": ["Crew"], "roles": ["agent"]});
    let plan = json!({"action": "add", "rule": rule});
    let gift = gateway
        .asked(&key, ("POST", "/rules/plan"), plan, 201)
        .await;
    // The role was worth nothing when it was planned.
    let weak = gateway.key(&[Permission::RulesManage]).await;
    let roles = gateway
        .asked(&key, ("GET", "/roles"), Value::Null, 200)
        .await;
    let roles = roles["items"].as_array().unwrap().iter();
    let agent = roles.clone().find(|it| it["name"] == "agent").unwrap();
    let agent = format!("/roles/{}", agent["id"].as_str().unwrap());
    let worth = json!({"permissions": ["keys.manage"]});
    gateway.asked(&key, ("PATCH", &agent), worth, 200).await;
    let body = json!({"plan": gift["id"]});
    let answer = gateway
        .ask(&weak, "POST", "/rules/apply", body.clone())
        .await;
    assert_eq!(answer.status, 403, "{}", answer.text);

    // Another workspace's plan is not there, and a suspended one applies nothing.
    let theirs = gateway.other_workspace().await;
    let workspace = gatehouse::workspace::find(&gateway.app, "other")
        .await
        .unwrap();
    let new = new_key(&[Permission::RulesManage]);
    let (_, foreign) = gateway.key_of(Some(&workspace), new).await;
    assert_ne!(theirs.directory.workspace, gateway.workspace.id);
    let path = "/workspaces/other/rules/apply";
    let answer = gateway.api(&foreign, "POST", path, Some(&body)).await;
    assert_eq!(answer.status, 404, "{}", answer.text);
    lifecycle::suspend(&gateway.app, &Origin::cli(), &gateway.workspace)
        .await
        .unwrap();
    let answer = gateway.ask(&key, "POST", "/rules/apply", body).await;
    assert!([401, 403, 404].contains(&answer.status), "{}", answer.text);
    assert_eq!(gateway.count("rules").await, 0);
}

// C253
#[tokio::test]
async fn a_plan_is_good_for_a_day_and_applied_once_by_two_at_the_same_moment() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 2).await;
    group(&scim, "Crew", &ids).await;
    let key = gateway.ruler(&["Crew"], &[]).await;
    let rule = json!({"directory": "idp", "groups": ["Crew"], "teams": ["Crew"]});
    let plan = json!({"action": "add", "rule": rule});
    let late = gateway
        .asked(&key, ("POST", "/rules/plan"), plan.clone(), 201)
        .await;
    clock.advance(Duration::from_hours(25));
    let body = json!({"plan": late["id"]});
    gateway
        .asked(&key, ("POST", "/rules/apply"), body, 409)
        .await;
    let good = gateway
        .asked(&key, ("POST", "/rules/plan"), plan, 201)
        .await;
    assert_eq!(gateway.count("plans").await, 1, "what is over is let go");
    let body = json!({"plan": good["id"]});
    let (one, other) = tokio::join!(
        gateway.ask(&key, "POST", "/rules/apply", body.clone()),
        gateway.ask(&key, "POST", "/rules/apply", body)
    );
    let mut both = [one.status, other.status];
    both.sort_unstable();
    assert_eq!(both, [200, 409]);
    assert_eq!(
        (gateway.count("rules").await, gateway.in_team("Crew").await),
        (1, 2)
    );
    gateway.check().await;
}

#[tokio::test]
async fn what_a_deleted_group_would_take_is_told_and_not_done() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 4).await;
    let inner = group(&scim, "Inner", &ids[..2]).await;
    let outer = group(&scim, "Outer", &ids[1..3]).await;
    let nest = operations(json!([{"op": "add", "path": "members", "value": [member(&inner)]}]));
    scim.send("PATCH", &format!("/Groups/{outer}"), Some(&nest))
        .await;
    gateway.rule(&["Inner"], "Inner").await;
    gateway.rule(&["Outer"], "Outer").await;
    let key = gateway.ruler(&[], &[]).await;
    let told = async |name: &str| {
        let body = json!({"directory": "idp", "group": name});
        gateway
            .asked(&key, ("POST", "/groups/plan-delete"), body, 201)
            .await
    };
    // u1 is in the outer group itself as well.
    let plan = told("Inner").await;
    assert_eq!(
        (&plan["action"], &plan["members"]),
        (&json!("delete_group"), &json!(2))
    );
    let mut losses = counts(&plan["losses"]);
    losses.sort();
    assert_eq!(losses, [("Inner".to_owned(), 2), ("Outer".to_owned(), 1)]);
    assert_eq!(counts(&told("Outer").await["losses"]), of("Outer", 3));
    let apply = json!({"plan": plan["id"]});
    gateway
        .asked(&key, ("POST", "/rules/apply"), apply, 409)
        .await;
    scim.send("DELETE", &format!("/Groups/{inner}"), None).await;
    assert_eq!(
        (
            gateway.in_team("Inner").await,
            gateway.in_team("Outer").await
        ),
        (0, 2)
    );
    let body = json!({"directory": "idp", "group": "Nobody's"});
    gateway
        .asked(&key, ("POST", "/groups/plan-delete"), body, 404)
        .await;
    gateway.check().await;
}

#[tokio::test]
async fn a_plan_makes_what_the_rule_would_make() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 2).await;
    group(&scim, "Crew", &ids).await;
    let key = gateway.ruler(&[], &[]).await;
    let by = (&Origin::cli(), &Scopes::everything());
    let workspace = gateway.workspace.id;
    let edit = || RuleEdit {
        directory: Some("idp".to_owned()),
        groups: Some(vec!["Crew".to_owned()]),
        teams: Some(vec!["Crew".to_owned(), "Other".to_owned()]),
        roles: Some(vec!["agent".to_owned()]),
        ..RuleEdit::default()
    };
    let planned = async || {
        let what = (Proposal::Add { rule: edit() }, Missing::Foresee);
        plans::plan(&gateway.app, by, workspace, what)
            .await
            .unwrap()
    };
    let plan = planned().await;
    let makes = ["team Crew", "team Other", "role agent"];
    let told: std::collections::BTreeSet<_> = plan.told.makes.iter().cloned().collect();
    assert_eq!(told, makes.map(str::to_owned).into_iter().collect());
    assert_eq!(plan.told.gains.len(), 3);
    assert!(
        plan.told
            .gains
            .iter()
            .all(|gain| gain.members == 2 && !gain.name.is_empty())
    );
    assert_eq!(gateway.count("teams").await, 0, "only told");
    // Somebody makes one of them meanwhile: that is another one than was told.
    gateway
        .asked(&key, ("POST", "/teams"), json!({"name": "Other"}), 201)
        .await;
    let apply = |plan: &uuid::Uuid| json!({"plan": plan});
    let stale = gateway
        .asked(&key, ("POST", "/rules/apply"), apply(&plan.id), 409)
        .await;
    assert_eq!(stale["code"], "plan_stale");
    let plan = planned().await;
    assert_eq!(plan.told.makes.len(), 2);
    gateway
        .asked(&key, ("POST", "/rules/apply"), apply(&plan.id), 200)
        .await;
    assert_eq!(
        (
            gateway.in_team("Crew").await,
            gateway.in_team("Other").await
        ),
        (2, 2)
    );
    // Over the API a rule names what is there, and so does its plan.
    let rule = json!({"directory": "idp", "groups": ["Crew"], "teams": ["Nobody's"]});
    let plan = json!({"action": "add", "rule": rule});
    gateway
        .asked(&key, ("POST", "/rules/plan"), plan, 400)
        .await;
    gateway.check().await;
}

#[tokio::test]
async fn what_moves_while_a_plan_is_looked_at_is_looked_at_again() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 12).await;
    let crew = group(&scim, "Crew", &ids[..6]).await;
    let key = gateway.ruler(&["Crew"], &[]).await;
    let rule = json!({"directory": "idp", "groups": ["Crew"], "teams": ["Crew"]});
    let plan = json!({"action": "add", "rule": rule});
    let plan = gateway
        .asked(&key, ("POST", "/rules/plan"), plan, 201)
        .await;
    let path = format!("/Groups/{crew}");
    let add = operations(json!([{"op": "add", "path": "members", "value": [member(&ids[7])]}]));
    let apply = json!({"plan": plan["id"]});
    let (applied, patched) = tokio::join!(
        gateway.ask(&key, "POST", "/rules/apply", apply),
        scim.send("PATCH", &path, Some(&add))
    );
    assert!([200, 204].contains(&patched.0));
    // Either it was applied to six, and the seventh came after it, or it is stale.
    match applied.status {
        200 => assert_eq!(applied.body["changed"], 6),
        _ => assert_eq!(applied.body["code"], "plan_stale", "{}", applied.text),
    }
    gateway.check().await;
}
