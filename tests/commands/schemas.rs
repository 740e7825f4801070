//! Schemas by the command line and by the configuration, limited tokens, and strictness, all beside
//! a running server.

use serde_json::{Value, json};

use crate::deployment::{Deployment, Server};
use crate::with_directory;

const BADGE: &str = "urn:example:params:scim:schemas:extension:Badge";
const DEVICE: &str = "urn:example:params:scim:schemas:Device";

fn write(deployment: &Deployment, name: &str, document: &Value) {
    let path = deployment.folder().join(name);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).expect("a folder");
    }
    std::fs::write(path, document.to_string()).expect("written");
}

fn documents(deployment: &Deployment, folder: &str) {
    let attributes = json!([{"name": "number", "type": "string"}]);
    let badge = json!({"id": BADGE, "name": "Badge", "attributes": attributes});
    write(deployment, &format!("{folder}badge.json"), &badge);
    let device = json!({"id": DEVICE, "name": "Device", "attributes": attributes});
    let kind = json!({"name": "Device", "endpoint": "/Devices", "schema": DEVICE});
    write(
        deployment,
        &format!("{folder}devices.json"),
        &json!([device, kind]),
    );
}

/// A directory's address and token, made beside the server.
fn client(deployment: &Deployment, server: &Server) -> (String, String) {
    let directory = deployment.json(&[
        "directory",
        "create",
        "--workspace",
        "acme",
        "--name",
        "hr",
        "--kind",
        "generic",
    ]);
    let base = directory["scim_base_url"]
        .as_str()
        .expect("a URL")
        .to_owned();
    assert!(base.starts_with(&server.url));
    (
        base,
        directory["token"].as_str().expect("a token").to_owned(),
    )
}

#[tokio::test]
async fn what_is_registered_beside_the_server_holds_there_within_a_second() {
    let (deployment, _) = with_directory("generic").await;
    documents(&deployment, "");
    let server = deployment.serve().await;
    let (base, token) = client(&deployment, &server);
    let added = deployment.json(&[
        "schema",
        "add",
        "--workspace",
        "acme",
        "--extends",
        "User",
        "badge.json",
    ]);
    assert_eq!(added["registered"], json!([BADGE, "User"]));
    deployment.json(&["schema", "add", "--workspace", "acme", "devices.json"]);
    let listed = deployment.json(&["schema", "list", "--workspace", "acme"]);
    let names: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["Device", DEVICE, BADGE, "User"]);
    let device = json!({"number": "D1"});
    server
        .until("the server knows the type", async || {
            let url = format!("{base}/Devices");
            server.send("POST", &url, &token, Some(&device)).await.0 == 201
        })
        .await;
    let user = json!({"userName": "ada", (BADGE): {"number": "N1"}});
    let (status, made) = server
        .send("POST", &format!("{base}/Users"), &token, Some(&user))
        .await;
    assert_eq!((status, &made[BADGE]["number"]), (201, &json!("N1")));
    let output = deployment.run(&["schema", "remove", "--workspace", "acme", BADGE]);
    assert_eq!(output.status.code(), Some(4), "it is in use");
    let output = deployment.run(&["schema", "remove", "--workspace", "acme", "urn:nothing"]);
    assert_eq!(output.status.code(), Some(3));
    write(
        &deployment,
        "bad.json",
        &json!({"id": "x", "attributes": []}),
    );
    let output = deployment.run(&["schema", "add", "--workspace", "acme", "bad.json"]);
    assert_eq!(output.status.code(), Some(2));
    server.stop();
}

#[tokio::test]
async fn the_examples_can_be_registered_as_they_stand() {
    let (deployment, _) = with_directory("generic").await;
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/devices.json");
    let added = deployment.json(&["schema", "add", "--workspace", "acme", example]);
    assert_eq!(added["registered"].as_array().unwrap().len(), 2);
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/badge.json");
    let add = ["schema", "add", "--workspace", "acme", "--extends", "User"];
    let added = deployment.json(&[&add[..], &[example]].concat());
    assert_eq!(added["registered"], json!([BADGE, "User"]));
}

