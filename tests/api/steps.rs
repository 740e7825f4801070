//! When a member took which step on its way in and out.

use std::time::Duration;

use gatehouse::clock::Clock;
use gatehouse::ids::MemberId;
use gatehouse::workspace::keys::Permission;
use serde_json::{Value, json};

use crate::gateway::{Gateway, operations};

const STEPS: [&str; 4] = ["invited_at", "activated_at", "suspended_at", "removed_at"];

impl Gateway {
    /// What a member shows of its steps.
    async fn steps(&self, key: &str, member: MemberId) -> [Value; 4] {
        let path = format!("/members/{member}");
        let shown = self.asked(key, ("GET", &path), Value::Null, 200).await;
        STEPS.map(|step| shown.get(step).expect("it is shown").clone())
    }
}

#[tokio::test]
async fn each_step_shows_when_it_was_taken_on_every_path() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    let scim = gateway.scim().await;
    let tick = || {
        clock.advance(Duration::from_mins(1));
        json!(clock.now())
    };
    let none = Value::Null;
    let user = scim
        .created("/Users", &json!({"userName": "ada@acme.example"}))
        .await;
    let path = format!("/Users/{user}");
    let active = async |is: bool| {
        let body = operations(json!([{"op": "replace", "path": "active", "value": is}]));
        assert_eq!(scim.send("PATCH", &path, Some(&body)).await.0, 200);
    };
    let ada = gateway.member("ada@acme.example").await.id;
    let came = json!(clock.now());
    let steps = async || gateway.steps(&key, ada).await;
    let expected = [none.clone(), came.clone(), none.clone(), none.clone()];
    assert_eq!(steps().await, expected);
    // Another change of the member is no step.
    tick();
    let nick = operations(json!([{"op": "replace", "path": "displayName", "value": "Ada"}]));
    assert_eq!(scim.send("PATCH", &path, Some(&nick)).await.0, 200);
    assert_eq!(steps().await, expected);
    let out = tick();
    active(false).await;
    assert_eq!(
        steps().await,
        [none.clone(), came, out, none.clone()],
        "when it was in stays"
    );
    let back = tick();
    active(true).await;
    let expected = [none.clone(), back, none.clone(), none.clone()];
    assert_eq!(steps().await, expected);
    let found = async |filter: &str| {
        let filter: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        let path = format!("/members?filter={filter}");
        let found = gateway.asked(&key, ("GET", &path), Value::Null, 200).await;
        found["items"].as_array().unwrap().len()
    };
    // Who is made by hand is a draft, and comes in with the directory.
    let bob = json!({"email": "bob@acme.example"});
    let bob = gateway.enter(bob, &[]).await.unwrap().member;
    let steps = async || gateway.steps(&key, bob).await;
    assert_eq!(
        steps().await,
        [none.clone(), none.clone(), none.clone(), none.clone()]
    );
    assert_eq!(found("activated_at pr").await, 1);
    let later = clock.now();
    assert_eq!(found(&format!("activated_at lt \"{later}\"")).await, 0);
    assert_eq!(found(&format!("activated_at le \"{later}\"")).await, 1);
    let gone = tick();
    gateway.remove(bob).await.unwrap();
    assert_eq!(
        steps().await,
        [none.clone(), none.clone(), none.clone(), gone]
    );
    tick();
    let bob = json!({"email": "bob@acme.example"});
    let again = gateway.enter(bob, &[]).await.unwrap().member;
    assert_eq!(again, gateway.member("bob@acme.example").await.id);
    let again = gateway.steps(&key, again).await;
    assert_eq!(again, [none.clone(), none.clone(), none.clone(), none]);
    gateway.check().await;
}
