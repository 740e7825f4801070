//! `gatehouse directory`: one that collects goes live, who is met is adopted, a request is sent
//! again, and the end of a directory is taken back.

use serde_json::{Value, json};

use crate::telling::Client;
use crate::with_directory;

#[tokio::test]
async fn one_that_collects_goes_live_ends_and_is_had_back() {
    let (deployment, _) = with_directory("generic").await;
    let create = "directory create --workspace acme --kind generic --mode collect --name new";
    let made = deployment.value(create);
    let named = "--workspace acme --name new";
    let server = deployment.serve().await;
    let token = made["token"].as_str().unwrap().to_owned();
    let client = Client {
        server: &server,
        token,
    };
    client.user("ada").await;
    client.user("bob").await;
    server.stop();
    assert_eq!(deployment.value("members list --workspace acme"), json!([]));
    let list = format!("directory adoption {named} --list");
    assert_eq!(
        deployment.value(&format!("{list} new"))[1]["outcome"],
        "new"
    );
    deployment.tells(&format!("{list} new"), &["ada", "outcome"]);
    deployment.tells(&format!("{list} matched"), &["nobody"]);

    let live = format!("directory live {named}");
    let plan = deployment.value(&live);
    assert_eq!(plan["new"], 2);
    let hash = plan["hash"].as_str().unwrap();
    deployment.tells(
        &live,
        &[
            "2 new members",
            "ada: new",
            &format!("apply it with --apply {hash}"),
        ],
    );
    deployment.refuses(&format!("{live} --apply 0"), 2, "hash of a plan");
    let unknown = format!("{live} --apply {}", "0".repeat(64));
    deployment.refuses(&unknown, 3, "not found");
    deployment.tells(&format!("{live} --apply {hash}"), &["is live: 2 users"]);
    deployment.refuses(&live, 4, "the directory is live");
    assert_eq!(
        deployment.value(&format!("{list} matched"))[0]["user_name"],
        "ada"
    );
    deployment.tells("directory list --workspace acme", &["new", "live", "idp"]);

    let set = deployment.value(&format!("directory set {named} --strict true"));
    assert_eq!(
        (&set["strict"], &set["restore_inactive"]),
        (&json!(true), &json!(false))
    );
    deployment.tells(&format!("directory show {named}"), &["strict", "users"]);
    let further = deployment.value(&format!("directory rotate-token {named} --days 7"));
    let token = further["token_id"].as_str().unwrap();
    deployment.tells(
        &format!("directory revoke-token {named} --token {token}"),
        &["is revoked"],
    );
    deployment.refuses(
        &format!("directory release-token {named} --token {token}"),
        3,
        "not found",
    );
    deployment.refuses(
        &format!("directory revoke-token {named} --token x"),
        2,
        "invalid value",
    );

    let end = format!("directory end {named} --members");
    deployment.refuses(&format!("{end} forget"), 2, "keep, suspend, remove");
    deployment.refuses(
        &format!("directory undo-end {named}"),
        4,
        "no end of this directory",
    );
    deployment.tells(
        &format!("{end} suspend"),
        &["is off: 2 users", "it can be undone until"],
    );
    let status = |deployment: &crate::deployment::Deployment| {
        deployment.value("members list --workspace acme")[0]["status"].clone()
    };
    assert_eq!(status(&deployment), "suspended");
    deployment.refuses(&format!("{end} keep"), 4, "is switched off");
    deployment.tells("directory list --workspace acme", &["off"]);
    let back = deployment.value(&format!("directory undo-end {named}"));
    assert_eq!(back["processed"], 2);
    assert_eq!(status(&deployment), "active");
}

#[tokio::test]
async fn who_is_met_is_adopted_and_the_request_sent_again() {
    let (deployment, _) = with_directory("generic").await;
    let two = deployment.value("directory create --workspace acme --kind generic --name two");
    let made_at = two["created_at"].as_str().unwrap();
    deployment.value("members add --workspace acme --email ada@acme.example");
    let server = deployment.serve().await;
    let token = two["token"].as_str().unwrap().to_owned();
    let client = Client {
        server: &server,
        token,
    };
    let one = client.user("bob").await;
    assert!(!one.is_empty());
    let (status, refused) = client
        .send("POST", "/Users", json!({"userName": "bob"}))
        .await;
    assert_eq!(status, 409, "{refused}");
    let logged = || deployment.value("directory log --workspace acme --name two --status 409");
    server
        .until("the log is written", async || logged()[0].is_object())
        .await;
    let id = logged()[0]["id"].as_str().unwrap().to_owned();
    deployment.tells(
        &format!("directory replay {id}"),
        &["409 before, 409 now", "--for-real does it", "already taken"],
    );
    let (status, _) = client
        .send("DELETE", &format!("/Users/{one}"), Value::Null)
        .await;
    assert_eq!(status, 204);
    let done = deployment.value(&format!("directory replay {id}"));
    assert_eq!(
        (&done["status"], &done["rehearsal"]),
        (&json!(201), &json!(true))
    );
    deployment.tells(
        &format!("directory replay {id} --for-real"),
        &["409 before, 201 now", "it is request"],
    );
    deployment.refuses(&format!("directory replay {id} --for-real"), 4, "");
    let none = uuid::Uuid::nil();
    deployment.refuses(&format!("directory replay {none}"), 3, "request not found");

    // What a directory took away comes back.
    server.stop();
    let named = "--workspace acme --name two";
    deployment.tells(
        &format!("directory restore {named} --from {made_at}"),
        &["users are there again"],
    );
    deployment.refuses(
        &format!("directory restore {named} --from 2020-01-01T00:00:00Z"),
        2,
        "within the last 30 days",
    );
    deployment.refuses(
        &format!("directory restore {named} --from soon"),
        2,
        "RFC 3339",
    );
    deployment.tells(
        &format!("directory adoption {named} --list unmatched"),
        &["ada@acme.example"],
    );
    deployment.refuses(
        &format!("directory adopt {named} --user-name nobody"),
        3,
        "conflict not found",
    );
    deployment.refuses(&format!("directory adopt {named}"), 2, "required");
}

#[tokio::test]
async fn a_conflict_is_listed_and_adopted() {
    let (deployment, first) = with_directory("generic").await;
    let two = deployment.value("directory create --workspace acme --kind generic --name two");
    let server = deployment.serve().await;
    let client = |of: &Value| Client {
        server: &server,
        token: of["token"].as_str().unwrap().to_owned(),
    };
    let (first, two) = (client(&first), client(&two));
    first.user("ada").await;
    let ada = json!({"userName": "ada"});
    let (status, refused) = two.send("POST", "/Users", ada.clone()).await;
    assert_eq!(status, 409, "{refused}");
    let named = "--workspace acme --name two";
    let listed = deployment.value(&format!("directory adoption {named}"));
    assert_eq!(listed[0]["user_name"], "ada");
    let member = listed[0]["member"].as_str().unwrap();
    deployment.tells(&format!("directory adoption {named}"), &["ada", member]);
    deployment.tells(
        &format!("directory adopt {named} --user-name ada"),
        &[member, "is adopted"],
    );
    assert_eq!(two.user("ada").await.len(), 36);
    let matched = deployment.value(&format!("directory adoption {named} --list matched"));
    assert_eq!(matched[0]["member"], member);
    server.stop();
}
