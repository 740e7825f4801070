//! Every change leaves its records, and every refusal a line: generated from the table of routes.

use gatehouse::http::scim::ROUTES;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::gateway::{Answer, Gateway, Scim, member, operations, users};
use crate::request_log::logged;

/// What is written down of a change.
#[derive(Debug, sqlx::FromRow)]
struct Told {
    kind: String,
    subject: uuid::Uuid,
    directory: Option<uuid::Uuid>,
    credential: Option<uuid::Uuid>,
    actor: Option<String>,
    method: Option<String>,
    path: Option<String>,
    detail: String,
}

/// Everything that a request left in the log of changes.
async fn told(gateway: &Gateway, request: &str) -> Vec<Told> {
    let mut tx = gateway.app.db.one().await.unwrap();
    tx.query(
        "SELECT kind, subject, directory, credential, actor, method, path, detail FROM changes \
         WHERE workspace = $1 AND request = $2 ORDER BY kind",
    )
    .bind(gateway.workspace.id)
    .bind(request.parse::<uuid::Uuid>().unwrap())
    .fetch_all()
    .await
    .unwrap()
}

/// How many changes there are.
async fn count(gateway: &Gateway) -> i64 {
    let mut tx = gateway.app.db.one().await.unwrap();
    let sql = AssertSqlSafe("SELECT COUNT(*) AS rows FROM changes");
    let row: (i64,) = tx.query(sql).fetch_one().await.unwrap();
    row.0
}

/// A call that goes through and one that is refused, with what the first one must leave.
struct Case {
    path: String,
    body: Option<Value>,
    kinds: Vec<&'static str>,
    refused_path: String,
    refused_body: Option<Value>,
}

/// What to call a route of the table with; none for what changes nothing.
async fn case(scim: &Scim, method: &str, path: &str, kind: &str) -> Option<Case> {
    let nowhere = format!("/{kind}/019aa000-0000-7000-8000-000000000001");
    let round = format!("{method}-{}", kind.to_lowercase());
    let (user, group) = (json!({"userName": round}), json!({"displayName": round}));
    let body = if kind == "Users" { user } else { group };
    let there = async || {
        let mut body = body.clone();
        for key in ["userName", "displayName"] {
            if body.get(key).is_some() {
                body[key] = format!("there-{round}").into();
            }
        }
        let id = scim.created(&format!("/{kind}"), &body).await;
        format!("/{kind}/{id}")
    };
    let noun = if kind == "Users" { "user" } else { "group" };
    let named = |created: &'static str, grouped: &'static str| {
        if noun == "user" { created } else { grouped }
    };
    let member_too = |kind: &'static str| (noun == "user").then_some(kind);
    Some(match (method, path) {
        ("POST", "/{type}") => Case {
            path: format!("/{kind}"),
            body: Some(body),
            kinds: member_too("member.added")
                .into_iter()
                .chain([named("user.created", "group.created")])
                .collect(),
            refused_path: format!("/{kind}"),
            refused_body: Some(json!({})),
        },
        ("PUT", "/{type}/{id}") => Case {
            path: there().await,
            body: Some(body.clone()),
            kinds: member_too("member.updated")
                .into_iter()
                .chain([named("user.updated", "group.updated")])
                .collect(),
            refused_path: nowhere,
            refused_body: Some(body),
        },
        ("PATCH", "/{type}/{id}") => {
            let (path, value) = if noun == "user" {
                ("active", json!(false))
            } else {
                ("members", json!([member(&users(scim, &round, 1).await[0])]))
            };
            let changed = operations(json!([{"op": "replace", "path": path, "value": value}]));
            Case {
                path: there().await,
                body: Some(changed.clone()),
                kinds: member_too("member.suspended")
                    .into_iter()
                    .chain([named("user.updated", "group.members_changed")])
                    .collect(),
                refused_path: nowhere,
                refused_body: Some(changed),
            }
        }
        ("DELETE", "/{type}/{id}") => Case {
            path: there().await,
            body: None,
            kinds: member_too("member.removed")
                .into_iter()
                .chain([named("user.deleted", "group.deleted")])
                .collect(),
            refused_path: nowhere,
            refused_body: None,
        },
        ("POST", "/Bulk") => {
            let operation = |path: &str| {
                json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
                    "Operations": [{"method": "POST", "path": path, "bulkId": "one",
                    "data": {"userName": "in-bulk"}}]})
            };
            Case {
                path: "/Bulk".to_owned(),
                body: Some(operation("/Users")),
                kinds: vec!["member.added", "user.created"],
                refused_path: "/Bulk".to_owned(),
                refused_body: Some(json!({"schemas": [], "Operations": 1})),
            }
        }
        ("POST", "/.search" | "/{type}/.search") | (_, "/Me") => return None,
        _ => panic!("{method} {path} is a new route: say what it must leave"),
    })
}

