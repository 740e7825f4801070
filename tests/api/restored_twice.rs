//! Groups that went, or were put back, more than once.

use std::time::Duration;

use gatehouse::clock::{Clock, Timestamp};
use gatehouse::workspace::keys::Permission;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, operations, users};
use crate::rules::group;

const MINUTE: Duration = Duration::from_mins(1);

struct World {
    gateway: Gateway,
    clock: Clock,
    scim: Scim,
    key: String,
}

impl World {
    async fn new() -> Self {
        let clock = Clock::fixed(Clock::system().now());
        let gateway = Gateway::at(clock.clone(), |_| {}).await;
        gateway.without_brake().await;
        let scim = gateway.scim().await;
        let key = gateway.key(&[Permission::DirectoriesManage]).await;
        Self {
            gateway,
            clock,
            scim,
            key,
        }
    }

    /// All is worked off, a minute passes, and this is the instant after it; then another one passes.
    async fn later(&self) -> Timestamp {
        self.gateway.work().await;
        self.clock.advance(MINUTE);
        let now = self.clock.now();
        self.clock.advance(MINUTE);
        now
    }

    async fn deleted(&self, group: &str) {
        let path = format!("/Groups/{group}");
        assert_eq!(self.scim.send("DELETE", &path, None).await.0, 204);
    }

    /// Puts a group back as it was planned; gives the plan.
    async fn put_back(&self, group: &str, mut body: Value) -> Value {
        let directory = self.scim.directory.id;
        let path = format!("/directories/{directory}/groups/{group}/restore");
        let plan = format!("{path}/plan");
        let plan = self.asked(&plan, body.clone(), 200).await;
        body["hash"] = plan["hash"].clone();
        self.asked(&path, body, 200).await
    }

    async fn restored(&self, from: Timestamp, to: Timestamp) -> Value {
        let path = format!("/directories/{}/restore", self.scim.directory.id);
        let span = json!({"from": from, "to": to});
        self.asked(&path, span, 200).await
    }

    async fn asked(&self, path: &str, body: Value, status: u16) -> Value {
        let asked = ("POST", path);
        self.gateway.asked(&self.key, asked, body, status).await
    }
}

// C078
#[tokio::test]
async fn a_group_that_was_put_back_was_there_before_that() {
    let world = World::new().await;
    let (gateway, scim) = (&world.gateway, &world.scim);
    let ids = users(scim, "u", 3).await;
    let crew = group(scim, "Crew", &ids[..1]).await;
    let first = world.later().await;
    let mut instants = Vec::new();
    for id in &ids[1..] {
        let op = json!([{"op": "add", "path": "members", "value": [{"value": id}]}]);
        let path = format!("/Groups/{crew}");
        let (status, body) = scim.send("PATCH", &path, Some(&operations(op))).await;
        assert!([200, 204].contains(&status), "{body}");
        instants.push(world.later().await);
    }
    let plan = world.put_back(&crew, json!({"as_of": instants[0]})).await;
    assert_eq!(
        (&plan["made_again"], &plan["removed"]),
        (&json!(false), &json!(1))
    );
    let there = world.later().await;
    let plan = world.put_back(&crew, json!({"as_of": first})).await;
    assert_eq!(plan["removed"], 1, "{plan}");
    assert_eq!(
        scim.members(&crew).await,
        ids[..1].iter().cloned().collect()
    );

    // One that was made again was not there before that, and was until it was deleted.
    world.later().await;
    world.deleted(&crew).await;
    let gone = world.later().await;
    world.put_back(&crew, json!({})).await;
    world.later().await;
    let plan = format!(
        "/directories/{}/groups/{crew}/restore/plan",
        scim.directory.id
    );
    world.asked(&plan, json!({"as_of": gone}), 409).await;
    let plan = world.put_back(&crew, json!({"as_of": there})).await;
    assert_eq!(plan["added"], 1, "{plan}");
    assert_eq!(
        scim.members(&crew).await,
        ids[..2].iter().cloned().collect()
    );
    gateway.check().await;
}

// C078
#[tokio::test]
async fn a_group_that_went_twice_is_given_back_or_named_once() {
    let world = World::new().await;
    let (gateway, scim) = (&world.gateway, &world.scim);
    let ids = users(scim, "u", 2).await;
    let (crew, deck) = (
        group(scim, "Crew", &ids).await,
        group(scim, "Deck", &ids).await,
    );
    let from = world.later().await;
    world.deleted(&crew).await;
    world.deleted(&deck).await;
    world.later().await;
    world.put_back(&crew, json!({})).await;
    world.put_back(&deck, json!({})).await;
    world.later().await;
    world.deleted(&crew).await;
    world.deleted(&deck).await;
    let to = world.later().await;
    // Another group has its name.
    group(scim, "Deck", &[]).await;
    let restored = world.restored(from, to).await;
    let skipped = restored["groups_skipped"].as_array().unwrap();
    assert_eq!(
        (skipped.len(), &restored["groups_lost"], &restored["groups"]),
        (1, &json!(1), &json!(1)),
        "{restored}"
    );
    assert_eq!(skipped[0]["group"], deck.as_str());
    assert_eq!(scim.members(&crew).await.len(), 2);
    gateway.check().await;
}

