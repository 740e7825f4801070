//! `directory log` beside a running server.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::deployment::Deployment;
use crate::with_directory;

const NAMED: [&str; 6] = ["directory", "log", "--workspace", "acme", "--name", "idp"];

/// The command with its filters.
fn log<'a>(filters: &[&'a str]) -> Vec<&'a str> {
    [&NAMED, filters].concat()
}

fn paths(listed: &Value) -> Vec<String> {
    let entries = listed.as_array().expect("a list").iter();
    let path = |entry: &Value| {
        let path = entry["path"].as_str().expect("a path");
        format!(
            "{} {} {path}",
            entry["status"],
            entry["method"].as_str().expect("a method")
        )
    };
    entries.map(path).collect()
}

/// Hands all of it out into a file, newest first and without secrets.
fn hand_out(deployment: &Deployment, token: &str, count: usize) {
    let file = deployment.folder().join("for-help.json");
    let bundle = log(&["--bundle", file.to_str().expect("text")]);
    assert_eq!(deployment.json(&bundle)["requests"], count);
    let handed = std::fs::read_to_string(&file).expect("written");
    assert!(!handed.contains("hunter2") && !handed.contains(token));
    let handed: Value = serde_json::from_str(&handed).expect("JSON");
    assert_eq!(handed["requests"][0]["method"], "GET");
    let twice = deployment.run(&bundle);
    assert!(!twice.status.success(), "no file is written over");
}

