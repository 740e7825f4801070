//! The management API: who gets in, what errors look like, versions and pages.

use std::collections::BTreeSet;

use gatehouse::changes::Origin;
use gatehouse::http::api::{Offered, ROUTES};
use gatehouse::workspace::keys::{self, Permission};
use gatehouse::workspace::{self, Workspace, members};
use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway, member, new_directory, users};
use crate::keys::new_key;
use crate::raw::{exchange, get};

const NOWHERE: &str = "019aa000-0000-7000-8000-000000000001";

/// Each route and method, with its path in a workspace.
fn offered(workspace: &str) -> Vec<(String, Offered)> {
    let mut all = Vec::new();
    for (path, methods) in ROUTES {
        let path = path.replace("{workspace}", workspace);
        let path = path.replace("{id}", NOWHERE);
        let path = path.replace("{kind}", "roles").replace("{name}", "user");
        let path = path.replace("{list}", "conflicts");
        all.extend(methods.iter().map(|method| (path.clone(), *method)));
    }
    all
}

fn body_of(method: &str, path: &str) -> Option<Value> {
    let wanted = match path.rsplit('/').next() {
        Some("api-keys") => json!({"name": "x", "scopes": ["members.read"]}),
        Some("teams" | "roles") => json!({"name": "x"}),
        Some("directories") => json!({"name": "x", "kind": "generic"}),
        Some("workspaces") => json!({"slug": "x", "name": "X"}),
        _ => json!({}),
    };
    ["POST", "PATCH"].contains(&method).then_some(wanted)
}

/// A problem without what differs between two requests.
fn problem(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let mut body = answer.body.clone();
    assert_eq!(body["status"], status);
    let code = body["code"].as_str().expect("a code");
    assert_eq!(body["type"], format!("urn:gatehouse:problem:{code}"));
    assert!(body["title"].is_string() && body["detail"].is_string());
    assert_eq!(body["request_id"], answer.header("x-request-id"));
    body["request_id"] = Value::Null;
    body
}

async fn other(gateway: &Gateway) -> Workspace {
    workspace::create(&gateway.app, &Origin::cli(), "other", "Other")
        .await
        .expect("made")
}

// C001, C009, C012
#[tokio::test]
async fn no_route_opens_without_a_good_key() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let good = gateway.key(&Permission::ALL[..9]).await;
    let (id, revoked) = gateway
        .key_of(Some(&gateway.workspace), new_key(&[Permission::KeysManage]))
        .await;
    let workspace = Some(gateway.workspace.id);
    keys::revoke(&gateway.app, &Origin::cli(), workspace, id)
        .await
        .unwrap();
    let bad = [
        vec![],
        vec![String::new()],
        vec!["Bearer".to_owned()],
        vec!["Bearer  ".to_owned()],
        vec![good.clone()],
        vec![format!("Basic {good}")],
        vec![format!("Bearer {}", &good[..good.len() - 1])],
        vec![format!("Bearer {good}x")],
        vec![format!("Bearer {}", good.replace("gha_", "gho_"))],
        vec![format!("Bearer {}", good.replace("gha_", "ghs_"))],
        vec![format!("Bearer {good},{good}")],
        vec![format!("Bearer {revoked}")],
        vec![format!("Bearer {}", scim.token)],
        vec![format!("Bearer {good}"), format!("Bearer {good}")],
    ];
    for (path, (method, _)) in offered("acme") {
        for headers in &bad {
            let headers: Vec<_> = headers.iter().map(String::as_str).collect();
            let path = format!("/api/v1{path}");
            let body = body_of(method, &path).map(|body| body.to_string());
            let answer = gateway.call_text(method, &path, &headers, "application/json", body);
            let answer = answer.await;
            let body = problem(&answer, 401);
            assert_eq!(body["code"], "unauthenticated", "{method} {path}");
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
        }
    }
    assert_eq!(gateway.count("api_keys").await, 2);
    let answer = gateway.call("GET", "/scim/v2/Users", &[&good], None).await;
    assert_eq!(answer.status, 401);
}

