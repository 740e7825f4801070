//! The request log of directories: what is kept of an exchange, and what never is.

use std::time::Duration;

use gatehouse::directory::request_log::{self, Entry, Wanted};
use gatehouse::ids::RequestId;
use gatehouse::store::request_log as rows;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, operations};
use crate::types;

/// Everything that is logged of a directory, the oldest first.
pub(crate) async fn logged(gateway: &Gateway, scim: &Scim) -> Vec<Entry> {
    request_log::flush(&gateway.app).await;
    let directory = (scim.directory.workspace, scim.directory.id);
    request_log::list(&gateway.app, directory, &Wanted::default(), usize::MAX)
        .await
        .unwrap()
}

fn bearer(scim: &Scim) -> String {
    format!("Bearer {}", scim.token)
}

#[tokio::test]
async fn an_exchange_is_kept_with_what_came_of_it() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let token = bearer(&scim);
    let ada = json!({"userName": "ada@acme.example", "shoeSize": 40, "password": "hunter2"});
    let made = gateway
        .call("POST", "/scim/v2/Users", &[&token], Some(ada.clone()))
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let refused = gateway
        .call("POST", "/scim/v2/Users/", &[&token], Some(ada.clone()))
        .await;
    assert_eq!(refused.status, 409);
    let id = made.body["id"].as_str().unwrap();
    let path = format!(
        "/d/{}/scim/v2/Users/{id}?attributes=userName",
        scim.directory.id
    );
    assert_eq!(
        gateway.call("GET", &path, &[&token], None).await.status,
        200
    );

    let entries = logged(&gateway, &scim).await;
    let [first, second, third] = entries.as_slice() else {
        panic!("three exchanges: {entries:?}");
    };
    assert_eq!(first.id.to_string(), made.header("x-request-id"));
    assert_eq!(first.workspace, gateway.workspace.id);
    assert_eq!(first.directory, scim.directory.id);
    assert_eq!(first.credential, scim.credential);
    assert_eq!((first.method.as_str(), first.status), ("POST", 201));
    assert_eq!(
        (first.route.as_str(), first.path.as_str()),
        ("/Users", "/scim/v2/Users")
    );
    assert_eq!(first.resource.unwrap().to_string(), id);
    assert_eq!(
        first.bytes_in,
        i64::try_from(ada.to_string().len()).unwrap()
    );
    assert_eq!(first.bytes_out, i64::try_from(made.text.len()).unwrap());
    assert!(first.duration_us > 0);
    let kept = json!({
        "userName": "ada@acme.example", "shoeSize": "«redacted»", "password": "«redacted»",
    });
    assert_eq!(first.request.as_ref(), Some(&kept));
    assert_eq!((&first.response, first.cut), (&None, false));
    assert_eq!(
        first.notes,
        [
            json!({"path": "shoeSize", "reason": "unknown"}),
            json!({"path": "password", "reason": "password"}),
        ]
    );
    assert_eq!(
        (second.status, second.scim_type.as_deref()),
        (409, Some("uniqueness"))
    );
    assert_eq!(second.detail.as_deref(), Some("userName is already taken"));
    assert_eq!(second.response.as_ref(), Some(&refused.body));
    assert_eq!(second.resource, None);
    assert_eq!((third.status, third.route.as_str()), (200, "/Users/{id}"));
    assert_eq!(third.path, path);
    assert_eq!(third.resource, first.resource);
    assert_eq!((&third.request, third.bytes_in), (&None, 0));
}

#[tokio::test]
async fn registered_types_and_bulk_are_read_by_their_schemas() {
    let (gateway, scim) = types::gateway().await;
    let mut body = types::laptop("A1");
    body["secret"] = "s3cret".into();
    body["PIN"] = "1234".into();
    body["colour"] = "red".into();
    scim.created("/Devices", &body).await;
    let mut ada = json!({"userName": "ada", "password": "hunter2"});
    ada[types::BADGE] = json!({"number": "1", "chip": "x"});
    let device = "/Devices".to_owned();
    let bulk = json!({"Operations": [
        {"method": "POST", "bulkId": "a", "path": "/Users", "data": ada},
        {"method": "POST", "bulkId": "b", "path": device, "data": body},
    ]});
    let (status, told) = scim.send("POST", "/Bulk", Some(&bulk)).await;
    assert_eq!(status, 200, "{told}");
    let entries = logged(&gateway, &scim).await;
    body["secret"] = "«redacted»".into();
    body["PIN"] = "«redacted»".into();
    body["colour"] = "«redacted»".into();
    assert_eq!(entries[0].route, "/Devices");
    assert_eq!(entries[0].request.as_ref(), Some(&body));
    let kept = entries[1].request.as_ref().unwrap();
    let mut ada = json!({"userName": "ada", "password": "«redacted»"});
    ada[types::BADGE] = json!({"number": "1", "chip": "«redacted»"});
    assert_eq!(kept["Operations"][0]["data"], ada);
    assert_eq!(kept["Operations"][1]["data"], body);
    assert_eq!(entries[1].response.as_ref(), Some(&told));
    assert_eq!(told["Operations"][1]["status"], "409", "{told}");
    let noted: Vec<_> = entries[1].notes.iter().map(|note| &note["path"]).collect();
    assert_eq!(noted, ["password", "chip"]);
}

