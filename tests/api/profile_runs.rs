//! Changes of rules over profiles: planned, told, applied to many by runs, undone, in time; and as part of
//! a document.

use std::time::Duration;

use gatehouse::admission::check;
use gatehouse::clock::Clock;
use gatehouse::ids::MemberId;
use gatehouse::store::details;
use gatehouse::worker::Worker;
use gatehouse::workspace::keys::Permission;
use serde_json::{Value, json};

use crate::gateway::{Gateway, users};

const HOUR: Duration = Duration::from_hours(1);

async fn many(most: i64) -> Gateway {
    Gateway::with(|config| {
        config.scim.run_threshold = most;
        config.scim.run_batch = 5;
    })
    .await
}

impl Gateway {
    /// So many members by a directory, each with a `UserID` of these letters.
    async fn numbered(&self, letters: &str, count: usize) -> Vec<MemberId> {
        let scim = match self.count("directories").await {
            0 => self.scim().await,
            _ => {
                self.scim_of(&self.workspace, crate::gateway::new_directory(letters))
                    .await
            }
        };
        users(&scim, letters, count).await;
        let mut ids = Vec::with_capacity(count);
        for at in 0..count {
            let member = self.member(&format!("{letters}{at}@acme.example")).await.id;
            let user_id = json!({"user_id": format!("{letters}-{at}")});
            self.edit(member, user_id).await.unwrap();
            ids.push(member);
        }
        ids
    }

    async fn both(&self) -> (usize, usize) {
        (self.in_team("Old").await, self.in_team("New").await)
    }
}

