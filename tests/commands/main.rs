//! The commands as other tools call them: the released forms, their JSON and their exit codes, also
//! beside a running server on the same database.

mod api_keys;
mod backup;
mod brake;
mod connections;
mod damaged;
mod dashboard;
#[path = "../support/database.rs"]
mod database;
#[path = "../support/deployment.rs"]
mod deployment;
mod directories;
mod held;
mod legible;
mod members;
mod people;
mod request_log;
mod restored;
mod rules;
mod schemas;
mod service;
mod tables;
mod telemetry;
mod telling;
mod upgrade;
mod workspaces;

use deployment::Deployment;
use serde_json::{Value, json};

/// Every scenario below begins with a workspace and a directory.
pub(crate) async fn with_directory(kind: &str) -> (Deployment, Value) {
    let deployment = Deployment::new().await;
    deployment.json(&["workspace", "create", "acme", "--name", "Acme"]);
    let directory = deployment.json(&[
        "directory",
        "create",
        "--workspace",
        "acme",
        "--name",
        "idp",
        "--kind",
        kind,
    ]);
    (deployment, directory)
}

#[tokio::test]
async fn what_is_made_is_printed_as_json() {
    let deployment = Deployment::new().await;
    let workspace = deployment.json(&["workspace", "create", "acme", "--name", "Acme"]);
    assert_eq!(workspace["slug"], "acme");
    assert!(workspace["id"].is_string());
    let directory = deployment.json(&[
        "directory",
        "create",
        "--workspace",
        "acme",
        "--name",
        "okta",
        "--kind",
        "okta",
        "--mode",
        "live",
        "--public-url",
        "https://gate.example",
    ]);
    let id = directory["id"].as_str().unwrap();
    assert_eq!(
        directory["scim_base_url"],
        format!("https://gate.example/d/{id}/scim/v2")
    );
    assert!(directory["token"].as_str().unwrap().starts_with("ghs_"));
    let rule = deployment.json(&[
        "rule",
        "add",
        "--workspace",
        "acme",
        "--directory",
        "okta",
        "--group",
        "Sales",
        "--group",
        "EMEA",
        "--team",
        "Sales EMEA",
        "--role",
        "agent",
        "--role",
        "exporter",
    ]);
    assert_eq!(rule["version"], 1);
    assert_eq!(rule["bound"], false);
    assert_eq!(
        deployment.json(&["members", "list", "--workspace", "acme"]),
        json!([])
    );
    let listed = deployment.json(&["rule", "list", "--workspace", "acme"]);
    assert_eq!(listed[0]["groups"], json!(["Sales", "EMEA"]));
}

#[tokio::test]
async fn a_failure_has_its_own_exit_code_and_says_what_it_was() {
    let (deployment, _) = with_directory("generic").await;
    let check = |arguments: &[&str], code: i32, told: &str| {
        let output = deployment.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(told), "{arguments:?}: {error}");
    };
    check(
        &["workspace", "create", "acme", "--name", "Again"],
        4,
        "slug is already taken",
    );
    check(
        &["workspace", "create", "Not A Slug", "--name", "x"],
        2,
        "slug must be",
    );
    check(
        &["members", "list", "--workspace", "nobody"],
        3,
        "workspace not found",
    );
    check(
        &[
            "directory",
            "create",
            "--workspace",
            "acme",
            "--name",
            "IDP",
            "--kind",
            "okta",
        ],
        4,
        "name is already taken",
    );
    check(
        &[
            "rule",
            "add",
            "--workspace",
            "acme",
            "--directory",
            "idp",
            "--group",
            "G",
        ],
        2,
        "must give at least one team, role or permission",
    );
    check(
        &[
            "explain",
            "--workspace",
            "acme",
            "--member",
            "nobody@acme.example",
        ],
        3,
        "member not found",
    );
    check(&["frobnicate"], 2, "unrecognized subcommand");
}

