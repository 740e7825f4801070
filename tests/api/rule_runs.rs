//! Changes of rules that concern many: runs that are paused and undone.

use gatehouse::admission::brake::{self, Which};
use gatehouse::changes::Origin;
use gatehouse::clock::Clock;
use gatehouse::worker::Worker;
use gatehouse::workspace::keys::Permission;
use serde_json::{Value, json};

use crate::gateway::{Gateway, users};
use crate::keys::new_key;
use crate::rules::group;

async fn many(most: i64) -> Gateway {
    Gateway::with(|config| {
        config.scim.run_threshold = most;
        config.scim.run_batch = 5;
    })
    .await
}

/// Undoes a run that gave 20 members the new team instead of the old one, one of whom changed since.
async fn undone(gateway: &Gateway, key: &str, run: &str) {
    // One member changes by something else.
    let listed = gateway
        .asked(key, ("GET", "/members?limit=200"), Value::Null, 200)
        .await;
    let member = listed["items"][0]["id"].as_str().unwrap().to_owned();
    let named = json!({"phone": "+44 20 7946 0958"});
    gateway
        .asked(key, ("PATCH", &format!("/members/{member}")), named, 200)
        .await;
    let undone = gateway
        .asked(key, ("POST", &format!("{run}/undo")), Value::Null, 201)
        .await;
    let again = gateway
        .ask(key, "POST", &format!("{run}/undo"), Value::Null)
        .await;
    assert_eq!(again.status, 409, "{}", again.text);
    gateway.check().await;
    assert_eq!(
        (gateway.in_team("Old").await, gateway.in_team("New").await),
        (20, 0)
    );
    let undo = format!("/runs/{}", undone["id"].as_str().unwrap());
    let undo = gateway.asked(key, ("GET", &undo), Value::Null, 200).await;
    assert_eq!(
        (&undo["standing"], &undo["changed"]),
        (&json!("done"), &json!(20))
    );
    assert_eq!(undo["changed_since"], json!([member]));
}

#[tokio::test]
async fn a_large_change_is_a_run_that_is_paused_and_undone() {
    let gateway = many(10).await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 24).await;
    group(&scim, "Crew", &ids[..20]).await;
    let key = gateway.ruler(&["Old", "New"], &[]).await;
    let rule = json!({"directory": "idp", "groups": ["Crew"], "teams": ["Old"]});
    let rule = gateway.asked(&key, ("POST", "/rules"), rule, 201).await;
    let id = rule["id"].as_str().unwrap();
    assert_eq!(
        (&rule["state"], gateway.in_team("Old").await),
        (&json!("planned"), 0)
    );
    let busy = gateway
        .ask(
            &key,
            "PATCH",
            &format!("/rules/{id}"),
            json!({"priority": 2}),
        )
        .await;
    assert_eq!(busy.status, 409, "{}", busy.text);
    gateway.check().await;
    assert_eq!(gateway.in_team("Old").await, 20);

    let plan = json!({"action": "change", "id": id, "rule": {"teams": ["New"]}});
    let plan = gateway
        .asked(&key, ("POST", "/rules/plan"), plan, 201)
        .await;
    assert_eq!(plan["members"], 20);
    let apply = json!({"plan": plan["id"]});
    let applied = gateway
        .asked(&key, ("POST", "/rules/apply"), apply, 200)
        .await;
    let run = format!("/runs/{}", applied["run"].as_str().unwrap());
    let standing = async |run: &str| {
        let shown = gateway.asked(&key, ("GET", run), Value::Null, 200).await;
        (
            shown["standing"].clone(),
            shown["processed"].as_i64().unwrap(),
        )
    };
    // Planned, nothing is otherwise.
    assert_eq!(standing(&run).await, (json!("planned"), 0));
    assert_eq!(
        (gateway.in_team("Old").await, gateway.in_team("New").await),
        (20, 0)
    );
    let mut worker = Worker::new(gateway.app.clone());
    for _ in 0..3 {
        worker.round().await.unwrap();
    }
    let half = standing(&run).await;
    assert_eq!(half, (json!("applying"), 10));
    assert_eq!(gateway.in_team("New").await, 10);
    // Who lost it lost it when the run began.
    assert_eq!(gateway.in_team("Old").await, 0);
    let paused = gateway
        .asked(&key, ("POST", &format!("{run}/pause")), Value::Null, 200)
        .await;
    assert_eq!(paused["standing"], "paused");
    gateway.work().await;
    assert_eq!(
        (standing(&run).await.1, gateway.in_team("New").await),
        (10, 10)
    );
    let resume = format!("{run}/resume");
    let resumed = gateway
        .asked(&key, ("POST", &resume), Value::Null, 200)
        .await;
    assert_eq!(resumed["standing"], "applying");
    gateway.check().await;
    assert_eq!(standing(&run).await, (json!("done"), 20));
    assert_eq!(gateway.in_team("New").await, 20);

    undone(&gateway, &key, &run).await;
    assert_eq!(standing(&run).await.0, "undone");
    let shown = gateway
        .asked(&key, ("GET", &format!("/rules/{id}")), Value::Null, 200)
        .await;
    assert_eq!(
        (&shown["version"], &shown["teams"][0]["name"]),
        (&json!(3), &json!("Old"))
    );
    let runs = gateway
        .asked(&key, ("GET", "/runs"), Value::Null, 200)
        .await;
    assert_eq!(runs["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_rule_that_waits_again_by_an_undo_is_bound_to_the_group_that_came_meanwhile() {
    let gateway = many(10).await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 3).await;
    group(&scim, "Crew", &ids[..1]).await;
    let key = gateway.ruler(&["Old"], &[]).await;
    let rule = json!({"directory": "idp", "groups": ["Late"], "teams": ["Old"]});
    let rule = gateway.asked(&key, ("POST", "/rules"), rule, 201).await;
    let path = format!("/rules/{}", rule["id"].as_str().unwrap());
    let plan = json!({"action": "change", "id": rule["id"], "rule": {"groups": ["Crew"]}});
    let plan = gateway
        .asked(&key, ("POST", "/rules/plan"), plan, 201)
        .await;
    let apply = json!({"plan": plan["id"]});
    let applied = gateway
        .asked(&key, ("POST", "/rules/apply"), apply, 200)
        .await;
    assert_eq!(gateway.in_team("Old").await, 1);
    group(&scim, "Late", &ids[1..]).await;
    let undo = format!("/runs/{}/undo", applied["run"].as_str().unwrap());
    gateway.asked(&key, ("POST", &undo), Value::Null, 201).await;
    gateway.check().await;
    let shown = gateway.asked(&key, ("GET", &path), Value::Null, 200).await;
    assert_eq!(shown["state"], "live", "{shown}");
    assert_eq!(gateway.in_team("Old").await, 2);
}

