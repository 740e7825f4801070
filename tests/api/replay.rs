//! A request of the log is sent again.

use gatehouse::admission::brake::Mode;
use gatehouse::changes::Origin;
use gatehouse::directory::request_log::{self, Entry, Wanted};
use gatehouse::workspace::keys::Permission;
use gatehouse::workspace::lifecycle;
use gatehouse::workspace::seats::SeatPolicy;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, member, operations, users};
use crate::members::role;

impl Gateway {
    /// The latest request of the log.
    async fn latest(&self, scim: &Scim) -> Entry {
        request_log::flush(&self.app).await;
        let place = (self.workspace.id, scim.directory.id);
        let found = request_log::list(&self.app, place, &Wanted::default(), 1).await;
        found.unwrap().remove(0)
    }

    async fn again(&self, key: &str, entry: &Entry, rehearsal: bool) -> (u16, Value) {
        let path = format!(
            "/workspaces/acme/directories/{}/requests/{}/replay",
            entry.directory, entry.id
        );
        let body = json!({"for_real": !rehearsal});
        let answer = self.api(key, "POST", &path, Some(&body)).await;
        (answer.status, answer.body)
    }
}

// C256
#[tokio::test]
async fn what_failed_is_rehearsed_and_then_done_once() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.key(&[Permission::DirectoriesManage]).await;
    let body = json!({
        "userName": "ada@acme.example", "externalId": "a", "password": "s3cret-s3cret",
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    });
    let other = gateway
        .scim_of(&gateway.workspace, crate::gateway::new_directory("two"))
        .await;
    let id = other.created("/Users", &body).await;
    let (status, _) = scim.send("POST", "/Users", Some(&body)).await;
    assert_eq!(status, 409, "a member of another way");
    let entry = gateway.latest(&scim).await;
    assert_eq!(entry.status, 409);
    assert!(
        !entry
            .request
            .clone()
            .unwrap()
            .to_string()
            .contains("s3cret")
    );

    // As things are it would fail again; once they are mended it would not.
    let (status, done) = gateway.again(&key, &entry, true).await;
    assert_eq!(
        (status, &done["status"], &done["before"]),
        (200, &json!(409), &json!(409))
    );
    let (status, done) = gateway.again(&key, &entry, false).await;
    assert_eq!((status, &done["status"]), (200, &json!(409)), "{done}");
    assert_eq!(
        other.send("DELETE", &format!("/Users/{id}"), None).await.0,
        204
    );
    let before = gateway.count("changes").await;
    let (_, done) = gateway.again(&key, &entry, true).await;
    assert_eq!(
        (&done["status"], &done["rehearsal"]),
        (&json!(201), &json!(true)),
        "{done}"
    );
    let kinds: Vec<_> = done["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["kind"].clone())
        .collect();
    assert!(
        kinds.contains(&json!("user.created")) && kinds.contains(&json!("member.added")),
        "{kinds:?}"
    );
    assert_eq!(gateway.count("changes").await, before, "nothing is kept");
    assert_eq!(gateway.count("users").await, 0);

    // Nothing of it is kept either where nobody says.
    let path = format!(
        "/workspaces/acme/directories/{}/requests/{}/replay",
        entry.directory, entry.id
    );
    let opposite = json!({"for_real": true, "rehearsal": true});
    for (body, status) in [
        (json!({}), 200),
        (json!({"rehearsal": true}), 200),
        (opposite, 400),
    ] {
        let answer = gateway.api(&key, "POST", &path, Some(&body)).await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
    assert_eq!(gateway.count("users").await, 0);

    let (_, done) = gateway.again(&key, &entry, false).await;
    assert_eq!(done["status"], 201, "{done}");
    assert_eq!(gateway.count("users").await, 1);
    let (status, refused) = gateway.again(&key, &entry, false).await;
    assert_eq!(status, 409, "{refused}");
    let marked = gateway.latest(&scim).await;
    assert_eq!(
        (marked.status, marked.id.to_string()),
        (201, done["request"].as_str().unwrap().to_owned())
    );
    assert!(marked.user_agent.unwrap().contains(&entry.id.to_string()));
    assert!(
        gateway
            .texts("changes", "actor")
            .await
            .iter()
            .any(|actor| actor.starts_with("replay by"))
    );
    gateway.check().await;
}

// C256
#[tokio::test]
async fn nobody_else_sees_or_sends_it_and_nothing_is_done_twice() {
    let gateway = Gateway::new().await;
    gateway.brake(Mode::Off).await;
    let scim = gateway.scim().await;
    let key = gateway.key(&[Permission::DirectoriesManage]).await;
    let lesser = gateway.key(&[Permission::MembersManage]).await;
    let ids = users(&scim, "u", 2).await;
    let made = gateway.latest(&scim).await;
    assert_eq!(gateway.again(&lesser, &made, true).await.0, 403);
    assert_eq!(gateway.again(&lesser, &made, false).await.0, 403);
    assert_eq!(
        gateway.again(&key, &made, false).await.0,
        409,
        "it was done"
    );
    let (_, done) = gateway.again(&key, &made, true).await;
    assert_eq!(done["status"], 409, "{done}");
    let path = format!(
        "/workspaces/acme/directories/{}/requests/{}",
        made.directory, made.id
    );
    let shown = gateway.api(&key, "GET", &path, None).await;
    assert_eq!(
        (shown.status, &shown.body["status"]),
        (200, &json!(201)),
        "{}",
        shown.text
    );
    assert_eq!(gateway.api(&lesser, "GET", &path, None).await.status, 403);
    assert!(
        gateway
            .texts("changes", "kind")
            .await
            .contains(&"request.read".to_owned())
    );
    let elsewhere = path.replace("acme", "other");
    gateway.other_workspace().await;
    assert_eq!(gateway.api(&key, "GET", &elsewhere, None).await.status, 404);
    let unknown = path.replace(&made.id.to_string(), &uuid::Uuid::nil().to_string());
    assert_eq!(gateway.api(&key, "GET", &unknown, None).await.status, 404);

    // Whatever the method: a group with members, their change, Bulk, a search.
    let crew = json!({"displayName": "Crew", "members": [member(&ids[0])]});
    let crew = scim.created("/Groups", &crew).await;
    let add = operations(json!([{"op": "add", "path": "members", "value": [member(&ids[1])]}]));
    scim.send("PATCH", &format!("/Groups/{crew}"), Some(&add))
        .await;
    let patched = gateway.latest(&scim).await;
    let remove = operations(json!([{"op": "remove", "path": "members"}]));
    scim.send("PATCH", &format!("/Groups/{crew}"), Some(&remove))
        .await;
    let (_, done) = gateway.again(&key, &patched, true).await;
    assert_eq!(
        done["changes"][0]["kind"], "group.members_changed",
        "{done}"
    );
    assert!(scim.members(&crew).await.is_empty());
    let (_, done) = gateway.again(&key, &patched, false).await;
    assert_eq!(done["status"], 200, "{done}");
    assert_eq!(scim.members(&crew).await.len(), 1);
    let bulk = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [{"method": "DELETE", "path": format!("/Users/{}", ids[0])}],
    });
    scim.send("POST", "/Bulk", Some(&bulk)).await;
    let bulk = gateway.latest(&scim).await;
    let (_, done) = gateway.again(&key, &bulk, false).await;
    assert_eq!(done["answer"]["Operations"][0]["status"], "404", "{done}");
    scim.send(
        "GET",
        "/Users?filter=userName%20eq%20%22u1@acme.example%22",
        None,
    )
    .await;
    let listed = gateway.latest(&scim).await;
    let (_, done) = gateway.again(&key, &listed, true).await;
    assert_eq!(
        (&done["status"], &done["answer"]["totalResults"]),
        (&json!(200), &json!(1)),
        "{done}"
    );
    gateway.check().await;
}

