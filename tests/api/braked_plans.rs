//! The brake in what is planned and undone: a plan tells what it would hold, and what a run gave by
//! mistake it does not hold.

use std::time::Duration;

use gatehouse::admission::brake::{self, Mode};
use gatehouse::clock::Clock;
use serde_json::{Value, json};
use tracing::Level;

use crate::gateway::{Gateway, users};
use crate::limits::Log;
use crate::rules::group;

impl Gateway {
    /// Plans a change of a rule and applies it; gives the plan and what came of it.
    async fn carried(&self, key: &str, proposal: Value) -> (Value, Value) {
        let plan = self
            .asked(key, ("POST", "/rules/plan"), proposal, 201)
            .await;
        let apply = json!({"plan": plan["id"]});
        let applied = self.asked(key, ("POST", "/rules/apply"), apply, 200).await;
        self.check().await;
        (plan, applied)
    }

    /// A run, by its id.
    async fn run(&self, key: &str, id: &Value) -> Value {
        let path = format!("/runs/{}", id.as_str().unwrap());
        self.asked(key, ("GET", &path), Value::Null, 200).await
    }

    /// Undoes a run, with all that comes of it; gives the run that did.
    async fn undone(&self, key: &str, id: &Value) -> Value {
        let path = format!("/runs/{}/undo", id.as_str().unwrap());
        let undo = self.asked(key, ("POST", &path), Value::Null, 201).await;
        self.check().await;
        self.run(key, &undo["id"]).await
    }

    async fn brake_stands(&self) -> (i64, i64) {
        let shown = brake::show(&self.app, self.workspace.id).await.unwrap();
        (shown.lost, shown.held)
    }
}

// C076 C253
#[tokio::test]
async fn what_a_mistaken_rule_gave_is_gone_with_its_undoing() {
    // At once, and by a run.
    for most in [1000, 10] {
        let gateway = Gateway::with(|config| {
            config.scim.run_threshold = most;
            config.scim.run_batch = 7;
        })
        .await;
        let scim = gateway.scim().await;
        let ids = users(&scim, "u", 30).await;
        group(&scim, "Crew", &ids).await;
        let key = gateway.ruler(&["Old", "New"], &[]).await;
        let rule = json!({"directory": "idp", "groups": ["Crew"], "roles": ["admin"]});
        let mistake = json!({"action": "add", "rule": rule});
        let (_, mistake) = gateway.carried(&key, mistake).await;
        let admins = async || {
            let who = gateway.ask(
                &key,
                "GET",
                "/roles/admin/explanation?limit=200",
                Value::Null,
            );
            who.await.body["items"].as_array().unwrap().len()
        };
        assert_eq!(admins().await, 30, "{most}");
        let undo = gateway.undone(&key, &mistake["run"]).await;
        assert_eq!(
            (&undo["standing"], &undo["processed"], &undo["held"]),
            (&json!("done"), &json!(30), &json!(0)),
            "{undo}"
        );
        assert_eq!(admins().await, 1, "the last admin stays one");
        assert_eq!(gateway.brake_stands().await, (0, 0), "{most}");

        // A rule that was changed from one team to another one.
        let rule = json!({"directory": "idp", "groups": ["Crew"], "teams": ["Old"]});
        let (_, first) = gateway
            .carried(&key, json!({"action": "add", "rule": rule}))
            .await;
        gateway.brake(Mode::Off).await;
        let rule = json!({"teams": ["New"]});
        let change = json!({"action": "change", "id": first["rule"], "rule": rule});
        let (_, change) = gateway.carried(&key, change).await;
        gateway.brake(Mode::Hold).await;
        assert_eq!(gateway.in_teams("Old", "New").await, (0, 30), "{most}");
        // Of one who loses it otherwise meanwhile, and so waits, it ends as well.
        let (status, _) = scim
            .send("POST", "/Groups", Some(&json!({"displayName": "Nobody"})))
            .await;
        assert_eq!(status, 201);
        gateway.undone(&key, &change["run"]).await;
        assert_eq!(gateway.in_teams("Old", "New").await, (30, 0), "{most}");
        // The rule says again what the first run wrote, which can be undone as well.
        let undo = gateway.undone(&key, &first["run"]).await;
        assert_eq!(undo["rule_version"], 4);
        assert_eq!(gateway.in_teams("Old", "New").await, (0, 0), "{most}");
        assert_eq!(gateway.brake_stands().await, (0, 0), "{most}");
    }
}

