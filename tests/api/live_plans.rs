//! What a directory's going live gives and takes, told before it is done.

use gatehouse::admission::rules::{self, NewRule};
use gatehouse::changes::Origin;
use gatehouse::store::grants::GrantKind;
use gatehouse::workspace::manual::Right;
use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway, Scim, users};
use crate::rules::group;

impl Gateway {
    pub(crate) async fn live_plan(&self, scim: &Scim) -> Value {
        let answer = self.of(scim, "POST", "/live/plan", Value::Null).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body
    }
}

fn counted(of: &Value) -> Vec<(&str, &str, i64)> {
    let listed = of.as_array().unwrap().iter();
    let counted = listed.map(|it| {
        let count = it["members"].as_i64().unwrap();
        (
            it["kind"].as_str().unwrap(),
            it["name"].as_str().unwrap(),
            count,
        )
    });
    counted.collect()
}

fn sampled<'p>(plan: &'p Value, name: &str) -> &'p Value {
    let mut all = plan["sample"].as_array().unwrap().iter();
    let found = all.find(|it| it["user_name"] == name);
    found.unwrap_or_else(|| panic!("{name} is not in {plan}"))
}

/// The answer to a plan that is stale tells what was planned and what differs, five people of whom all
/// are named.
fn tells_difference(stale: &Answer, plan: &Value) {
    assert_eq!(
        (stale.status, &stale.body["code"]),
        (409, &json!("plan_stale")),
        "{}",
        stale.text
    );
    let difference = &stale.body["difference"];
    assert_eq!(
        counted(&difference["planned"]["gains"]),
        counted(&plan["gains"])
    );
    assert_eq!(
        (&difference["planned"]["new"], &difference["differing"]),
        (&plan["new"], &json!(5)),
        "{difference}"
    );
    assert_eq!(difference["users"].as_array().unwrap().len(), 5);
}

// C253
#[tokio::test]
async fn a_directory_gives_the_rights_that_its_plan_told_and_no_others() {
    let gateway = Gateway::new().await;
    let key = gateway.ruler(&["Crew", "Leads", "Elsewhere"], &[]).await;
    let other = gateway.second("other").await;
    let taken = json!({"userName": "taken@acme.example", "title": "Lead"});
    other.created("/Users", &taken).await;
    let entered = async |email: &str| {
        let edit = json!({ "email": email });
        gateway.enter(edit, &[]).await.unwrap().member
    };
    let (bob, eve) = (
        entered("u1@acme.example").await,
        entered("u3@acme.example").await,
    );
    let crew = Right {
        kind: GrantKind::Team,
        name: "Crew".to_owned(),
    };
    gateway.give(bob, crew).await.unwrap();
    let scim = gateway.collects().await;
    let ids = users(&scim, "u", 5).await;
    scim.created("/Users", &taken).await;
    let inner = group(&scim, "Inner", &ids[1..2]).await;
    let within = json!({"displayName": "Crew", "members": [
        {"value": ids[0]}, {"value": ids[3]}, {"value": inner, "type": "Group"},
    ]});
    scim.created("/Groups", &within).await;
    group(&scim, "Others", &[]).await;
    scim.patch(
        &ids[2],
        json!([{"op": "replace", "path": "title", "value": "Lead"}]),
    )
    .await;
    let add = async |rule: Value| gateway.asked(&key, ("POST", "/rules"), rule, 201).await;
    add(json!({"directory": "idp", "groups": ["Crew"], "teams": ["Crew"]})).await;
    add(json!({"directory": "idp", "when": "title eq \"Lead\"", "teams": ["Leads"]})).await;
    let plan = gateway.live_plan(&scim).await;
    // Bob has the team by hand, and whoever stands in the way gets nothing.
    assert_eq!(
        counted(&plan["gains"]),
        [("team", "Crew", 2), ("team", "Leads", 1)],
        "{plan}"
    );
    assert_eq!(plan["losses"], json!([]));
    let gains = |name: &str| sampled(&plan, name)["gains"].clone();
    assert_eq!(gains("u0@acme.example"), json!(["team Crew"]));
    assert_eq!(gains("u1@acme.example"), json!([]));
    assert_eq!(gains("u2@acme.example"), json!(["team Leads"]));
    assert_eq!(gains("u3@acme.example"), json!(["team Crew"]));
    assert_eq!(gains("u4@acme.example"), json!([]));
    assert_eq!(gains("taken@acme.example"), json!([]));
    assert_eq!(sampled(&plan, "u3@acme.example")["member"], json!(eve));
    // A rule that concerns none of them is no reason to refuse.
    add(json!({"directory": "idp", "groups": ["Others"], "teams": ["Elsewhere"]})).await;
    assert_eq!(gateway.live_plan(&scim).await["hash"], plan["hash"]);
    // One that makes all of them admins is.
    let everyone = NewRule {
        directory: "idp".to_owned(),
        when: Some("userName pr".to_owned()),
        roles: vec!["admin".to_owned()],
        ..NewRule::default()
    };
    rules::add(&gateway.app, &Origin::cli(), &gateway.workspace, everyone)
        .await
        .unwrap();
    let present = gateway.present().await;
    let apply = json!({"hash": plan["hash"]});
    let stale = gateway.of(&scim, "POST", "/live", apply).await;
    tells_difference(&stale, &plan);
    let now = &stale.body["difference"]["now"];
    for (hash, status) in [("zz".to_owned(), 400), ("0".repeat(64), 404)] {
        let apply = json!({ "hash": hash });
        let refused = gateway.of(&scim, "POST", "/live", apply).await;
        assert_eq!(refused.status, status, "{}", refused.text);
    }
    assert!(
        counted(&now["gains"]).contains(&("role", "admin", 5)),
        "{now}"
    );
    assert_eq!(gateway.present().await, present, "nothing was done");
    assert!(gateway.listed(bob).await.roles.is_empty());
    // Agreed to, it comes out so.
    gateway
        .done(&scim, "/live", json!({"hash": now["hash"]}))
        .await;
    assert_eq!(
        (
            gateway.in_team("Crew").await,
            gateway.in_team("Leads").await
        ),
        (3, 1)
    );
    for name in ["u0", "u1", "u2", "u3", "u4"] {
        let member = gateway.member(&format!("{name}@acme.example")).await.id;
        let roles = gateway.listed(member).await.roles;
        assert!(roles.contains("admin"), "{name}: {roles:?}");
    }
    gateway.check().await;
}