#[tokio::test]
async fn a_command_beside_the_server_takes_effect_there() {
    let (deployment, _) = with_directory("entra").await;
    let server = deployment.serve().await;
    // Made again now, since the server has stored its public URL.
    let directory = deployment.json(&[
        "directory",
        "create",
        "--workspace",
        "acme",
        "--name",
        "beside",
        "--kind",
        "generic",
    ]);
    let base = directory["scim_base_url"].as_str().unwrap().to_owned();
    assert!(base.starts_with(&server.url), "{base}");
    let token = directory["token"].as_str().unwrap();
    let ada = server
        .send(
            "POST",
            &format!("{base}/Users"),
            token,
            Some(&json!({"userName": "ada@acme.example"})),
        )
        .await;
    assert_eq!(ada.0, 201, "{}", ada.1);
    let group = json!({"displayName": "Sales", "members": [{"value": ada.1["id"]}]});
    let group = server
        .send("POST", &format!("{base}/Groups"), token, Some(&group))
        .await;
    assert_eq!(group.0, 201, "{}", group.1);
    let rule = deployment.json(&[
        "rule",
        "add",
        "--workspace",
        "acme",
        "--directory",
        "beside",
        "--group",
        "sales",
        "--team",
        "Sales",
        "--role",
        "agent",
    ]);
    assert_eq!(rule["bound"], true);
    assert_eq!(rule["changed"], 1);
    let members = deployment.json(&["members", "list", "--workspace", "acme"]);
    assert_eq!(members[0]["user_name"], "ada@acme.example");
    assert_eq!(members[0]["status"], "active");
    assert_eq!(members[0]["teams"], json!(["Sales"]));
    assert_eq!(members[0]["roles"], json!(["agent"]));
    let why = deployment.json(&[
        "explain",
        "--workspace",
        "acme",
        "--member",
        "ada@acme.example",
    ]);
    assert_eq!(why["grants"].as_array().unwrap().len(), 2);
    let grant = &why["grants"][0];
    assert_eq!(grant["rule"]["id"], rule["id"]);
    assert_eq!(grant["rule"]["version"], 1);
    assert_eq!(grant["rule"]["groups"][0]["id"], group.1["id"]);
    assert_eq!(grant["rule"]["groups"][0]["name"], "Sales");
    assert!(grant["request"]["id"].is_string() && grant["request"]["at"].is_string());
    assert!(!grant["ends_with"].as_array().unwrap().is_empty());
    server.wait_until_numbered(&deployment).await;
    let findings = deployment.json(&["verify"]);
    assert!(findings.as_array().unwrap().len() > 20);
    server.stop();
}

#[tokio::test]
async fn a_revoked_token_opens_nothing_within_moments() {
    let (deployment, _) = with_directory("okta").await;
    let server = deployment.serve().await;
    let named = ["--workspace", "acme", "--name", "idp"];
    let call = |command: &'static str| {
        let mut arguments = vec!["directory", command];
        arguments.extend(named);
        arguments
    };
    let made = deployment.json(&call("rotate-token"));
    let users = format!("{}/Users", made["scim_base_url"].as_str().unwrap());
    let token = made["token"].as_str().unwrap();
    assert_eq!(server.send("GET", &users, token, None).await.0, 200);
    let shown = deployment.json(&call("show"));
    assert_eq!(shown["tokens"].as_array().unwrap().len(), 2);
    let mut revoke = call("revoke-token");
    revoke.extend(["--token", made["token_id"].as_str().unwrap()]);
    deployment.json(&revoke);
    server
        .until("the token is refused", async || {
            server.send("GET", &users, token, None).await.0 == 401
        })
        .await;
    server.stop();
}

#[tokio::test]
async fn a_rule_over_many_members_is_worked_off_without_a_server() {
    let (deployment, directory) = with_directory("generic").await;
    let server = deployment.serve().await;
    let token = directory["token"].as_str().unwrap();
    let base = format!("{}/scim/v2", server.url);
    let mut members = Vec::new();
    for at in 0..12 {
        let user = json!({"userName": format!("u{at}@acme.example")});
        let user = server
            .send("POST", &format!("{base}/Users"), token, Some(&user))
            .await;
        members.push(json!({"value": user.1["id"]}));
    }
    let group = json!({"displayName": "All", "members": members});
    assert_eq!(
        server
            .send("POST", &format!("{base}/Groups"), token, Some(&group))
            .await
            .0,
        201
    );
    server.stop();
    let rule = deployment.json_with(
        &[
            ("GATEHOUSE__SCIM__RUN_THRESHOLD", "10"),
            ("GATEHOUSE__SCIM__RUN_BATCH", "5"),
        ],
        &[
            "rule",
            "add",
            "--workspace",
            "acme",
            "--directory",
            "idp",
            "--group",
            "All",
            "--team",
            "Everybody",
        ],
    );
    assert!(rule["run"].is_string(), "{rule}");
    let members = deployment.json(&["members", "list", "--workspace", "acme"]);
    let in_team = |member: &&Value| member["teams"] == json!(["Everybody"]);
    assert_eq!(
        members.as_array().unwrap().iter().filter(in_team).count(),
        12
    );
}

