//! What was done is taken back: a deleted group comes back, and a directory collects again.

use serde_json::json;

use crate::telling::Client;
use crate::with_directory;

#[tokio::test]
async fn a_deleted_group_is_listed_planned_and_given_back() {
    let (deployment, idp) = with_directory("generic").await;
    let server = deployment.serve().await;
    let token = idp["token"].as_str().unwrap().to_owned();
    let client = Client {
        server: &server,
        token,
    };
    let ada = client.user("ada").await;
    let crew = client.group("Crew", &[ada]).await;
    let (status, _) = client
        .send(
            "DELETE",
            &format!("/Groups/{crew}"),
            serde_json::Value::Null,
        )
        .await;
    assert_eq!(status, 204);
    server.stop();
    let named = "--workspace acme --name idp";
    let deleted = format!("directory deleted-groups {named}");
    let listed = deployment.value(&deleted);
    assert_eq!(listed[0]["id"], crew.as_str());
    deployment.tells(&deleted, &["Crew", "restorable until", &crew]);
    let restore = format!("directory restore-group {named} --group crew");
    let plan = deployment.value(&restore);
    assert_eq!(
        (&plan["added"], &plan["made_again"]),
        (&json!(1), &json!(true))
    );
    let hash = plan["hash"].as_str().unwrap();
    deployment.tells(
        &restore,
        &[
            "group Crew is made again: 1 users",
            &format!("apply it with --apply {hash}"),
        ],
    );
    deployment.refuses(&format!("{restore} --apply 0"), 4, "something else by now");
    deployment.tells(&format!("{restore} --apply {hash}"), &["it is done"]);
    assert_eq!(deployment.value(&deleted), json!([]));
    deployment.refuses(&restore, 2, "as_of is missing");
    deployment.refuses(
        &format!("directory restore-group {named} --group none"),
        3,
        "group not found",
    );
}

#[tokio::test]
async fn going_live_is_listed_and_undone() {
    let (deployment, _) = with_directory("generic").await;
    let create = "directory create --workspace acme --kind generic --mode collect --name new";
    let made = deployment.value(create);
    let server = deployment.serve().await;
    let token = made["token"].as_str().unwrap().to_owned();
    let client = Client {
        server: &server,
        token,
    };
    client.user("ada").await;
    server.stop();
    let named = "--workspace acme --name new";
    let live = format!("directory live {named}");
    let hash = deployment.value(&live)["hash"].clone();
    let applied = deployment.value(&format!("{live} --apply {}", hash.as_str().unwrap()));
    let run = applied["run"]["id"].as_str().unwrap();
    let runs = format!("directory runs {named}");
    assert_eq!(deployment.value(&runs)[0]["standing"], "done");
    deployment.tells(&runs, &["undo until", "live", run]);
    deployment.refuses(
        &format!("directory pause-run {named} --run {run}"),
        4,
        "the run is done",
    );
    deployment.tells(
        &format!("directory resume-run {named} --run {run}"),
        &["done"],
    );
    let undo = format!("directory undo-live {named} --run {run}");
    let undone = deployment.value(&undo);
    assert_eq!(
        (&undone["kind"], &undone["processed"]),
        (&json!("undo_live"), &json!(1))
    );
    assert_eq!(deployment.value("members list --workspace acme"), json!([]));
    deployment.refuses(&undo, 4, "undone already");
    deployment.tells(&runs, &["undone", "undolive"]);
}
