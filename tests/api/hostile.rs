//! Input that means harm or is simply wrong: a clear answer, and nothing changed.

use gatehouse::directory::NewDirectory;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, member, new_directory, operations, users};
use crate::raw::exchange;

pub(crate) fn refused(answer: &(u16, Value), scim_type: &str) {
    assert_eq!(
        (answer.0, &answer.1["scimType"]),
        (400, &json!(scim_type)),
        "{}",
        answer.1
    );
    assert_eq!(answer.1["status"], "400");
}

/// One user, and how to hold it against what it was.
pub(crate) async fn standing(gateway: &Gateway) -> (Scim, String, (u16, Value)) {
    let scim = gateway.scim().await;
    let body = json!({
        "userName": "ada@acme.example", "title": "Lead",
        "emails": [{"value": "ada@acme.example", "type": "work"}],
    });
    let path = format!("/Users/{}", scim.created("/Users", &body).await);
    let before = scim.send("GET", &path, None).await;
    (scim, path, before)
}

pub(crate) async fn patch(scim: &Scim, path: &str, ops: Value) -> (u16, Value) {
    scim.send("PATCH", path, Some(&operations(ops))).await
}

// C005, C028
#[tokio::test]
async fn what_the_server_owns_is_not_the_clients_to_write() {
    let gateway = Gateway::new().await;
    let (scim, path, before) = standing(&gateway).await;
    let other = users(&scim, "other", 1).await.remove(0);
    for owned in [
        "id",
        "meta.created",
        "meta.version",
        "groups",
        "meta.resourceType",
        "schemas",
    ] {
        let op = json!({"op": "replace", "path": owned, "value": "x"});
        refused(&patch(&scim, &path, json!([op])).await, "mutability");
        let title = |title: &str| json!({"op": "replace", "path": "title", "value": title});
        let five = json!([title("1"), title("2"), op, title("4"), title("5")]);
        refused(&patch(&scim, &path, five).await, "mutability");
        assert_eq!(scim.send("GET", &path, None).await, before, "{owned}");
    }
    let elsewhere = json!([{"op": "replace", "value": {"id": other, "title": "x"}}]);
    refused(&patch(&scim, &path, elsewhere).await, "mutability");
    assert_eq!(scim.send("GET", &path, None).await, before);
    let id = path.trim_start_matches("/Users/");
    let silent = json!([{"op": "replace", "value": {
        "id": id, "schemas": ["x"], "meta": {"created": "1999-01-01T00:00:00Z"},
        "groups": [{"value": other}], "title": "Chief",
    }}]);
    let answer = patch(&scim, &path, silent).await;
    assert_eq!((answer.0, &answer.1["title"]), (200, &json!("Chief")));
    assert_eq!(answer.1["meta"]["created"], before.1["meta"]["created"]);
    let put = json!({"id": other, "userName": "ada@acme.example", "title": "put"});
    assert_eq!(scim.send("PUT", &path, Some(&put)).await.1["id"], json!(id));
    let other = scim.send("GET", &format!("/Users/{other}"), None).await;
    assert!(other.1.get("title").is_none());
}

// C029
#[tokio::test]
async fn extra_fields_leave_no_trace() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let body = json!({
        "userName": "ada@acme.example", "id": "1", "meta": {"version": "W/\"9\""},
        "groups": [{"value": "x"}], "isAdmin": "traceless", "tenantId": "traceless",
        "emailVerified": "traceless", "passwordHash": "traceless", "mfaEnabled": "traceless",
        "sessions": ["traceless"], "createdBy": "traceless", "password": "traceless",
    });
    let path = format!("/Users/{}", scim.created("/Users", &body).await);
    assert_eq!(scim.send("PUT", &path, Some(&body)).await.0, 200);
    let (_, read) = scim.send("GET", &path, None).await;
    assert!(!read.to_string().contains("traceless"));
    assert_ne!(read["id"], "1");
    assert!(!gateway.told("traceless").await);
}

