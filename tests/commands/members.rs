//! `gatehouse members`: somebody comes, changes, is shut out, leaves, and is what they were at an
//! instant; and why they have what.

use serde_json::{Value, json};

use crate::telling::Client;
use crate::with_directory;

const ADA: &str = "--workspace acme --member ada@acme.example";

#[tokio::test]
async fn somebody_is_added_edited_shut_out_and_removed() {
    let (deployment, _) = with_directory("generic").await;
    deployment.value("team create --workspace acme --name Support");
    let add = "members add --workspace acme --email ada@acme.example";
    deployment.tells(
        &format!("{add} --given-name Ada --team Support --role user"),
        &["is new"],
    );
    deployment.tells(add, &["was expected already"]);
    deployment.refuses("members add --workspace acme --email ada", 2, "email");
    deployment.refuses(
        "members add --workspace acme --email eve@acme.example --team Nobody",
        3,
        "team not found",
    );
    deployment.tells(
        &format!("members edit {ADA} --user-id A1 --line numberless --language de"),
        &["is written"],
    );
    deployment.value(&format!("members edit {ADA} --clear user_id"));
    deployment.refuses(&format!("members edit {ADA} --phone 0664"), 2, "phone");
    deployment.refuses(
        &format!("members edit {ADA} --clear colour"),
        2,
        "unknown field `colour`",
    );
    deployment.refuses(
        "members edit --workspace acme --member eve --language de",
        3,
        "member not found",
    );
    deployment.tells(
        "members list --workspace acme",
        &["ada@acme.example", "draft"],
    );
}

#[tokio::test]
async fn rights_are_given_and_taken_by_hand() {
    let (deployment, directory) = with_directory("generic").await;
    let server = deployment.serve().await;
    let token = directory["token"].as_str().unwrap().to_owned();
    let client = Client {
        server: &server,
        token,
    };
    client.user("ada@acme.example").await;
    client.user("bob@acme.example").await;
    server.stop();
    deployment.value("team create --workspace acme --name Support");
    let grant = format!("members grant {ADA} --team Support --role user --permission data.export");
    deployment.tells(&grant, &["3 rights are new"]);
    assert_eq!(deployment.value(&grant)["given"], 0);
    let filter = ["members", "list", "--workspace", "acme", "--filter"];
    let support = [&filter[..], &["teams eq \"Support\""]].concat();
    assert_eq!(deployment.json(&support).as_array().unwrap().len(), 1);
    let wrong = deployment.run(&[&filter[..], &["teams eq"]].concat());
    assert_eq!(wrong.status.code(), Some(2));
    for (what, name) in [
        ("team", "Support"),
        ("role", "user"),
        ("permission", "data.export"),
    ] {
        deployment.tells(
            &format!("explain --workspace acme --{what} {name}"),
            &["ada@acme.example", "yes"],
        );
    }
    for what in ["team", "role", "permission"] {
        deployment.refuses(
            &format!("explain --workspace acme --{what} no.such"),
            3,
            "\"no.such\": ",
        );
    }
    deployment.tells(
        &format!("explain {ADA}"),
        &[
            "active",
            "has 3 grants",
            "has access in \"Support\": is in the team",
        ],
    );
    deployment.tells(
        &format!("members access {ADA}"),
        &["Support", "is in the team"],
    );
    let person = "explain --workspace acme --person";
    deployment.tells(
        &format!("{person} ada@acme.example"),
        &["ada@acme.example is in", "the member is in"],
    );
    let nobody = deployment.value(&format!("{person} nobody"));
    assert_eq!(nobody["reasons"][0]["code"], "unknown");
    let last = deployment.value("members list --workspace acme --sort-by created_at --descending");
    assert_eq!(last[0]["user_name"], "bob@acme.example");
    deployment.refuses(
        "members list --workspace acme --sort-by age",
        2,
        "created_at, display_name, email, status",
    );
    deployment.tells(
        &format!("members revoke {ADA} --permission data.export"),
        &["has these rights no longer"],
    );
    deployment.refuses(
        &format!("members grant {ADA} --role Nobody"),
        3,
        "role not found",
    );

    deployment.tells(&format!("members suspend {ADA}"), &["is out until"]);
    deployment.tells(&format!("members activate {ADA}"), &["is in"]);
    deployment.tells(&format!("members protect {ADA}"), &["is protected"]);
    deployment.tells(&format!("members protect {ADA} --off"), &["no longer"]);
    deployment.value(&format!("members grant {ADA} --role admin"));
    deployment.refuses(&format!("members suspend {ADA}"), 4, "admin");
    deployment.refuses(&format!("members remove {ADA}"), 4, "take it out there");
    deployment.value("members add --workspace acme --email cid@acme.example");
    let cid = "--workspace acme --member cid@acme.example";
    deployment.tells(&format!("members remove {cid}"), &["is removed"]);
    deployment.tells(
        "members release --workspace acme --all",
        &["0 members have their rights again"],
    );
    deployment.refuses("members release --workspace acme", 2, "required");
}