#[tokio::test]
async fn the_end_of_a_rule_takes_access_at_once_and_is_undone_with_its_id() {
    let gateway = many(10).await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 20).await;
    group(&scim, "Crew", &ids).await;
    gateway.rule(&["Crew"], "Crew").await;
    gateway.check().await;
    assert_eq!(gateway.in_team("Crew").await, 20);
    let key = gateway.ruler(&[], &[]).await;
    let rules = gateway
        .asked(&key, ("GET", "/rules"), Value::Null, 200)
        .await;
    let rule = format!("/rules/{}", rules["items"][0]["id"].as_str().unwrap());
    let ended = gateway
        .asked(&key, ("DELETE", &rule), Value::Null, 200)
        .await;
    assert_eq!(gateway.in_team("Crew").await, 0, "before any batch");
    assert_eq!(gateway.count("grants WHERE to_at IS NULL").await, 20);
    gateway.check().await;
    assert_eq!(gateway.count("grants WHERE to_at IS NULL").await, 0);
    let undo = format!("/runs/{}/undo", ended["run"].as_str().unwrap());
    gateway.asked(&key, ("POST", &undo), Value::Null, 201).await;
    gateway.check().await;
    assert_eq!(gateway.in_team("Crew").await, 20);
    let shown = gateway.asked(&key, ("GET", &rule), Value::Null, 200).await;
    assert_eq!(
        (&shown["version"], &shown["state"]),
        (&json!(3), &json!("live"))
    );
    // Undone before it began, a change of the rule never was.
    let edit = json!({"priority": 7});
    let planned = gateway.asked(&key, ("PATCH", &rule), edit, 200).await;
    let undo = format!("/runs/{}/undo", planned["run"].as_str().unwrap());
    let undone = gateway.asked(&key, ("POST", &undo), Value::Null, 201).await;
    assert_eq!(undone["standing"], "undone");
    gateway.check().await;
    let shown = gateway.asked(&key, ("GET", &rule), Value::Null, 200).await;
    assert_eq!(
        (&shown["version"], &shown["priority"]),
        (&json!(3), &json!(0))
    );
}

