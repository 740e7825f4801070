//! What a credential opens, what the service says of itself, and roles as entitlements.

use gatehouse::changes::Origin;
use gatehouse::directory::{Access, DirectoryKind, NewDirectory, credentials};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, new_directory, operations, users};

/// A client of the same directory whose token opens no more than that.
async fn limited(gateway: &Gateway, scim: &Scim, access: Access) -> Scim {
    let origin = Origin::cli();
    let issued = credentials::issue_for(&gateway.app, &origin, &scim.directory, access, None)
        .await
        .unwrap();
    let mut limited = scim.clone();
    issued.token.expose_secret().clone_into(&mut limited.token);
    limited
}

async fn okta(gateway: &Gateway) -> Scim {
    let new = NewDirectory {
        kind: DirectoryKind::Okta,
        ..new_directory("okta")
    };
    gateway.scim_of(&gateway.workspace, new).await
}

// C010
#[tokio::test]
async fn a_token_that_only_reads_writes_nothing() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let user = users(&scim, "ada", 1).await.remove(0);
    let group = scim
        .created("/Groups", &json!({"displayName": "Crew"}))
        .await;
    let access = Access {
        read_only: true,
        only_endpoint: None,
    };
    let reader = limited(&gateway, &scim, access).await;
    let before = (gateway.count("changes").await, gateway.count("users").await);
    let change = operations(json!([{"op": "replace", "path": "active", "value": false}]));
    let body = json!({"userName": "eve", "displayName": "Eve"});
    for (kind, id) in [("Users", &user), ("Groups", &group)] {
        for (method, path) in [
            ("POST", format!("/{kind}")),
            ("PUT", format!("/{kind}/{id}")),
            ("PATCH", format!("/{kind}/{id}")),
            ("DELETE", format!("/{kind}/{id}")),
        ] {
            let body = if method == "PATCH" { &change } else { &body };
            let (status, error) = reader.send(method, &path, Some(body)).await;
            assert_eq!(
                (status, &error["status"]),
                (403, &json!("403")),
                "{method} {path}"
            );
        }
        assert_eq!(
            reader.send("GET", &format!("/{kind}/{id}"), None).await.0,
            200
        );
        let search = json!({"filter": "id pr"});
        let path = format!("/{kind}/.search");
        assert_eq!(reader.send("POST", &path, Some(&search)).await.0, 200);
    }
    let many = json!({"Operations": [
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": body},
        {"method": "DELETE", "path": format!("/Groups/{group}")},
    ]});
    let (status, answer) = reader.send("POST", "/Bulk", Some(&many)).await;
    assert_eq!(status, 200);
    for operation in answer["Operations"].as_array().unwrap() {
        assert_eq!(operation["status"], "403", "{operation}");
        assert_eq!(operation["response"]["status"], "403");
    }
    let after = (gateway.count("changes").await, gateway.count("users").await);
    assert_eq!(after.1, before.1);
    // The token itself was told of; nothing else happened.
    assert_eq!(after.0, before.0);
}

// C010
#[tokio::test]
async fn a_token_for_one_resource_type_opens_no_other() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let group = scim
        .created("/Groups", &json!({"displayName": "Crew"}))
        .await;
    let access = |only: &str| Access {
        read_only: false,
        only_endpoint: Some(only.to_owned()),
    };
    let people = limited(&gateway, &scim, access("Users")).await;
    users(&people, "ada", 1).await;
    for (method, path) in [
        ("GET", "/Groups".to_owned()),
        ("POST", "/Groups".to_owned()),
        ("GET", format!("/Groups/{group}")),
        ("DELETE", format!("/Groups/{group}")),
        ("POST", "/Groups/.search".to_owned()),
    ] {
        let body = json!({"displayName": "x"});
        let (status, error) = people.send(method, &path, Some(&body)).await;
        assert_eq!(
            (status, &error["status"]),
            (403, &json!("403")),
            "{method} {path}"
        );
    }
    let (_, all) = people.send("GET", "/", None).await;
    assert_eq!(all["totalResults"], 1);
    assert_eq!(people.send("GET", "/Schemas", None).await.0, 200);
    let (origin, access) = (Origin::cli(), access("Things"));
    let unknown = credentials::issue_for(&gateway.app, &origin, &scim.directory, access, None);
    assert!(unknown.await.is_err());
}

