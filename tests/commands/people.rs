//! Persons at the command line: what happened to them, all that is held of them, and that no backup
//! brings back who was erased.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;

use serde_json::{Value, json};

use crate::deployment::Deployment;
use crate::with_directory;

fn names(deployment: &Deployment) -> Vec<String> {
    let listed = deployment.json(&["members", "list", "--workspace", "acme"]);
    let listed = listed.as_array().unwrap().iter();
    listed
        .map(|member| member["user_name"].as_str().unwrap_or_default().to_owned())
        .collect()
}

// C257
#[tokio::test]
async fn no_backup_brings_back_who_was_erased() {
    let (deployment, directory) = with_directory("generic").await;
    let token = directory["token"].as_str().unwrap();
    let list = deployment.folder().join("erased").display().to_string();
    let kept = [("GATEHOUSE__RETENTION__ERASURE_LIST", list.as_str())];
    let server = deployment.serve_with(&kept).await;
    let users = format!("{}/scim/v2/Users", server.url);
    let mut ids = Vec::new();
    for name in ["ada", "bob"] {
        let user = json!({"userName": name, "externalId": format!("{name}-1")});
        let (status, user) = server.send("POST", &users, token, Some(&user)).await;
        assert_eq!(status, 201, "{user}");
        ids.push(user["id"].as_str().unwrap().to_owned());
    }
    let group = json!({"displayName": "Crew", "members": [{"value": ids[0]}]});
    let groups = format!("{}/scim/v2/Groups", server.url);
    assert_eq!(
        server.send("POST", &groups, token, Some(&group)).await.0,
        201
    );
    let who = ["--workspace", "acme", "--member", "ada"];
    let activity = deployment.json(&[&["members", "activity"][..], &who].concat());
    let events = activity["events"].as_array().unwrap();
    assert_eq!(events.last().unwrap()["kind"], "member.added");
    let id = events.last().unwrap()["subject"]
        .as_str()
        .unwrap()
        .to_owned();
    deployment.json(&["backup", "before.gatehouse"]);
    let (status, _) = server
        .send("DELETE", &format!("{users}/{}", ids[0]), token, None)
        .await;
    assert_eq!(status, 204);

    let who = ["--workspace", "acme", "--member", id.as_str()];
    let export = deployment.run(&[&["members", "export"][..], &who].concat());
    let export: Value = serde_json::from_slice(&export.stdout).unwrap();
    assert_eq!(export["tombstones"][0]["external_id"], "ada-1");
    let erase = [&["members", "erase"][..], &who].concat();
    let erased = deployment.json_with(&kept, &erase);
    assert_eq!(erased["list"], list.as_str());
    assert!(fs::read_to_string(&list).unwrap().contains(&id));
    server.stop();
    deployment.json(&["verify"]);

    // Into the same database: by its own list.
    let back = deployment.json(&["restore", "before.gatehouse", "--replace", "--as-is"]);
    assert_eq!(back["members_erased"], 1);
    assert_eq!(names(&deployment), ["bob"]);
    deployment.json(&["verify"]);
    // Elsewhere: by the file, at the restore or at the next start.
    let file = deployment.folder().join("before.gatehouse");
    let path = file.display().to_string();
    for at_start in [false, true] {
        let target = Deployment::embedded();
        let restore = ["restore", path.as_str(), "--as-is"];
        if at_start {
            assert_eq!(target.json(&restore)["members_erased"], 0);
            assert_eq!(names(&target), ["ada", "bob"]);
            target.serve_with(&kept).await.stop();
        } else {
            assert_eq!(target.json_with(&kept, &restore)["members_erased"], 1);
        }
        assert_eq!(names(&target), ["bob"]);
        let findings = target.json(&["verify"]);
        let findings = findings.as_array().unwrap();
        assert!(findings.iter().all(|finding| finding["faults"] == 0));
        // The User went with the member, and its IdP makes it anew.
        let server = target.serve_with(&kept).await;
        let users = format!("{}/scim/v2/Users", server.url);
        let ada = json!({"userName": "ada", "externalId": "ada-1"});
        assert_eq!(server.send("POST", &users, token, Some(&ada)).await.0, 201);
        server.stop();
    }
    // A list that cannot be read is no list.
    fs::write(&list, "who\n").unwrap();
    let refused = deployment.run_with(&kept, &["restore", "before.gatehouse", "--replace"]);
    assert!(!refused.status.success());
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("line 1"), "{told}");
}

// C084
#[tokio::test]
async fn a_deleted_workspace_can_be_had_back() {
    let (deployment, _) = with_directory("generic").await;
    let deleted = deployment.json(&["workspace", "delete", "acme"]);
    assert!(deleted["purged_after"].is_string());
    let refused = deployment.run(&["members", "list", "--workspace", "acme"]);
    assert!(!refused.status.success());
    let listed = deployment.json(&["workspace", "list"]);
    assert_eq!(listed[0]["status"], "deleted");
    deployment.json(&["workspace", "undelete", "acme"]);
    assert_eq!(names(&deployment), Vec::<String>::new());
    deployment.json(&["verify"]);
}
