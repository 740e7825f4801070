//! Members whom a restore brought back: what lets them in again, and what does not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde_json::{Value, json};

use crate::deployment::{Deployment, Server};
use crate::with_directory;

/// A deployment after a restore, with its server and a token that was released.
struct Restored {
    deployment: Deployment,
    server: Server,
    token: String,
    /// The URL of each user.
    users: Vec<String>,
}

impl Restored {
    /// Users of those names in a group that gives a team, all of them held.
    async fn with(names: &[&str]) -> Self {
        let (deployment, directory) = with_directory("generic").await;
        let token = directory["token"].as_str().unwrap().to_owned();
        let rule = ["rule", "add", "--workspace", "acme", "--directory", "idp"];
        deployment.json(&[&rule[..], &["--group", "Sales", "--team", "Sales"]].concat());
        let server = deployment.serve().await;
        let mut ids = Vec::new();
        for name in names {
            let url = format!("{}/scim/v2/Users", server.url);
            let user = json!({"userName": name, "active": true});
            let (status, user) = server.send("POST", &url, &token, Some(&user)).await;
            assert_eq!(status, 201, "{user}");
            ids.push(user["id"].as_str().unwrap().to_owned());
        }
        let members: Vec<_> = ids.iter().map(|id| json!({"value": id})).collect();
        let group = json!({"displayName": "Sales", "members": members});
        let groups = format!("{}/scim/v2/Groups", server.url);
        let (status, group) = server.send("POST", &groups, &token, Some(&group)).await;
        assert_eq!(status, 201, "{group}");
        server.stop();
        deployment.json(&["backup", "one.gatehouse"]);
        let back = deployment.json(&["restore", "one.gatehouse", "--replace"]);
        assert_eq!(back["members_held"], names.len());
        let release = ["directory", "release-token", "--workspace", "acme"];
        let one = ["--name", "idp", "--token"];
        let id = directory["token_id"].as_str().unwrap();
        deployment.json(&[&release[..], &one, &[id]].concat());
        let server = deployment.serve().await;
        let of = |id: &String| format!("{}/scim/v2/Users/{id}", server.url);
        Self {
            users: ids.iter().map(of).collect(),
            deployment,
            server,
            token,
        }
    }

    /// What a request to a user answers, which must not be an error.
    async fn send(&self, method: &str, user: usize, body: Value) -> Value {
        let url = &self.users[user];
        let answer = self.server.send(method, url, &self.token, Some(&body));
        let (status, answer) = answer.await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    async fn patch(&self, user: usize, operations: Value) -> Value {
        let urn = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
        let body = json!({"schemas": [urn], "Operations": operations});
        self.send("PATCH", user, body).await
    }

    /// The names of those who have their rights.
    fn are_in(&self) -> Vec<String> {
        let listed = self
            .deployment
            .json(&["members", "list", "--workspace", "acme"]);
        let listed = listed.as_array().unwrap().iter();
        let are_in = listed.filter(|member| member["teams"] == json!(["Sales"]));
        let mut names: Vec<_> = are_in
            .map(|member| {
                assert_eq!(member["held_at"], Value::Null, "{member}");
                member["user_name"].as_str().unwrap().to_owned()
            })
            .collect();
        names.sort();
        names
    }
}

// C242
#[tokio::test]
async fn a_request_that_does_not_speak_of_active_lets_nobody_in_whom_a_restore_holds() {
    let restored = Restored::with(&["ada", "bob"]).await;
    let title = json!([{"op": "replace", "path": "title", "value": "Clerk"}]);
    // The second changes nothing, and neither does no operation at all.
    for operations in [&title, &title, &json!([])] {
        let ada = restored.patch(0, operations.clone()).await;
        assert_eq!(
            (&ada["title"], &ada["active"]),
            (&json!("Clerk"), &json!(true))
        );
        assert_eq!(restored.are_in(), [""; 0]);
    }
    let silent = json!({"userName": "bob", "displayName": "Bob"});
    for _ in 0..2 {
        let bob = restored.send("PUT", 1, silent.clone()).await;
        assert_eq!(
            (&bob["displayName"], &bob["active"]),
            (&json!("Bob"), &json!(true))
        );
        assert_eq!(restored.are_in(), [""; 0]);
    }
    restored.deployment.json(&["verify"]);
}

// C242
#[tokio::test]
async fn a_request_that_writes_active_lets_in_also_where_it_changes_nothing() {
    let names = ["ada", "bob", "cid", "dora", "eve"];
    let restored = Restored::with(&names).await;
    let active = json!([{"op": "replace", "path": "active", "value": true}]);
    restored.patch(0, active).await;
    assert_eq!(restored.are_in(), ["ada"]);
    let whole = json!([{"op": "replace", "value": {"active": "True", "title": "Clerk"}}]);
    restored.patch(1, whole).await;
    assert_eq!(restored.are_in(), ["ada", "bob"]);
    let same = json!({"userName": "cid", "active": true});
    restored.send("PUT", 2, same).await;
    assert_eq!(restored.are_in(), ["ada", "bob", "cid"]);
    let other = json!({"userName": "dora", "active": true, "title": "Clerk"});
    restored.send("PUT", 3, other).await;
    assert_eq!(restored.are_in(), ["ada", "bob", "cid", "dora"]);
    // Shut out first, whoever speaks of something else is not let in by it.
    for (active, are_in) in [(false, 4), (true, 5)] {
        let said = json!([{"op": "replace", "path": "active", "value": active}]);
        restored.patch(4, said).await;
        let title = json!([{"op": "replace", "path": "title", "value": active.to_string()}]);
        restored.patch(4, title).await;
        assert_eq!(restored.are_in(), names[..are_in]);
    }
    restored
        .server
        .wait_until_numbered(&restored.deployment)
        .await;
    restored.deployment.json(&["verify"]);
}

// C242
#[tokio::test]
async fn a_restore_says_that_groups_are_those_of_the_backup_and_what_to_do_first() {
    let (deployment, _) = with_directory("entra").await;
    deployment.json(&["backup", "one.gatehouse"]);
    let restore = ["restore", "one.gatehouse", "--replace"];
    let back = deployment.json(&restore);
    assert_eq!(back["groups_as_of"], back["content"]["made_at"]);
    let told = back["before_release"].as_str().unwrap();
    for part in ["Restart provisioning", "push the groups again"] {
        assert!(told.contains(part), "{told}");
    }
    let output = deployment.run(&restore);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (first, then) = text.split_once("Restart provisioning").unwrap();
    assert!(first.contains("are not held"), "{text}");
    assert!(then.contains("members release"), "{text}");
    let moved = deployment.json(&[&restore[..], &["--as-is"]].concat());
    assert_eq!(moved["before_release"], Value::Null);
}