// C007, C031, C046, C047, C064
#[tokio::test]
async fn a_filter_shows_nothing_that_it_should_not() {
    let gateway = Gateway::new().await;
    let (scim, ..) = standing(&gateway).await;
    let canary = "canary-7f3a";
    let wide = vec!["userName pr"; 101].join(" or ");
    for filter in [
        "password sw \"a\"".to_owned(),
        "password pr".to_owned(),
        "totpSecret pr".to_owned(),
        "urn:x:internal:recoveryEmail eq \"x\"".to_owned(),
        "userName pr or tenant eq \"B\"".to_owned(),
        format!("userName eq \"{canary}"),
        format!("<script>{canary}</script> eq 1"),
        "active gt true".to_owned(),
        "userName eq".to_owned(),
        "(userName pr".to_owned(),
        format!("{}userName pr{}", "(".repeat(21), ")".repeat(21)),
        wide,
        format!("userName eq \"{}\"", "x".repeat(4_097)),
    ] {
        let encoded: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        let answer = scim
            .send("GET", &format!("/Users?filter={encoded}"), None)
            .await;
        refused(&answer, "invalidFilter");
        let text = answer.1.to_string();
        assert!(!text.contains(canary) && !text.contains("SELECT"), "{text}");
    }
    for literal in [
        "x' OR 1=1 --",
        "x\\\" or userName pr or \\\"",
        "%",
        "ceo@b.example",
    ] {
        let filter = format!("userName eq \"{literal}\"");
        let encoded: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        let answer = scim
            .send("GET", &format!("/Users?filter={encoded}"), None)
            .await;
        assert_eq!(
            (answer.0, &answer.1["totalResults"]),
            (200, &json!(0)),
            "{literal}"
        );
    }
    // Deeper than any address may be long.
    let deep = format!(
        "/Users?filter={}userName pr{}",
        "(".repeat(5_000),
        ")".repeat(5_000)
    );
    refused(&scim.send("GET", &deep, None).await, "invalidFilter");
    let deep = format!(
        "emails[{}type pr{}].value",
        "(".repeat(5_000),
        ")".repeat(5_000)
    );
    let id = users(&scim, "x", 1).await.remove(0);
    let ops = json!([{"op": "replace", "path": deep, "value": "x"}]);
    refused(
        &patch(&scim, &format!("/Users/{id}"), ops).await,
        "invalidPath",
    );
}

// C032
#[tokio::test]
async fn a_projection_cannot_be_tricked() {
    let gateway = Gateway::new().await;
    let (scim, path, _) = standing(&gateway).await;
    let get = async |query: &str| scim.send("GET", &format!("{path}?{query}"), None).await;
    assert!(get("attributes=password").await.1.get("password").is_none());
    assert_eq!(get("attributes=*").await.0, 200);
    let kept = get("excludedAttributes=id,userName").await;
    assert!(kept.1["id"].is_string() && kept.1.get("userName").is_none());
    assert_eq!(
        get("attributes=userName&excludedAttributes=emails").await.0,
        400
    );
    let many = vec!["userName"; 5_000].join(",");
    assert!([400, 414].contains(&get(&format!("attributes={many}")).await.0));
    let many = vec!["userName"; 101].join(",");
    assert_eq!(get(&format!("attributes={many}")).await.0, 400);
}

// C033, C061
#[tokio::test]
async fn wrong_types_are_refused_and_change_nothing() {
    let gateway = Gateway::new().await;
    let (scim, path, before) = standing(&gateway).await;
    for value in [
        json!(0),
        json!(1),
        json!("no"),
        json!("1"),
        Value::Null,
        json!([]),
        json!({}),
    ] {
        let ops = json!([{"op": "Replace", "path": "active", "value": value}]);
        refused(&patch(&scim, &path, ops).await, "invalidValue");
        let ops = json!([{"op": "replace", "value": {"title": "x", "active": value}}]);
        refused(&patch(&scim, &path, ops).await, "invalidValue");
    }
    for wrong in [
        json!({"userName": ["a", "b"]}),
        json!({"userName": {}}),
        json!({"userName": true}),
        json!({"active": {}}),
        json!({"name": "x"}),
        json!({"emails": "x"}),
        json!({"emails": [{"value": {}}]}),
        json!({"emails": [{"primary": "maybe"}]}),
    ] {
        let mut body = json!({"userName": "x@acme.example"});
        for (name, value) in wrong.as_object().unwrap() {
            body[name] = value.clone();
        }
        for (method, target) in [("POST", "/Users"), ("PUT", path.as_str())] {
            let answer = scim.send(method, target, Some(&body)).await;
            assert_eq!(answer.0, 400, "{body}: {}", answer.1);
        }
    }
    let group = json!({"displayName": "G", "members": {"value": {}}});
    assert_eq!(scim.send("POST", "/Groups", Some(&group)).await.0, 400);
    for raw in [
        "1e400",
        "9223372036854775808",
        "-0",
        "[",
        "\"x\"",
        "null",
        "{}x",
        "\u{feff}{}",
    ] {
        for text in [
            raw.to_owned(),
            format!("{{\"userName\":{raw}}}"),
            format!("{{\"active\":{raw}}}"),
        ] {
            let answer = gateway
                .post_raw(
                    &scim,
                    "/Users",
                    "application/scim+json",
                    text.clone().into_bytes(),
                )
                .await;
            // A number for a text is taken as its digits (lenient); never is it a fault of ours.
            let is_number =
                ["9223372036854775808", "-0"].contains(&raw) && text.contains("userName");
            let is_text = text == r#"{"userName":"x"}"#;
            assert!(
                answer.0 == 400 || ((is_number || is_text) && answer.0 == 201),
                "{text}: {}",
                answer.0
            );
        }
    }
    assert_eq!(scim.send("GET", &path, None).await, before);
}

