//! Many members in one request, and versions on every route that changes something.

use gatehouse::workspace::keys::Permission;
use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway};
use crate::members::{person, role};

const BULK: &str = "/workspaces/acme/members/bulk";

fn statuses(answer: &Answer) -> Vec<u64> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let results = answer.body["results"].as_array().expect("results");
    let statuses = results.iter().map(|it| it["status"].as_u64().unwrap());
    statuses.collect()
}

#[tokio::test]
async fn each_operation_has_its_own_outcome_and_keeps_no_other_back() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    let team = json!({"name": "Support"});
    gateway
        .api(&key, "POST", "/workspaces/acme/teams", Some(&team))
        .await;
    let (_, ada) = person(&gateway, &scim, "ada").await;
    let draft = gateway.enter(json!({"display_name": "Eve"}), &[]).await;
    let eve = draft.unwrap().member;
    let nobody = "019aa000-0000-7000-8000-000000000001";
    let team = json!([{"kind": "team", "name": "support"}]);
    let wanted = json!({"operations": [
        {"op": "add", "profile": {"email": "bob@acme.example"}, "roles": ["user"]},
        {"op": "add", "profile": {"email": "bob@acme.example", "phone": "+43 1 5880 4"}},
        {"op": "add", "profile": {"email": "nonsense"}},
        {"op": "edit", "member": eve, "profile": {"language": "en"}},
        {"op": "edit", "member": eve, "version": 1, "profile": {"language": "de"}},
        {"op": "edit", "member": eve, "profile": {"colour": "red"}},
        {"op": "suspend", "member": ada},
        {"op": "activate", "member": ada},
        {"op": "give", "member": ada, "rights": team},
        {"op": "take", "member": ada, "rights": team},
        {"op": "take", "member": ada, "rights": team},
        {"op": "remove", "member": ada},
        {"op": "remove", "member": eve},
        {"op": "remove", "member": eve},
        {"op": "suspend", "member": nobody},
        {"op": "fly", "member": ada},
        {"op": "suspend", "member": ada, "why": "x"},
        17,
    ]});
    let answer = gateway.api(&key, "POST", BULK, Some(&wanted)).await;
    assert_eq!(
        statuses(&answer),
        [
            201, 200, 400, 200, 412, 400, 200, 200, 204, 204, 404, 409, 204, 404, 404, 400, 400,
            400
        ],
        "{}",
        answer.text
    );
    let results = &answer.body["results"];
    assert_eq!(results[0]["outcome"], "created");
    assert_eq!(results[1]["outcome"], "merged");
    assert_eq!(results[0]["member"], results[1]["member"]);
    assert_eq!(results[3], json!({"status": 200, "member": eve}));
    let problem = &results[4]["problem"];
    assert_eq!(problem["code"], "version_mismatch");
    assert_eq!(problem["type"], "urn:gatehouse:problem:version_mismatch");
    assert_eq!(problem["status"], 412);
    assert!(
        results[5]["problem"]["detail"]
            .as_str()
            .unwrap()
            .contains("colour")
    );
    let bob = gateway.member("bob@acme.example").await;
    let details = gateway.details(bob.id).await;
    assert_eq!(details.phone.as_deref(), Some("+43158804"));
    gateway.check().await;
}

#[tokio::test]
async fn an_operation_may_do_what_a_request_of_its_own_may() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.key(&[Permission::MembersManage]).await;
    let (_, ada) = person(&gateway, &scim, "ada").await;
    let (_, bob) = person(&gateway, &scim, "bob").await;
    for member in [ada, bob] {
        gateway.give(member, role("admin")).await.unwrap();
    }
    let admin = json!([{"kind": "role", "name": "admin"}]);
    let wanted = json!({"operations": [
        {"op": "suspend", "member": ada},
        {"op": "give", "member": ada, "rights": admin},
        {"op": "add", "profile": {"display_name": "Eve"}, "roles": ["admin"]},
        {"op": "add", "profile": {"display_name": "Eve"}, "roles": ["user"]},
    ]});
    let answer = gateway.api(&key, "POST", BULK, Some(&wanted)).await;
    // The role allows more than the key does.
    assert_eq!(statuses(&answer), [403, 403, 403, 201], "{}", answer.text);
    let reader = gateway.key(&[Permission::MembersRead]).await;
    let refused = gateway.api(&reader, "POST", BULK, Some(&wanted)).await;
    assert_eq!(refused.body["code"], "insufficient_scope");
    assert_eq!(gateway.count("members").await, 3);
    gateway.check().await;
}