#[tokio::test]
async fn a_folder_of_schemas_holds_for_every_workspace() {
    let (deployment, _) = with_directory("generic").await;
    documents(&deployment, "schemas/");
    let user = json!({"name": "User", "schemaExtensions": [{"schema": BADGE, "required": false}]});
    write(&deployment, "schemas/user.json", &user);
    let folder = deployment.folder().join("schemas");
    let variables = [("GATEHOUSE__SCIM__SCHEMA_FOLDER", folder.to_str().unwrap())];
    let output = deployment.run_with(&variables, &["check-config"]);
    assert!(output.status.success());
    let server = deployment.serve_with(&variables).await;
    let (base, token) = client(&deployment, &server);
    let (status, made) = server
        .send(
            "POST",
            &format!("{base}/Devices"),
            &token,
            Some(&json!({"number": "1"})),
        )
        .await;
    assert_eq!((status, &made["number"]), (201, &json!("1")));
    let (_, kind) = server
        .send("GET", &format!("{base}/ResourceTypes/User"), &token, None)
        .await;
    assert_eq!(kind["schemaExtensions"][1]["schema"], BADGE);
    server.stop();
    write(
        &deployment,
        "schemas/worse.json",
        &json!({"id": BADGE, "attributes": []}),
    );
    let output = deployment.run_with(&variables, &["check-config"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        error.contains("scim.schema_folder") && error.contains("worse.json"),
        "{error}"
    );
}

#[tokio::test]
async fn a_folder_against_what_a_workspace_registered_stops_the_start() {
    let (deployment, _) = with_directory("generic").await;
    documents(&deployment, "");
    let file = deployment.folder().join("badge.json");
    let add = ["schema", "add", "--workspace", "acme"];
    deployment.json(&[&add[..], &[file.to_str().unwrap()]].concat());
    documents(&deployment, "schemas/");
    let folder = deployment.folder().join("schemas");
    let variables = [("GATEHOUSE__SCIM__SCHEMA_FOLDER", folder.to_str().unwrap())];
    let output = deployment.run_with(&variables, &["serve", "--listen", "127.0.0.1:0"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        error.contains("scim.schema_folder") && error.contains("acme") && error.contains(BADGE),
        "{error}"
    );
}

#[tokio::test]
async fn a_limited_token_and_a_strict_directory_are_set_by_command() {
    let (deployment, _) = with_directory("generic").await;
    let server = deployment.serve().await;
    let (base, token) = client(&deployment, &server);
    let rotated = deployment.json(&[
        "directory",
        "rotate-token",
        "--workspace",
        "acme",
        "--name",
        "hr",
        "--read-only",
        "--only",
        "Users",
    ]);
    let limited = rotated["token"].as_str().unwrap();
    let send = async |method: &str, path: &str, token: &str, body: Option<&Value>| {
        server
            .send(method, &format!("{base}{path}"), token, body)
            .await
            .0
    };
    let user = json!({"userName": "ada", "odd": 1});
    assert_eq!(send("GET", "/Users", limited, None).await, 200);
    assert_eq!(send("GET", "/Groups", limited, None).await, 403);
    assert_eq!(send("POST", "/Users", limited, Some(&user)).await, 403);
    assert_eq!(send("POST", "/Users", &token, Some(&user)).await, 201);
    let shown = deployment.json(&["directory", "show", "--workspace", "acme", "--name", "hr"]);
    assert_eq!(shown["tokens"][1]["read_only"], true);
    assert_eq!(shown["tokens"][1]["only_endpoint"], "Users");
    let set = deployment.json(&[
        "directory",
        "set",
        "--workspace",
        "acme",
        "--name",
        "hr",
        "--strict",
        "true",
    ]);
    assert_eq!(
        (&set["strict"], &set["restore_inactive"]),
        (&json!(true), &json!(false))
    );
    let odd = json!({"userName": "eve", "odd": 1});
    server
        .until("the directory is strict", async || {
            send("POST", "/Users", &token, Some(&odd)).await == 400
        })
        .await;
    let output = deployment.run(&[
        "directory",
        "rotate-token",
        "--workspace",
        "acme",
        "--name",
        "hr",
        "--only",
        "Things",
    ]);
    assert_eq!(output.status.code(), Some(2));
}
