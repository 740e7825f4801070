//! Backups: made beside a busy server, taken back by either engine, and what they must not bring
//! back.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::deployment::{Deployment, KEY, Server};
use crate::with_directory;

/// The lines of each table of a backup.
fn tables(file: &Path) -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(file).unwrap();
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines().skip(1) {
        let value: Value = serde_json::from_str(line).unwrap();
        if let Some(table) = value["table"]["name"].as_str() {
            table.clone_into(&mut name);
            tables.entry(name.clone()).or_default();
        } else if value.is_array() {
            tables
                .entry(name.clone())
                .or_default()
                .push(line.to_owned());
        }
    }
    tables
}

/// Runs a command that must fail; gives what it said.
fn refused(deployment: &Deployment, arguments: &[&str], code: i32, told: &str) {
    let output = deployment.run(arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    assert!(error.contains(told), "{arguments:?}: {error}");
}

/// A directory's users of those names in a group that gives a team.
async fn people(deployment: &Deployment, server: &Server, token: &str, names: &[&str]) {
    let base = format!("{}/scim/v2", server.url);
    let mut members = Vec::new();
    for name in names {
        let user = json!({"userName": name, "active": true});
        let (status, user) = server
            .send("POST", &format!("{base}/Users"), token, Some(&user))
            .await;
        assert_eq!(status, 201, "{user}");
        members.push(json!({"value": user["id"]}));
    }
    let group = json!({"displayName": "Sales", "members": members});
    let made = server
        .send("POST", &format!("{base}/Groups"), token, Some(&group))
        .await;
    assert_eq!(made.0, 201, "{}", made.1);
    let rule = ["rule", "add", "--workspace", "acme", "--directory", "idp"];
    deployment.json(&[&rule[..], &["--group", "Sales", "--team", "Sales"]].concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_beside_a_busy_server_is_one_instant_that_either_engine_takes_back() {
    let (deployment, directory) = with_directory("generic").await;
    let server = Arc::new(deployment.serve().await);
    let token = directory["token"].as_str().unwrap().to_owned();
    people(&deployment, &server, &token, &["ada", "bob"]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (server, token) = (Arc::clone(&server), token.clone());
            let stop = Arc::clone(&stop);
            tokio::spawn(async move {
                let mut made = 0;
                while !stop.load(Ordering::Relaxed) {
                    let user = json!({"userName": format!("w{writer}n{made}")});
                    let users = format!("{}/scim/v2/Users", server.url);
                    let (status, body) = server.send("POST", &users, &token, Some(&user)).await;
                    assert_eq!(status, 201, "{body}");
                    made += 1;
                }
                made
            })
        })
        .collect();
    let made = tokio::task::block_in_place(|| deployment.json(&["backup", "one.gatehouse"]));
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        assert!(writer.await.unwrap() > 0);
    }
    assert_eq!(made["verified"], true);
    let file = deployment.folder().join("one.gatehouse");
    let held = tables(&file);
    assert_eq!(held["users"].len(), held["person_keys"].len());
    assert!(held["users"].len() >= 2);
    assert_eq!(
        held.values().map(Vec::len).sum::<usize>(),
        usize::try_from(made["rows"].as_u64().unwrap()).unwrap()
    );
    let path = file.display().to_string();
    for target in [Deployment::new().await, Deployment::embedded()] {
        let back = target.json(&["restore", &path, "--as-is"]);
        assert_eq!(back["members_held"], 0);
        target.json(&["verify"]);
        target.json(&["backup", "again.gatehouse"]);
        let mut again = tables(&target.folder().join("again.gatehouse"));
        let told = again.get_mut("changes").unwrap();
        told.retain(|line| !line.contains("workspace.restored"));
        assert_eq!(again, held);
        // What was written goes on from there.
        let server = target.serve().await;
        let users = format!("{}/scim/v2/Users", server.url);
        let carol = json!({"userName": "carol"});
        let (status, body) = server.send("POST", &users, &token, Some(&carol)).await;
        assert_eq!(status, 201, "{body}");
        server.wait_until_numbered(&target).await;
        server.stop();
    }
}

#[tokio::test]
async fn a_backup_is_its_owners_alone_and_holds_no_key() {
    use std::os::unix::fs::PermissionsExt;

    let (deployment, directory) = with_directory("okta").await;
    let made = deployment.json(&["backup", "one.gatehouse"]);
    let file = deployment.folder().join("one.gatehouse");
    let rights = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(rights & 0o777, 0o600);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(made["key"].as_str().unwrap()));
    for secret in [KEY, directory["token"].as_str().unwrap()] {
        assert!(!text.contains(secret));
    }
    refused(
        &deployment,
        &["backup", "one.gatehouse"],
        4,
        "is there already",
    );
    let names = fs::read_dir(deployment.folder()).unwrap();
    let left = names.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        !name.to_string_lossy().starts_with("gatehouse.db")
    });
    assert_eq!(left.count(), 1, "nothing else is left");
}

