//! What a document comes to for members beside its rules, and the directories of one.

use gatehouse::changes::Origin;
use gatehouse::configuration::{self, Applied, Configuration, Options, Plan, Standing};
use gatehouse::directory;
use gatehouse::error::Result;
use gatehouse::ids::MemberId;
use gatehouse::store::grants::GrantKind;
use gatehouse::workspace::keys::Scopes;
use gatehouse::workspace::manual::Right;
use serde_json::{Value, json};

use crate::gateway::{Gateway, users};
use crate::rules::group;

impl Gateway {
    async fn foreseen(&self, wanted: &Value, prune: bool) -> Result<Plan> {
        let by = (&Origin::cli(), &Scopes::everything());
        let wanted: Configuration = serde_json::from_value(wanted.clone()).unwrap();
        configuration::plan(&self.app, by, &self.workspace, wanted, prune).await
    }

    async fn configured(&self, wanted: &Value, plan: Option<String>) -> Result<Applied> {
        let by = (&Origin::cli(), &Scopes::everything());
        let wanted: Configuration = serde_json::from_value(wanted.clone()).unwrap();
        let options = Options { prune: false, plan };
        configuration::apply(&self.app, by, &self.workspace, wanted, options).await
    }

    async fn gets(&self, member: MemberId, kind: GrantKind, name: &str) {
        let name = name.to_owned();
        self.give(member, Right { kind, name }).await.unwrap();
    }
}

fn told(standing: &Standing) -> [Vec<(&str, usize)>; 2] {
    [&standing.gains, &standing.losses].map(|list| {
        let list = list.iter().map(|of| (of.what.as_str(), of.members));
        list.collect::<Vec<_>>()
    })
}

// C253
#[tokio::test]
async fn a_plan_tells_who_gains_and_loses_by_teams_roles_and_the_access_of_admins() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    users(&scim, "u", 5).await;
    let before = json!({
        "teams": [{"name": "Support"}, {"name": "Night", "enabled": false}],
        "roles": [
            {"name": "Lead", "permissions": ["members.read", "teams.manage"]},
            {"name": "Other", "permissions": ["teams.manage"]},
        ],
    });
    gateway.configured(&before, None).await.unwrap();
    let mut ids = Vec::new();
    for at in 0..5 {
        ids.push(gateway.member(&format!("u{at}@acme.example")).await.id);
    }
    gateway.gets(ids[0], GrantKind::Team, "Support").await;
    gateway.gets(ids[1], GrantKind::Team, "Support").await;
    gateway.gets(ids[2], GrantKind::Role, "Lead").await;
    // One keeps by another role what the one does not give any more.
    gateway.gets(ids[3], GrantKind::Role, "Lead").await;
    gateway.gets(ids[3], GrantKind::Role, "Other").await;
    gateway.gets(ids[4], GrantKind::Role, "admin").await;
    let wanted = json!({
        "admins_in_all_teams": true,
        "teams": [{"name": "Support", "archived": true}, {"name": "NIGHT"}],
        "roles": [{"name": "Lead", "permissions": ["members.read", "rules.manage"]}],
    });
    let plan = gateway.foreseen(&wanted, false).await.unwrap();
    let access = plan.access.as_ref().unwrap();
    assert_eq!(
        told(access),
        [
            vec![("permission rules.manage", 2), ("team Night", 1)],
            vec![("permission teams.manage", 1), ("team Support", 2)],
        ]
    );
    assert_eq!((access.members, &plan.members), (5, &None));
    // Whoever comes to be concerned makes it another plan.
    gateway.gets(ids[2], GrantKind::Team, "Support").await;
    let now = match gateway.configured(&wanted, Some(plan.hash)).await.unwrap() {
        Applied::Stale(now) => now,
        Applied::Done(done) => panic!("{done}"),
    };
    let losses = told(now.access.as_ref().unwrap())[1].clone();
    assert_eq!(losses[1], ("team Support", 3));
    let applied = gateway.configured(&wanted, Some(now.hash)).await.unwrap();
    assert!(matches!(applied, Applied::Done(_)), "{applied:?}");
    let plan = gateway.foreseen(&wanted, false).await.unwrap();
    assert!(plan.effects.is_empty() && plan.access.is_none(), "{plan}");
    gateway.check().await;
}

#[tokio::test]
async fn a_directory_gets_another_name_by_its_id_and_one_that_is_not_named_is_told_of() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 3).await;
    group(&scim, "Crew", &ids).await;
    gateway.rule(&["Crew"], "Sailors").await;
    gateway.check().await;
    let exported = configuration::export(&gateway.app, &gateway.workspace).await;
    let mut wanted = json!(exported.unwrap());
    assert_eq!(wanted["directories"][0]["id"], json!(scim.directory.id));
    wanted["directories"][0]["name"] = json!("People");
    wanted["rules"][0]["directory"] = json!("People");
    let plan = gateway.foreseen(&wanted, true).await.unwrap();
    let text = plan.to_string();
    assert_eq!(
        text.lines().take(2).collect::<Vec<_>>(),
        ["~ directory \"idp\"", "    name: \"idp\" -> \"People\""],
        "{text}"
    );
    assert_eq!((plan.effects.len(), plan.unnamed.len()), (1, 0), "{text}");
    gateway.configured(&wanted, Some(plan.hash)).await.unwrap();
    let named = directory::find(&gateway.app, gateway.workspace.id, "people").await;
    assert_eq!(named.unwrap().id, scim.directory.id);
    let again = gateway.foreseen(&wanted, true).await.unwrap();
    assert!(again.effects.is_empty(), "{again}");
    assert_eq!(gateway.in_team("Sailors").await, 3);
    // An id that is nobody's counts for nothing.
    wanted["directories"][0]["id"] = json!("01890000-0000-7000-8000-000000000000");
    let again = gateway.foreseen(&wanted, true).await.unwrap();
    assert!(again.effects.is_empty(), "{again}");
    // Not even to prune ends one that has people.
    let none = json!({"directories": []});
    let plan = gateway.foreseen(&none, true).await.unwrap();
    assert!(plan.effects.is_empty(), "{plan}");
    let unnamed = &plan.unnamed[0];
    assert_eq!((unnamed.name.as_str(), unnamed.users), ("People", 3));
    assert!(
        plan.to_string()
            .contains("is not named and stays, with its 3 users")
    );
    let done = gateway.configured(&none, None).await.unwrap();
    assert!(matches!(done, Applied::Done(_)));
    assert_eq!(gateway.present().await, 3);
    // Another one's name is taken.
    let second = gateway.second("second").await;
    let taken = json!({"directories": [{
        "id": second.directory.id, "name": "People", "kind": "generic", "mode": "live",
    }]});
    let taken = gateway.foreseen(&taken, false).await.unwrap_err();
    assert_eq!(taken.to_string(), "name is already taken");
    gateway.check().await;
}
