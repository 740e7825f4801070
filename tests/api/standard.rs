//! What the standard says and few clients ask for.

use gatehouse::changes::Origin;
use gatehouse::directory::{DirectoryKind, NewDirectory};
use gatehouse::workspace::schemas;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, member, new_directory, operations};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const TAG: &str = "urn:example:params:scim:schemas:extension:Tag";

async fn total(scim: &Scim, path: &str, filter: &str) -> i64 {
    let filter = filter
        .replace(' ', "%20")
        .replace('"', "%22")
        .replace('$', "%24");
    let (status, list) = scim
        .send("GET", &format!("{path}?filter={filter}"), None)
        .await;
    assert_eq!(status, 200, "{filter}: {list}");
    list["totalResults"].as_i64().unwrap()
}

/// Sends an operation that must be done; gives the resource.
async fn patched(scim: &Scim, path: &str, operation: Value) -> Value {
    let body = operations(json!([operation]));
    let (status, answer) = scim.send("PATCH", path, Some(&body)).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

/// RFC 7643 section 2.4.
#[tokio::test]
async fn an_entry_that_does_not_say_so_is_not_primary() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let user = json!({"userName": "pp", "emails": [
        {"value": "pp@acme.example", "type": "work", "primary": true},
        {"value": "z@acme.example", "type": "home"},
    ]});
    let path = format!("/Users/{}", scim.created("/Users", &user).await);
    let single =
        json!({"userName": "one", "emails": [{"value": "a@acme.example", "primary": true}]});
    scim.created("/Users", &single).await;
    scim.created("/Users", &json!({"userName": "none"})).await;
    for (filter, expect) in [
        ("emails.primary eq false", 1),
        ("emails[type eq \"home\" and primary eq false]", 1),
        ("emails[type eq \"home\"].primary eq false", 1),
        ("emails[primary ne true]", 1),
        ("emails[type eq \"home\" and primary pr]", 0),
        ("emails.primary eq true", 2),
    ] {
        assert_eq!(total(&scim, "/Users", filter).await, expect, "{filter}");
    }
    let value = json!("zz@acme.example");
    let operation =
        json!({"op": "replace", "path": "emails[primary eq false].value", "value": value});
    let user = patched(&scim, &path, operation).await;
    assert_eq!(user["emails"][1]["value"], value);
    assert_eq!(user["emails"].as_array().unwrap().len(), 2);
    let operation = json!({"op": "remove", "path": "emails[primary eq false]"});
    let user = patched(&scim, &path, operation).await;
    assert_eq!(user["emails"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn instants_up_to_the_last_can_be_asked_for() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    scim.created("/Users", &json!({"userName": "ada"})).await;
    for filter in [
        "meta.created lt \"9999-12-31T23:59:59Z\"",
        "meta.lastModified gt \"2020-01-01T24:00:00Z\"",
        "not (meta.created ge \"9999-12-31T23:59:59.999999999Z\")",
    ] {
        assert_eq!(total(&scim, "/Users", filter).await, 1, "{filter}");
    }
    for text in [
        "2020-01-01 00:00:00Z",
        "2020-01-01T00:00Z",
        "20200101T000000Z",
    ] {
        let path = format!(
            "/Users?filter=meta.created+ge+%22{}%22",
            text.replace(' ', "+")
        );
        let (status, error) = scim.send("GET", &path, None).await;
        assert_eq!((status, &error["scimType"]), (400, &json!("invalidFilter")));
    }
}

/// RFC 7643 section 3.
#[tokio::test]
async fn a_strict_directory_wants_its_schemas_named() {
    let gateway = Gateway::new().await;
    let new = NewDirectory {
        strict: true,
        ..new_directory("strict")
    };
    let scim = gateway.scim_of(&gateway.workspace, new).await;
    let token = format!("Bearer {}", scim.token);
    let send = async |method: &str, path: &str, body: Value| {
        let path = format!("/scim/v2{path}");
        let answer = gateway.call(method, &path, &[&token], Some(body)).await;
        (
            answer.status,
            answer.body["id"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let bodies = [
        json!({"userName": "a"}),
        json!({"schemas": [], "userName": "a"}),
        json!({"schemas": USER, "userName": "a"}),
        json!({"schemas": [USER, 1], "userName": "a"}),
        json!({"schemas": [USER, "urn:x"], "userName": "a"}),
        json!({"schemas": [ENTERPRISE], "userName": "a"}),
        json!({"schemas": [USER], "userName": "a", (ENTERPRISE): {"department": "x"}}),
    ];
    for body in bodies {
        let told = body.to_string();
        assert_eq!(send("POST", "/Users", body).await.0, 400, "{told}");
    }
    let good =
        json!({"schemas": [ENTERPRISE, USER], "userName": "a", (ENTERPRISE): {"department": "x"}});
    let (status, id) = send("POST", "/Users", good).await;
    assert_eq!(status, 201);
    let path = format!("/Users/{id}");
    let operation = json!({"op": "replace", "path": "title", "value": "x"});
    let silent = json!({"Operations": [operation]});
    assert_eq!(send("PATCH", &path, silent).await.0, 400);
    assert_eq!(
        send("PATCH", &path, operations(json!([operation]))).await.0,
        200
    );
    assert_eq!(send("POST", "/.search", json!({"count": 1})).await.0, 400);
    assert_eq!(
        send("POST", "/Bulk", json!({"Operations": []})).await.0,
        400
    );
}

#[tokio::test]
async fn addresses_are_found_as_they_are_shown() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ada = scim.created("/Users", &json!({"userName": "ada"})).await;
    let inner = json!({"displayName": "Inner", "members": [member(&ada)]});
    let inner = scim.created("/Groups", &inner).await;
    let outer = json!({"displayName": "Outer", "members": [member(&inner)]});
    scim.created("/Groups", &outer).await;
    for (path, filter, expect) in [
        ("/Groups", "members.$ref co \"/Groups/\"".to_owned(), 1),
        ("/Groups", "members[$ref co \"/Users/\"]".to_owned(), 1),
        ("/Groups", "members.$ref pr".to_owned(), 2),
        (
            "/Groups",
            format!("members[value eq \"{ada}\"].$ref ew \"/Users/{ada}\""),
            1,
        ),
        ("/Users", "groups.$ref pr".to_owned(), 1),
        ("/Users", format!("groups[$ref ew \"/Groups/{inner}\"]"), 1),
        ("/Users", "groups.$ref co \"/Users/\"".to_owned(), 0),
    ] {
        assert_eq!(total(&scim, path, &filter).await, expect, "{filter}");
    }
}

/// RFC 7644 section 3.5.2.1.
#[tokio::test]
async fn a_value_is_added_without_a_list_around_it() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    register(
        &gateway,
        &[json!({"name": "labels", "type": "string", "multiValued": true})],
    )
    .await;
    let path = format!(
        "/Users/{}",
        scim.created("/Users", &json!({"userName": "ada"})).await
    );
    for value in ["one", "two"] {
        let operation = json!({"op": "add", "path": format!("{TAG}:labels"), "value": value});
        patched(&scim, &path, operation).await;
    }
    let (_, user) = scim.send("GET", &path, None).await;
    assert_eq!(user[TAG]["labels"], json!(["one", "two"]));
    // Text is no e-mail address of a user, which is an object.
    let body = operations(json!([{"op": "add", "path": "emails", "value": "ada@acme.example"}]));
    assert_eq!(scim.send("PATCH", &path, Some(&body)).await.0, 400);
}

async fn register(gateway: &Gateway, attributes: &[Value]) {
    let documents = vec![
        json!({"id": TAG, "name": "Tag", "attributes": attributes}),
        json!({"name": "User", "schemaExtensions": [{"schema": TAG, "required": false}]}),
    ];
    schemas::add(&gateway.app, &Origin::cli(), &gateway.workspace, documents)
        .await
        .unwrap();
}

/// RFC 7643 section 7.
#[tokio::test]
async fn every_kind_of_value_with_an_order_can_be_unique() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    register(
        &gateway,
        &[
            json!({"name": "number", "type": "integer", "uniqueness": "server"}),
            json!({"name": "issued", "type": "dateTime", "uniqueness": "server"}),
            json!({"name": "codes", "type": "string", "multiValued": true, "uniqueness": "server"}),
            json!({"name": "cards", "type": "complex", "multiValued": true, "subAttributes": [
                {"name": "serial", "type": "string", "uniqueness": "server"},
                {"name": "colour", "type": "string"}]}),
        ],
    )
    .await;
    let tagged = |name: &str, tag: Value| json!({"userName": name, (TAG): tag});
    let taken = json!({
        "number": 7, "issued": "2026-01-01T00:00:00Z", "codes": ["a", "b", "A"],
        "cards": [{"serial": "s1", "colour": "red"}, {"serial": "s2", "colour": "red"}],
    });
    let ada = scim.created("/Users", &tagged("ada", taken)).await;
    let bob = scim
        .created("/Users", &tagged("bob", json!({"codes": ["c"]})))
        .await;
    for tag in [
        json!({"number": 7}),
        json!({"issued": "2026-01-01T01:00:00+01:00"}),
        json!({"codes": ["x", "B"]}),
        json!({"cards": [{"serial": "x"}, {"serial": "S2"}]}),
    ] {
        let told = tag.to_string();
        let (status, error) = scim
            .send("POST", "/Users", Some(&tagged("eve", tag.clone())))
            .await;
        assert_eq!(
            (status, &error["scimType"]),
            (409, &json!("uniqueness")),
            "{told}"
        );
        let path = format!("/Users/{bob}");
        let (status, _) = scim.send("PUT", &path, Some(&tagged("bob", tag))).await;
        assert_eq!(status, 409, "{told}");
    }
    assert_eq!(gateway.count("users").await, 2);
    let operation = json!({"op": "remove", "path": format!("{TAG}:cards[serial eq \"s2\"]")});
    patched(&scim, &format!("/Users/{ada}"), operation).await;
    let eve = tagged(
        "eve",
        json!({"number": 8, "codes": ["d"], "cards": [{"serial": "S2"}]}),
    );
    scim.created("/Users", &eve).await;
}

/// RFC 9110 section 15.5.6.
#[tokio::test]
async fn a_method_that_is_not_offered_is_told_by_what_is() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let new = NewDirectory {
        kind: DirectoryKind::Okta,
        ..new_directory("okta")
    };
    let okta = gateway.scim_of(&gateway.workspace, new).await;
    for (scim, method, path, expect) in [
        (&okta, "POST", "/Roles/x", (405, "GET,HEAD")),
        (&okta, "PUT", "/Roles", (405, "GET,HEAD")),
        (&okta, "DELETE", "/Users", (405, "GET,HEAD,POST")),
        (
            &okta,
            "POST",
            "/Users/x",
            (405, "GET,HEAD,PUT,PATCH,DELETE"),
        ),
        (&okta, "PUT", "/Nothing", (404, "")),
        (&okta, "POST", "/Nothing/x", (404, "")),
        // Roles are there for Okta alone.
        (&scim, "GET", "/Roles", (404, "")),
        (&scim, "POST", "/Roles", (404, "")),
        (&scim, "GET", "/Roles/x", (404, "")),
    ] {
        let token = format!("Bearer {}", scim.token);
        let url = format!("/scim/v2{path}");
        let answer = gateway.call(method, &url, &[&token], None).await;
        assert_eq!(answer.status, expect.0, "{method} {path}");
        if expect.0 == 405 {
            assert_eq!(answer.header("allow"), expect.1, "{method} {path}");
        }
    }
}

/// RFC 9865 section 2.1.
#[tokio::test]
async fn a_page_by_cursor_is_not_larger_than_pages_can_be() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    for (query, expect) in [
        ("cursor=&count=-1", 400),
        ("cursor=&count=201", 400),
        ("cursor=&count=200", 200),
        ("cursor=&count=0", 200),
        ("count=-1", 200),
        ("count=201", 200),
    ] {
        let (status, answer) = scim.send("GET", &format!("/Users?{query}"), None).await;
        assert_eq!(status, expect, "{query}");
        if expect == 400 {
            assert_eq!(answer["scimType"], "invalidCount");
        }
    }
    // What is not said is never too much.
    let gateway = Gateway::with(|config| config.limits.page_size = 50).await;
    let scim = gateway.scim().await;
    assert_eq!(scim.send("GET", "/Users?cursor=", None).await.0, 200);
}