#[tokio::test]
async fn refusals_of_every_kind_are_kept() {
    let gateway = Gateway::with(|config| config.limits.body_user_bytes = 1_024).await;
    let scim = gateway.scim().await;
    let token = bearer(&scim);
    let large = json!({"userName": "x".repeat(2_000)});
    let foreign = gateway.other_workspace().await;
    let foreign_path = format!("/d/{}/scim/v2/Users", foreign.directory.id);
    let requests: &[(&str, &str, Option<Value>, i64)] = &[
        ("GET", "/scim/v2/Users?count=x", None, 400),
        ("GET", "/scim/v2/Users/none", None, 404),
        ("GET", &foreign_path, None, 404),
        ("GET", "/scim/v2/Schemas?filter=id+pr", None, 403),
        ("POST", "/scim/v2/Users", Some(large), 413),
        ("GET", "/scim/v2/Me", None, 501),
    ];
    for (method, path, body, status) in requests {
        let answer = gateway.call(method, path, &[&token], body.clone()).await;
        assert_eq!(i64::from(answer.status), *status, "{method} {path}");
    }
    let media = "text/plain";
    let body = Some("{}".to_owned());
    let answer = gateway
        .call_text("POST", "/scim/v2/Users", &[&token], media, body)
        .await;
    assert_eq!(answer.status, 415);
    let entries = logged(&gateway, &scim).await;
    let statuses: Vec<_> = entries.iter().map(|entry| entry.status).collect();
    assert_eq!(statuses, [400, 404, 404, 403, 413, 501, 415]);
    assert!(entries.iter().all(|entry| entry.detail.is_some()));
    assert_eq!(entries[4].bytes_in, 2_015);
}

#[tokio::test]
async fn a_client_that_goes_away_is_kept_as_unanswered() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let never = futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
    let request = http::Request::builder()
        .method("POST")
        .uri("/scim/v2/Users")
        .header("authorization", bearer(&scim))
        .header("content-type", "application/scim+json")
        .body(axum::body::Body::from_stream(never))
        .unwrap();
    let router = gatehouse::http::router(gateway.app.clone());
    let answer = tower::ServiceExt::oneshot(router, request);
    let answer = tokio::time::timeout(Duration::from_millis(500), answer).await;
    assert!(answer.is_err(), "the body never comes");
    let entries = logged(&gateway, &scim).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].status, 499);
}

#[tokio::test]
async fn who_is_not_known_is_in_no_log() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let wrong = bearer(&scim).to_lowercase();
    let path = format!("/scim/v2/Users?access_token={}", scim.token);
    for authorization in [vec![], vec![wrong.as_str()], vec!["Basic abc"]] {
        let answer = gateway.call("GET", &path, &authorization, None).await;
        assert_eq!(answer.status, 401);
    }
    request_log::flush(&gateway.app).await;
    assert_eq!(request_log::directories(&gateway.app).await.unwrap(), []);
}