// C212
#[tokio::test]
async fn each_change_is_told_with_who_did_it_and_each_refusal_is_logged() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let token = format!("Bearer {}", scim.token);
    let call = async |method: &str, path: &str, body: Option<Value>| -> Answer {
        let path = format!("/scim/v2{path}");
        gateway.call(method, &path, &[&token], body).await
    };
    let mut tried = 0;
    for (route, methods) in ROUTES {
        let kinds: &[&str] = if route.contains("{type}") {
            &["Users", "Groups"]
        } else {
            &["Users"]
        };
        for method in methods.iter().filter(|method| **method != "GET") {
            for kind in kinds {
                let Some(case) = case(&scim, method, route, kind).await else {
                    continue;
                };
                tried += 1;
                let what = format!("{method} {route} of {kind}");
                let before = count(&gateway).await;
                let done = call(method, &case.path, case.body).await;
                assert!(done.status < 300, "{what}: {}", done.text);
                let request = done.header("x-request-id").to_owned();
                let told = told(&gateway, &request).await;
                let kinds: Vec<_> = told.iter().map(|told| told.kind.as_str()).collect();
                assert_eq!(kinds, case.kinds, "{what}");
                let after = count(&gateway).await;
                assert_eq!(after - before, i64::try_from(told.len()).unwrap(), "{what}");
                let id = done.body["id"].as_str().map(str::to_owned);
                let id = id.or_else(|| case.path.rsplit('/').next().map(str::to_owned));
                for told in &told {
                    assert_eq!(told.directory, Some(scim.directory.id.0), "{what}");
                    assert_eq!(told.credential, Some(scim.credential.0), "{what}");
                    assert_eq!(told.actor, None, "{what}");
                    assert_eq!(told.method.as_deref(), Some(*method), "{what}");
                    // An operation of Bulk tells its own path.
                    let path = case.path.replace("/Bulk", "/Users");
                    assert_eq!(told.path.as_deref(), Some(path.as_str()), "{what}");
                    assert!(!told.detail.contains(&scim.token), "{what}");
                }
                let is_named = told.iter().any(|told| Some(told.subject.to_string()) == id);
                assert!(is_named || *route == "/Bulk", "{what}: {told:?}");

                let refused = call(method, &case.refused_path, case.refused_body).await;
                assert!(
                    (400..500).contains(&refused.status),
                    "{what}: {}",
                    refused.text
                );
                assert_eq!(count(&gateway).await, after, "{what}");
                let request = refused.header("x-request-id").to_owned();
                let lines = logged(&gateway, &scim).await;
                let line = lines.iter().find(|line| line.id.to_string() == request);
                let line = line.expect("a refusal is logged");
                assert_eq!(line.status, i64::from(refused.status), "{what}");
                assert_eq!(line.credential, scim.credential, "{what}");
                assert_eq!(line.method, *method, "{what}");
            }
        }
    }
    assert_eq!(tried, 9);
}
