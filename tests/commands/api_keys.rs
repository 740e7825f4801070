//! `gatehouse api-key`, and keys that a restore brought back.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde_json::{Value, json};

use crate::deployment::{Deployment, Server};
use crate::with_directory;

const ACME: [&str; 2] = ["--workspace", "acme"];
const OPERATOR: [&str; 1] = ["--operator"];

fn key(deployment: &Deployment, what: &str, of: &[&str], more: &[&str]) -> Value {
    deployment.json(&[&["api-key", what], of, more].concat())
}

async fn status(server: &Server, key: &Value) -> u16 {
    let url = format!("{}/api/v1/workspaces/acme", server.url);
    let text = key["key"].as_str().unwrap();
    server.send("GET", &url, text, None).await.0
}

#[tokio::test]
async fn keys_are_made_listed_and_ended_at_the_command_line() {
    let (deployment, _) = with_directory("generic").await;
    let server = deployment.serve().await;
    let wanted = ["--name", "CI", "--scope", "members.read", "--scope"];
    for (of, scope, begins) in [
        (&ACME[..], "keys.manage", "gha_"),
        (&OPERATOR[..], "*", "gho_"),
    ] {
        let more = [&wanted[..], &[scope, "--expires-days", "7"]].concat();
        let made = key(&deployment, "create", of, &more);
        assert!(made["key"].as_str().unwrap().starts_with(begins));
        assert_eq!(status(&server, &made).await, 200);
        let listed = key(&deployment, "list", of, &[]);
        assert_eq!(listed.as_array().unwrap().len(), 1);
        assert_eq!(listed[0]["id"], made["id"]);
        assert_eq!(listed[0]["actor"], "cli");
        assert_eq!(listed[0]["key"], Value::Null);
        let id = made["id"].as_str().unwrap();
        key(&deployment, "revoke", of, &["--id", id]);
        let listed = key(&deployment, "list", of, &[]);
        assert!(listed[0]["revoked_at"].is_string());
    }
    // What was done to the operators' key alone; the other's is in its workspace's log.
    let acts = deployment.json(&["api-key", "acts"]);
    let acts = acts.as_array().unwrap().iter();
    let acts: Vec<_> = acts.map(|act| (&act["kind"], &act["actor"])).collect();
    let cli = json!("cli");
    let expected = [json!("api_key.revoked"), json!("api_key.issued")];
    assert_eq!(acts, [(&expected[0], &cli), (&expected[1], &cli)]);
    let check = |arguments: &[&str], code: i32, told: &str| {
        let output = deployment.run(&[&["api-key", "create", "--name", "x"], arguments].concat());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(told), "{arguments:?}: {error}");
    };
    check(&["--scope", "members.read"], 2, "--workspace");
    check(&["--workspace", "acme", "--scope", "*"], 2, "operators");
    check(
        &["--workspace", "acme", "--scope", "all"],
        2,
        "expected one of",
    );
    let long = ["--scope", "*", "--expires-days", "366"];
    check(&[&OPERATOR[..], &long].concat(), 2, "365");
    deployment.tells("api-key list --operator", &["CI", "revoked"]);
    deployment.refuses("api-key list --workspace nobody", 3, "workspace not found");
    deployment.refuses("api-key revoke --workspace acme --id x", 2, "invalid value");
    let none = format!("--operator --id {}", uuid::Uuid::nil());
    deployment.refuses(&format!("api-key revoke {none}"), 3, "not found");
    deployment.refuses(&format!("api-key release {none}"), 3, "not found");
    server.stop();
}

#[tokio::test]
async fn keys_that_a_restore_brings_back_open_nothing_until_they_are_released() {
    let (deployment, _) = with_directory("generic").await;
    let wanted = ["--name", "CI", "--scope", "members.read"];
    let made = [&ACME[..], &OPERATOR].map(|of| (of, key(&deployment, "create", of, &wanted)));
    deployment.json(&["backup", "one.gatehouse"]);
    let back = deployment.json(&["restore", "one.gatehouse", "--replace"]);
    let held = back["keys_held"].as_array().unwrap();
    assert_eq!(held.len(), 2, "{held:?}");
    let slugs: Vec<_> = held.iter().map(|held| &held["workspace"]).collect();
    assert!(slugs.contains(&&json!("acme")) && slugs.contains(&&Value::Null));
    let server = deployment.serve().await;
    for (of, made) in &made {
        assert_eq!(status(&server, made).await, 401);
        let id = made["id"].as_str().unwrap();
        key(&deployment, "release", of, &["--id", id]);
        assert_eq!(status(&server, made).await, 200);
    }
    server.stop();
    let back = deployment.json(&["restore", "one.gatehouse", "--replace", "--as-is"]);
    assert_eq!(back["keys_held"], json!([]));
    let server = deployment.serve().await;
    for (_, made) in &made {
        assert_eq!(status(&server, made).await, 200);
    }
    server.stop();
}