#[tokio::test]
async fn a_member_is_what_it_was_at_an_instant() {
    let (deployment, directory) = with_directory("generic").await;
    let server = deployment.serve().await;
    let token = directory["token"].as_str().unwrap().to_owned();
    let client = Client {
        server: &server,
        token,
    };
    let user = client.user("ada@acme.example").await;
    deployment.value("team create --workspace acme --name Support");
    deployment.value(&format!("members grant {ADA} --team Support"));
    server.wait_until_numbered(&deployment).await;
    let activity = deployment.value(&format!("members activity {ADA}"));
    let before = activity["events"][0]["at"].as_str().unwrap().to_owned();
    deployment.value(&format!("members revoke {ADA} --team Support"));
    deployment.value(&format!("members edit {ADA} --user-id A1"));
    server.wait_until_numbered(&deployment).await;

    deployment.tells(
        &format!("members activity {ADA} --limit 1"),
        &["last seen:", "when", "member."],
    );
    deployment.refuses(
        &format!("members activity {ADA} --limit 0"),
        2,
        "not in 1..=10000",
    );
    let was = deployment.value(&format!("members list --workspace acme --as-of {before}"));
    assert_eq!(was[0]["teams"], json!(["Support"]));
    deployment.tells(
        &format!("members list --workspace acme --as-of {before}"),
        &["ada@acme.example", "active", "Support"],
    );
    let diff = format!("members diff --workspace acme --from {before}");
    let differs = deployment.value(&diff);
    let members = &differs["members"];
    assert_eq!(members[0]["ended"]["teams"], json!(["Support"]));
    deployment.tells(&diff, &["ended", "Support", "user_id"]);
    deployment.refuses(&format!("{diff} --to 2001-01-01T00:00:00Z"), 2, "from must");
    deployment.refuses(
        "members diff --workspace acme --from yesterday",
        2,
        "RFC 3339",
    );
    deployment.refuses(
        "members list --workspace acme --as-of 2999-01-01T00:00:00Z",
        2,
        "an instant that has come",
    );
    deployment.tells(
        &format!("members restore {ADA} --as-of {before}"),
        &["1 rights are back, 0 went"],
    );
    let now = deployment.value("members list --workspace acme");
    assert_eq!(now[0]["teams"], json!(["Support"]));

    let id = now[0]["id"].as_str().unwrap();
    deployment.tells(
        &format!("members export {ADA} --file ada.json"),
        &["is written to ada.json"],
    );
    let file = std::fs::read(deployment.folder().join("ada.json")).unwrap();
    let held: Value = serde_json::from_slice(&file).unwrap();
    assert!(held.to_string().contains(id));
    deployment.refuses(
        &format!("members export {ADA} --file ada.json"),
        1,
        "ada.json",
    );
    deployment.refuses(&format!("members erase {ADA}"), 4, "remove");
    let path = format!("/Users/{user}");
    assert_eq!(client.send("DELETE", &path, Value::Null).await.0, 204);
    deployment.tells(
        &format!("members erase --workspace acme --member {id}"),
        &["is erased since"],
    );
    server.stop();
}
