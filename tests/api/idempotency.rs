//! `Idempotency-Key`: what comes again is carried out once.

use std::time::Duration;

use futures_util::future::join_all;
use gatehouse::app::repeats::{self, Begun};
use gatehouse::ids::RequestId;
use gatehouse::store::{idempotency, workspaces};
use gatehouse::workspace::keys::Permission;
use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway};
use crate::keys::new_key;

const TEAMS: &str = "/api/v1/workspaces/acme/teams";
const KEYS: &str = "/api/v1/workspaces/acme/api-keys";

impl Gateway {
    /// Sends a POST under an `Idempotency-Key`.
    async fn keyed(&self, key: &str, path: &str, name: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {key}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", name),
        ];
        self.exchange("POST", path, &headers, Some(body.to_string()))
            .await
    }
}

fn code(answer: &Answer, status: u16) -> &str {
    assert_eq!(answer.status, status, "{}", answer.text);
    answer.body["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn what_comes_again_gets_the_first_answer() {
    let gateway = Gateway::new().await;
    let key = gateway.key(&[Permission::TeamsManage]).await;
    let team = json!({"name": "Support"});
    let first = gateway.keyed(&key, TEAMS, "k-1", &team).await;
    assert_eq!(first.status, 201, "{}", first.text);
    assert_eq!(first.header("idempotency-replayed"), "");
    // With the quotes of a structured header it is the same key.
    for name in ["k-1", "\"k-1\""] {
        let again = gateway.keyed(&key, TEAMS, name, &team).await;
        assert_eq!((again.status, &again.text), (201, &first.text));
        assert_eq!(again.header("etag"), first.header("etag"));
        assert_eq!(again.header("content-type"), "application/json");
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
    }
    let other = gateway
        .keyed(&key, TEAMS, "k-1", &json!({"name": "Sales"}))
        .await;
    assert_eq!(code(&other, 422), "idempotency_key_reused");
    assert_eq!(gateway.count("teams").await, 1);
    let next = gateway
        .keyed(&key, TEAMS, "k-2", &json!({"name": "Sales"}))
        .await;
    assert_eq!(next.status, 201);
    // The key is the caller's own.
    let beside = gateway.key(&[Permission::TeamsManage]).await;
    let taken = gateway.keyed(&beside, TEAMS, "k-1", &team).await;
    assert_eq!(code(&taken, 409), "taken");
    assert_eq!(gateway.count("teams").await, 2);
    for name in ["", "\"\"", "a b", "\u{e9}", &"x".repeat(256)] {
        let refused = gateway.keyed(&key, TEAMS, name, &team).await;
        assert_eq!(code(&refused, 400), "invalid_value", "{name:?}");
    }
    let nobody = gateway.keyed("gha_x", TEAMS, "k-1", &team).await;
    assert_eq!(code(&nobody, 401), "unauthenticated");
}

#[tokio::test]
async fn what_was_refused_is_decided_anew() {
    let gateway = Gateway::new().await;
    let key = gateway
        .key(&[Permission::TeamsManage, Permission::MembersRead])
        .await;
    let team = json!({"name": "Support"});
    let made = gateway.keyed(&key, TEAMS, "k-1", &team).await;
    let taken = gateway.keyed(&key, TEAMS, "k-2", &team).await;
    assert_eq!(code(&taken, 409), "taken");
    assert_eq!(gateway.count("idempotency_keys").await, 1);
    let id = made.body["id"].as_str().unwrap();
    let renamed = json!({"name": "Help"});
    let path = format!("/workspaces/acme/teams/{id}");
    let renamed = gateway.api(&key, "PATCH", &path, Some(&renamed)).await;
    assert_eq!(renamed.status, 200, "{}", renamed.text);
    let now = gateway.keyed(&key, TEAMS, "k-2", &team).await;
    assert_eq!(now.status, 201, "{}", now.text);
    let strange = gateway.keyed(&key, KEYS, "k-3", &json!({})).await;
    assert_eq!(code(&strange, 403), "insufficient_scope");
    assert_eq!(gateway.count("idempotency_keys").await, 2);
}

#[tokio::test]
async fn a_secret_that_is_shown_again_is_kept_sealed() {
    let gateway = Gateway::new().await;
    let (id, key) = gateway
        .key_of(
            Some(&gateway.workspace),
            new_key(&[Permission::KeysManage, Permission::MembersRead]),
        )
        .await;
    let wanted = json!({"name": "CI", "scopes": ["members.read"]});
    let first = gateway.keyed(&key, KEYS, "k-1", &wanted).await;
    let text = first.body["key"].as_str().expect("a key").to_owned();
    let again = gateway.keyed(&key, KEYS, "k-1", &wanted).await;
    assert_eq!(again.body["key"], text.as_str());
    assert_eq!(gateway.count("api_keys").await, 2);
    let place = repeats::place(Some(gateway.workspace.id), id, "k-1");
    let mut tx = gateway.app.db.one().await.unwrap();
    let kept = idempotency::find(&mut tx, place).await.unwrap().unwrap();
    let sealed = kept.answer.expect("kept");
    assert!(sealed.len() > text.len());
    let holds = |part: &[u8]| sealed.windows(part.len()).any(|window| window == part);
    assert!(!holds(&text.as_bytes()[..12]) && !holds(b"status"));
}

#[tokio::test]
async fn of_twenty_at_once_one_is_carried_out() {
    let gateway = Gateway::new().await;
    let key = gateway.key(&[Permission::MembersManage]).await;
    let path = "/api/v1/workspaces/acme/members";
    let new = json!({"profile": {"display_name": "Ada"}});
    let all = (0..20).map(|_| gateway.keyed(&key, path, "k-1", &new));
    let answers = join_all(all).await;
    let made: Vec<_> = answers.iter().filter(|it| it.status == 201).collect();
    assert!(!made.is_empty());
    for answer in &answers {
        match answer.status {
            201 => assert_eq!(answer.text, made[0].text),
            _ => assert_eq!(code(answer, 409), "request_in_flight"),
        }
    }
    assert_eq!(gateway.count("members").await, 1);
    let again = gateway.keyed(&key, path, "k-1", &new).await;
    assert_eq!((again.status, &again.text), (201, &made[0].text));
    gateway.check().await;
}

#[tokio::test]
async fn a_day_later_the_key_is_free() {
    let gateway = Gateway::new().await;
    let key = gateway.key(&[Permission::TeamsManage]).await;
    let team = |name| json!({"name": name});
    gateway.keyed(&key, TEAMS, "k-1", &team("Support")).await;
    gateway.keyed(&key, TEAMS, "k-2", &team("Help")).await;
    gateway.app.clock.shift(24 * 3600 * 1_000_000);
    // The one key before anybody forgot it, the other after that.
    let new = gateway.keyed(&key, TEAMS, "k-1", &team("Sales")).await;
    assert_eq!(new.status, 201, "{}", new.text);
    gateway.app.clock.shift(24 * 3600 * 1_000_000 + 1);
    gateway.work().await;
    assert_eq!(gateway.count("idempotency_keys").await, 0);
    let new = gateway.keyed(&key, TEAMS, "k-2", &team("Legal")).await;
    assert_eq!(new.status, 201, "{}", new.text);
}

#[tokio::test]
async fn a_request_whose_process_died_is_carried_out_once_at_most() {
    let gateway = Gateway::new().await;
    let (id, key) = gateway
        .key_of(
            Some(&gateway.workspace),
            new_key(&[Permission::TeamsManage]),
        )
        .await;
    let (app, workspace) = (&gateway.app, gateway.workspace.id);
    let team = json!({"name": "Support"});
    // What it would have sent; the print is that of nothing that the API sees.
    let first = gateway.keyed(&key, TEAMS, "k-0", &team).await;
    assert_eq!(first.status, 201);
    let print = {
        let place = repeats::place(Some(workspace), id, "k-0");
        let mut tx = app.db.one().await.unwrap();
        let kept = idempotency::find(&mut tx, place).await.unwrap().unwrap();
        <[u8; 32]>::try_from(kept.fingerprint).unwrap()
    };
    let begin = async |name: &str| {
        let place = repeats::place(Some(workspace), id, name);
        match repeats::begin(app, place, print, RequestId::new()).await {
            Ok(Begun::First(mark)) => mark,
            other => panic!("{other:?}"),
        }
    };
    let idle = begin("k-1").await;
    let busy = begin("k-2").await;
    let write = app.write(move |tx| {
        Box::pin(async move {
            let (id, at) = (
                gatehouse::ids::TeamId::new(),
                gatehouse::clock::Timestamp(1),
            );
            workspaces::insert_team(tx, workspace, id, "Done", "done", at).await?;
            Ok(())
        })
    });
    Box::pin(repeats::marked(busy, write)).await.unwrap();
    for name in ["k-1", "k-2"] {
        let waits = gateway.keyed(&key, TEAMS, name, &team).await;
        assert_eq!(code(&waits, 409), "request_in_flight", "{name}");
        assert_eq!(waits.header("retry-after"), "1");
    }
    app.clock
        .shift(Duration::from_mins(2).as_micros().try_into().unwrap());
    let unknown = gateway.keyed(&key, TEAMS, "k-2", &team).await;
    assert_eq!(code(&unknown, 409), "outcome_unknown");
    // The one that had done nothing gives way, and cannot do anything any more.
    let taken = gateway.keyed(&key, TEAMS, "k-1", &team).await;
    assert_eq!(code(&taken, 409), "taken");
    let late = app.write(|_| Box::pin(async { Ok(()) }));
    let late = Box::pin(repeats::marked(idle, late)).await.unwrap_err();
    assert!(late.to_string().contains("Idempotency-Key"), "{late}");
    assert_eq!(gateway.count("teams").await, 2);
}