// C076
#[tokio::test]
async fn what_waits_already_ends_with_the_run_that_gave_it_and_other_losses_wait_on() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 30).await;
    let crew = group(&scim, "Crew", &ids).await;
    let key = gateway.ruler(&["Right", "Wrong"], &[]).await;
    gateway.rule(&["Crew"], "Right").await;
    let rule = json!({"directory": "idp", "groups": ["Crew"], "teams": ["Wrong"]});
    let (_, mistake) = gateway
        .carried(&key, json!({"action": "add", "rule": rule}))
        .await;
    let put = json!({"displayName": "Crew", "members": []});
    let (status, _) = scim
        .send("PUT", &format!("/Groups/{crew}"), Some(&put))
        .await;
    assert_eq!(status, 200);
    assert_eq!(gateway.in_teams("Right", "Wrong").await, (25, 25));
    // Nobody is in the group by now, and all the same what the mistake gave is gone.
    gateway.undone(&key, &mistake["run"]).await;
    assert_eq!(gateway.in_teams("Right", "Wrong").await, (25, 0));
    assert_eq!(gateway.brake_stands().await, (5, 25));

    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 30).await;
    let crew = group(&scim, "Crew", &ids).await;
    group(&scim, "All", &ids).await;
    let key = gateway.ruler(&["Right", "Wrong"], &[]).await;
    gateway.rule(&["Crew"], "Right").await;
    let rule = json!({"directory": "idp", "groups": ["All"], "teams": ["Wrong"]});
    let (_, mistake) = gateway
        .carried(&key, json!({"action": "add", "rule": rule}))
        .await;
    // Everybody would lose a team by another mistake, and waits with that.
    let (status, _) = scim
        .send("PUT", &format!("/Groups/{crew}"), Some(&put))
        .await;
    assert_eq!(status, 200);
    assert_eq!(gateway.in_teams("Right", "Wrong").await, (25, 30));
    let undo = gateway.undone(&key, &mistake["run"]).await;
    assert_eq!(undo["held"], 0, "{undo}");
    assert_eq!(gateway.in_teams("Right", "Wrong").await, (25, 0));
    assert_eq!(gateway.brake_stands().await, (5, 25));
}

// C253
#[tokio::test]
async fn a_plan_tells_of_how_many_the_brake_would_hold_it_and_until_when() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 40).await;
    group(&scim, "Crew", &ids).await;
    let key = gateway.ruler(&["Crew"], &[]).await;
    let rule = json!({"directory": "idp", "groups": ["Crew"], "teams": ["Crew"]});
    let (plan, added) = gateway
        .carried(&key, json!({"action": "add", "rule": rule}))
        .await;
    assert_eq!(
        (&plan["held"], &plan["held_until"]),
        (&json!(0), &Value::Null)
    );
    let end = json!({"action": "end", "id": added["rule"]});
    let (log, _guard) = Log::up_to(Level::WARN);
    let plan = async || {
        let path = ("POST", "/rules/plan");
        gateway.asked(&key, path, end.clone(), 201).await
    };
    let first = plan().await;
    let until = json!(clock.now().after(Duration::from_hours(1)));
    assert_eq!(
        (
            &first["losses"][0]["members"],
            &first["held"],
            &first["held_until"]
        ),
        (&json!(40), &json!(35), &until)
    );
    // Where a document says the same, so does its plan; and nobody is warned of what is not done.
    let wanted = json!({"configuration": {"rules": []}, "prune": true});
    let document = gateway
        .asked(&key, ("POST", "/configuration/plan"), wanted, 200)
        .await;
    assert_eq!(
        (
            &document["members"]["held"],
            &document["members"]["held_until"]
        ),
        (&json!(35), &until)
    );
    assert!(!log.take().contains("brake"));
    // Three who are out lose nothing and leave less room, and the plan is still the same one.
    crate::brake::off(&scim, &ids[..3]).await;
    let second = plan().await;
    assert_eq!(
        (&second["losses"][0]["members"], &second["held"]),
        (&json!(40), &json!(35))
    );
    assert_eq!(second["hash"], first["hash"]);
    let apply = json!({"plan": first["id"]});
    let applied = gateway
        .asked(&key, ("POST", "/rules/apply"), apply, 200)
        .await;
    assert!(log.take().contains("the brake holds it"));
    assert_eq!(applied["held"], 35, "{applied}");
    assert_eq!(gateway.run(&key, &applied["run"]).await["held"], 35);
    assert_eq!(gateway.in_team("Crew").await, 35);
    assert_eq!(gateway.brake_stands().await, (5, 35));
    gateway.check().await;
}