// C003, C004
#[tokio::test]
async fn another_workspace_is_not_there() {
    let gateway = Gateway::new().await;
    let theirs = other(&gateway).await;
    let foreign = gateway.scim_of(&theirs, new_directory("idp")).await;
    users(&foreign, "theirs", 1).await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    let weak = gateway.key(&[Permission::DataExport]).await;
    let id = theirs.id.to_string();
    for named in ["other", &id] {
        let of = |named: &str| {
            let all = offered(named).into_iter();
            all.filter(|(path, _)| path.starts_with("/workspaces/"))
        };
        let (real, missing) = (of(named), of("missing"));
        for ((path, (method, _)), (nowhere, _)) in real.zip(missing) {
            for key in [&key, &weak] {
                let body = body_of(method, &path);
                let real = gateway.api(key, method, &path, body.as_ref()).await;
                let missing = gateway.api(key, method, &nowhere, body.as_ref()).await;
                assert_eq!(problem(&real, 404), problem(&missing, 404), "{path}");
            }
        }
    }
    let answer = gateway.api(&key, "GET", "/workspaces", None).await;
    assert_eq!(answer.body["items"].as_array().unwrap().len(), 1);
    for header in ["x-tenant-id", "x-workspace"] {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str()), (header, "other")];
        let path = "/api/v1/workspaces/acme/members";
        let answer = gateway.exchange("GET", path, &headers, None).await;
        assert_eq!(answer.body["items"], json!([]), "{}", answer.text);
    }
    let path = "/workspaces/acme/members?workspace=other";
    problem(&gateway.api(&key, "GET", path, None).await, 400);
    // An id of theirs in the own workspace is no other than one of nobody.
    let listed = members::list(&gateway.app, theirs.id, None, 1).await;
    let member = listed.unwrap().remove(0).id;
    for end in ["", "/explanation"] {
        let of = |id: &str| format!("/workspaces/acme/members/{id}{end}");
        let real = gateway
            .api(&key, "GET", &of(&member.to_string()), None)
            .await;
        let missing = gateway.api(&key, "GET", &of(NOWHERE), None).await;
        assert_eq!(problem(&real, 404), problem(&missing, 404));
    }
    let (id, _) = gateway
        .key_of(Some(&theirs), new_key(&[Permission::KeysManage]))
        .await;
    let path = format!("/workspaces/acme/api-keys/{id}");
    problem(&gateway.api(&key, "DELETE", &path, None).await, 404);
    assert_eq!(
        gateway.count("api_keys WHERE revoked_at IS NOT NULL").await,
        0
    );
}

#[tokio::test]
async fn a_key_opens_what_its_scopes_name_and_nothing_else() {
    let gateway = Gateway::new().await;
    let mut of_scope = Vec::new();
    for scope in &Permission::ALL[..9] {
        of_scope.push((*scope, gateway.key(&[*scope]).await));
    }
    let (_, operator) = gateway
        .key_of(None, new_key(&[Permission::Everything]))
        .await;
    let made = gateway.count("api_keys").await;
    for (path, (method, needed)) in offered("acme") {
        let body = body_of(method, &path);
        for (scope, key) in &of_scope {
            let answer = gateway.api(key, method, &path, body.as_ref()).await;
            let implied = *scope == Permission::MembersManage;
            let may = needed.is_none_or(|needed| {
                needed == *scope || implied && needed == Permission::MembersRead
            });
            if may {
                // A key without members.read gives it to none.
                let is_gift = method == "POST" && path.ends_with("/api-keys");
                assert_eq!(answer.status == 403, is_gift, "{method} {path} {scope}");
                assert_ne!(answer.status, 401);
            } else {
                let body = problem(&answer, 403);
                assert_eq!(
                    body["code"], "insufficient_scope",
                    "{method} {path} {scope}"
                );
                let challenge = answer.header("www-authenticate");
                assert!(challenge.contains("insufficient_scope"), "{challenge}");
            }
        }
        assert_eq!(gateway.count("api_keys").await, made, "{method} {path}");
    }
    for (path, (method, _)) in offered("acme") {
        let answer = gateway.api(&operator, method, &path, None).await;
        assert!(![401, 403].contains(&answer.status), "{method} {path}");
    }
    other(&gateway).await;
    let all = gateway.api(&operator, "GET", "/workspaces", None).await;
    let slugs = all.body["items"].as_array().unwrap().iter();
    let slugs: Vec<_> = slugs.map(|it| it["slug"].clone()).collect();
    assert_eq!(slugs, ["acme", "other"]);
}