#[tokio::test]
async fn the_last_admin_by_a_rule_stays_one_whatever_becomes_of_the_rule() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 3).await;
    group(&scim, "Admins", &ids).await;
    let (_, key) = gateway
        .key_of(None, new_key(&[Permission::Everything]))
        .await;
    let rule = json!({"directory": "idp", "groups": ["Admins"], "roles": ["admin"]});
    let rule = gateway.asked(&key, ("POST", "/rules"), rule, 201).await;
    let path = format!("/rules/{}", rule["id"].as_str().unwrap());
    let admins = async || {
        let listed = gateway
            .asked(&key, ("GET", "/members"), Value::Null, 200)
            .await;
        let items = listed["items"].as_array().unwrap().iter();
        items.filter(|it| it["roles"] == json!(["admin"])).count()
    };
    assert_eq!(admins().await, 3);
    gateway
        .asked(&key, ("PATCH", &path), json!({"roles": ["user"]}), 200)
        .await;
    let kept = gateway
        .count("grants WHERE hold = 'last_admin' AND to_at IS NULL")
        .await;
    assert_eq!(kept, 1);
    gateway
        .asked(&key, ("DELETE", &path), Value::Null, 200)
        .await;
    assert_eq!(admins().await, 1);
    gateway.check().await;
}

#[tokio::test]
async fn a_rule_over_many_that_is_ended_by_mistake_is_held_up_by_the_brake() {
    let gateway = many(10).await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 20).await;
    group(&scim, "Crew", &ids).await;
    gateway.rule(&["Crew"], "Crew").await;
    gateway.check().await;
    let key = gateway.ruler(&[], &[]).await;
    let rules = gateway
        .asked(&key, ("GET", "/rules"), Value::Null, 200)
        .await;
    let rule = format!("/rules/{}", rules["items"][0]["id"].as_str().unwrap());
    gateway
        .asked(&key, ("DELETE", &rule), Value::Null, 200)
        .await;
    assert_eq!(gateway.in_team("Crew").await, 20, "each is looked at first");
    gateway.check().await;
    assert_eq!(gateway.in_team("Crew").await, 15);
    let explained = gateway
        .asked(&key, ("GET", "/teams/Crew/explanation"), Value::Null, 200)
        .await;
    assert_eq!(explained["items"].as_array().unwrap().len(), 15);
    assert_eq!(explained["items"][0]["grants"][0]["braked"], true);
    let workspace = gateway.workspace.id;
    brake::release(&gateway.app, &Origin::cli(), workspace, Which::All)
        .await
        .unwrap();
    assert_eq!(gateway.in_team("Crew").await, 0);
    gateway.check().await;
}

#[tokio::test]
async fn what_a_paused_run_has_yet_to_end_is_no_fault() {
    let gateway = many(10).await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 20).await;
    group(&scim, "Crew", &ids).await;
    group(&scim, "Few", &ids[..1]).await;
    gateway.rule(&["Crew"], "Crew").await;
    gateway.check().await;
    let key = gateway.ruler(&[], &[]).await;
    let rules = gateway
        .asked(&key, ("GET", "/rules"), Value::Null, 200)
        .await;
    let rule = format!("/rules/{}", rules["items"][0]["id"].as_str().unwrap());
    let off = json!({"groups": ["Few"], "enabled": false});
    let changed = gateway.asked(&key, ("PATCH", &rule), off, 200).await;
    let run = format!("/runs/{}", changed["run"].as_str().unwrap());
    let pause = format!("{run}/pause");
    gateway
        .asked(&key, ("POST", &pause), Value::Null, 200)
        .await;
    gateway.check().await;
    assert_eq!(gateway.in_team("Crew").await, 20, "nobody is looked at yet");
    let resume = format!("{run}/resume");
    gateway
        .asked(&key, ("POST", &resume), Value::Null, 200)
        .await;
    gateway.check().await;
    assert_eq!(gateway.in_team("Crew").await, 15);
}

