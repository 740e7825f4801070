//! The request log over HTTP: pages, newest first, of what was asked for.

use gatehouse::directory::request_log;
use gatehouse::workspace::keys::Permission;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, users};

/// Lists requests by a query.
async fn listed(gateway: &Gateway, key: &str, scim: &Scim, query: &str) -> (u16, Value) {
    request_log::flush(&gateway.app).await;
    let directory = scim.directory.id;
    let path = format!("/workspaces/acme/directories/{directory}/requests?{query}");
    let answer = gateway.api(key, "GET", &path, None).await;
    (answer.status, answer.body)
}

/// Method and status of each, after a query that is good.
async fn told(gateway: &Gateway, key: &str, scim: &Scim, query: &str) -> Vec<String> {
    let (status, page) = listed(gateway, key, scim, query).await;
    assert_eq!(status, 200, "{query}: {page}");
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|it| format!("{} {}", it["method"].as_str().unwrap(), it["status"]))
        .collect()
}

#[tokio::test]
async fn requests_are_listed_newest_first_a_page_at_a_time_without_bodies() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.key(&[Permission::DirectoriesManage]).await;
    let ids = users(&scim, "u", 4).await;
    let again = json!({"userName": "u0@acme.example"});
    assert_eq!(scim.send("POST", "/Users", Some(&again)).await.0, 409);

    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let query = format!("limit=2{cursor}");
        let (status, page) = listed(&gateway, &key, &scim, &query).await;
        assert_eq!(status, 200, "{page}");
        let items = page["items"].as_array().unwrap();
        assert!((1..=2).contains(&items.len()), "{page}");
        for item in items {
            assert_eq!((item.get("request"), item.get("response")), (None, None));
            seen.push(item.clone());
        }
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen.len(), 5);
    assert_eq!(seen[0]["status"], 409, "the newest first");
    let times: Vec<_> = seen.iter().map(|it| it["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    let unique: std::collections::BTreeSet<_> =
        seen.iter().map(|it| it["id"].to_string()).collect();
    assert_eq!(unique.len(), 5, "each once");

    let one = seen[0]["id"].as_str().unwrap();
    for (query, expect) in [
        ("status=errors".to_owned(), vec!["POST 409"]),
        ("status=4xx".to_owned(), vec!["POST 409"]),
        ("status=5xx".to_owned(), vec![]),
        ("method=get".to_owned(), vec![]),
        (format!("resource={}", ids[0]), vec!["POST 201"]),
        (format!("request={one}"), vec!["POST 409"]),
        (format!("request={one}&status=2xx"), vec![]),
        (format!("request={}", uuid::Uuid::nil()), vec![]),
        ("path=nowhere".to_owned(), vec![]),
        ("path=USERS&status=409".to_owned(), vec!["POST 409"]),
        ("since=2999-01-01T00:00:00Z".to_owned(), vec![]),
        ("until=2020-01-01T00:00:00Z".to_owned(), vec![]),
        (format!("since={}", times[0]), vec!["POST 409"]),
        (format!("until={}&limit=1", times[1]), vec!["POST 201"]),
    ] {
        assert_eq!(told(&gateway, &key, &scim, &query).await, expect, "{query}");
    }
    // The bodies are in the single one.
    let path = format!(
        "/workspaces/acme/directories/{}/requests/{one}",
        scim.directory.id
    );
    let single = gateway.api(&key, "GET", &path, None).await;
    assert_eq!(single.body["request"], again);
    gateway.check().await;
}

#[tokio::test]
async fn a_list_of_requests_is_refused_for_a_lesser_key_and_for_what_it_does_not_know() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.key(&[Permission::DirectoriesManage]).await;
    let lesser = gateway.key(&[Permission::MembersManage]).await;
    users(&scim, "u", 3).await;
    assert_eq!(listed(&gateway, &lesser, &scim, "").await.0, 403);
    for wrong in [
        "status=9",
        "status=many",
        "resource=x",
        "request=x",
        "since=soon",
        "until=soon",
        "method=GET&method=POST",
        "method=G%00T",
        "colour=red",
        "limit=0",
        "cursor=x",
    ] {
        let (status, told) = listed(&gateway, &key, &scim, wrong).await;
        assert_eq!(status, 400, "{wrong}: {told}");
    }
    // A cursor is good for the list that it was made for alone.
    let (_, page) = listed(&gateway, &key, &scim, "limit=1").await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let query = format!("status=errors&cursor={cursor}");
    assert_eq!(listed(&gateway, &key, &scim, &query).await.0, 400);
    // Another workspace has no such directory.
    let other = gateway.other_workspace().await;
    assert_eq!(listed(&gateway, &key, &other, "").await.0, 404);
    gateway.check().await;
}