// C253: of a rule over profiles
#[tokio::test]
async fn a_plan_tells_whom_a_rule_over_profiles_concerns_and_is_stale_once_a_profile_differs() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let ids = gateway.numbered("F", 4).await;
    gateway.numbered("G", 3).await;
    let key = gateway.ruler(&["Old", "New"], &[]).await;
    // In no directory at all, and not in yet.
    let draft = json!({"user_id": "F-9", "email": "bob@acme.example"});
    gateway.enter(draft, &[]).await.unwrap();
    let rule = json!({"source": "profile", "when": r#"user_id sw "F-""#, "teams": ["Old"]});
    let plan = json!({"action": "add", "rule": rule});
    let plan = gateway
        .asked(&key, ("POST", "/rules/plan"), plan, 201)
        .await;
    assert_eq!(
        (&plan["members"], &plan["looked_at"], &plan["newcomers"]),
        (&json!(5), &json!(5), &json!(0)),
        "{plan}"
    );
    assert_eq!(plan["gains"][0]["members"], 5);
    assert_eq!(gateway.both().await, (0, 0));
    gateway
        .edit(ids[0], json!({"user_id": "H-0"}))
        .await
        .unwrap();
    let apply = json!({"plan": plan["id"]});
    let stale = gateway
        .asked(&key, ("POST", "/rules/apply"), apply, 409)
        .await;
    assert_eq!(stale["code"], "plan_stale");
    let difference = &stale["difference"];
    let members = |of: &str| difference[of]["members"].clone();
    assert_eq!(
        (members("planned"), members("now"), &difference["differing"]),
        (json!(5), json!(4), &json!(1)),
        "{stale}"
    );
    assert_eq!(difference["sample"][0]["member"], json!(ids[0]));
    let plan = json!({"action": "add", "rule": rule});
    let plan = gateway
        .asked(&key, ("POST", "/rules/plan"), plan, 201)
        .await;
    let apply = json!({"plan": plan["id"]});
    let applied = gateway
        .asked(&key, ("POST", "/rules/apply"), apply, 200)
        .await;
    assert_eq!(applied["changed"], 4);
    assert_eq!(gateway.both().await, (3, 0));
    // A change: who had it loses it, who has the other letter gains.
    let id = applied["rule"].as_str().unwrap();
    let edit = json!({"when": r#"user_id sw "G-""#, "teams": ["New"]});
    let plan = json!({"action": "change", "id": id, "rule": edit});
    let plan = gateway
        .asked(&key, ("POST", "/rules/plan"), plan, 201)
        .await;
    assert_eq!(
        (&plan["gains"][0]["members"], &plan["losses"][0]["members"]),
        (&json!(3), &json!(4)),
        "{plan}"
    );
    let apply = json!({"plan": plan["id"]});
    let applied = gateway
        .asked(&key, ("POST", "/rules/apply"), apply, 200)
        .await;
    assert_eq!(gateway.both().await, (0, 3));
    let run = applied["run"].as_str().unwrap();
    let shown = format!("/runs/{run}");
    let shown = gateway.asked(&key, ("GET", &shown), Value::Null, 200).await;
    assert_eq!(
        (&shown["standing"], &shown["directory"]),
        (&json!("done"), &Value::Null)
    );
    let undo = format!("/runs/{run}/undo");
    gateway.asked(&key, ("POST", &undo), Value::Null, 201).await;
    assert_eq!(gateway.both().await, (3, 0));
    gateway.check().await;
}

#[tokio::test]
async fn a_change_that_concerns_many_profiles_is_a_run_over_those_whom_it_can_concern() {
    let gateway = many(10).await;
    gateway.without_brake().await;
    gateway.numbered("F", 20).await;
    gateway.numbered("G", 4).await;
    let key = gateway.ruler(&["Old", "New"], &[]).await;
    let rule = gateway
        .profile_rule(&key, r#"user_id sw "F-""#, json!({"teams": ["Old"]}))
        .await;
    assert_eq!(
        (&rule["state"], gateway.both().await),
        (&json!("planned"), (0, 0))
    );
    let id = rule["id"].as_str().unwrap();
    let run = format!("/runs/{}", rule["run"].as_str().unwrap());
    let shown = async |run: &str| gateway.asked(&key, ("GET", run), Value::Null, 200).await;
    assert_eq!(shown(&run).await["total"], 20);
    gateway.check().await;
    assert_eq!(gateway.both().await, (20, 0));

    let edit = json!({"teams": ["New"]});
    let changed = gateway
        .asked(&key, ("PATCH", &format!("/rules/{id}")), edit, 200)
        .await;
    let run = format!("/runs/{}", changed["run"].as_str().unwrap());
    let mut worker = Worker::new(gateway.app.clone());
    for _ in 0..3 {
        worker.round().await.unwrap();
    }
    let half = shown(&run).await;
    assert_eq!(
        (&half["standing"], &half["processed"]),
        (&json!("applying"), &json!(10))
    );
    let paused = format!("{run}/pause");
    gateway
        .asked(&key, ("POST", &paused), Value::Null, 200)
        .await;
    // Whom the run has not come to the sweeper leaves alone, and so does whoever writes them.
    gateway.work().await;
    assert_eq!(gateway.both().await, (0, 10));
    let newcomer = json!({"user_id": "F-99", "email": "bob@acme.example"});
    let newcomer = gateway.enter(newcomer, &[]).await.unwrap().member;
    let last = gateway.member("f19@acme.example").await.id;
    gateway
        .edit(last, json!({"user_id": "F-119"}))
        .await
        .unwrap();
    assert_eq!(gateway.both().await, (0, 10));
    let resumed = format!("{run}/resume");
    gateway
        .asked(&key, ("POST", &resumed), Value::Null, 200)
        .await;
    gateway.check().await;
    assert_eq!(gateway.both().await, (0, 20));
    assert!(shown(&run).await["finished_at"].is_string());
    let undo = format!("{run}/undo");
    gateway.asked(&key, ("POST", &undo), Value::Null, 201).await;
    gateway.check().await;
    assert_eq!(gateway.both().await, (20, 0));
    // The end of the rule has effect at once, before its run has come to anybody.
    gateway
        .edit(newcomer, json!({"user_id": "G-99"}))
        .await
        .unwrap();
    let ended = gateway
        .asked(&key, ("DELETE", &format!("/rules/{id}")), Value::Null, 200)
        .await;
    assert!(ended["run"].is_string());
    assert_eq!(gateway.both().await, (0, 0));
    gateway.check().await;
    assert_eq!(gateway.count("grants WHERE to_at IS NULL").await, 0);
}

#[tokio::test]
async fn such_a_rule_begins_and_ends_with_its_time_and_stops_later_ones() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    gateway.without_brake().await;
    gateway.numbered("F", 3).await;
    let key = gateway.ruler(&["Old", "New"], &[]).await;
    gateway
        .profile_rule(&key, "user_id pr", json!({"teams": ["Old"]}))
        .await;
    let (from, until) = (clock.now().after(HOUR), clock.now().after(3 * HOUR));
    let stops = json!({
        "teams": ["New"], "stop": true, "priority": 1, "from": from, "until": until,
    });
    gateway
        .profile_rule(&key, r#"user_id sw "F-1""#, stops)
        .await;
    assert_eq!(gateway.both().await, (3, 0));
    clock.advance(HOUR);
    gateway.check().await;
    assert_eq!(gateway.both().await, (2, 1));
    clock.advance(2 * HOUR);
    gateway.check().await;
    assert_eq!(gateway.both().await, (3, 0));
}

#[tokio::test]
async fn an_import_and_the_past_are_held_against_such_rules() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    gateway.without_brake().await;
    let ids = gateway.numbered("F", 2).await;
    let key = gateway.ruler(&["Old"], &[]).await;
    gateway
        .profile_rule(&key, r#"user_id sw "F-""#, json!({"teams": ["Old"]}))
        .await;
    gateway.work().await;
    let then = clock.now();
    clock.advance(HOUR);
    let table = "id,user_id\n";
    let table = format!("{table}{},X-1\n", ids[0]);
    let came = gateway.import(&key, "", "text/csv", &table).await;
    assert_eq!(came.body["rows"][0]["outcome"], "merged", "{}", came.text);
    assert_eq!(gateway.both().await, (1, 0));
    gateway.work().await;
    clock.advance(HOUR);
    let path = format!("/members/{}/restore", ids[0]);
    let back = gateway
        .asked(&key, ("POST", &path), json!({"as_of": then}), 200)
        .await;
    assert_eq!(back["fields"], json!(["user_id"]));
    assert_eq!(gateway.both().await, (2, 0));
    gateway.check().await;
}

#[tokio::test]
async fn a_document_has_rules_over_profiles_and_is_exported_as_it_is() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    gateway.numbered("F", 3).await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    let wanted = json!({
        "teams": [{"name": "Old"}],
        "rules": [{
            "source": "profile", "when": "USER_ID sw f-", "teams": ["Old"],
            "examples": [{"member": {"user_id": "F-1"}, "gives": true}],
        }],
    });
    let body = json!({"configuration": wanted, "prune": true});
    let plan = gateway
        .asked(&key, ("POST", "/configuration/plan"), body.clone(), 200)
        .await;
    assert_eq!(plan["members"]["gains"][0]["members"], 3, "{plan}");
    let mut agreed = body.clone();
    agreed["plan"] = plan["hash"].clone();
    gateway
        .asked(&key, ("POST", "/configuration/apply"), agreed, 200)
        .await;
    assert_eq!(gateway.both().await.0, 3);
    let again = gateway
        .asked(&key, ("POST", "/configuration/plan"), body, 200)
        .await;
    assert_eq!(again["effects"], json!([]));
    let exported = gateway
        .asked(&key, ("GET", "/configuration"), Value::Null, 200)
        .await;
    let rule = &exported["rules"][0];
    assert_eq!(
        (&rule["source"], rule.get("directory"), &rule["when"]),
        (&json!("profile"), None, &json!(r#"user_id sw "f-""#))
    );
    let same = json!({"configuration": exported, "prune": true});
    let same = gateway
        .asked(&key, ("POST", "/configuration/plan"), same, 200)
        .await;
    assert_eq!(same["effects"], json!([]), "{same}");
    for (says, rule) in [
        (
            "people write it themselves",
            json!({"source": "profile", "when": "picture pr", "teams": ["Old"]}),
        ),
        (
            "looks at no directory",
            json!({"source": "profile", "directory": "idp", "when": "email pr", "teams": ["Old"]}),
        ),
    ] {
        let wrong = json!({"configuration": {"rules": [rule]}});
        let refused = gateway
            .ask(&key, "POST", "/configuration/plan", wrong)
            .await;
        assert!(
            refused.status >= 400 && refused.text.contains(says),
            "{}",
            refused.text
        );
    }
    gateway.check().await;
}

#[tokio::test]
async fn verify_finds_who_does_not_have_what_such_a_rule_gives() {
    let gateway = Gateway::new().await;
    let ids = gateway.numbered("F", 2).await;
    let key = gateway.ruler(&["Old"], &[]).await;
    gateway
        .profile_rule(&key, r#"user_id sw "F-""#, json!({"teams": ["Old"]}))
        .await;
    gateway.check().await;
    let (workspace, id) = (gateway.workspace.id, ids[0]);
    let before = gateway.details(id).await;
    let other = details::Details {
        user_id: Some("X-0".to_owned()),
        ..before
    };
    let planted = gateway.app.write(move |tx| {
        let other = other.clone();
        Box::pin(async move {
            let kept = (Some("x-0"), "user_id");
            Ok(details::update(tx, workspace, id, &other, kept).await?)
        })
    });
    assert!(planted.await.unwrap());
    let unsettled = check::count_unsettled(&gateway.app, workspace).await;
    assert_eq!(unsettled.unwrap(), 1);
}
