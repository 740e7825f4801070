//! `gatehouse rule` and `gatehouse run`: a rule is planned, applied, changed, undone and ended.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;

use serde_json::{Value, json};

use crate::deployment::Deployment;
use crate::telling::Client;
use crate::with_directory;

/// A directory with two people in a group `Sales`, and what they have.
async fn sales() -> (Deployment, Value) {
    let (deployment, directory) = with_directory("generic").await;
    deployment.value("brake set acme --mode off");
    // A plan makes no team.
    for team in ["Sales", "Support"] {
        deployment.value(&format!("team create --workspace acme --name {team}"));
    }
    let server = deployment.serve().await;
    let token = directory["token"].as_str().unwrap().to_owned();
    let client = Client {
        server: &server,
        token,
    };
    let users = [client.user("ada").await, client.user("bob").await];
    client.group("Sales", &users).await;
    server.stop();
    (deployment, directory)
}

fn teams(deployment: &Deployment) -> Vec<Value> {
    let listed = deployment.value("members list --workspace acme");
    let listed = listed.as_array().unwrap().iter();
    listed.map(|member| member["teams"].clone()).collect()
}

#[tokio::test]
async fn a_rule_is_planned_applied_and_the_run_undone() {
    let (deployment, _) = sales().await;
    let add = "rule add --workspace acme --directory idp --group Sales --team Sales";
    let plan = deployment.value(&format!("{add} --plan"));
    assert_eq!(plan["members"], 2);
    assert_eq!(teams(&deployment), [json!([]), json!([])], "it only tells");
    let id = plan["id"].as_str().unwrap();
    deployment.tells(
        &format!("rule plan --workspace acme --plan {id}"),
        &["2 of 2 users", "2 would gain team \"Sales\"", "ada: +"],
    );
    let apply = format!("rule apply --workspace acme --plan {id}");
    let done = deployment.value(&apply);
    assert_eq!(teams(&deployment), [json!(["Sales"]), json!(["Sales"])]);
    deployment.refuses(&apply, 4, "applied already");
    let unknown = uuid::Uuid::nil();
    deployment.refuses(
        &format!("rule apply --workspace acme --plan {unknown}"),
        3,
        "plan not found",
    );

    let run = done["run"].as_str().unwrap();
    let named = format!("--workspace acme --run {run}");
    let listed = deployment.value("run list --workspace acme");
    assert_eq!(listed[0]["id"], run);
    deployment.tells("run list --workspace acme", &[run, "done"]);
    let shown = deployment.value(&format!("run show {named}"));
    assert_eq!(shown["standing"], "done");
    deployment.refuses(&format!("run pause {named}"), 4, "the run is done");
    // It does not wait, and goes on being done.
    let resumed = deployment.value(&format!("run resume {named}"));
    assert_eq!(resumed["standing"], "done");
    let undone = deployment.value(&format!("run undo {named}"));
    assert_eq!(undone["standing"], "done");
    assert_eq!(teams(&deployment), [json!([]), json!([])]);
    deployment.tells(&format!("run show {named}"), &["undone"]);
    deployment.refuses(&format!("run undo {named}"), 4, "undone already");
    deployment.refuses(
        &format!("run show --workspace acme --run {unknown}"),
        3,
        "run not found",
    );
}

#[tokio::test]
async fn a_rule_is_shown_edited_bound_and_ended() {
    let (deployment, _) = sales().await;
    let add = "rule add --workspace acme --directory idp --group Sales --team Sales";
    let rule = deployment.value(add);
    let id = rule["id"].as_str().unwrap();
    let named = format!("--workspace acme --rule {id}");
    deployment.tells(&format!("rule show {named}"), &[id, "Sales"]);
    let plan = deployment.value(&format!("rule edit {named} --team Support --plan"));
    assert_eq!(plan["members"], 2);
    deployment.tells(
        &format!("rule edit {named} --team Support --priority 5 --language de"),
        &["2 members changed"],
    );
    assert_eq!(teams(&deployment), [json!(["Support"]), json!(["Support"])]);
    // What was planned against the version before is not applied.
    let stale = plan["id"].as_str().unwrap();
    let stale = format!("rule apply --workspace acme --plan {stale}");
    let output = deployment.run(&stale.split(' ').collect::<Vec<_>>());
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stdout).contains("plan anew"));
    deployment.tells(
        "rule list --workspace acme",
        &[id, "priority 5", "language de"],
    );
    deployment.tells(&format!("rule rebind {named}"), &["bound"]);
    deployment.refuses(
        "rule add --workspace acme --directory idp --group Sales",
        2,
        "must give at least one",
    );
    deployment.refuses(&format!("rule edit {named} --from soon"), 2, "--from must");
    let examples = deployment.folder().join("examples.json");
    fs::write(&examples, "{").unwrap();
    deployment.refuses(
        &format!("rule edit {named} --examples examples.json"),
        1,
        "no list of examples",
    );

    let plan = deployment.value("rule plan-delete --workspace acme --directory idp --group Sales");
    assert_eq!(plan["losses"][0]["members"], 2);
    let id = plan["id"].as_str().unwrap();
    deployment.refuses(
        &format!("rule apply --workspace acme --plan {id}"),
        4,
        "only tells",
    );
    deployment.refuses(
        "rule plan-delete --workspace acme --directory idp --group Nobody",
        3,
        "group not found",
    );
    deployment.tells(
        &format!("rule end {named} --plan"),
        &["2 would lose team \"Support\""],
    );
    deployment.tells(
        &format!("rule end {named}"),
        &["has ended: 2 members changed"],
    );
    assert_eq!(teams(&deployment), [json!([]), json!([])]);
    deployment.refuses(&format!("rule end {named}"), 3, "rule not found");
    deployment.tells(&format!("rule show {named}"), &["ended at"]);
    let unknown = "01a00000-0000-7000-8000-000000000000";
    deployment.refuses(
        &format!("rule show --workspace acme --rule {unknown}"),
        3,
        "rule not found",
    );
}

#[tokio::test]
async fn a_rule_over_profiles_is_added_planned_and_listed() {
    let (deployment, _) = sales().await;
    let add = [
        "rule",
        "add",
        "--workspace",
        "acme",
        "--profile",
        "--team",
        "Sales",
    ];
    let when = r#"user_name sw "a""#;
    let plan = [&add[..], &["--when", when, "--plan"]].concat();
    assert_eq!(deployment.json(&plan)["members"], 1);
    let added = deployment.json(&[&add[..], &["--when", when]].concat());
    assert_eq!(
        (&added["source"], &added["changed"]),
        (&json!("profile"), &json!(1))
    );
    deployment.tells("rule list --workspace acme", &[when, "over profiles"]);
    let ada = ["members", "edit", "--workspace", "acme"];
    let ada = [&ada[..], &["--member", "bob", "--user-id", "A-1"]].concat();
    let other = r#"user_id sw "A-""#;
    deployment.json(&[&add[..], &["--when", other]].concat());
    assert_eq!(
        teams(&deployment)
            .iter()
            .filter(|of| **of == json!(["Sales"]))
            .count(),
        1
    );
    assert!(deployment.run(&ada).status.success());
    assert_eq!(teams(&deployment), [json!(["Sales"]), json!(["Sales"])]);
    let refused = deployment.run(&[&add[..], &["--when", "display_name pr"]].concat());
    assert_eq!(refused.status.code(), Some(2));
    let both = deployment.run(&[&add[..], &["--when", when, "--directory", "idp"]].concat());
    assert_eq!(both.status.code(), Some(2));
}