#[tokio::test]
async fn what_is_no_whole_backup_for_this_key_and_program_is_not_taken_back() {
    let (deployment, _) = with_directory("okta").await;
    deployment.json(&["backup", "one.gatehouse"]);
    let text = fs::read_to_string(deployment.folder().join("one.gatehouse")).unwrap();
    let target = Deployment::new().await;
    let put = |name: &str, text: &str| {
        let path = target.folder().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let whole = put("whole", &text);
    let check = |name: &str, text: &str, code: i32, told: &str| {
        let path = put(name, text);
        refused(&target, &["restore", &path], code, told);
        refused(&target, &["restore", &path, "--quick"], code, told);
    };
    check("other", "{}\n", 5, "this is no backup");
    check("half", &text[..text.len() / 2], 5, "it breaks off");
    let lines: Vec<_> = text.lines().collect();
    let cut = lines[..lines.len() - 1].join("\n") + "\n";
    check("cut", &cut, 5, "it breaks off");
    check(
        "changed",
        &text.replace("Acme", "Acne"),
        5,
        "not those that were written",
    );
    check("behind", &(text.clone() + "{}\n"), 5, "more behind its end");
    let newer = text.replacen("\"schema\":[", "\"schema\":[[9999,\"00\"],", 1);
    check("newer", &newer, 6, "a newer Gatehouse");
    let other = "11f2c3a4958677d0e9b1a2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f607";
    let output = target.run_with(&[("GATEHOUSE__SECRETS__KEY", other)], &["restore", &whole]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("needs the master key"), "{error}");
    // Nothing of all that was taken, and the whole one still is, once.
    target.json(&["restore", &whole]);
    refused(&target, &["restore", &whole], 4, "not empty");
    let server = target.serve().await;
    refused(&target, &["restore", &whole, "--replace"], 4, "in use");
    server.stop();
    target.json(&["restore", &whole, "--replace"]);
    target.json(&["verify"]);
}

// C242
#[tokio::test]
async fn access_that_was_taken_away_since_the_backup_does_not_come_back_with_it() {
    let (deployment, directory) = with_directory("generic").await;
    let named = ["--workspace", "acme", "--name", "idp"];
    let call = |command: &'static str, more: &[&str]| {
        deployment.json(&[&["directory", command][..], &named, more].concat())
    };
    let good = directory["token"].as_str().unwrap().to_owned();
    let revoked = call("rotate-token", &[]);
    let server = deployment.serve().await;
    people(&deployment, &server, &good, &["ada", "bob"]).await;
    server.wait_until_numbered(&deployment).await;
    deployment.json(&["backup", "one.gatehouse"]);
    let told = tables(&deployment.folder().join("one.gatehouse"))["changes"].clone();

    let users = format!("{}/scim/v2/Users", server.url);
    let of = async |server: &Server, token: &str, name: &str| {
        let url = format!(
            "{}/scim/v2/Users?filter=userName+eq+%22{name}%22",
            server.url
        );
        server.send("GET", &url, token, None).await
    };
    let bob = of(&server, &good, "bob").await.1["Resources"][0]["id"].clone();
    let patch = |active: bool| {
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations":
            [{"op": "replace", "path": "active", "value": active}]})
    };
    let bob = format!("{users}/{}", bob.as_str().unwrap());
    server.send("PATCH", &bob, &good, Some(&patch(false))).await;
    call(
        "revoke-token",
        &["--token", revoked["token_id"].as_str().unwrap()],
    );
    server.stop();

    let back = deployment.json(&["restore", "one.gatehouse", "--replace"]);
    assert_eq!(back["members_held"], 2);
    assert_eq!(back["tokens_held"].as_array().unwrap().len(), 2);
    let epoch = back["access_epoch"].as_i64().unwrap();
    assert!(epoch > 1);
    let members = || deployment.json(&["members", "list", "--workspace", "acme"]);
    for member in members().as_array().unwrap() {
        assert_eq!(member["teams"], json!([]), "{member}");
        assert!(member["held_at"].is_string(), "{member}");
    }
    let server = deployment.serve().await;
    for token in [&good, revoked["token"].as_str().unwrap()] {
        assert_eq!(of(&server, token, "ada").await.0, 401);
    }
    call(
        "release-token",
        &["--token", directory["token_id"].as_str().unwrap()],
    );
    let (status, ada) = of(&server, &good, "ada").await;
    assert_eq!(status, 200);
    // The sync says what is so now: one is in as before, one is not.
    let users = format!("{}/scim/v2/Users", server.url);
    let ada = format!("{users}/{}", ada["Resources"][0]["id"].as_str().unwrap());
    let bob = format!("{users}/{}", bob.rsplit('/').next().unwrap());
    for (user, active) in [(&ada, true), (&bob, false)] {
        let answer = server
            .send("PATCH", user, &good, Some(&patch(active)))
            .await;
        assert_eq!(answer.0, 200, "{}", answer.1);
    }
    let teams = |name: &str| {
        let listed = members();
        let mut listed = listed.as_array().unwrap().iter();
        let member = listed.find(|member| member["user_name"] == name).unwrap();
        (member["status"].clone(), member["teams"].clone())
    };
    assert_eq!(teams("ada"), (json!("active"), json!(["Sales"])));
    assert_eq!(teams("bob"), (json!("suspended"), json!([])));
    server.wait_until_numbered(&deployment).await;
    server.stop();
    // What was told is told under the same ids and numbers, and nothing twice.
    deployment.json(&["backup", "two.gatehouse"]);
    let now = tables(&deployment.folder().join("two.gatehouse"))["changes"].clone();
    let places = |lines: &[String]| -> BTreeMap<String, Value> {
        let rows = lines.iter().map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            (row[1].to_string(), row[2].clone())
        });
        rows.collect()
    };
    let (before, after) = (places(&told), places(&now));
    assert!(before.values().any(|number| !number.is_null()));
    for (id, number) in before {
        assert!(number.is_null() || after[&id] == number, "{id}");
    }
    let kinds = [
        "workspace.restored",
        "directory.token_released",
        "member.released",
    ];
    for kind in kinds {
        let count = now.iter().filter(|line| line.contains(kind)).count();
        assert_eq!(count, 1, "{kind}");
    }
}