// C016, C030, C256
#[tokio::test]
async fn a_secret_is_nowhere_in_whatever_spelling_it_came() {
    const SECRET: &str = "zqxSecretzqx";
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let token = bearer(&scim);
    let urn = "urn:ietf:params:scim:schemas:core:2.0:User";
    let id = scim.created("/Users", &json!({"userName": "ada"})).await;
    let user = format!("/scim/v2/Users/{id}");
    for (at, name) in [
        "password",
        "PASSWORD",
        "password.value",
        &format!("{urn}:password"),
        "unknown",
        &format!("password[value eq \"{SECRET}\"].value"),
        &format!("password eq {SECRET}"),
        &format!("password[value eq \"{SECRET}"),
        &format!("emails[password eq \"{SECRET}\"]"),
    ]
    .into_iter()
    .enumerate()
    {
        let secret = json!({"value": [SECRET]});
        for (method, path, body) in [
            (
                "POST",
                "/scim/v2/Users",
                json!({"userName": format!("u{at}"), (name): SECRET}),
            ),
            (
                "POST",
                "/scim/v2/Groups",
                json!({"displayName": format!("g{at}"), (name): SECRET}),
            ),
            (
                "PUT",
                user.as_str(),
                json!({"userName": "ada", "name": {(name): SECRET}}),
            ),
            (
                "PATCH",
                &user,
                operations(json!([{"op": "add", "path": name, "value": SECRET}])),
            ),
            (
                "PATCH",
                &user,
                operations(json!([{"op": "replace", "value": {(name): secret}}])),
            ),
            (
                "PATCH",
                &user,
                operations(json!([{"op": "add", "value": {(urn): {(name): SECRET}}}])),
            ),
        ] {
            gateway.call(method, path, &[&token], Some(body)).await;
        }
    }
    for path in [
        format!("/scim/v2/Users?access_token={SECRET}&token={}", scim.token),
        format!("/scim/v2/Users?filter=password+eq+%22{SECRET}%22"),
        format!("/scim/v2/Users?filter=password+eq+{SECRET}"),
        format!("/scim/v2/Users/{}", scim.token),
        format!("/scim/v2/Users/{}", scim.token.replace('_', "%5f")),
    ] {
        gateway.call("GET", &path, &[&token], None).await;
    }
    let broken = Some(format!("{{\"password\": \"{SECRET}\""));
    let media = "application/scim+json";
    gateway
        .call_text("POST", "/scim/v2/Users", &[&token], media, broken)
        .await;

    let entries = logged(&gateway, &scim).await;
    assert_eq!(entries.len(), 1 + 9 * 6 + 5 + 1);
    let mut texts = vec![serde_json::to_string(&entries).unwrap()];
    for column in ["detail", "path", "kind"] {
        texts.extend(gateway.texts("changes", column).await);
    }
    texts.extend(gateway.texts("users", "document").await);
    for text in &texts {
        for secret in [SECRET, &scim.token] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    // What is sealed does not show by itself; nor is there anything else in the files.
    let Some(database) = gateway.app.config.database.url.strip_prefix("sqlite:") else {
        return;
    };
    let folder = std::path::Path::new(database).parent().unwrap();
    let mut files = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        files += 1;
        for secret in [SECRET, &scim.token, "scim/v2/Users?"] {
            let holds = bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            assert!(!holds, "{secret}");
        }
    }
    assert!(files >= 4, "two databases with their logs, not {files}");
}

// C256
#[tokio::test]
async fn another_workspace_sees_nothing_and_its_key_opens_nothing() {
    let gateway = Gateway::new().await;
    let (scim, other) = (gateway.scim().await, gateway.other_workspace().await);
    scim.created("/Users", &json!({"userName": "ada"})).await;
    let entry = logged(&gateway, &scim).await.remove(0);
    assert_eq!(logged(&gateway, &other).await, []);
    let app = &gateway.app;
    let own = (scim.directory.workspace, scim.directory.id);
    let foreign = (other.directory.workspace, other.directory.id);
    for directory in [foreign, (foreign.0, own.1), (own.0, foreign.1)] {
        assert_eq!(
            request_log::find(app, directory, entry.id).await.unwrap(),
            None
        );
    }
    let mut tx = app.db.read_log().await.unwrap();
    let row = rows::find(&mut tx, own, entry.id).await.unwrap().unwrap();
    let bound = |request: RequestId| {
        let ids = [own.0.0, own.1.0, request.0].map(|id| id.as_bytes().to_vec());
        [b"request_log.sealed".to_vec(), ids.concat()].concat()
    };
    let open = |workspace, request| {
        let key = app.keys.of_workspace(workspace, "request log").unwrap();
        key.open(&bound(request), &row.sealed)
    };
    assert!(open(own.0, entry.id).is_ok());
    assert!(open(foreign.0, entry.id).is_err());
    assert!(open(own.0, RequestId::new()).is_err());
}

#[tokio::test]
async fn a_long_body_is_cut_after_its_secrets_are_gone() {
    let gateway = Gateway::with(|config| config.request_log.body_bytes = 60).await;
    let scim = gateway.scim().await;
    let body = json!({"userName": "ada", "password": "hunter2", "title": "t".repeat(100)});
    scim.created("/Users", &body).await;
    let entry = logged(&gateway, &scim).await.remove(0);
    let start = "{\"userName\":\"ada\",\"password\":\"«redacted»\",\"title\":\"ttttttt";
    assert_eq!(entry.request, Some(json!(start)));
    assert!(entry.cut);
    let gateway = Gateway::with(|config| config.request_log.body_bytes = 0).await;
    let scim = gateway.scim().await;
    scim.created("/Users", &body).await;
    assert_eq!(logged(&gateway, &scim).await[0].request, None);
}

// C256