// C015
#[tokio::test]
async fn discovery_is_the_same_for_everyone_and_cannot_be_filtered() {
    let gateway = Gateway::new().await;
    let (scim, foreign) = (gateway.scim().await, gateway.other_workspace().await);
    users(&scim, "ada", 1).await;
    for path in [
        "/ServiceProviderConfig",
        "/ResourceTypes",
        "/ResourceTypes/User",
        "/Schemas",
        "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User",
    ] {
        let (status, body) = scim.send("GET", path, None).await;
        assert_eq!(status, 200);
        assert_eq!(foreign.send("GET", path, None).await.1, body);
        for secret in ["acme", "Acme", "ada"] {
            assert!(
                !body.to_string().contains(secret),
                "{path} tells of {secret}"
            );
        }
        // RFC 7644 section 4: other parameters are ignored.
        let query = "count=1&startIndex=2&sortBy=id&attributes=id&excludedAttributes=name";
        let (status, ignored) = scim.send("GET", &format!("{path}?{query}"), None).await;
        assert_eq!((status, &ignored), (200, &body), "{path}");
        let (status, error) = scim
            .send("GET", &format!("{path}?filter=id%20pr"), None)
            .await;
        assert_eq!((status, &error["status"]), (403, &json!("403")), "{path}");
        let answer = gateway
            .call("GET", &format!("/scim/v2{path}"), &[], None)
            .await;
        assert_eq!(answer.status, 401);
        let token = format!("Bearer {}", scim.token);
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let path = format!("/scim/v2{path}");
            let answer = gateway.call(method, &path, &[&token], None).await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert!(answer.header("allow").contains("GET"));
        }
    }
}

// C009
#[tokio::test]
async fn a_directorys_token_opens_scim_alone_and_nothing_else_opens_scim() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let token = format!("Bearer {}", scim.token);
    for path in [
        "/api/v1/members",
        "/console",
        "/userinfo",
        "/introspect",
        "/oauth2/token",
    ] {
        let answer = gateway.call("GET", path, &[&token], None).await;
        assert!(
            [401, 404].contains(&answer.status),
            "{path}: {}",
            answer.status
        );
    }
    let (status, error) = scim.send("GET", "/Me", None).await;
    assert_eq!((status, &error["status"]), (501, &json!("501")));
    // The shapes of other credentials: a JWT, a basic pair, a webhook secret, a cookie.
    for other in [
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.",
        "Basic YWRhOnNlY3JldA==",
        "Bearer whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "__Host-session=1",
    ] {
        let answer = gateway.call("GET", "/scim/v2/Users", &[other], None).await;
        assert_eq!(answer.status, 401, "{other}");
    }
}