// C242
#[tokio::test]
async fn rights_by_hand_that_come_back_with_a_backup_are_told() {
    let (deployment, directory) = with_directory("generic").await;
    let token = directory["token"].as_str().unwrap();
    let server = deployment.serve().await;
    people(&deployment, &server, token, &["ada", "bob"]).await;
    server.stop();
    let right = |command: &str| {
        let which = ["members", command, "--workspace", "acme", "--member", "ada"];
        deployment.json(&[&which[..], &["--role", "user"]].concat());
    };
    right("grant");
    deployment.json(&["backup", "one.gatehouse"]);
    right("revoke");
    let restore = ["restore", "one.gatehouse", "--replace"];
    let back = deployment.json(&restore);
    let by_hand = back["by_hand"].as_array().unwrap();
    assert_eq!(by_hand.len(), 1, "{back}");
    let told = ["workspace", "shown", "kind", "name"].map(|key| &by_hand[0][key]);
    assert_eq!(told, ["acme", "ada", "role", "user"]);
    let as_is = deployment.json(&[&restore[..], &["--as-is"]].concat());
    assert_eq!(as_is["by_hand"], json!([]));
}

// C242
#[tokio::test]
async fn an_admin_may_release_members_and_no_epoch_comes_twice() {
    let (deployment, directory) = with_directory("generic").await;
    let token = directory["token"].as_str().unwrap();
    let server = deployment.serve().await;
    people(&deployment, &server, token, &["ada", "bob"]).await;
    server.stop();
    deployment.json(&["backup", "one.gatehouse"]);
    let mut epoch = 1;
    for _ in 0..2 {
        let back = deployment.json(&["restore", "one.gatehouse", "--replace"]);
        let raised = back["access_epoch"].as_i64().unwrap();
        assert!(raised > epoch);
        epoch = raised;
    }
    let release = ["members", "release", "--workspace", "acme"];
    let one = deployment.json(&[&release[..], &["--member", "ada"]].concat());
    assert_eq!(one["released"], 1);
    let members = || deployment.json(&["members", "list", "--workspace", "acme"]);
    let teams = members();
    assert_eq!(teams[0]["teams"], json!(["Sales"]));
    assert_eq!(teams[1]["teams"], json!([]));
    let rest = deployment.json(&[&release[..], &["--all"]].concat());
    assert_eq!(rest["released"], 1);
    assert_eq!(members()[1]["teams"], json!(["Sales"]));
    deployment.json(&["verify"]);
}

// C213
#[tokio::test]
async fn receipts_of_verify_and_backup_are_held_against_the_log() {
    let (deployment, _) = with_directory("okta").await;
    let server = deployment.serve().await;
    server
        .until("the changes are numbered", async || {
            !receipts(&deployment.json(&["verify"])).is_empty()
        })
        .await;
    server.stop();
    let found = receipts(&deployment.json(&["verify"]));
    let made = deployment.json(&["backup", "one.gatehouse"]);
    assert_eq!(made["receipts"], json!(found));
    deployment.json(&["verify", "--receipt", &found[0]]);
    let other = found[0].replace("acme:", "acme:9");
    let output = deployment.run(&["verify", "--receipt", &other]);
    assert_eq!(output.status.code(), Some(5));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        told.contains("the logs hold what the receipts say"),
        "{told}"
    );
    refused(
        &deployment,
        &["verify", "--receipt", "acme"],
        2,
        "SLUG:NUMBER:HASH",
    );
}

fn receipts(findings: &Value) -> Vec<String> {
    let findings = findings.as_array().unwrap().iter();
    let receipts = findings.filter_map(|finding| finding["receipts"].as_array());
    let receipts = receipts.flatten().filter_map(Value::as_str);
    receipts.map(str::to_owned).collect()
}
