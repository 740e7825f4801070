//! Every route of the router's table, tried by everybody who must not pass.

use std::time::Duration;

use gatehouse::changes::Origin;
use gatehouse::directory::credentials;
use gatehouse::http::scim::ROUTES;
use gatehouse::workspace;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, member, new_directory, operations, users};
use crate::raw::{exchange, get};

/// A route with its parameter filled in.
fn filled(path: &str, kind: &str, id: &str) -> String {
    path.replace("{type}", kind).replace("{id}", id)
}

/// Every route with each resource type that it can be about.
fn routes() -> Vec<(String, &'static [&'static str])> {
    let id = "019aa000-0000-7000-8000-000000000001";
    let mut all = Vec::new();
    for (path, methods) in ROUTES {
        let kinds: &[&str] = if path.contains("{type}") {
            &["Users", "Groups", "Roles", "Nothing"]
        } else {
            &[""]
        };
        for kind in kinds {
            let path = filled(path, kind, id);
            all.push((path.trim_end_matches('/').to_owned(), *methods));
        }
    }
    all
}

fn body_of(method: &str) -> Option<Value> {
    ["POST", "PUT", "PATCH"]
        .contains(&method)
        .then(|| json!({"userName": "x"}))
}

/// A gateway with two directories in one workspace and one in another.
async fn gateways() -> (Gateway, Scim, Scim, Scim) {
    let gateway = Gateway::new().await;
    let other = workspace::create(&gateway.app, &Origin::cli(), "other", "Other")
        .await
        .unwrap();
    let one = gateway.scim().await;
    let beside = gateway
        .scim_of(&gateway.workspace, new_directory("beside"))
        .await;
    let foreign = gateway.scim_of(&other, new_directory("idp")).await;
    (gateway, one, beside, foreign)
}

// C001, C012
#[tokio::test]
async fn no_route_opens_without_a_good_credential() {
    let (gateway, scim, _, foreign) = gateways().await;
    let good = scim.token.clone();
    let revoked = credentials::issue(&gateway.app, &Origin::cli(), &scim.directory, None)
        .await
        .unwrap();
    let revoked_text = secrecy::ExposeSecret::expose_secret(&revoked.token).to_owned();
    let id = revoked.credential.id;
    credentials::revoke(&gateway.app, &Origin::cli(), &scim.directory, id)
        .await
        .unwrap();
    let bad = [
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some("Bearer  ".to_owned()),
        Some(format!("Basic {good}")),
        Some(format!("Bearer {}", &good[..good.len() - 1])),
        Some(format!("Bearer {good}x")),
        Some(format!("Bearer {good}=")),
        Some(format!("Bearer {}", good.to_uppercase())),
        Some(format!("Bearer {good},{good}")),
        Some(format!("Bearer {}", good.replace("ghs_", "ghs%5F"))),
        Some(format!("Bearer {revoked_text}")),
        Some("non-token".to_owned()),
    ];
    for base in [
        "/scim/v2".to_owned(),
        format!("/d/{}/scim/v2", scim.directory.id),
    ] {
        for (path, methods) in routes() {
            let path = format!("{base}{path}");
            for method in methods {
                for credential in &bad {
                    let headers = credential.iter().map(String::as_str).collect::<Vec<_>>();
                    let answer = gateway.call(method, &path, &headers, body_of(method)).await;
                    assert_eq!(answer.status, 401, "{method} {path} {credential:?}");
                    assert_eq!(answer.header("www-authenticate"), "Bearer");
                    assert_eq!(answer.body["status"], "401");
                    assert!(answer.body["detail"].is_string());
                }
                let twice = format!("Bearer {good}");
                let answer = gateway
                    .call(method, &path, &[&twice, &twice], body_of(method))
                    .await;
                assert_eq!(answer.status, 401, "{method} {path} with two headers");
                let answer = gateway
                    .call(
                        method,
                        &path,
                        &[&format!("Bearer {}", foreign.token)],
                        body_of(method),
                    )
                    .await;
                let is_named = base.starts_with("/d/");
                assert!(
                    !is_named || answer.status == 404,
                    "{method} {path}: {}",
                    answer.status
                );
            }
        }
    }
    // Okta's header mode sends the token without the word.
    assert_eq!(
        gateway
            .call("GET", "/scim/v2/Users", &[&good], None)
            .await
            .status,
        200
    );
}

// C002, C016
#[tokio::test]
async fn the_guard_sits_on_the_handler_and_not_on_the_text_of_the_path() {
    let (gateway, scim, ..) = gateways().await;
    let address = gateway.address();
    for path in [
        "/scim/v2/Users",
        "/scim/v2/%55sers",
        "/scim%2Fv2/Users",
        "/scim/v2//Users",
        "/scim/v2/./Users",
        "/scim/v2/x/../Users",
        "/scim/v2/Users;a=b",
        "/SCIM/v2/users",
        "/scim/v2/Users/",
    ] {
        let (status, text) = exchange(&address, &get(path, "")).await;
        assert!([400, 401, 404].contains(&status), "{path}: {status}");
        assert!(!text.contains("Resources"), "{path}");
    }
    for query in ["access_token", "token"] {
        let path = format!("/scim/v2/Users?{query}={}", scim.token);
        assert_eq!(exchange(&address, &get(&path, "")).await.0, 401);
    }
}