// C002, C215
#[tokio::test]
async fn what_is_not_offered_is_a_problem_too() {
    let gateway = Gateway::new().await;
    let key = gateway.key(&[Permission::MembersRead]).await;
    for path in [
        "/api",
        "/api/",
        "/api/v1",
        "/api/v2/workspaces",
        "/api/v1/nothing",
    ] {
        let answer = gateway.call("GET", path, &[], None).await;
        assert_eq!(problem(&answer, 404)["code"], "not_found", "{path}");
    }
    let answer = gateway.api(&key, "PUT", "/workspaces", None).await;
    assert_eq!(problem(&answer, 405)["code"], "method_not_allowed");
    assert!(answer.header("allow").contains("GET"));
    let long = format!("/api/v1/workspaces?{}", "x".repeat(17_000));
    problem(&gateway.call("GET", &long, &[], None).await, 414);
    let answer = gateway.call("GET", "/apiary", &[], None).await;
    assert_eq!(
        (answer.status, &answer.body["status"]),
        (404, &json!("404"))
    );
    for path in [
        "/api/v1/workspaces/acme/members",
        "/api/v1/%77orkspaces/acme/members",
        "/api%2Fv1/workspaces/acme/members",
        "/api/v1//workspaces/acme/members",
        "/api/v1/x/../workspaces/acme/members",
        "/API/v1/workspaces/acme/members",
        "/api/v1/workspaces/acme/members/",
    ] {
        let (status, text) = exchange(&gateway.address(), &get(path, "")).await;
        assert!([400, 401, 404].contains(&status), "{path}: {status}");
        assert!(!text.contains("items"), "{path}");
    }
    let query = format!("/api/v1/workspaces?access_token={key}");
    assert_eq!(gateway.call("GET", &query, &[], None).await.status, 401);
}

#[tokio::test]
async fn a_body_is_json_of_known_fields_and_of_bounded_size() {
    let gateway = Gateway::new().await;
    let key = gateway
        .key(&[Permission::KeysManage, Permission::MembersRead])
        .await;
    let bearer = format!("Bearer {key}");
    let path = "/api/v1/workspaces/acme/api-keys";
    let send = async |media: &str, body: &str| {
        let body = Some(body.to_owned());
        gateway
            .call_text("POST", path, &[&bearer], media, body)
            .await
    };
    let good = r#"{"name":"x","scopes":["members.read"]}"#;
    let json = "application/json; charset=utf-8";
    assert_eq!(send(json, good).await.status, 201);
    problem(&send("text/plain", good).await, 415);
    problem(&send("application/json; charset=latin1", good).await, 415);
    for wrong in [
        "",
        "{",
        r#"["x",["members.read"],1]"#,
        r#"{"name":"x","name":"y"}"#,
        r#"{"name":"x"}"#,
    ] {
        problem(&send(json, wrong).await, 400);
    }
    let extra = r#"{"name":"x","scopes":["members.read"],"admin":true}"#;
    let refused = problem(&send(json, extra).await, 400);
    assert!(refused["detail"].as_str().unwrap().contains("`admin`"));
    let padded = |size: usize| format!("{good}{}", " ".repeat(size - good.len()));
    assert_eq!(send(json, &padded(256 * 1024)).await.status, 201);
    let refused = problem(&send(json, &padded(256 * 1024 + 1)).await, 413);
    assert_eq!(refused["code"], "too_large");
}

#[tokio::test]
async fn what_does_not_fit_is_told_with_its_place() {
    let gateway = Gateway::new().await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    for (method, path, body, place) in [
        ("POST", "/teams", json!({"name": 1}), "name: invalid type"),
        (
            "POST",
            "/members",
            json!({"profile": {"line": 5}}),
            "profile.line: ",
        ),
        (
            "POST",
            "/brake/wait",
            json!({"members": ["x"]}),
            "members[0]: ",
        ),
        (
            "POST",
            "/teams",
            json!({"name": "Support", "colour": "red"}),
            "unknown field `colour`",
        ),
    ] {
        let told = gateway.asked(&key, (method, path), body, 400).await;
        let detail = told["detail"].as_str().unwrap();
        assert!(detail.contains(place), "{path}: {detail}");
    }
}