// C256: it is looked at as if it came now, not as it was looked at then
#[tokio::test]
async fn what_is_sent_again_passes_the_checks_of_now() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.key(&[Permission::DirectoriesManage]).await;
    let ids = users(&scim, "u", 3).await;
    let limit = async |limit| gateway.limit(limit, SeatPolicy::Refuse).await;
    limit(Some(3)).await;
    // Refused by the limit of then, it is none of that of now.
    let new = json!({"userName": "new@acme.example"});
    assert_eq!(scim.send("POST", "/Users", Some(&new)).await.0, 409);
    let refused = gateway.latest(&scim).await;
    assert_eq!(gateway.again(&key, &refused, true).await.1["status"], 409);
    limit(None).await;
    assert_eq!(gateway.again(&key, &refused, true).await.1["status"], 201);
    // Done then, it is refused by what stands against it now.
    let path = format!("/Users/{}", ids[0]);
    let active = |is: bool| operations(json!([{"op": "replace", "path": "active", "value": is}]));
    assert_eq!(scim.send("PATCH", &path, Some(&active(false))).await.0, 200);
    let off = gateway.latest(&scim).await;
    assert_eq!(scim.send("PATCH", &path, Some(&active(true))).await.0, 200);
    assert_eq!(gateway.again(&key, &off, true).await.1["status"], 200);
    let admin = gateway.member("u0@acme.example").await.id;
    gateway.give(admin, role("admin")).await.unwrap();
    for rehearsal in [true, false] {
        let (_, done) = gateway.again(&key, &off, rehearsal).await;
        assert_eq!(done["status"], 409, "{done}");
        assert!(
            done["answer"]["detail"]
                .as_str()
                .unwrap()
                .contains("last admin")
        );
    }
    // And none comes into a workspace that is shut.
    lifecycle::suspend(&gateway.app, &Origin::cli(), &gateway.workspace)
        .await
        .unwrap();
    let (status, done) = gateway.again(&key, &refused, false).await;
    assert!([401, 403, 404].contains(&status), "{status} {done}");
    assert_eq!(gateway.count("users").await, 3);
    gateway.check().await;
}