#[tokio::test]
async fn the_size_of_a_request_has_bounds() {
    let gateway = Gateway::new().await;
    let key = gateway.key(&[Permission::MembersManage]).await;
    let of = |count| json!({"operations": vec![json!({"op": "fly"}); count]});
    for (body, status, code) in [
        (of(1001), 413, "too_large"),
        (of(0), 400, "invalid_value"),
        (json!({}), 400, "invalid_value"),
        (json!({"operations": [], "more": 1}), 400, "invalid_value"),
    ] {
        let refused = gateway.api(&key, "POST", BULK, Some(&body)).await;
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (status, &json!(code))
        );
    }
    let most = gateway.api(&key, "POST", BULK, Some(&of(1000))).await;
    assert!(statuses(&most).iter().all(|status| *status == 400));
    assert_eq!(statuses(&most).len(), 1000);
    // Larger than any other request may be.
    let long = "x".repeat(300 * 1024);
    let large = json!({"operations": [{"op": "add", "profile": {"display_name": long}}]});
    let answer = gateway.api(&key, "POST", BULK, Some(&large)).await;
    assert_eq!(statuses(&answer), [400]);
}

/// Every route that changes one thing can be held to the version that was read.
#[tokio::test]
async fn what_changes_a_thing_asks_for_its_version() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    let (_, ada) = person(&gateway, &scim, "ada").await;
    let make = async |list: &str| {
        let path = format!("/workspaces/acme/{list}");
        let new = json!({"name": "Support"});
        let made = gateway.api(&key, "POST", &path, Some(&new)).await;
        assert_eq!((made.status, made.header("etag")), (201, "\"1\""));
        format!("{path}/{}", made.body["id"].as_str().unwrap())
    };
    let (team, of_role) = (make("teams").await, make("roles").await);
    let member = format!("/workspaces/acme/members/{ada}");
    let send = async |method: &str, path: &str, header: (&str, &str), body: &Value| {
        let bearer = format!("Bearer {key}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            header,
        ];
        let body = Some(body.to_string()).filter(|_| !body.is_null());
        let path = format!("/api/v1{path}");
        gateway.exchange(method, &path, &headers, body).await
    };
    let version = async |path: &str| {
        let read = gateway.api(&key, "GET", path, None).await;
        assert_eq!(read.status, 200, "{path}: {}", read.text);
        let tag = read.header("etag").to_owned();
        let header = ("if-none-match", tag.as_str());
        let known = send("GET", path, header, &Value::Null).await;
        // A member shows more than its version speaks of.
        let status = if path == member { 200 } else { 304 };
        assert_eq!((known.status, known.header("etag")), (status, tag.as_str()));
        let other = send("GET", path, ("if-none-match", "\"0\""), &Value::Null).await;
        assert_eq!(other.status, 200);
        tag
    };
    let name = |name: &str| json!({"name": name});
    let nothing = Value::Null;
    for (of, method, end, body, status) in [
        (&member, "PUT", "/teams/Support", &nothing, 204),
        (&member, "DELETE", "/teams/Support", &nothing, 204),
        (&member, "POST", "/suspend", &nothing, 200),
        (&member, "POST", "/activate", &nothing, 200),
        (&member, "PATCH", "", &json!({"phone": "+43 1 5880 4"}), 200),
        (&team, "PATCH", "", &name("Help"), 200),
        (&of_role, "PATCH", "", &name("Help"), 200),
        (&of_role, "DELETE", "", &nothing, 204),
    ] {
        let path = format!("{of}{end}");
        let before = version(of).await;
        let stale = send(method, &path, ("if-match", "\"0\""), body).await;
        assert_eq!(stale.body["code"], "version_mismatch", "{method} {path}");
        assert_eq!(stale.status, 412);
        let read = gateway.api(&key, "GET", of, None).await;
        assert_eq!(read.header("etag"), before, "{method} {path}");
        let done = send(method, &path, ("if-match", &before), body).await;
        assert_eq!(done.status, status, "{method} {path}: {}", done.text);
        if !(method == "DELETE" && end.is_empty()) {
            assert_ne!(version(of).await, before, "{method} {path}");
        }
    }
    gateway.check().await;
}
