//! What a document's rules come to for members, told before it is applied.

use gatehouse::store::faults::Fault;
use gatehouse::workspace::keys::Permission;
use serde_json::{Value, json};

use crate::gateway::{Gateway, member, operations, users};
use crate::rules::group;

fn count<'v>(plan: &'v Value, list: &str, name: &str) -> &'v Value {
    let all = plan["members"][list].as_array().unwrap();
    let found = all.iter().find(|it| it["name"] == name);
    found.map_or(&Value::Null, |it| &it["members"])
}

// C253
#[tokio::test]
async fn a_plan_tells_who_gains_and_loses_by_the_rules_of_the_document() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 9).await;
    group(&scim, "Crew", &ids[..6]).await;
    let deck = group(&scim, "Deck", &ids[4..8]).await;
    gateway.rule(&["Crew"], "Sailors").await;
    gateway.work().await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    let wanted = json!({
        "teams": [{"name": "Sailors"}, {"name": "Hands"}],
        "rules": [{"directory": "idp", "groups": ["Deck"], "teams": ["Hands", "Sailors"]}],
    });
    let body = json!({"configuration": wanted, "prune": true});
    let changes = gateway.count("changes").await;
    let path = "/configuration/plan";
    let plan = gateway.asked(&key, ("POST", path), body.clone(), 200).await;
    assert_eq!(gateway.count("changes").await, changes);
    let gains = ["Hands", "Sailors"].map(|name| count(&plan, "gains", name).clone());
    assert_eq!(gains, [json!(4), json!(2)], "{plan}");
    assert_eq!(count(&plan, "losses", "Sailors"), 4, "{plan}");
    assert_eq!(plan["members"]["members"], 8);
    // The team is made anew each time it is tried, and it is the same plan.
    let same = gateway.asked(&key, ("POST", path), body.clone(), 200).await;
    assert_eq!(same["hash"], plan["hash"]);

    let op = json!([{"op": "add", "path": "members", "value": [member(&ids[8])]}]);
    let added = scim
        .send("PATCH", &format!("/Groups/{deck}"), Some(&operations(op)))
        .await;
    assert!([200, 204].contains(&added.0), "{}", added.1);
    let apply = |hash: &Value| {
        let mut body = body.clone();
        body["plan"] = hash.clone();
        body
    };
    let path = "/configuration/apply";
    let stale = gateway.ask(&key, "POST", path, apply(&plan["hash"])).await;
    assert_eq!(
        (stale.status, &stale.body["code"]),
        (409, &json!("plan_stale")),
        "{}",
        stale.text
    );
    let now = &stale.body["difference"];
    assert_eq!(count(now, "gains", "Hands"), 5, "{now}");
    assert_eq!(gateway.in_teams("Sailors", "Hands").await, (6, 0));
    let done = apply(&now["hash"]);
    let done = gateway.asked(&key, ("POST", path), done, 200).await;
    assert_eq!(done["hash"], now["hash"]);
    gateway.check().await;
    assert_eq!(gateway.in_teams("Sailors", "Hands").await, (5, 5));
    // Nothing is left to do, and nobody is concerned.
    let path = "/configuration/plan";
    let plan = gateway.asked(&key, ("POST", path), body, 200).await;
    assert_eq!(
        (&plan["effects"], &plan["members"]),
        (&json!([]), &Value::Null)
    );
}

/// What a run is still to write counts as written.
#[tokio::test]
async fn a_plan_tells_of_rules_that_runs_will_write() {
    let gateway = Gateway::with(|config| {
        config.scim.run_threshold = 3;
        config.scim.run_batch = 2;
    })
    .await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 5).await;
    group(&scim, "Crew", &ids).await;
    gateway.rule(&["Crew"], "Sailors").await;
    gateway.check().await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    let wanted = json!({
        "teams": [{"name": "Hands"}],
        "rules": [{
            "directory": "idp", "groups": ["Crew"], "teams": ["Hands", "Sailors"], "priority": 3,
        }],
    });
    let body = json!({"configuration": wanted});
    let plan = gateway
        .asked(&key, ("POST", "/configuration/plan"), body.clone(), 200)
        .await;
    assert_eq!(count(&plan, "gains", "Hands"), 5, "{plan}");
    assert_eq!(plan["members"]["losses"], json!([]));
    let mut apply = body.clone();
    apply["plan"] = plan["hash"].clone();
    gateway
        .asked(&key, ("POST", "/configuration/apply"), apply, 200)
        .await;
    assert_eq!(gateway.in_team("Hands").await, 0);
    gateway.check().await;
    assert_eq!(gateway.in_teams("Sailors", "Hands").await, (5, 5));
}

impl Gateway {
    /// How many statements the longest write of a request has.
    pub(crate) async fn longest_write(&self, key: &str, path: &str, body: &Value) -> u32 {
        for statement in 1.. {
            let faults = self.app.db.faults();
            faults.arm(statement, Fault::Error);
            let answer = self.ask(key, "POST", path, body.clone()).await;
            if faults.disarm() {
                assert_eq!(answer.status, 200, "{}", answer.text);
                return statement - 1;
            }
        }
        unreachable!("a write has an end")
    }
}

#[tokio::test]
async fn a_plan_looks_at_members_beside_other_writes() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    let crew = group(&scim, "Crew", &[]).await;
    gateway.rule(&["Crew"], "Sailors").await;
    gateway.check().await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    let wanted = json!({
        "teams": [{"name": "Sailors"}, {"name": "Hands"}],
        "rules": [{"directory": "idp", "groups": ["Crew"], "teams": ["Hands"]}],
    });
    let body = json!({"configuration": wanted, "prune": true});
    let path = "/configuration/plan";
    let of_nobody = gateway.longest_write(&key, path, &body).await;
    let ids = users(&scim, "u", 9).await;
    let members: Vec<_> = ids.iter().map(|id| member(id)).collect();
    let op = json!([{"op": "add", "path": "members", "value": members}]);
    let added = scim
        .send("PATCH", &format!("/Groups/{crew}"), Some(&operations(op)))
        .await;
    assert!([200, 204].contains(&added.0), "{}", added.1);
    assert_eq!(gateway.in_team("Sailors").await, 9);
    gateway.check().await;
    assert_eq!(gateway.longest_write(&key, path, &body).await, of_nobody);
    let plan = gateway.asked(&key, ("POST", path), body, 200).await;
    assert_eq!(count(&plan, "gains", "Hands"), 9, "{plan}");
    assert_eq!(count(&plan, "losses", "Sailors"), 9, "{plan}");
}