#[tokio::test]
async fn a_member_is_shown_with_what_it_has_and_why() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    gateway.rule(&["Sales"], "Sales").await;
    let ada = json!({"userName": "ada", "displayName": "Ada"});
    let ada = scim.created("/Users", &ada).await;
    let group = json!({"displayName": "Sales", "members": [member(&ada)]});
    scim.created("/Groups", &group).await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    let get = async |path: &str| {
        let path = format!("/workspaces/acme{path}");
        let answer = gateway.api(&key, "GET", &path, None).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer
    };
    let listed = get("/members").await.body;
    let one = &listed["items"][0];
    assert_eq!(
        (&one["user_name"], &one["teams"]),
        (&json!("ada"), &json!(["Sales"]))
    );
    assert_eq!(listed["next_cursor"], Value::Null);
    let path = format!("/members/{}", one["id"].as_str().unwrap());
    let shown = get(&path).await;
    for (field, value) in one.as_object().unwrap() {
        assert_eq!(&shown.body[field], value, "{field}");
    }
    assert_eq!(shown.body["directories"], json!(["idp"]));
    let tag = shown.header("etag").to_owned();
    assert!(tag.starts_with('"'), "{tag}");
    let same = async || {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str()), ("if-none-match", &tag)];
        let path = format!("/api/v1/workspaces/acme{path}");
        gateway.exchange("GET", &path, &headers, None).await
    };
    // What it shows of teams and others changes without its version.
    let answer = same().await;
    assert_eq!((answer.status, &answer.body), (200, &shown.body));
    assert_eq!(answer.header("etag"), tag);
    let explained = get(&format!("{path}/explanation")).await.body;
    assert_eq!(explained["grants"][0]["name"], "Sales");
    let ruled = get("/rules").await.body;
    assert_eq!(ruled["items"][0]["groups"], json!(["Sales"]));
    let roles = get("/roles").await.body;
    assert_eq!(roles["items"][0]["name"], "admin");
    let directories = get("/directories").await;
    assert_eq!(directories.body["items"][0]["name"], "idp");
    assert!(!directories.text.contains("ghs_"));
    let nobody = json!({"displayName": "Sales", "members": []});
    let groups = scim.send("GET", "/Groups", None).await.1;
    let group = groups["Resources"][0]["id"].as_str().unwrap().to_owned();
    scim.send("PUT", &format!("/Groups/{group}"), Some(&nobody))
        .await;
    let answer = same().await;
    assert_eq!((answer.status, &answer.body["teams"]), (200, &json!([])));
    let by_id = format!("/workspaces/{}", gateway.workspace.id);
    let answer = gateway.api(&key, "GET", &by_id, None).await;
    assert_eq!(answer.body["slug"], "acme");
}

// C008
#[tokio::test]
async fn pages_are_walked_by_a_cursor_that_fits_no_other_list() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    users(&scim, "user", 5).await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    let get = async |path: &str| {
        let path = format!("/workspaces/acme{path}");
        gateway.api(&key, "GET", &path, None).await
    };
    let (mut seen, mut pages, mut next) = (BTreeSet::new(), 0, String::new());
    loop {
        let page = get(&format!("/members?limit=2{next}")).await;
        assert_eq!(page.status, 200, "{}", page.text);
        pages += 1;
        for item in page.body["items"].as_array().unwrap() {
            assert!(seen.insert(item["id"].as_str().unwrap().to_owned()));
        }
        let Some(cursor) = page.body["next_cursor"].as_str() else {
            break;
        };
        next = format!("&cursor={cursor}");
    }
    assert_eq!((seen.len(), pages), (5, 3));
    let first = get("/roles?limit=1").await.body;
    let roles = first["next_cursor"].as_str().unwrap().to_owned();
    let second = get(&format!("/roles?limit=1&cursor={roles}")).await.body;
    assert_eq!(second["items"][0]["name"], "user");
    assert_eq!(second["next_cursor"], Value::Null);
    let mut forged = roles.clone();
    let last = if forged.ends_with('A') { 'B' } else { 'A' };
    forged.replace_range(forged.len() - 3..forged.len() - 2, &last.to_string());
    let long = "A".repeat(9_000);
    for cursor in [&roles, &forged, &long, &String::new(), &NOWHERE.to_owned()] {
        let answer = get(&format!("/members?cursor={cursor}")).await;
        assert_eq!(problem(&answer, 400)["code"], "invalid_cursor", "{cursor}");
    }
    let theirs = other(&gateway).await;
    let new = new_key(&[Permission::MembersRead]);
    let (_, foreign) = gateway.key_of(Some(&theirs), new).await;
    let path = format!("/workspaces/other/roles?cursor={roles}");
    problem(&gateway.api(&foreign, "GET", &path, None).await, 400);
    for wrong in [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=1&limit=2",
        "offset=3",
    ] {
        let answer = get(&format!("/members?{wrong}")).await;
        let name = wrong.split('=').next().unwrap();
        let body = problem(&answer, 400);
        assert!(body["detail"].as_str().unwrap().contains(name), "{wrong}");
    }
    assert_eq!(get("/members?limit=200").await.status, 200);
}
