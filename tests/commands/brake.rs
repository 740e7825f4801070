//! `gatehouse brake`: past the threshold people wait, and an admin decides at the command line.

use serde_json::json;

use crate::telling::Client;
use crate::with_directory;

// C076
#[tokio::test]
async fn who_is_held_is_listed_waits_and_is_released() {
    let (deployment, directory) = with_directory("generic").await;
    let set = deployment.value("brake set acme --mode hold --people 1 --percent 0");
    assert_eq!((&set["people"], &set["threshold"]), (&json!(1), &json!(1)));
    let set = deployment.value("brake set acme --hold-minutes 30");
    assert_eq!(
        (&set["people"], &set["hold_minutes"]),
        (&json!(1), &json!(30)),
        "what is not said stays"
    );
    let server = deployment.serve().await;
    let token = directory["token"].as_str().unwrap().to_owned();
    let client = Client {
        server: &server,
        token,
    };
    let mut users = Vec::new();
    for name in ["ada", "bob", "cid", "dora"] {
        users.push(client.user(name).await);
    }
    for user in &users {
        client.active(user, false).await;
    }
    server.stop();

    deployment.tells(
        "brake show acme",
        &["1 of 1 people", "waits 30 minutes", "3 are held"],
    );
    let held = deployment.value("brake list acme");
    let all = held.as_array().unwrap().iter();
    let names: Vec<_> = all.map(|it| it["user_name"].clone()).collect();
    assert_eq!(names, ["bob", "cid", "dora"]);
    assert_eq!(held[0]["wants"], "suspended");
    deployment.tells("brake list acme", &["bob", "is suspended"]);
    assert_eq!(deployment.value("brake wait acme bob")["waiting"], 1);
    let held = deployment.value("brake list acme");
    assert!(held[0]["until"].is_null() && held[1]["until"].is_string());
    deployment.tells("brake list acme", &["an admin"]);
    deployment.tells("brake release acme cid", &["1 released"]);
    deployment.refuses("brake release acme", 2, "required");
    deployment.refuses("brake release acme nobody", 3, "member not found");
    deployment.refuses("brake wait acme bob --all", 2, "cannot be used with");
    deployment.refuses("brake show nobody", 3, "workspace not found");
    deployment.refuses("brake set acme --people 0", 2, "people must be 1 to");
    deployment.refuses("brake set acme --mode never", 2, "hold, alert or off");
    let kept = "brake reject acme dora";
    deployment.tells(kept, &["1 keep what they were to lose"]);
    let done = deployment.value("brake release acme --all");
    assert_eq!(done, json!({"released": 1, "kept": 0}));
    assert_eq!(deployment.value("brake list acme"), json!([]));
    deployment.tells("brake set acme --mode off", &["the brake is off"]);
    let listed = deployment.value("members list --workspace acme");
    let listed = listed.as_array().unwrap();
    for member in listed {
        let kept = member["user_name"] == "dora";
        let status = if kept { "active" } else { "suspended" };
        assert_eq!(member["status"], status, "{member}");
    }
}