// C256: what is handed out for help has no secrets, is the workspace's own, and is written down
#[tokio::test]
async fn the_log_is_handed_out_whole_and_that_is_told() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.key(&[Permission::DirectoriesManage]).await;
    let lesser = gateway.key(&[Permission::MembersManage]).await;
    let body = json!({"userName": "ada@acme.example", "password": "s3cret-s3cret"});
    scim.created("/Users", &body).await;
    for _ in 0..60 {
        assert_eq!(scim.send("POST", "/Users", Some(&body)).await.0, 409);
    }
    let path = |workspace: &str, query: &str| {
        let directory = scim.directory.id;
        format!("/workspaces/{workspace}/directories/{directory}/requests/bundle{query}")
    };
    let get = async |key: &str, path: &str| gateway.api(key, "GET", path, None).await;
    let told = async || {
        let kinds = gateway.texts("changes", "kind").await;
        kinds
            .iter()
            .filter(|kind| *kind == "requests.exported")
            .count()
    };
    gateway.other_workspace().await;
    assert_eq!(get(&lesser, &path("acme", "")).await.status, 403);
    assert_eq!(get(&key, &path("other", "")).await.status, 404);
    assert_eq!(get(&key, &path("acme", "?what=1")).await.status, 400);
    assert_eq!(told().await, 0);
    let whole = get(&key, &path("acme", "")).await;
    assert_eq!(whole.status, 200, "{}", whole.text);
    let requests = whole.body["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 61);
    assert_eq!(requests[60]["status"], 201, "the oldest is the last");
    assert_eq!(requests[60]["request"]["userName"], "ada@acme.example");
    assert_eq!(whole.body["directory"]["name"], "idp");
    assert!(!whole.text.contains("s3cret") && !whole.text.contains(&scim.token));
    let some = get(&key, &path("acme", "?status=201")).await;
    assert_eq!(some.body["requests"].as_array().unwrap().len(), 1);
    let none = get(&key, &path("acme", "?status=500")).await;
    assert_eq!(none.body["requests"], json!([]));
    assert_eq!(told().await, 3);
    gateway.check().await;
}
