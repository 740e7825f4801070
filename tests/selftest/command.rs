//! `gatehouse selftest` as a pipeline calls it: forms of the report, exit codes, where the token is.

use std::path::PathBuf;
use std::process::{Command, Output};

use gatehouse::directory::DirectoryKind;
use serde_json::Value;

use crate::service::Service;

/// Runs the command beside the service of the same process.
async fn gatehouse(variables: &[(&'static str, String)], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatehouse"));
    command.env_clear().arg("selftest").args(arguments);
    command.envs(variables.iter().cloned());
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn ends(output: &Output, code: i32, told: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(code),
        "{error}\n{}",
        stdout(output)
    );
    assert!(error.contains(told), "{error}");
}

#[tokio::test]
async fn a_service_that_passes_ends_with_0_and_reports_in_each_form() {
    let service = Service::new(DirectoryKind::Entra).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| -> PathBuf { folder.path().join(name) };
    std::fs::write(file("token"), format!("{}\n", service.token)).unwrap();
    let (token, junit) = (file("token"), file("junit.xml"));
    let common = [
        "--base-url",
        &service.base_url,
        "--profile",
        "entra",
        "--only",
        "12.1-9",
        "--only",
        "p5",
        "--only",
        "13-15f",
    ];
    let mut arguments = common.to_vec();
    arguments.extend(["--token-file", token.to_str().unwrap()]);
    arguments.extend(["--junit", junit.to_str().unwrap()]);
    let lines = gatehouse(&[], &arguments).await;
    ends(&lines, 0, "");
    let text = stdout(&lines);
    assert!(text.contains("ok    12.1-9"), "{text}");
    assert!(text.contains("skip  13-15f"), "{text}");
    assert!(text.contains("2 passed, 0 failed, 1 skipped"), "{text}");

    let xml = std::fs::read_to_string(junit).unwrap();
    assert!(xml.contains("tests=\"3\""), "{xml}");
    assert!(xml.contains("failures=\"0\""), "{xml}");
    assert!(xml.contains("<skipped"), "{xml}");

    let mut arguments = common.to_vec();
    arguments.push("--json");
    let variables = [("GATEHOUSE_SELFTEST_TOKEN", service.token.clone())];
    let json = gatehouse(&variables, &arguments).await;
    ends(&json, 0, "");
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["passed"], 2);
    assert_eq!(report["profile"], "entra");
    let case = &report["cases"][0];
    assert_eq!(
        (&case["id"], &case["verdict"]),
        (&"12.1-9".into(), &"passed".into())
    );
    assert_eq!(case["exchange"]["status"], 200);
    assert_eq!(report["cleanup"]["left"], serde_json::json!([]));
    for text in [text, xml, stdout(&json)] {
        assert!(!text.contains(&service.token), "the token is told");
    }
}

#[tokio::test]
async fn a_fault_ends_with_5_and_shows_what_decided() {
    let service = Service::strict(DirectoryKind::Entra).await;
    let folder = tempfile::tempdir().unwrap();
    let junit = folder.path().join("junit.xml");
    let output = gatehouse(
        &[("GATEHOUSE_SELFTEST_TOKEN", service.token.clone())],
        &[
            "--base-url",
            &service.base_url,
            "--profile",
            "entra",
            "--only",
            "13-9e",
            "--junit",
            junit.to_str().unwrap(),
        ],
    )
    .await;
    ends(&output, 5, "");
    let text = stdout(&output);
    assert!(text.contains("FAIL  13-9e"), "{text}");
    assert!(text.contains("expected 200 or 204, answered 400"), "{text}");
    assert!(text.contains("madeUpAttribute"), "{text}");
    let xml = std::fs::read_to_string(junit).unwrap();
    assert!(xml.contains("<failure"), "{xml}");
    assert!(xml.contains("madeUpAttribute"), "{xml}");
    assert_eq!(
        service.totals().await,
        (0, 0),
        "it cleans up after a failure"
    );
}

#[tokio::test]
async fn what_cannot_run_says_why_at_once() {
    let service = Service::new(DirectoryKind::Generic).await;
    let origin = service.base_url.split("/d/").next().unwrap();
    // Bound and never accepted: the connection stands, and no answer comes.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}/scim/v2", silent.local_addr().unwrap());
    let page = page().await;
    let check = async |base_url: &str, token: &str, code: i32, told: &str| {
        let arguments = [
            "--base-url",
            base_url,
            "--token",
            token,
            "--profile",
            "rfc",
            "--timeout",
            "1",
        ];
        ends(&gatehouse(&[], &arguments).await, code, told);
    };
    check("http://127.0.0.1:1", "t", 1, "got no answer").await;
    check(&silent, "t", 1, "got no answer").await;
    check(&page, "t", 1, "no SCIM service").await;
    check(
        &format!("{origin}/nowhere"),
        &service.token,
        1,
        "users cannot be listed",
    )
    .await;
    check(
        &service.base_url,
        "wrong",
        1,
        "the token is refused with 401",
    )
    .await;
    check("no url", "t", 1, "").await;
    assert_eq!(service.totals().await, (0, 0));
}

/// A server that answers a page to everything.
async fn page() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new()
        .fallback(async || axum::response::Html("<!doctype html><title>Welcome</title>"));
    tokio::spawn(async { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn wrong_usage_ends_with_2() {
    let base = ["--base-url", "http://127.0.0.1:1", "--token", "t"];
    let with = |more: &[&'static str]| [&base[..], more].concat();
    ends(&gatehouse(&[], &with(&[])).await, 2, "--profile");
    ends(
        &gatehouse(&[], &with(&["--profile", "onelogin"])).await,
        2,
        "rfc, entra or okta",
    );
    let output = gatehouse(&[], &with(&["--profile", "rfc", "--only", "12.1-1"])).await;
    ends(&output, 2, "the profile rfc has no case 12.1-1");
    ends(
        &gatehouse(&[], &["--profile", "rfc"]).await,
        2,
        "--base-url",
    );
}

#[tokio::test]
async fn the_cases_of_a_profile_are_listed_without_a_service() {
    let output = gatehouse(&[], &["--profile", "okta", "--list"]).await;
    ends(&output, 0, "");
    assert!(stdout(&output).contains("12.4-11"));
    let output = gatehouse(&[], &["--profile", "okta", "--list", "--json"]).await;
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(listed.as_array().unwrap().len() > 60);
    assert!(listed[0]["id"].is_string());
}