// C078
#[tokio::test]
async fn a_group_that_went_again_after_the_span_stays_away() {
    let world = World::new().await;
    let (gateway, scim) = (&world.gateway, &world.scim);
    let ids = users(scim, "u", 2).await;
    let crew = group(scim, "Crew", &ids).await;
    let from = world.later().await;
    world.deleted(&crew).await;
    let to = world.later().await;
    world.put_back(&crew, json!({})).await;
    world.later().await;
    world.deleted(&crew).await;
    world.later().await;
    let restored = world.restored(from, to).await;
    assert_eq!(
        (&restored["groups"], &restored["groups_lost"]),
        (&json!(0), &json!(1)),
        "{restored}"
    );
    let skipped = &restored["groups_skipped"][0];
    assert_eq!(skipped["group"], crew.as_str());
    let reason = skipped["reason"].as_str().unwrap();
    assert!(reason.contains("again later"), "{reason}");
    let path = format!("/Groups/{crew}");
    assert_eq!(scim.send("GET", &path, None).await.0, 404);
    // Of a span that has that too it comes back.
    let restored = world.restored(from, world.clock.now()).await;
    assert_eq!(restored["groups"], 1, "{restored}");
    assert_eq!(scim.members(&crew).await.len(), 2);
    gateway.check().await;
}

// C078
#[tokio::test]
async fn who_went_again_after_the_span_stays_away_and_is_named() {
    let world = World::new().await;
    let (gateway, scim) = (&world.gateway, &world.scim);
    let ids = users(scim, "u", 5).await;
    let crew = group(scim, "Crew", &ids[..4]).await;
    let active = async |user: &str, active: bool| {
        let op = json!([{"op": "replace", "path": "active", "value": active}]);
        scim.patch(user, op).await;
    };
    let inside = async |op: &str, user: &str| {
        let op = json!([{"op": op, "path": "members", "value": [{"value": user}]}]);
        let path = format!("/Groups/{crew}");
        let (status, body) = scim.send("PATCH", &path, Some(&operations(op))).await;
        assert!([200, 204].contains(&status), "{body}");
    };
    let gone = async |user: &str| {
        let path = format!("/Users/{user}");
        assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    };
    let take_away = async || {
        gone(&ids[0]).await;
        active(&ids[1], false).await;
        inside("remove", &ids[2]).await;
    };
    let from = world.later().await;
    take_away().await;
    inside("remove", &ids[3]).await;
    active(&ids[4], false).await;
    let to = world.later().await;
    let restored = world.restored(from, to).await;
    assert_eq!(
        (
            &restored["users"],
            &restored["activated"],
            &restored["memberships"]
        ),
        (&json!(1), &json!(2), &json!(2)),
        "{restored}"
    );
    assert_eq!(restored["skipped"], json!([]));
    world.later().await;
    take_away().await;
    // These went and are not back, and something else was written about one of them.
    inside("remove", &ids[3]).await;
    inside("add", &ids[3]).await;
    active(&ids[4], false).await;
    active(&ids[4], true).await;
    let name = json!([{"op": "replace", "path": "displayName", "value": "Other"}]);
    scim.patch(&ids[4], name).await;
    let last = world.later().await;
    let restored = world.restored(from, to).await;
    let skipped = restored["skipped"].as_array().unwrap();
    let skipped: Vec<_> = skipped
        .iter()
        .map(|of| (&of["user"], &of["reason"]))
        .collect();
    assert_eq!(
        skipped,
        [
            (&json!(ids[0]), &json!("it was deleted again later")),
            (&json!(ids[1]), &json!("it was made inactive again later")),
            (
                &json!(ids[2]),
                &json!("it was taken out of a group again later")
            ),
        ],
        "{restored}"
    );
    let back = ["users", "activated", "memberships"].map(|of| restored[of].clone());
    assert_eq!(back, [json!(0), json!(0), json!(0)]);
    let path = format!("/Users/{}", ids[0]);
    assert_eq!(scim.send("GET", &path, None).await.0, 404);
    assert_eq!(gateway.present().await, 4);
    // Of a span that has that too they come back.
    let restored = world.restored(from, last).await;
    let back = ["users", "activated", "memberships"].map(|of| restored[of].clone());
    assert_eq!(back, [json!(1), json!(1), json!(1)], "{restored}");
    gateway.check().await;
}

// C078
#[tokio::test]
async fn who_came_again_under_another_id_and_went_after_the_span_stays_away() {
    let world = World::new().await;
    let (gateway, scim) = (&world.gateway, &world.scim);
    let eve = json!({"userName": "eve@acme.example", "externalId": "E-1"});
    let first = scim.created("/Users", &eve).await;
    let from = world.later().await;
    let gone = async |user: &str| {
        let path = format!("/Users/{user}");
        assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    };
    gone(&first).await;
    let to = world.later().await;
    let second = scim.created("/Users", &eve).await;
    assert_ne!(first, second);
    world.later().await;
    gone(&second).await;
    world.later().await;
    let restored = world.restored(from, to).await;
    let skipped = &restored["skipped"][0];
    assert_eq!(
        (&skipped["user"], &skipped["reason"], &restored["users"]),
        (
            &json!(first),
            &json!("it was deleted again later"),
            &json!(0)
        ),
        "{restored}"
    );
    assert_eq!(gateway.present().await, 0);
    gateway.check().await;
}