// C036, C045, C048, C062
#[tokio::test]
async fn malformed_bodies_are_refused_on_both_databases_alike() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let json = "application/scim+json";
    let deep = |open: &str, close: &str| {
        format!(
            "{{\"userName\":\"x\",\"x\":{}1{}}}",
            open.repeat(10_000),
            close.repeat(10_000)
        )
    };
    for text in [
        r#"{"userName":"x","active":true,"ACTIVE":false}"#.to_owned(),
        r#"{"userName":"x","userName":"y"}"#.to_owned(),
        r#"{"userName":"x","emails":[{"value":"a","Value":"b"}]}"#.to_owned(),
        r#"{"userName":"x","displayName":"a\u0000b"}"#.to_owned(),
        r#"{"userName":"x","displayName":"\ud800"}"#.to_owned(),
        format!(
            "{{\"userName\":\"x\",\"displayName\":\"{}\"}}",
            "x".repeat(1_025)
        ),
        deep("{\"a\":", "}"),
        deep("[", "]"),
        r#"{"userName":"x"} trailing"#.to_owned(),
    ] {
        let answer = gateway
            .post_raw(&scim, "/Users", json, text.clone().into_bytes())
            .await;
        assert_eq!(answer.0, 400, "{}", &text[..text.len().min(80)]);
        let kind = answer.1["scimType"].as_str().unwrap_or_default();
        assert!(
            ["invalidSyntax", "invalidValue"].contains(&kind),
            "{}",
            answer.1
        );
    }
    for bytes in [
        b"{\"userName\":\"\xff\"}".to_vec(),
        b"\xff\xfe{\x00}\x00".to_vec(),
    ] {
        assert_eq!(gateway.post_raw(&scim, "/Users", json, bytes).await.0, 400);
    }
    let good = br#"{"userName":"y@acme.example"}"#.to_vec();
    for media in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/scim+json; charset=utf-16",
        "",
    ] {
        assert_eq!(
            gateway
                .post_raw(&scim, "/Users", media, good.clone())
                .await
                .0,
            415,
            "{media}"
        );
    }
    for media in [
        "application/json",
        "Application/SCIM+JSON; charset=\"UTF-8\"; x=y",
    ] {
        let body = format!("{{\"userName\":\"{}@acme.example\"}}", media.len());
        assert_eq!(
            gateway
                .post_raw(&scim, "/Users", media, body.into_bytes())
                .await
                .0,
            201
        );
    }
    assert_eq!(scim.send("GET", "/Users", None).await.1["totalResults"], 2);
    // Strings that are odd and no more are kept as they were sent.
    let odd = "<b>\u{202e}\u{1b}[31m{{7*7}}</b>";
    let id = scim
        .created("/Users", &json!({"userName": "odd", "displayName": odd}))
        .await;
    assert_eq!(
        scim.send("GET", &format!("/Users/{id}"), None).await.1["displayName"],
        odd
    );
}

// C037, C251
#[tokio::test]
async fn hostile_paths_write_nothing_and_one_odd_path_blocks_nothing() {
    let gateway = Gateway::new().await;
    let (scim, path, before) = standing(&gateway).await;
    for wrong in [
        "emails[type eq \"work\"]].value",
        "__proto__.admin",
        "..",
        "emails.",
        ".x",
        &"a".repeat(10_000),
    ] {
        let ops = json!([{"op": "replace", "path": wrong, "value": "x"}]);
        refused(&patch(&scim, &path, ops).await, "invalidPath");
    }
    let ops = json!([{"op": "explode", "path": "title", "value": "x"}]);
    refused(&patch(&scim, &path, ops).await, "invalidSyntax");
    for never in ["active.x", "roles.x", "roles[x eq \"1\"].value"] {
        let ops = json!([{"op": "replace", "path": never, "value": "x"}]);
        assert_eq!(patch(&scim, &path, ops).await.0, 400, "{never}");
    }
    assert_eq!(scim.send("GET", &path, None).await, before);
    for unknown in ["constructor", "urn:other:ext:2.0:User:x", "madeUp"] {
        let ops = json!([
            {"op": "replace", "path": unknown, "value": "x"},
            {"op": "replace", "path": "active", "value": false},
        ]);
        let answer = patch(&scim, &path, ops).await;
        assert_eq!(
            (answer.0, &answer.1["active"]),
            (200, &json!(false)),
            "{unknown}"
        );
        assert!(!answer.1.to_string().contains(unknown));
        assert!(gateway.told(unknown).await, "{unknown} is noted");
    }
    let strict = gateway
        .scim_of(
            &gateway.workspace,
            NewDirectory {
                strict: true,
                ..new_directory("strict")
            },
        )
        .await;
    let id = users(&strict, "s", 1).await.remove(0);
    let ops = json!([{"op": "replace", "path": "madeUp", "value": "x"}]);
    refused(
        &patch(&strict, &format!("/Users/{id}"), ops).await,
        "invalidPath",
    );
    let group = strict
        .created("/Groups", &json!({"displayName": "G"}))
        .await;
    let nowhere = member("019aa000-0000-7000-8000-000000000001");
    let ops = json!([{"op": "add", "path": "members", "value": [member(&id), nowhere]}]);
    refused(
        &patch(&strict, &format!("/Groups/{group}"), ops).await,
        "invalidValue",
    );
    assert!(strict.members(&group).await.is_empty());
}

