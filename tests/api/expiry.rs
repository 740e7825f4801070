//! Clean-up never runs, for a month: only space suffers.

use std::time::Duration;

use gatehouse::changes::Origin;
use gatehouse::clock::Clock;
use gatehouse::directory::credentials;
use gatehouse::store::deployment;
use secrecy::ExposeSecret;
use serde_json::json;
use uuid::Uuid;

use crate::gateway::Gateway;
use crate::request_log::logged;

const DAY: Duration = Duration::from_hours(24);

// C247
#[tokio::test]
async fn nothing_that_ended_is_accepted_though_nobody_cleans_up() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |config| config.request_log.keep_days = 14).await;
    let scim = gateway.scim().await;
    let app = &gateway.app;
    for name in ["ada", "bob", "eve"] {
        scim.created("/Users", &json!({"userName": name})).await;
    }
    let issued = credentials::issue(app, &Origin::cli(), &scim.directory, Some(DAY))
        .await
        .unwrap();
    let token = format!("Bearer {}", issued.token.expose_secret());
    let users = async || gateway.call("GET", "/scim/v2/Users", &[&token], None).await;
    assert_eq!(users().await.status, 200);
    let (_, page) = scim.send("GET", "/Users?cursor&count=2", None).await;
    let cursor = page["nextCursor"].as_str().unwrap().to_owned();
    let next = format!("/Users?cursor={cursor}&count=2");
    assert_eq!(scim.send("GET", &next, None).await.0, 200);
    let request = logged(&gateway, &scim).await[0].id;
    // A node takes the work and dies with it.
    let (dead, now) = (Uuid::now_v7(), clock.now());
    let took = app
        .write(move |tx| {
            Box::pin(async move {
                let until = now.after(Duration::from_secs(15));
                Ok(deployment::take_lease(tx, "worker", dead, now, until).await?)
            })
        })
        .await;
    assert!(took.unwrap());

    clock.advance(DAY * 30);
    assert_eq!(users().await.status, 401);
    assert_eq!(scim.send("GET", "/Users", None).await.0, 200);
    let (status, body) = scim.send("GET", &next, None).await;
    assert_eq!(
        (status, body["scimType"].as_str()),
        (400, Some("expiredCursor"))
    );
    // The lines are there still; nobody is shown them.
    let place = (scim.directory.workspace, scim.directory.id);
    let found = gatehouse::directory::request_log::find(app, place, request).await;
    assert!(found.unwrap().is_none());
    let shown = logged(&gateway, &scim).await;
    assert!(
        shown
            .iter()
            .all(|entry| entry.at >= clock.now().before(DAY))
    );
    gateway.check().await;
}

// C011
#[tokio::test]
async fn a_token_ends_to_the_second_with_its_life_or_the_overlap_of_a_rotation() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    let scim = gateway.scim().await;
    let (app, origin) = (&gateway.app, Origin::cli());
    let issue = async |life| {
        let issued = credentials::issue(app, &origin, &scim.directory, life).await;
        let issued = issued.unwrap();
        (
            issued.credential.id,
            format!("Bearer {}", issued.token.expose_secret()),
        )
    };
    let status = async |token: &str| {
        let answer = gateway.call("GET", "/scim/v2/Users", &[token], None).await;
        answer.status
    };
    let (_, old) = issue(None).await;
    let (_, short) = issue(Some(Duration::from_mins(30))).await;
    let (kept, new) = issue(None).await;
    let overlap = Duration::from_hours(1);
    credentials::limit_others(app, &origin, &scim.directory, kept, overlap)
        .await
        .unwrap();
    let second = Duration::from_secs(1);
    // The overlap makes nothing live longer than it would.
    clock.advance(Duration::from_secs(30 * 60 - 1));
    assert_eq!(status(&short).await, 200);
    clock.advance(second);
    assert_eq!(status(&short).await, 401);
    clock.advance(Duration::from_secs(30 * 60 - 1));
    assert_eq!(status(&old).await, 200);
    clock.advance(second);
    assert_eq!(status(&old).await, 401);
    assert_eq!(status(&new).await, 200);
    clock.advance(DAY * 365);
    assert_eq!(status(&new).await, 200);
}
