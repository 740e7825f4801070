//! `gatehouse workspace`: its name, its seats, its domains, and whether it is open; `gatehouse team`
//! and `gatehouse role`.

use serde_json::{Value, json};

use crate::telling::Client;
use crate::with_directory;

#[tokio::test]
async fn a_workspace_is_named_shut_opened_and_deleted() {
    let (deployment, _) = with_directory("generic").await;
    deployment.tells(
        "workspace set acme --name ACME",
        &["acme is \"ACME\"", "the enabled teams that they are in"],
    );
    deployment.tells(
        "workspace set acme --admins-in-all-teams true",
        &["acme is \"ACME\"", "every enabled team"],
    );
    deployment.tells("workspace list", &["acme", "ACME", "active"]);
    deployment.refuses("workspace set nobody --name X", 3, "workspace not found");
    let set = deployment.run(&["workspace", "set", "acme", "--name", ""]);
    assert_eq!(set.status.code(), Some(2));
    deployment.tells("workspace suspend acme", &["acme is suspended"]);
    deployment.refuses("workspace suspend acme", 4, "suspended already");
    deployment.tells("workspace list", &["suspended"]);
    assert_eq!(
        deployment.value("workspace resume acme"),
        json!({"workspace": "acme"})
    );
    deployment.refuses("workspace resume acme", 4, "active already");
    deployment.refuses("workspace undelete acme", 4, "not deleted");
    deployment.tells("workspace delete acme", &["can be had back until"]);
    deployment.refuses("workspace delete acme", 4, "undelete it first");
    deployment.tells("workspace undelete acme", &["is there again"]);
    deployment.refuses("workspace delete nobody", 3, "workspace not found");
}

#[tokio::test]
async fn seats_are_set_and_say_how_they_stand() {
    let (deployment, directory) = with_directory("generic").await;
    deployment.tells("workspace seats acme", &["there is no limit"]);
    deployment.tells(
        "workspace seats acme --limit 3 --contact sales@app.example",
        &["0 of 3 seats are taken, 0 wait"],
    );
    let set = deployment.value("workspace seats acme --policy hold");
    assert_eq!(
        (&set["limit"], &set["contact"]),
        (&json!(3), &json!("sales@app.example")),
        "what is not said stays"
    );
    deployment.refuses("workspace seats acme --limit 2", 2, "limit must be 3 to");
    deployment.refuses("workspace seats acme --grace=-1", 2, "grace must be 0");
    deployment.refuses("workspace seats acme --policy give", 2, "refuse or hold");
    deployment.refuses(
        "workspace seats acme --limit 3 --no-limit",
        2,
        "cannot be used with",
    );
    let server = deployment.serve().await;
    let token = directory["token"].as_str().unwrap().to_owned();
    let client = Client {
        server: &server,
        token,
    };
    for name in ["ada", "bob", "cid", "dora"] {
        client.user(name).await;
    }
    server.stop();
    deployment.tells("workspace seats acme", &["3 of 3 seats are taken, 1 wait"]);
    deployment.tells("members list --workspace acme", &["dora", "waiting"]);
    let explain = "explain --workspace acme --member";
    deployment.tells(
        &format!("{explain} dora"),
        &["waits for a seat since", "ask sales@app.example for more"],
    );
    let why = deployment.value(&format!("{explain} ada"));
    assert_eq!(why["seat"]["standing"], "taken");
    deployment.value("members suspend --workspace acme --member bob");
    deployment.tells(&format!("{explain} bob"), &["takes no seat"]);
    deployment.refuses(
        "workspace seats acme --release never",
        2,
        "on_suspend or on_remove",
    );
    deployment.value("workspace seats acme --release on_remove");
    deployment.value("members suspend --workspace acme --member cid");
    deployment.tells(&format!("{explain} cid"), &["keeps its seat"]);
    deployment.tells("workspace seats acme", &["(1 by suspended members)"]);
    deployment.tells("workspace seats acme --no-limit", &["there is no limit"]);
    let told = deployment.told("members list --workspace acme");
    assert!(!told.contains("waiting"), "{told}");
}

#[tokio::test]
async fn a_domain_is_added_attested_and_removed() {
    let (deployment, _) = with_directory("generic").await;
    let named = "--workspace acme --domain nobody.invalid";
    deployment.tells(
        &format!("workspace domain add {named}"),
        &[
            "nobody.invalid is not proved",
            "TXT record of",
            "into the file",
        ],
    );
    deployment.refuses(
        &format!("workspace domain add {named}"),
        4,
        "domain is already taken",
    );
    deployment.refuses(
        "workspace domain add --workspace acme --domain localhost",
        2,
        "must be a domain",
    );
    deployment.tells(
        "workspace domain list --workspace acme",
        &["nobody.invalid", "not proved"],
    );
    deployment.refuses(
        &format!("workspace domain check {named}"),
        4,
        "the domain is not proved",
    );
    let set = format!("workspace domain set {named} --adoption");
    deployment.refuses(&format!("{set} true"), 4, "not proved");
    deployment.tells(
        &format!("workspace domain attest {named}"),
        &["nobody.invalid is proved since"],
    );
    assert_eq!(deployment.value(&format!("{set} true"))["adoption"], true);
    deployment.tells(
        &format!("workspace domain remove {named}"),
        &["nobody.invalid is removed"],
    );
    deployment.refuses(
        &format!("workspace domain remove {named}"),
        3,
        "domain not found",
    );
    let none: Value = deployment.value("workspace domain list --workspace acme");
    assert_eq!(none, json!([]));
}

#[tokio::test]
async fn teams_and_roles_are_made_changed_and_put_away() {
    let (deployment, _) = with_directory("generic").await;
    let team = "--workspace acme --name Support";
    deployment.tells(&format!("team create {team}"), &["\"Support\" is there"]);
    deployment.refuses(&format!("team create {team}"), 4, "name is already taken");
    deployment.tells(
        &format!("team edit {team} --enabled false"),
        &["is disabled"],
    );
    let renamed = deployment.value(&format!("team edit {team} --rename Help"));
    assert_eq!(renamed["name"], "Help");
    deployment.refuses(&format!("team edit {team}"), 3, "team not found");
    deployment.tells(
        "team edit --workspace acme --name Help --archived true",
        &["is archived"],
    );
    deployment.tells("team list --workspace acme", &["Help", "archived"]);

    let role = "--workspace acme --name Lead";
    let made = deployment.value(&format!("role create {role} --permission members.read"));
    assert_eq!(made["permissions"], json!(["members.read"]));
    deployment.refuses(&format!("role create {role}"), 4, "name is already taken");
    deployment.tells(
        "role list --workspace acme",
        &["Lead", "members.read", "admin"],
    );
    deployment.tells(
        &format!("role edit {role} --rename Boss --no-permissions"),
        &["\"Boss\" is written"],
    );
    deployment.refuses(&format!("role edit {role}"), 3, "role not found");
    deployment.refuses(
        "role edit --workspace acme --name admin --rename Root",
        4,
        "built in",
    );
    deployment.refuses(
        "role create --workspace acme --name X --permission no.such",
        2,
        "no.such",
    );
    let boss = "--workspace acme --name Boss";
    let add = "members add --workspace acme --email ada@acme.example --role Boss";
    deployment.value(add);
    deployment.refuses(&format!("role delete {boss}"), 4, "take it from them first");
    deployment.value("members revoke --workspace acme --member ada@acme.example --role Boss");
    deployment.tells(&format!("role delete {boss}"), &["the role is gone"]);
}
