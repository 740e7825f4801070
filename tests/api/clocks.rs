//! Clocks that are apart: every node goes by the database's time, and does nothing while it cannot.

use std::time::Duration;

use gatehouse::app::App;
use gatehouse::changes::Origin;
use gatehouse::clock::Clock;
use gatehouse::config::Config;
use gatehouse::directory::{credentials, request_log};
use gatehouse::error::Error;
use gatehouse::worker::Worker;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::gateway::Gateway;
use crate::limits::Log;
use crate::request_log::logged;

const SECOND: i64 = 1_000_000;
const YEAR: i64 = 365 * 24 * 3_600 * SECOND;

/// A node whose machine's clock is set wrong before it starts.
async fn node(gateway: &Gateway, shift: i64) -> App {
    let clock = Clock::system();
    clock.shift(shift);
    let config = Config::clone(&gateway.app.config);
    App::open(config, clock).await.unwrap()
}

// C235
#[tokio::test]
async fn nodes_whose_clocks_are_apart_go_by_one_time() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let life = Duration::from_mins(1);
    for shift in [300 * SECOND, -300 * SECOND] {
        let node = node(&gateway, shift).await;
        let apart = node.clock.now().0.abs_diff(gateway.app.clock.now().0);
        assert!(apart < 5_000_000, "{apart}");
        let issued = credentials::issue(&node, &Origin::cli(), &scim.directory, Some(life))
            .await
            .unwrap();
        let ends = issued.credential.expires_at.unwrap();
        assert!(ends <= gateway.app.clock.now().after(life + Duration::from_secs(5)));
        let token = issued.token.expose_secret();
        for app in [&gateway.app, &node] {
            assert!(credentials::authenticate(app, token).await.is_ok());
        }
        node.db.close().await;
    }
}

// C235
#[tokio::test]
async fn a_machine_that_is_more_than_half_a_minute_off_is_told_of() {
    let (log, _guard) = Log::up_to(tracing::Level::INFO);
    let gateway = Gateway::new().await;
    for (seconds, is_told) in [(20, false), (-20, false), (45, true), (-45, true)] {
        let node = node(&gateway, seconds * SECOND).await;
        log.take();
        node.hold_clock().await.unwrap();
        let lines = log.take();
        let said = lines.contains("this machine's clock is");
        assert_eq!(said, is_told, "{seconds} s: {lines}");
        node.db.close().await;
    }
}

// C236
#[tokio::test]
async fn a_node_whose_time_jumps_does_nothing_until_it_is_back() {
    let gateway = Gateway::with(|config| config.request_log.keep_days = 3).await;
    let scim = gateway.scim().await;
    scim.created("/Users", &json!({"userName": "ada"})).await;
    assert_eq!(logged(&gateway, &scim).await.len(), 1);
    let app = &gateway.app;
    app.clock.shift(YEAR);
    app.hold_clock().await.unwrap();
    assert_eq!(scim.send("GET", "/Users", None).await.0, 503);
    let bob = json!({"userName": "bob"});
    assert_eq!(scim.send("POST", "/Users", Some(&bob)).await.0, 503);
    assert_eq!(gateway.call("GET", "/readyz", &[], None).await.status, 503);
    assert_eq!(request_log::delete_old(app).await.unwrap(), 0);
    let round = Worker::new(app.clone()).round().await;
    assert!(matches!(round, Err(Error::Unavailable)), "{round:?}");
    app.clock.shift(-YEAR);
    app.hold_clock().await.unwrap();
    assert_eq!(gateway.call("GET", "/readyz", &[], None).await.status, 200);
    assert_eq!(scim.send("GET", "/Users", None).await.0, 200);
    assert!(!logged(&gateway, &scim).await.is_empty());
    gateway.check().await;
}