#[tokio::test]
async fn the_log_of_a_directory_is_shown_filtered_and_in_full() {
    let (deployment, directory) = with_directory("okta").await;
    let server = deployment.serve().await;
    let token = directory["token"].as_str().unwrap();
    let users = format!("{}/scim/v2/Users", server.url);
    let ada = json!({"userName": "ada@acme.example", "password": "hunter2", "shoeSize": 40});
    let (status, made) = server.send("POST", &users, token, Some(&ada)).await;
    assert_eq!(status, 201, "{made}");
    let (status, _) = server.send("POST", &users, token, Some(&ada)).await;
    assert_eq!(status, 409);
    let search = format!("{users}?filter=title+eq+%22boss%22&access_token={token}");
    let (status, _) = server.send("GET", &search, token, None).await;
    assert_eq!(status, 200);
    let all = [
        "201 POST /scim/v2/Users",
        "409 POST /scim/v2/Users",
        "200 GET /scim/v2/Users?filter=title eq \"boss\"&access_token=«redacted»",
    ];
    server
        .until("the log is written", async || {
            paths(&deployment.json(&log(&[]))).len() == all.len()
        })
        .await;
    let check = |filters: &[&str], expect: &[&str]| {
        let listed = deployment.json(&log(filters));
        assert_eq!(paths(&listed), expect, "{filters:?}");
        listed
    };
    let id = made["id"].as_str().unwrap();
    hand_out(&deployment, token, all.len());
    check(&["--limit", "2"], &all[1..]);
    check(&["--status", "409"], &all[1..2]);
    check(&["--status", "errors"], &all[1..2]);
    check(&["--status", "5xx"], &[]);
    check(&["--method", "GET"], &all[2..]);
    check(&["--path", "BOSS"], &all[2..]);
    check(&["--resource", id], &all[..1]);
    check(&["--since", "15m"], &all);
    check(&["--since", "2099-01-01T00:00:00Z"], &[]);
    let listed = check(&["--status", "201", "--bodies"], &all[..1]);
    let kept = json!({
        "userName": "ada@acme.example", "password": "«redacted»", "shoeSize": "«redacted»",
    });
    assert_eq!(listed[0]["request"], kept);
    assert_eq!(listed[0]["resource"], id);
    assert_eq!(listed[0]["notes"][0]["path"], "password");
    assert_eq!(
        check(&["--status", "201"], &all[..1])[0].get("request"),
        None
    );

    // For people: a line each, the bodies below it.
    let lines = String::from_utf8(deployment.run(&log(&["--bodies"])).stdout).unwrap();
    assert_eq!(lines.lines().count(), all.len() + 3, "{lines}");
    for expect in [
        "409 POST   /scim/v2/Users",
        "uniqueness  userName is already taken",
        "skipped: password (password), shoeSize (unknown)",
        "\n  > {\"userName\":\"ada@acme.example\",\"password\":\"«redacted»\"",
        "\n  < {\"schemas\":",
    ] {
        assert!(lines.contains(expect), "{expect}: {lines}");
    }
    assert!(
        !lines.contains("hunter2") && !lines.contains(token),
        "{lines}"
    );

    // A single one needs its id alone.
    let request = listed[0]["id"].as_str().unwrap();
    let one = deployment.json(&["directory", "log", "--request", request]);
    assert_eq!(one["request"], kept);
    let told = deployment.run(&["directory", "log", "--request", request]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(
        told.contains("user_name") || told.contains("\"userName\""),
        "{told}"
    );
    let none = uuid::Uuid::new_v4().to_string();
    for (arguments, code) in [
        (vec!["directory", "log", "--request", &none], 3),
        (vec!["directory", "log", "--name", "idp"], 2),
        (vec!["directory", "log"], 2),
        (log(&["--status", "9"]), 2),
        (log(&["--since", "soon"]), 2),
        (
            vec!["directory", "log", "--workspace", "acme", "--name", "other"],
            3,
        ),
    ] {
        assert_eq!(
            deployment.run(&arguments).status.code(),
            Some(code),
            "{arguments:?}"
        );
    }
    assert!(deployment.run(&["verify"]).status.success());
    server.stop();
}

#[tokio::test]
async fn following_prints_what_comes_beside_the_server() {
    let (deployment, directory) = with_directory("generic").await;
    let server = deployment.serve().await;
    let token = directory["token"].as_str().unwrap();
    let users = format!("{}/scim/v2/Users", server.url);
    let (status, _) = server.send("GET", &users, token, None).await;
    assert_eq!(status, 200);
    server
        .until("the log is written", async || {
            paths(&deployment.json(&log(&[]))).len() == 1
        })
        .await;
    let mut following = deployment
        .command(&log(&["--follow", "--json"]))
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let out = following.stdout.take().expect("piped");
    let (tell, told) = std::sync::mpsc::channel();
    let reading = std::thread::spawn(move || {
        for line in BufReader::new(out).lines() {
            let Ok(line) = line else { return };
            let entry: Value = serde_json::from_str(&line).expect("an object a line");
            let _ = tell.send(entry["status"].clone());
        }
    });
    let next = || {
        told.recv_timeout(std::time::Duration::from_secs(30))
            .expect("a line in time")
    };
    assert_eq!(next(), 200);
    for name in ["ada", "ada", "grace"] {
        let body = json!({"userName": name});
        server.send("POST", &users, token, Some(&body)).await;
    }
    assert_eq!([next(), next(), next()], [201, 409, 201]);
    let pid = following.id().to_string();
    let stopped = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status();
    assert!(stopped.expect("kill is there").success());
    assert_eq!(following.wait().expect("ended").code(), Some(0));
    reading.join().expect("read to the end");
    assert!(told.try_recv().is_err(), "each exchange once");
    server.stop();
}

#[tokio::test]
async fn what_waits_is_written_when_the_server_stops() {
    let (deployment, directory) = with_directory("generic").await;
    let server = deployment.serve().await;
    let token = directory["token"].as_str().unwrap();
    let users = format!("{}/scim/v2/Users", server.url);
    for name in ["ada", "grace"] {
        server
            .send("POST", &users, token, Some(&json!({"userName": name})))
            .await;
    }
    server.stop();
    assert_eq!(paths(&deployment.json(&log(&[]))).len(), 2);
}