#[tokio::test]
async fn a_rule_looks_at_attributes_and_a_template_maps_roles() {
    let (deployment, directory) = with_directory("okta").await;
    let rule = |arguments: &[&str]| {
        let add = ["rule", "add", "--workspace", "acme", "--directory", "idp"];
        deployment.json(&[&add[..], arguments].concat())
    };
    let added = rule(&["--when", "TITLE eq \"Lead\"", "--role", "supervisor"]);
    assert_eq!(added["when"], "title eq \"Lead\"");
    assert_eq!(added["groups"], json!([]));
    let mapped = rule(&["--template", "okta-roles"]);
    assert_eq!(mapped[0]["role"], "user");
    assert_eq!(mapped[1]["role"], "supervisor");
    assert_eq!(mapped[1]["added"], true);
    let again = rule(&["--template", "okta-roles", "--role", "supervisor"]);
    assert_eq!(again[0]["id"], mapped[1]["id"]);
    assert_eq!(again[0]["added"], false);
    let listed = deployment.json(&["rule", "list", "--workspace", "acme"]);
    assert_eq!(listed.as_array().unwrap().len(), 3);
    assert_eq!(listed[0]["when"], added["when"]);
    let server = deployment.serve().await;
    let base = format!("{}/scim/v2", server.url);
    let user = json!({"userName": "ada@acme.example", "title": "lead"});
    let token = directory["token"].as_str().unwrap();
    server
        .send("POST", &format!("{base}/Users"), token, Some(&user))
        .await;
    server.stop();
    let explain = [
        "explain",
        "--workspace",
        "acme",
        "--member",
        "ada@acme.example",
    ];
    let why = deployment.json(&explain);
    assert_eq!(
        why["grants"][0]["rule"]["satisfied_by"]["title"],
        json!(["lead"])
    );
    let told = deployment.run(&explain).stdout;
    let told = String::from_utf8(told).unwrap();
    for part in [
        "version 1, having title eq \"Lead\"",
        "where title is \"lead\"",
        "no longer holds",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    for (refused, told) in [
        (&["--role", "x"][..], "at least one group"),
        (
            &["--when", "groups.display eq \"x\"", "--role", "x"],
            "must not name groups",
        ),
        (&["--when", "title eq", "--role", "x"], "expected"),
        (
            &["--template", "okta-roles", "--group", "x"],
            "cannot be used with",
        ),
    ] {
        let add = ["rule", "add", "--workspace", "acme", "--directory", "idp"];
        let output = deployment.run(&[&add[..], refused].concat());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(told), "{error}");
    }
}

#[tokio::test]
async fn the_configuration_is_checked_and_shown_without_secrets() {
    let deployment = Deployment::new().await;
    let output = deployment.run(&["check-config"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success());
    assert!(text.contains("page_size = 200"), "{text}");
    assert!(!text.contains(deployment::KEY), "{text}");
    let output = deployment.run_with(
        &[
            ("GATEHOUSE__LIMITS__PAGE_SIZE", "0"),
            ("GATEHOUSE__LOG__FORMAT", "xml"),
        ],
        &["check-config"],
    );
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        error.contains("limits.page_size") || error.contains("log.format"),
        "{error}"
    );
}

// C146
#[tokio::test]
async fn another_key_than_the_databases_own_is_refused() {
    let deployment = Deployment::new().await;
    deployment.json(&["workspace", "create", "acme", "--name", "Acme"]);
    let other = "11f2c3a4958677d0e9b1a2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f607";
    let output = deployment.run_with(&[("GATEHOUSE__SECRETS__KEY", other)], &["verify"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(error.contains("secrets.key"), "{error}");
}

#[tokio::test]
async fn the_demo_shows_200_people_and_why_one_of_them_has_what() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        // Shown again in its folder, it finds everything and makes nobody twice.
        let mut child = Command::new(env!("CARGO_BIN_EXE_gatehouse"))
            .env_clear()
            .arg("demo")
            .args(["--folder", &folder.path().display().to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut told = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while !told.contains("Serving until") {
            told += &lines.next().expect("the demo goes on").unwrap();
            told.push('\n');
        }
        for part in [
            "200 people",
            "Teams:",
            "Roles:",
            "because of rule",
            "What to try next",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        let pid = child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &pid])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}