// C003, C004, C005, C014
#[tokio::test]
async fn no_id_of_another_directory_or_workspace_is_ever_reached() {
    let (gateway, scim, beside, foreign) = gateways().await;
    let theirs = users(&scim, "theirs", 1).await.remove(0);
    let group = json!({"displayName": "Theirs", "members": [member(&theirs)]});
    let group = scim.created("/Groups", &group).await;
    let state = |scim: Scim, user: String, group: String| async move {
        let user = scim.send("GET", &format!("/Users/{user}"), None).await;
        let group = scim.send("GET", &format!("/Groups/{group}"), None).await;
        (user, group)
    };
    let before = state(scim.clone(), theirs.clone(), group.clone()).await;
    let nowhere = "019aa000-0000-7000-8000-000000000001";
    let deactivate = operations(json!([{"op": "replace", "path": "active", "value": false}]));
    let rename = operations(json!([{"op": "replace", "path": "displayName", "value": "Mine"}]));
    let user = json!({"userName": "mine@acme.example"});
    let named = json!({"displayName": "Mine", "members": []});
    for intruder in [&beside, &foreign] {
        for (kind, id, put, patch) in [
            ("Users", &theirs, &user, &deactivate),
            ("Groups", &group, &named, &rename),
        ] {
            for (method, body) in [
                ("GET", None),
                ("PUT", Some(put)),
                ("PATCH", Some(patch)),
                ("DELETE", None),
            ] {
                let real = intruder.send(method, &format!("/{kind}/{id}"), body).await;
                let random = intruder
                    .send(method, &format!("/{kind}/{nowhere}"), body)
                    .await;
                assert_eq!(real.0, 404, "{method} {kind}");
                assert_eq!(real, random, "{method} {kind}");
            }
        }
        let listed = intruder.send("GET", "/Users", None).await;
        assert_eq!(listed.1["totalResults"], 0);
        let own = users(intruder, "own", 1).await.remove(0);
        let tries = json!({"displayName": "Tries", "members": [member(&theirs), member(&own)]});
        let made = intruder.created("/Groups", &tries).await;
        assert_eq!(intruder.members(&made).await, [own].into());
    }
    for (header, value) in [
        ("x-tenant-id", "other"),
        ("x-workspace", "other"),
        ("host", "other.example"),
    ] {
        let bytes = get(
            "/scim/v2/Users?tenant=other&workspace=other",
            &format!(
                "Authorization: Bearer {}\r\n{header}: {value}\r\n",
                foreign.token
            ),
        );
        let (status, text) = exchange(&gateway.address(), &bytes).await;
        assert!(status == 400 || status == 200, "{header}: {status}");
        assert!(!text.contains("theirs"), "{header}");
    }
    assert_eq!(state(scim, theirs, group).await, before);
}

// C215
#[tokio::test]
async fn what_is_not_offered_says_so_and_nothing_else() {
    let (gateway, scim, ..) = gateways().await;
    let token = format!("Bearer {}", scim.token);
    for path in [
        "/metrics",
        "/debug",
        "/debug/pprof",
        "/health",
        "/scim/v2/Userz",
        "/x",
    ] {
        let answer = gateway.call("GET", path, &[&token], None).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.body["status"], "404");
    }
    for (path, text) in [("/healthz", "ok"), ("/readyz", "ready")] {
        let answer = gateway.call("GET", path, &[], None).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, text));
    }
    let answer = gateway
        .call("DELETE", "/scim/v2/Users", &[&token], None)
        .await;
    assert_eq!(answer.status, 405);
    assert!(
        answer.header("allow").contains("POST"),
        "{}",
        answer.header("allow")
    );
    assert_eq!(answer.body["status"], "405");
}

#[tokio::test]
async fn a_token_ends_with_its_time() {
    let (gateway, scim, ..) = gateways().await;
    let life = Some(Duration::ZERO);
    let issued = credentials::issue(&gateway.app, &Origin::cli(), &scim.directory, life)
        .await
        .unwrap();
    let text = secrecy::ExposeSecret::expose_secret(&issued.token).to_owned();
    let answer = gateway
        .call("GET", "/scim/v2/Users", &[&format!("Bearer {text}")], None)
        .await;
    assert_eq!(answer.status, 401);
    for _ in 0..3 {
        credentials::issue(&gateway.app, &Origin::cli(), &scim.directory, None)
            .await
            .unwrap();
    }
    // With the first one four are live: the one that ended does not count.
    let more = credentials::issue(&gateway.app, &Origin::cli(), &scim.directory, None).await;
    assert!(more.is_ok());
    let more = credentials::issue(&gateway.app, &Origin::cli(), &scim.directory, None).await;
    assert!(more.is_err());
    credentials::revoke(
        &gateway.app,
        &Origin::cli(),
        &scim.directory,
        scim.credential,
    )
    .await
    .unwrap();
    let more = credentials::issue(&gateway.app, &Origin::cli(), &scim.directory, None).await;
    assert!(more.is_ok());
}