#[tokio::test]
async fn roles_of_the_workspace_are_read_and_never_written() {
    let gateway = Gateway::new().await;
    let okta = okta(&gateway).await;
    let (status, roles) = okta.send("GET", "/Roles?count=1&startIndex=1", None).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&roles["itemsPerPage"], &roles["totalResults"]),
        (&json!(1), &json!(2))
    );
    let (_, roles) = okta.send("GET", "/Roles?sortBy=displayName", None).await;
    let role = &roles["Resources"][0];
    assert_eq!(role["displayName"], "admin");
    assert_eq!(
        role["schemas"],
        json!(["urn:okta:scim:schemas:core:1.0:Role"])
    );
    let id = role["id"].as_str().unwrap();
    let (status, one) = okta.send("GET", &format!("/Roles/{id}"), None).await;
    assert_eq!((status, &one), (200, role));
    let location = one["meta"]["location"].as_str().unwrap();
    assert!(
        location.ends_with(&format!("/scim/v2/Roles/{id}")),
        "{location}"
    );
    let (_, found) = okta
        .send(
            "GET",
            "/Roles?filter=displayName%20eq%20%22USER%22&attributes=id",
            None,
        )
        .await;
    assert_eq!(found["totalResults"], 1);
    let keys: Vec<_> = found["Resources"][0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["schemas", "id"]);
    assert_eq!(okta.send("GET", "/Roles/nothing", None).await.0, 404);
    let token = format!("Bearer {}", okta.token);
    for (method, path) in [
        ("POST", "/scim/v2/Roles".to_owned()),
        ("PUT", format!("/scim/v2/Roles/{id}")),
        ("PATCH", format!("/scim/v2/Roles/{id}")),
        ("DELETE", format!("/scim/v2/Roles/{id}")),
    ] {
        let body = Some(json!({"displayName": "root"}));
        let answer = gateway.call(method, &path, &[&token], body).await;
        assert_eq!(answer.status, 405, "{method} {path}");
        assert_eq!(answer.header("allow"), "GET,HEAD");
        assert_eq!(answer.body["status"], "405");
    }
    assert_eq!(gateway.count("roles").await, 2);
    let names = |list: &Value| -> Vec<String> {
        let all = list["Resources"].as_array().unwrap().iter();
        all.map(|it| it["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let (_, types) = okta.send("GET", "/ResourceTypes", None).await;
    assert_eq!(names(&types), ["User", "Group", "Role"]);
    // Whoever does not ask for entitlements is told of no type that it could not write.
    let generic = gateway.scim().await;
    let (_, types) = generic.send("GET", "/ResourceTypes", None).await;
    assert_eq!(names(&types), ["User", "Group"]);
    assert_eq!(generic.send("GET", "/Roles", None).await.0, 404);
}

// C030
#[tokio::test]
async fn a_password_is_taken_and_kept_nowhere() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let secret = "Tr0ub4dor&3";
    let body = json!({"userName": "ada", "password": secret});
    let (status, made) = scim.send("POST", "/Users", Some(&body)).await;
    assert_eq!(status, 201);
    assert!(made.get("password").is_none());
    let path = format!("/Users/{}", made["id"].as_str().unwrap());
    for operation in [
        json!({"op": "replace", "path": "password", "value": secret}),
        json!({"op": "replace", "value": {"password": secret}}),
        json!({"op": "add", "path": "urn:ietf:params:scim:schemas:core:2.0:User:PASSWORD", "value": secret}),
    ] {
        let body = operations(json!([operation]));
        assert_eq!(scim.send("PATCH", &path, Some(&body)).await.0, 200);
    }
    let put = json!({"userName": "ada", "Password": secret, "title": "x"});
    assert_eq!(scim.send("PUT", &path, Some(&put)).await.0, 200);
    for query in ["", "?attributes=password"] {
        let (_, read) = scim.send("GET", &format!("{path}{query}"), None).await;
        assert!(!read.to_string().contains("Tr0ub4dor"), "{read}");
    }
    for (table, column) in [("users", "document"), ("changes", "detail")] {
        let texts = gateway.texts(table, column).await;
        assert!(
            texts.iter().all(|text| !text.contains("Tr0ub4dor")),
            "{table}"
        );
    }
    assert!(gateway.told("\"password\"").await, "the try was noted");
}

// C021
#[tokio::test]
async fn an_address_that_nobody_proved_opens_nothing() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let body = json!({
        "userName": "cfo", "emails": [{"value": "cfo@other-company.example", "primary": true}],
    });
    scim.created("/Users", &body).await;
    let names = gateway.texts("login_names", "key").await;
    assert_eq!(names, ["cfo"]);
}

// C045
#[tokio::test]
async fn what_an_index_cannot_hold_and_what_no_text_may_have_is_refused_alike() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let refused = async |method: &str, path: &str, body: Option<&Value>, kind: &str| {
        let (status, error) = scim.send(method, path, body).await;
        assert_eq!(
            (status, &error["scimType"]),
            (400, &json!(kind)),
            "{path} {error}"
        );
    };
    // Each of another three bytes, so that no compression makes it short.
    let long: String = (0..1_000)
        .filter_map(|at| char::from_u32(0x4e00 + at * 7))
        .collect();
    for name in ["userName", "displayName", "externalId"] {
        let mut body = json!({"userName": "ada"});
        body[name] = long.clone().into();
        refused("POST", "/Users", Some(&body), "invalidValue").await;
    }
    let emails = json!({"userName": "ada", "emails": [{"value": long}]});
    refused("POST", "/Users", Some(&emails), "invalidValue").await;
    let group = json!({"displayName": long});
    refused("POST", "/Groups", Some(&group), "invalidValue").await;
    scim.created("/Users", &json!({"userName": "ada", "title": long}))
        .await;
    for filter in ["userName%20eq%20%22a%5Cu0000%22", "userName%20eq%20a%00"] {
        refused(
            "GET",
            &format!("/Users?filter={filter}"),
            None,
            "invalidFilter",
        )
        .await;
    }
    refused(
        "GET",
        "/Users?sortBy=x509Certificates",
        None,
        "invalidValue",
    )
    .await;
    // An order by long text ends as well.
    let (_, page) = scim
        .send("GET", "/Users?sortBy=title&count=1&cursor", None)
        .await;
    assert_eq!(page["itemsPerPage"], 1);
}
