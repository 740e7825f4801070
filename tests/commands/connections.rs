//! `gatehouse workspace connection`, `gatehouse workspace admin-link` and `gatehouse operator`.

use serde_json::json;

use crate::with_directory;

#[tokio::test]
async fn a_connection_is_made_set_and_taken_away() {
    let (deployment, directory) = with_directory("generic").await;
    let named = "--workspace acme --connection GitHub";
    let add = format!(
        "workspace connection add {named} --kind oauth2 --client-id ours \
         --authorization-endpoint https://id.example/authorize \
         --token-endpoint https://id.example/token"
    );
    deployment.refuses(&add, 2, "userinfo_endpoint is missing");
    let add = format!("{add} --userinfo-endpoint https://id.example/user --subject /id");
    deployment.tells(&add, &["not tested as it is set", "/sign-in/callback/"]);
    deployment.refuses(&add, 4, "name is already taken");
    deployment.tells(
        "workspace connection list --workspace acme",
        &["GitHub", "not tested"],
    );
    let shown = deployment.value(&format!("workspace connection show {named}"));
    assert_eq!(shown["has_secret"], false);
    assert_eq!(shown["settings"]["claims"]["subject"], "/id");
    let set = format!("workspace connection set {named} --directory idp --max-age 600");
    let set = deployment.value(&format!("{set} --first-login proved-domains"));
    assert_eq!(set["settings"]["max_age"], 600);
    assert_eq!(set["settings"]["first_login"], "proved_domains");
    let matching = &set["settings"]["matching"];
    assert_eq!(matching["directory"], directory["id"], "{directory}");
    assert_eq!(matching["attribute"], "externalId");
    let enable = format!("workspace connection enable {named}");
    deployment.refuses(&enable, 4, "no test login has shown");
    let disable = format!("workspace connection disable {named}");
    deployment.tells(&disable, &["not tested as it is set"]);
    let set = format!("workspace connection set {named} --subject id");
    deployment.refuses(&set, 2, "must be a JSON pointer");
    let set = deployment.value(&format!("workspace connection set {named} --rename Code"));
    assert_eq!(set["name"], "Code");
    let named = "--workspace acme --connection Code";
    deployment.tells(
        &format!("workspace connection remove {named}"),
        &["Code is removed"],
    );
    let show = format!("workspace connection show {named}");
    deployment.refuses(&show, 3, "connection not found");
}

#[tokio::test]
async fn nobody_who_did_not_ask_is_let_in() {
    let (deployment, _) = with_directory("generic").await;
    let all = deployment.value("workspace join-request list --workspace acme");
    assert_eq!(all, json!([]));
    let none = "--workspace acme 00000000-0000-0000-0000-000000000000";
    for command in [
        "workspace join-request approve",
        "workspace join-request decline",
        "workspace join-request remove",
    ] {
        deployment.refuses(&format!("{command} {none}"), 3, "not found");
    }
}

#[tokio::test]
async fn a_link_signs_an_admin_in_and_an_operator() {
    let (deployment, _) = with_directory("generic").await;
    let link = "workspace admin-link acme --email ada@acme.example";
    deployment.tells(
        link,
        &["an admin of acme, who is new", "/link/ghl_", "works once"],
    );
    let again = deployment.value(link);
    assert_eq!(again["is_new"], json!(false));
    // Nobody has followed it yet.
    deployment.tells("workspace logins acme", &["when", "reference"]);
    let none = "--reference 00000000-0000-0000-0000-000000000000 --limit 5";
    let none = deployment.value(&format!("workspace logins acme {none}"));
    assert_eq!(none, json!([]));
    deployment.tells("operator link", &["an operator", "/link/ghl_"]);
    deployment.refuses(
        "workspace admin-link nobody --email ada@acme.example",
        3,
        "workspace not found",
    );
    deployment.refuses("workspace admin-link acme --email ada", 2, "email");
}

#[tokio::test]
async fn how_people_sign_in_is_shown_and_set() {
    let (deployment, _) = with_directory("generic").await;
    let link = "workspace admin-link acme --email ada@acme.example";
    deployment.tells(link, &["works once"]);
    let policy = "workspace sign-in acme";
    deployment.tells(policy, &["or by a link", "30 minutes", "720 minutes"]);
    let set = deployment.value(&format!("{policy} --idle-minutes 60"));
    assert_eq!(set["idle_seconds"], 3_600);
    let enforce = format!("{policy} --sso-enforced true");
    deployment.refuses(&enforce, 4, "switch one on first");
    deployment.refuses(&format!("{policy} --idle-minutes 1"), 2, "idle_seconds");
    let member = "--workspace acme --member ada@acme.example";
    deployment.tells(&format!("workspace session list {member}"), &["session"]);
    let end = format!("workspace session end {member}");
    deployment.tells(&end, &["0 sessions ended"]);
    let asking = "workspace join-request list --workspace acme";
    deployment.tells(asking, &["request"]);
    let id = "01890000-0000-7000-8000-000000000000";
    for how in ["approve", "decline", "remove"] {
        let decide = format!("workspace join-request {how} --workspace acme {id}");
        deployment.refuses(&decide, 3, "join request not found");
    }
}
