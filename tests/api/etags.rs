//! Entity tags: whoever read an older version than the one that is there changes nothing.

use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway, Scim, member, operations, users};

async fn send(
    gateway: &Gateway,
    scim: &Scim,
    (method, path): (&str, &str),
    header: (&str, &str),
    body: Option<&Value>,
) -> Answer {
    let token = format!("Bearer {}", scim.token);
    let headers = [
        ("authorization", token.as_str()),
        ("content-type", "application/scim+json"),
        header,
    ];
    let path = format!("/scim/v2{path}");
    gateway
        .exchange(method, &path, &headers, body.map(Value::to_string))
        .await
}

// C044
#[tokio::test]
async fn a_stale_tag_changes_nothing_and_a_malformed_one_is_refused() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let user = users(&scim, "ada", 1).await.remove(0);
    let guest = users(&scim, "guest", 1).await.remove(0);
    let group = scim
        .created("/Groups", &json!({"displayName": "Crew"}))
        .await;
    let rename =
        |name: &str| operations(json!([{"op": "replace", "path": "displayName", "value": name}]));
    let join = operations(json!([{"op": "add", "path": "members", "value": [member(&guest)]}]));
    for (path, put, patch) in [
        (
            format!("/Users/{user}"),
            json!({"userName": "ada0@acme.example", "title": "x"}),
            rename("Ada"),
        ),
        (
            format!("/Groups/{group}"),
            json!({"displayName": "Crew 2"}),
            join,
        ),
    ] {
        let path = path.as_str();
        let (_, before) = scim.send("GET", path, None).await;
        let stale = ("if-match", "W/\"7\"");
        for (method, body) in [
            ("PUT", Some(&put)),
            ("PATCH", Some(&patch)),
            ("DELETE", None),
        ] {
            let answer = send(&gateway, &scim, (method, path), stale, body).await;
            assert_eq!(answer.status, 412, "{method} {path}: {}", answer.text);
            assert_eq!(answer.body["status"], "412");
            for malformed in ["3", "W/3", "\"3"] {
                let header = ("if-match", malformed);
                let answer = send(&gateway, &scim, (method, path), header, body).await;
                assert_eq!(answer.status, 400, "{method} {path} {malformed}");
            }
            let header = ("if-none-match", "*");
            let answer = send(&gateway, &scim, (method, path), header, body).await;
            assert_eq!(answer.status, 412, "{method} {path} if-none-match");
        }
        assert_eq!(scim.send("GET", path, None).await.1, before);
        let answer = send(
            &gateway,
            &scim,
            ("PUT", path),
            ("if-match", "W/\"1\""),
            Some(&put),
        )
        .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.header("etag"), "W/\"2\"");
        assert_eq!(answer.body["meta"]["version"], "W/\"2\"");
        let answer = send(
            &gateway,
            &scim,
            ("PATCH", path),
            ("if-match", "*"),
            Some(&patch),
        )
        .await;
        assert!([200, 204].contains(&answer.status), "{}", answer.text);
        let (_, now) = scim.send("GET", path, None).await;
        assert_eq!(now["meta"]["version"], "W/\"3\"");
        let answer = send(
            &gateway,
            &scim,
            ("DELETE", path),
            ("if-match", "\"3\""),
            None,
        )
        .await;
        assert_eq!(answer.status, 204);
        let answer = send(&gateway, &scim, ("DELETE", path), ("if-match", "*"), None).await;
        assert_eq!(answer.status, 404);
    }
    gateway.check().await;
}

#[tokio::test]
async fn a_reader_that_has_the_version_gets_nothing() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let user = users(&scim, "ada", 1).await.remove(0);
    let path = format!("/Users/{user}");
    for (header, status) in [
        (("if-none-match", "W/\"1\""), 304),
        (("if-none-match", "\"9\", W/\"1\""), 304),
        (("if-none-match", "*"), 304),
        (("if-none-match", "W/\"2\""), 200),
        (("if-match", "W/\"1\""), 200),
        (("if-match", "W/\"2\""), 412),
    ] {
        let answer = send(&gateway, &scim, ("GET", &path), header, None).await;
        assert_eq!(answer.status, status, "{header:?}");
        if status == 304 {
            assert_eq!(answer.text, "");
        }
        if status != 412 {
            assert_eq!(answer.header("etag"), "W/\"1\"");
        }
    }
}

// C044
#[tokio::test]
async fn of_two_who_read_the_same_version_one_writes() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let users = users(&scim, "ada", 1).await;
    let group = json!({"displayName": "Crew", "members": [member(&users[0])]});
    let group = scim.created("/Groups", &group).await;
    let paths = [format!("/Users/{}", users[0]), format!("/Groups/{group}")];
    for path in &paths {
        for trial in 0..30 {
            let (_, read) = scim.send("GET", path, None).await;
            let tag = read["meta"]["version"].as_str().unwrap().to_owned();
            let patch = |who: &str| {
                let name = format!("{who} {trial}");
                operations(json!([{"op": "replace", "path": "displayName", "value": name}]))
            };
            let (one, two) = (patch("one"), patch("two"));
            let header = ("if-match", tag.as_str());
            let (one, two) = tokio::join!(
                send(&gateway, &scim, ("PATCH", path), header, Some(&one)),
                send(&gateway, &scim, ("PATCH", path), header, Some(&two)),
            );
            let mut statuses = [one.status, two.status].map(|it| if it == 204 { 200 } else { it });
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 412], "{path}");
            let (_, now) = scim.send("GET", path, None).await;
            let winner = if one.status == 412 { "two" } else { "one" };
            assert_eq!(now["displayName"], format!("{winner} {trial}"));
        }
    }
}
