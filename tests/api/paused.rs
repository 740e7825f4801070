//! Runs that are paused: who may pause them, and who goes on meanwhile.

use std::time::Duration;

use gatehouse::clock::Clock;
use gatehouse::worker::Worker;
use gatehouse::workspace::keys::Permission;
use serde_json::{Value, json};

use crate::gateway::{Gateway, users};
use crate::rules::group;

async fn many(clock: Clock) -> Gateway {
    let gateway = Gateway::at(clock, |config| {
        config.scim.run_threshold = 10;
        config.scim.run_batch = 5;
    });
    let gateway = gateway.await;
    gateway.without_brake().await;
    gateway
}

#[tokio::test]
async fn a_run_is_paused_and_resumed_by_whoever_may_do_what_it_does() {
    let gateway = many(Clock::system()).await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 12).await;
    group(&scim, "Crew", &ids).await;
    let key = gateway.ruler(&[], &["agent"]).await;
    let roles = gateway
        .asked(&key, ("GET", "/roles"), Value::Null, 200)
        .await;
    let mut roles = roles["items"].as_array().unwrap().iter();
    let agent = roles.find(|it| it["name"] == "agent").unwrap();
    let agent = format!("/roles/{}", agent["id"].as_str().unwrap());
    let worth = json!({"permissions": ["keys.manage"]});
    gateway.asked(&key, ("PATCH", &agent), worth, 200).await;
    let rule = json!({"directory": "idp", "groups": ["Crew"], "roles": ["agent"]});
    let rule = gateway.asked(&key, ("POST", "/rules"), rule, 201).await;
    let run = format!("/runs/{}", rule["run"].as_str().unwrap());
    let weak = gateway.key(&[Permission::RulesManage]).await;
    let standing = async |of: &str| {
        let shown = gateway.asked(&key, ("GET", of), Value::Null, 200).await;
        shown["standing"].clone()
    };
    let pause = format!("{run}/pause");
    gateway
        .asked(&weak, ("POST", &pause), Value::Null, 403)
        .await;
    assert_eq!(standing(&run).await, "planned");
    gateway
        .asked(&key, ("POST", &pause), Value::Null, 200)
        .await;
    let resume = format!("{run}/resume");
    gateway
        .asked(&weak, ("POST", &resume), Value::Null, 403)
        .await;
    assert_eq!(standing(&run).await, "paused");
    gateway
        .asked(&key, ("POST", &resume), Value::Null, 200)
        .await;
    gateway.check().await;
    assert_eq!(standing(&run).await, "done");
}

#[tokio::test]
async fn while_a_run_is_paused_everybody_else_is_settled() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = many(clock.clone()).await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 40).await;
    group(&scim, "Crew", &ids[..20]).await;
    group(&scim, "Later", &ids[18..22]).await;
    group(&scim, "Rest", &ids[25..]).await;
    let key = gateway.ruler(&["Crew", "Later", "Rest"], &[]).await;
    let add = async |name: &str, from: Option<String>| {
        let mut rule = json!({"directory": "idp", "groups": [name], "teams": [name]});
        if let Some(from) = from {
            rule["from"] = json!(from);
        }
        gateway.asked(&key, ("POST", "/rules"), rule, 201).await
    };
    let run = add("Crew", None).await["run"].as_str().unwrap().to_owned();
    let mut worker = Worker::new(gateway.app.clone());
    for _ in 0..3 {
        worker.round().await.unwrap();
    }
    assert_eq!(gateway.in_team("Crew").await, 10);
    let pause = format!("/runs/{run}/pause");
    gateway
        .asked(&key, ("POST", &pause), Value::Null, 200)
        .await;
    // A rule whose time comes concerns everybody, and another run goes on beside this one.
    let from = clock.now().after(Duration::from_mins(5)).to_string();
    add("Later", Some(from)).await;
    clock.advance(Duration::from_mins(6));
    add("Rest", None).await;
    gateway.work().await;
    assert_eq!(gateway.in_team("Rest").await, 15);
    assert_eq!(
        (
            gateway.in_team("Crew").await,
            gateway.in_team("Later").await
        ),
        (10, 2),
        "but those to whom the paused run is still to come"
    );
    let resume = format!("/runs/{run}/resume");
    gateway
        .asked(&key, ("POST", &resume), Value::Null, 200)
        .await;
    gateway.check().await;
    assert_eq!(
        (
            gateway.in_team("Crew").await,
            gateway.in_team("Later").await
        ),
        (20, 4)
    );
}