// C038, C039
#[tokio::test]
async fn a_removal_is_done_and_one_bad_id_loses_nobody() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    gateway.rule(&["Crew"], "Crew").await;
    let ids = users(&scim, "u", 30).await;
    let all: Vec<_> = ids.iter().map(|id| member(id)).collect();
    let group = scim
        .created("/Groups", &json!({"displayName": "Crew", "members": all}))
        .await;
    let path = format!("/Groups/{group}");
    let mut left = 30;
    for (at, removal) in [
        json!({"op": "remove", "path": format!("members[value eq \"{}\"]", ids[0])}),
        json!({"op": "Remove", "path": "members", "value": [{"$ref": null, "value": ids[1]}]}),
        json!({"op": "remove", "value": {"members": [{"value": ids[2]}]}}),
    ]
    .iter()
    .enumerate()
    {
        for _ in 0..2 {
            // The second time nobody is there to be removed.
            assert!([200, 204].contains(&patch(&scim, &path, json!([removal])).await.0));
        }
        left -= 1;
        assert!(!scim.members(&group).await.contains(&ids[at]));
        assert_eq!(gateway.in_team("Crew").await, left);
    }
    let odd = json!([{"op": "remove", "path": "members.nobody", "value": "x"}]);
    assert_eq!(patch(&scim, &path, odd).await.0, 400);
    assert_eq!(scim.members(&group).await.len(), 27);
    let mut thousand = all.clone();
    thousand.push(member("019aa000-0000-7000-8000-000000000001"));
    thousand.push(member("00ujl29u0le5T6Aj10h7"));
    for op in ["add", "replace"] {
        let ops = json!([{"op": op, "path": "members", "value": thousand}]);
        assert!([200, 204].contains(&patch(&scim, &path, ops).await.0));
        assert_eq!(scim.members(&group).await.len(), 30);
        assert!(gateway.told("unknown_member").await);
    }
    gateway.check().await;
}

// C056
#[tokio::test]
async fn page_numbers_of_any_kind_have_an_answer() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    users(&scim, "u", 3).await;
    let list = async |query: &str| scim.send("GET", &format!("/Users?{query}"), None).await;
    for (query, items) in [
        ("count=-1", 0),
        ("count=0", 0),
        ("count=1000000000", 3),
        ("startIndex=0", 3),
        ("startIndex=-5", 3),
        ("startIndex=4", 0),
        ("startIndex=9223372036854775807", 0),
        ("startIndex=3", 1),
        ("startIndex=2&count=1", 1),
    ] {
        let answer = list(query).await;
        assert_eq!(answer.0, 200, "{query}");
        assert_eq!(answer.1["totalResults"], 3, "{query}");
        assert_eq!(answer.1["itemsPerPage"], items, "{query}");
    }
    for query in [
        "count=abc",
        "startIndex=9223372036854775808",
        "startIndex=1.5",
    ] {
        refused(&list(query).await, "invalidValue");
    }
}

/// Some clients send the quotes of a filter as they are, on connections that they keep.
#[tokio::test]
async fn literal_quotes_in_a_query_are_understood() {
    let gateway = Gateway::new().await;
    let (scim, ..) = standing(&gateway).await;
    let request = |end: &str| {
        format!(
            "GET /scim/v2/Users?filter=userName+eq+\"ada@acme.example\" HTTP/1.1\r\nHost: gate\r\n\
             {end}Authorization: Bearer {}\r\n\r\n",
            scim.token
        )
    };
    let both = request("") + &request("Connection: close\r\n");
    let (status, text) = exchange(&gateway.address(), both.as_bytes()).await;
    assert_eq!(status, 200, "{text}");
    assert_eq!(text.matches("\"totalResults\":1").count(), 2, "{text}");
}
