//! The queue, the writer and the readers of the request log.

use std::time::Duration;

use gatehouse::app::App;
use gatehouse::app::exchanges::Exchange;
use gatehouse::clock::{Clock, Timestamp};
use gatehouse::config::Config;
use gatehouse::directory::request_log::{self, Follower, Wanted};
use gatehouse::ids::RequestId;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::gateway::{Gateway, Scim};
use crate::request_log::logged;

#[tokio::test]
async fn a_full_queue_drops_lines_and_answers_requests() {
    let gateway = Gateway::with(|config| config.request_log.queue = 2).await;
    let scim = gateway.scim().await;
    for at in 0..5 {
        scim.created("/Users", &json!({"userName": format!("u{at}")}))
            .await;
    }
    assert_eq!(gateway.app.exchanges.dropped(), 3);
    assert_eq!(logged(&gateway, &scim).await.len(), 2);
    scim.created("/Users", &json!({"userName": "later"})).await;
    assert_eq!(logged(&gateway, &scim).await.len(), 3);
    assert_eq!(gateway.app.exchanges.dropped(), 3);
}

#[tokio::test]
async fn what_is_older_than_it_is_kept_is_deleted() {
    let gateway = Gateway::with(|config| config.request_log.keep_days = 3).await;
    let scim = gateway.scim().await;
    scim.created("/Users", &json!({"userName": "ada"})).await;
    let entry = logged(&gateway, &scim).await.remove(0);
    let day = Duration::from_hours(24);
    let at = async |now: Timestamp| {
        let config = Config::clone(&gateway.app.config);
        let app = App::open(config, Clock::fixed(now)).await.unwrap();
        request_log::delete_old(&app).await.unwrap()
    };
    assert_eq!(at(entry.at.after(day * 3)).await, 0);
    assert_eq!(logged(&gateway, &scim).await.len(), 1);
    assert_eq!(
        at(entry.at.after(day * 3 + Duration::from_micros(1))).await,
        1
    );
    assert_eq!(logged(&gateway, &scim).await, []);
}

#[tokio::test]
async fn a_log_that_is_switched_off_keeps_nothing_and_loses_what_it_has() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    scim.created("/Users", &json!({"userName": "ada"})).await;
    assert_eq!(logged(&gateway, &scim).await.len(), 1);
    let mut config = Config::clone(&gateway.app.config);
    config.request_log.enabled = false;
    let off = App::open(config, Clock::system()).await.unwrap();
    request_log::work(off, CancellationToken::new()).await;
    assert_eq!(logged(&gateway, &scim).await, []);

    let gateway = Gateway::with(|config| config.request_log.enabled = false).await;
    let scim = gateway.scim().await;
    scim.created("/Users", &json!({"userName": "ada"})).await;
    assert_eq!(logged(&gateway, &scim).await, []);
    assert_eq!(gateway.app.exchanges.dropped(), 0);
}

#[tokio::test]
async fn the_writer_ends_with_everything_written() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let stop = CancellationToken::new();
    let writing = tokio::spawn(request_log::work(gateway.app.clone(), stop.clone()));
    for at in 0..20 {
        scim.created("/Users", &json!({"userName": format!("u{at}")}))
            .await;
    }
    stop.cancel();
    writing.await.unwrap();
    let directory = (scim.directory.workspace, scim.directory.id);
    let all = Wanted::default();
    let entries = request_log::list(&gateway.app, directory, &all, 100)
        .await
        .unwrap();
    assert_eq!(entries.len(), 20);
    assert!(entries.is_sorted_by_key(|entry| entry.at));
}

#[tokio::test]
async fn filters_choose_and_the_latest_are_shown() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let id = scim.created("/Users", &json!({"userName": "ada"})).await;
    let user = format!("/Users/{id}");
    scim.send("GET", &user, None).await;
    scim.send("POST", "/Users", Some(&json!({"userName": "ada"})))
        .await;
    scim.send("GET", "/Users?filter=userName+eq+%22Grace%22", None)
        .await;
    scim.send("GET", "/Groups/none", None).await;
    scim.send("DELETE", &user, None).await;
    let all = logged(&gateway, &scim).await;
    let directory = (scim.directory.workspace, scim.directory.id);
    let check = async |wanted: Wanted, most: usize, expect: &[usize]| {
        let listed = request_log::list(&gateway.app, directory, &wanted, most)
            .await
            .unwrap();
        let expect: Vec<_> = expect.iter().map(|at| all[*at].clone()).collect();
        assert_eq!(listed, expect, "{wanted:?}");
    };
    let any = Wanted::default;
    check(any(), 2, &[4, 5]).await;
    check(any(), 0, &[]).await;
    check(
        Wanted {
            status: Some((400, 499)),
            ..any()
        },
        9,
        &[2, 4],
    )
    .await;
    check(
        Wanted {
            status: Some((409, 409)),
            ..any()
        },
        9,
        &[2],
    )
    .await;
    check(
        Wanted {
            method: Some("get".to_owned()),
            ..any()
        },
        2,
        &[3, 4],
    )
    .await;
    check(
        Wanted {
            path: Some("EQ \"grace".to_owned()),
            ..any()
        },
        9,
        &[3],
    )
    .await;
    check(
        Wanted {
            resource: id.parse().ok(),
            ..any()
        },
        9,
        &[0, 1, 5],
    )
    .await;
    check(
        Wanted {
            since: Some(all[4].at),
            ..any()
        },
        9,
        &[4, 5],
    )
    .await;
}

#[tokio::test]
async fn a_follower_sees_each_exchange_once_also_a_late_one() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let app = &gateway.app;
    let directory = (scim.directory.workspace, scim.directory.id);
    let at = app.clock.now();
    let put = async |at: Timestamp| {
        let id = RequestId::new();
        app.exchanges.push(exchange(&scim, id, at));
        request_log::flush(app).await;
        id
    };
    put(at).await;
    let mut follower = Follower::start(app, directory, Wanted::default())
        .await
        .unwrap();
    let mut next = async || {
        let entries = follower.next(app).await.unwrap();
        entries
            .into_iter()
            .map(|entry| entry.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(next().await, []);
    let newest = put(at.after(Duration::from_secs(5))).await;
    assert_eq!(next().await, [newest]);
    let late = put(at.before(Duration::from_secs(5))).await;
    assert_eq!(next().await, [late]);
    let (one, other) = (put(at).await, put(at.after(Duration::from_hours(1))).await);
    assert_eq!(next().await, [one, other]);
    assert_eq!(next().await, []);
    assert_eq!(next().await, []);
}

fn exchange(scim: &Scim, id: RequestId, at: Timestamp) -> Exchange {
    Exchange {
        id,
        at,
        workspace: scim.directory.workspace,
        directory: scim.directory.id,
        credential: scim.credential,
        registry: None,
        method: "GET".to_owned(),
        route: "/scim/v2/Users".to_owned(),
        path: "/scim/v2/Users".to_owned(),
        query: None,
        location: None,
        status: 200,
        micros: 1,
        bytes_in: 0,
        bytes_out: 0,
        user_agent: None,
        body: None,
        answer: None,
        notes: Vec::new(),
    }
}