#[tokio::test]
async fn what_an_undone_run_had_yet_to_end_is_no_fault_while_another_one_waits() {
    let gateway = many(10).await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 20).await;
    group(&scim, "Crew", &ids).await;
    group(&scim, "Few", &ids[..1]).await;
    gateway.rule(&["Crew"], "Crew").await;
    gateway.check().await;
    let key = gateway.ruler(&["Deck"], &[]).await;
    let rules = gateway.asked(&key, ("GET", "/rules"), Value::Null, 200);
    let rule = format!("/rules/{}", rules.await["items"][0]["id"].as_str().unwrap());
    let act = async |run: &str, act: &str, expect: u16| {
        let path = format!("/runs/{run}/{act}");
        let shown = gateway.asked(&key, ("POST", &path), Value::Null, expect);
        shown.await["id"].as_str().unwrap().to_owned()
    };
    let other = json!({"directory": "idp", "groups": ["Crew"], "teams": ["Deck"]});
    let other = gateway.asked(&key, ("POST", "/rules"), other, 201).await;
    let other = other["run"].as_str().unwrap();
    Worker::new(gateway.app.clone()).round().await.unwrap();
    act(other, "pause", 200).await;
    let off = json!({"groups": ["Few"], "enabled": false});
    let changed = gateway.asked(&key, ("PATCH", &rule), off, 200).await;
    let run = changed["run"].as_str().unwrap();
    act(run, "pause", 200).await;
    let undo = act(run, "undo", 201).await;
    act(&undo, "pause", 200).await;
    gateway.check().await;
    assert_eq!(gateway.in_team("Crew").await, 20, "nobody is looked at yet");
    act(&undo, "resume", 200).await;
    act(other, "resume", 200).await;
    gateway.check().await;
    assert_eq!(gateway.in_team("Crew").await, 20);
    assert_eq!(gateway.in_team("Deck").await, 20);
}

#[tokio::test]
async fn a_run_that_fails_keeps_no_other_waiting_and_says_why() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |config| {
        config.scim.run_threshold = 3;
        config.scim.run_batch = 5;
    })
    .await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 6).await;
    group(&scim, "Crew", &ids).await;
    group(&scim, "Deck", &ids).await;
    gateway.work().await;
    let key = gateway.ruler(&["Crew", "Deck"], &[]).await;
    let rule = json!({"directory": "idp", "groups": ["Crew"], "teams": ["Crew"]});
    let rule = gateway.asked(&key, ("POST", "/rules"), rule, 201).await;
    gateway.work().await;
    let change = json!({"stop": true, "teams": ["Deck"]});
    let path = format!("/rules/{}", rule["id"].as_str().unwrap());
    let changed = gateway.asked(&key, ("PATCH", &path), change, 200).await;
    let failing = format!("/runs/{}", changed["run"].as_str().unwrap());
    let damage = async |body: &'static str| {
        let damaged = gateway.app.write(move |tx| {
            Box::pin(async move {
                let damaged = tx
                    .query("UPDATE runs SET after_body = $1 || after_body WHERE state = $2")
                    .bind(body.to_owned())
                    .bind("planned".to_owned());
                Ok(damaged.execute().await?)
            })
        });
        assert_eq!(damaged.await.unwrap(), 1);
    };
    damage("damaged").await;
    clock.advance(std::time::Duration::from_secs(1));
    let other = json!({"directory": "idp", "groups": ["Deck"], "teams": ["Crew"]});
    let other = gateway.asked(&key, ("POST", "/rules"), other, 201).await;
    let other = format!("/runs/{}", other["run"].as_str().unwrap());
    let shown = async |path: &str| gateway.asked(&key, ("GET", path), Value::Null, 200).await;
    // One batch after the other of what can be done, and the other again now and then.
    gateway.work().await;
    assert_eq!(shown(&other).await["standing"], "done");
    let first = shown(&failing).await;
    assert_eq!(
        (&first["standing"], &first["attempts"], &first["last_error"]),
        (&json!("planned"), &json!(1), &json!("internal error")),
        "{first}"
    );
    gateway.work().await;
    assert_eq!(shown(&failing).await["attempts"], 1);
    for (seconds, attempts) in [(5, 2), (5, 2), (5, 3), (600, 4), (600, 5)] {
        clock.advance(std::time::Duration::from_secs(seconds));
        gateway.work().await;
        assert_eq!(shown(&failing).await["attempts"], attempts);
    }
    // What was wrong with it is mended.
    let mended = gateway.app.write(move |tx| {
        Box::pin(async move {
            let mended = tx
                .query("UPDATE runs SET after_body = REPLACE(after_body, $1, '')")
                .bind("damaged".to_owned());
            Ok(mended.execute().await?)
        })
    });
    mended.await.unwrap();
    clock.advance(std::time::Duration::from_mins(10));
    gateway.check().await;
    let done = shown(&failing).await;
    assert_eq!(
        (&done["standing"], &done["attempts"], &done["last_error"]),
        (&json!("done"), &json!(0), &Value::Null)
    );
    assert_eq!(gateway.in_team("Deck").await, 6);
}
