//! Names of files: what is downloaded is named by the gateway, and nothing that is sent names a file.

use std::fmt::Write;

use gatehouse::changes::Origin;
use gatehouse::workspace;
use gatehouse::workspace::keys::Permission;
use serde_json::json;

use crate::gateway::Gateway;

fn hostile() -> Vec<String> {
    let mut names = [
        "../../etc/passwd",
        "/etc/passwd",
        "..",
        "con",
        "aux.csv",
        "a\0b",
        "a\"; b=\"c",
        "a\r\nb: c",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push("n".repeat(4096));
    names
}

// C207
#[tokio::test]
async fn what_is_downloaded_has_a_name_of_the_gateways_own() {
    let gateway = Gateway::new().await;
    let key = gateway
        .key(&[
            Permission::DataExport,
            Permission::MembersManage,
            Permission::TeamsManage,
        ])
        .await;
    for name in hostile() {
        // `con` and `aux` alone are slugs like others: nothing is stored under them.
        let made = workspace::create(&gateway.app, &Origin::cli(), &name, "Name").await;
        assert_eq!(made.is_ok(), name == "con", "{name:?}");
        let edit = json!({"email": "ada@acme.example", "display_name": "Ada"});
        let member = gateway.enter(edit, &[]).await.unwrap().member;
        // A name that somebody may choose shows nowhere in that of a file.
        let team = json!({"name": name});
        let path = "/workspaces/acme/teams";
        let team = gateway.api(&key, "POST", path, Some(&team)).await;
        assert!([201, 400].contains(&team.status), "{}", team.text);
        for (path, expected) in [
            (
                "/workspaces/acme/members/export".to_owned(),
                "attachment; filename=\"members-acme.csv\"".to_owned(),
            ),
            (
                format!("/workspaces/acme/members/{member}/export"),
                format!("attachment; filename=\"member-{member}.json\""),
            ),
        ] {
            let export = gateway.api(&key, "GET", &path, None).await;
            assert_eq!(export.status, 200, "{}", export.text);
            assert_eq!(export.header("content-disposition"), expected);
        }
        // In a path it is a name that nothing has.
        let escaped = name.bytes().fold(String::new(), |mut escaped, byte| {
            let _ = write!(escaped, "%{byte:02X}");
            escaped
        });
        for path in [
            format!("/workspaces/{escaped}/members/export"),
            format!("/workspaces/acme/members/{escaped}/export"),
            format!("/workspaces/acme/imports/{escaped}"),
        ] {
            let answer = gateway.api(&key, "GET", &path, None).await;
            let refused = [400, 404, 414].contains(&answer.status);
            assert!(refused, "{path}: {} {}", answer.status, answer.text);
            assert!(!answer.text.contains("root:"));
        }
    }
    gateway.check().await;
}
