//! The brake: whoever is past the threshold keeps what they have until somebody decides, the fact is
//! reversed or the time is over.

use std::time::Duration;

use futures_util::future::join_all;
use gatehouse::admission::brake::{self, Mode, Outcome, Setting, Which};
use gatehouse::admission::rules as defining;
use gatehouse::changes::Origin;
use gatehouse::clock::Clock;
use gatehouse::directory::credentials;
use gatehouse::ids::MemberId;
use gatehouse::mapping::{explain, rules};
use gatehouse::scim::etag::Precondition;
use gatehouse::store::grants::GrantKind;
use gatehouse::workspace::keys::Scopes;
use gatehouse::workspace::manual::Right;
use gatehouse::workspace::members::{self, Status};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, member, operations, users};

const HOUR: Duration = Duration::from_hours(1);

impl Gateway {
    /// For what is about other things.
    pub(crate) async fn without_brake(&self) {
        self.brake(Mode::Off).await;
    }

    pub(crate) async fn brake(&self, mode: Mode) {
        let setting = Setting {
            mode,
            ..Setting::default()
        };
        brake::set(&self.app, &Origin::cli(), self.workspace.id, setting)
            .await
            .unwrap();
    }

    async fn held(&self) -> Vec<brake::Held> {
        brake::held(&self.app, self.workspace.id, None, 1000)
            .await
            .unwrap()
    }

    async fn release(&self, which: Which) -> Outcome {
        brake::release(&self.app, &Origin::cli(), self.workspace.id, which)
            .await
            .unwrap()
    }

    /// How many members have that status.
    pub(crate) async fn having(&self, status: Status) -> usize {
        let all = members::list(&self.app, self.workspace.id, None, 1000).await;
        let all = all.unwrap();
        all.iter().filter(|member| member.status == status).count()
    }

    async fn names(&self) -> Vec<String> {
        let held = self.held().await;
        held.into_iter().filter_map(|held| held.user_name).collect()
    }

    async fn number(&self, name: &str) -> MemberId {
        let found = members::find(&self.app, self.workspace.id, name).await;
        found.unwrap().id
    }
}

fn active(is: bool) -> Value {
    operations(json!([{"op": "replace", "path": "active", "value": is}]))
}

pub(crate) async fn off(scim: &Scim, ids: &[String]) {
    for id in ids {
        let path = format!("/Users/{id}");
        let (status, shown) = scim.send("PATCH", &path, Some(&active(false))).await;
        assert_eq!((status, &shown["active"]), (200, &json!(false)));
    }
}

/// A live group that a rule gives a team for, with these members.
async fn crew(gateway: &Gateway, scim: &Scim, name: &str, ids: &[String]) -> String {
    gateway.rule(&[name], name).await;
    let members: Vec<_> = ids.iter().map(|id| member(id)).collect();
    let body = json!({"displayName": name, "members": members});
    scim.created("/Groups", &body).await
}

// C076
#[tokio::test]
async fn past_the_threshold_people_keep_what_they_have_until_somebody_decides() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 100).await;
    crew(&gateway, &scim, "Crew", &ids).await;
    off(&scim, &ids[..4]).await;
    for id in &ids[4..30] {
        let (status, _) = scim.send("DELETE", &format!("/Users/{id}"), None).await;
        assert_eq!(status, 204);
    }
    assert_eq!(
        gateway.having(Status::Active).await,
        90,
        "10 of 100 are out"
    );
    assert_eq!(gateway.in_team("Crew").await, 90);
    let held = gateway.held().await;
    assert_eq!(held.len(), 20);
    assert!(held.iter().all(|it| it.wants == Some(Status::Removed)));
    assert!(held.iter().all(|it| it.loses.len() == 1));
    let lost = &held[0].loses[0];
    assert_eq!((lost.kind, lost.name.as_str()), (GrantKind::Team, "Crew"));
    let until = clock.now().after(HOUR);
    assert!(held.iter().all(|it| it.until == Some(until)));
    let shown = brake::show(&gateway.app, gateway.workspace.id)
        .await
        .unwrap();
    assert_eq!((shown.threshold, shown.lost, shown.held), (10, 10, 20));
    assert!(
        gateway
            .texts("changes", "kind")
            .await
            .contains(&"workspace.brake_engaged".to_owned())
    );
    gateway.check().await;

    // The directory sees what it wrote, and has given the names up.
    let (_, listed) = scim.send("GET", "/Users?count=200", None).await;
    assert_eq!(listed["totalResults"], 74);
    let epoch = gateway.epoch("u21@acme.example").await;
    let again = json!({"userName": "u20@acme.example", "externalId": "new"});
    scim.created("/Users", &again).await;
    assert_eq!(
        gateway.held().await.len(),
        20,
        "somebody else has that name now"
    );

    // One is cut at once, with access gone in the same moment; the others wait on.
    let one = held[5].member;
    let done = gateway.release(Which::These(vec![one])).await;
    assert_eq!((done.released, done.kept), (1, 0));
    assert_eq!(gateway.held().await.len(), 19);
    let two = held[6].member;
    let origin = Origin::cli();
    let waiting = brake::wait(
        &gateway.app,
        &origin,
        gateway.workspace.id,
        Which::These(vec![two]),
    );
    assert_eq!(waiting.await.unwrap(), 1);
    clock.advance(HOUR);
    gateway.work().await;
    let left = gateway.held().await;
    assert_eq!(left.len(), 1, "the deadline carries out");
    assert_eq!((left[0].member, left[0].until), (two, None));
    assert_eq!(gateway.in_team("Crew").await, 71);
    assert!(gateway.epoch("u21@acme.example").await > epoch);
    gateway.check().await;
    assert_eq!(gateway.release(Which::All).await.released, 1);
    assert_eq!(gateway.in_team("Crew").await, 70);
    assert_eq!(gateway.count("brake_losses").await, 0, "and is forgotten");
    gateway.check().await;
}

// C076 C251
#[tokio::test]
async fn a_fact_that_is_reversed_cancels_what_waits() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let mut ids = Vec::new();
    for at in 0..9 {
        let body =
            json!({"userName": format!("u{at}@acme.example"), "externalId": format!("e{at}")});
        ids.push(scim.created("/Users", &body).await);
    }
    let crew = crew(&gateway, &scim, "Crew", &ids).await;
    off(&scim, &ids[..7]).await;
    let held = gateway.names().await;
    assert_eq!(held, ["u5@acme.example", "u6@acme.example"]);
    let version = members::show(
        &gateway.app,
        gateway.workspace.id,
        gateway.number("u5@acme.example").await,
    )
    .await
    .unwrap();
    assert_eq!(
        (version.listed.status, version.listed.brake.unwrap().wants),
        (Status::Active, Some(Status::Suspended))
    );

    // In again.
    let path = format!("/Users/{}", ids[5]);
    assert_eq!(scim.send("PATCH", &path, Some(&active(true))).await.0, 200);
    assert_eq!(gateway.names().await, ["u6@acme.example"]);
    // First out, then gone; and made anew, with the id of the IdP: the same member, still with what
    // its groups gave until they are written again.
    let gone = gateway.number("u6@acme.example").await;
    assert_eq!(
        scim.send("DELETE", &format!("/Users/{}", ids[6]), None)
            .await
            .0,
        204
    );
    assert_eq!(gateway.held().await[0].wants, Some(Status::Removed));
    let body = json!({"userName": "u6@acme.example", "externalId": "e6"});
    let again = scim.created("/Users", &body).await;
    assert_eq!(gateway.number("u6@acme.example").await, gone);
    let left = gateway.held().await;
    assert_eq!((left.len(), left[0].wants), (1, None));
    let add = operations(json!([{"op": "add", "path": "members", "value": [member(&again)]}]));
    assert_eq!(
        scim.send("PATCH", &format!("/Groups/{crew}"), Some(&add))
            .await
            .0,
        200
    );
    assert!(gateway.held().await.is_empty());
    assert_eq!(gateway.in_team("Crew").await, 4);
    gateway.check().await;

    // A place in a group is such a fact too.
    let remove = |ids: &[String]| {
        let gone = ids
            .iter()
            .map(|id| json!({"op": "remove", "path": format!("members[value eq \"{id}\"]")}));
        operations(gone.collect())
    };
    assert_eq!(
        scim.send(
            "PATCH",
            &format!("/Groups/{crew}"),
            Some(&remove(&ids[7..]))
        )
        .await
        .0,
        200
    );
    assert_eq!(
        gateway.names().await,
        ["u7@acme.example", "u8@acme.example"]
    );
    assert_eq!(gateway.in_team("Crew").await, 4);
    let why = members::find(&gateway.app, gateway.workspace.id, "u7@acme.example")
        .await
        .unwrap();
    let why = explain::explain(&gateway.app, gateway.workspace.id, &why)
        .await
        .unwrap();
    assert!(why.grants[0].effective && why.grants[0].ends_with[0].contains("brake"));
    let add = operations(json!([{"op": "add", "path": "members", "value": [member(&ids[7])]}]));
    assert_eq!(
        scim.send("PATCH", &format!("/Groups/{crew}"), Some(&add))
            .await
            .0,
        200
    );
    assert_eq!(gateway.names().await, ["u8@acme.example"]);
    gateway.check().await;
}

// C077
#[tokio::test]
async fn there_is_no_way_round_the_brake() {
    for way in [
        "one by one",
        "bulk",
        "put",
        "group",
        "two tokens",
        "slowly",
        "unmapping",
        "leave",
    ] {
        let clock = Clock::fixed(Clock::system().now());
        let gateway = Gateway::at(clock.clone(), |_| {}).await;
        let scim = gateway.scim().await;
        let ids = users(&scim, "u", 30).await;
        let crew = crew(&gateway, &scim, "Crew", &ids).await;
        let path = format!("/Groups/{crew}");
        match way {
            "one by one" => {
                let mut gone = Vec::new();
                for id in &ids {
                    let body = operations(
                        json!([{"op": "remove", "path": format!("members[value eq \"{id}\"]")}]),
                    );
                    gone.push(scim.send("PATCH", &path, Some(&body)).await.0);
                }
                assert!(gone.iter().all(|status| *status == 200));
            }
            "bulk" => {
                let gone = ids
                    .iter()
                    .map(|id| json!({"method": "DELETE", "path": format!("/Users/{id}")}));
                let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": gone.collect::<Vec<_>>()});
                let (status, done) = scim.send("POST", "/Bulk", Some(&body)).await;
                assert_eq!(status, 200);
                let done = done["Operations"].as_array().unwrap();
                assert!(done.iter().all(|it| it["status"] == "204"), "{done:?}");
            }
            "put" => {
                let body = json!({"displayName": "Crew", "members": []});
                assert_eq!(scim.send("PUT", &path, Some(&body)).await.0, 200);
            }
            "group" => assert_eq!(scim.send("DELETE", &path, None).await.0, 204),
            "two tokens" => {
                let origin = Origin::cli();
                let issued = credentials::issue(&gateway.app, &origin, &scim.directory, None);
                let mut other = scim.clone();
                other.token = issued.await.unwrap().token.expose_secret().to_owned();
                let acts = ids.iter().enumerate().map(|(at, id)| {
                    let client = if at % 2 == 0 { &scim } else { &other };
                    async move { client.send("DELETE", &format!("/Users/{id}"), None).await.0 }
                });
                assert!(join_all(acts).await.iter().all(|status| *status == 204));
            }
            "slowly" => {
                for id in &ids {
                    off(&scim, std::slice::from_ref(id)).await;
                    clock.advance(Duration::from_mins(1));
                }
            }
            "unmapping" => {
                let listed = rules::list(&gateway.app, gateway.workspace.id).await;
                let which = (gateway.workspace.id, listed.unwrap()[0].id);
                let by = (&Origin::cli(), &Scopes::everything());
                let ended = defining::end(&gateway.app, by, which, Precondition::default()).await;
                ended.unwrap();
            }
            _ => {
                // Of each the place in the group first, and then the rest: one person counts once.
                for id in &ids {
                    let body = operations(
                        json!([{"op": "remove", "path": format!("members[value eq \"{id}\"]")}]),
                    );
                    scim.send("PATCH", &path, Some(&body)).await;
                    scim.send("DELETE", &format!("/Users/{id}"), None).await;
                }
            }
        }
        assert_eq!(gateway.in_team("Crew").await, 25, "{way}");
        assert_eq!(gateway.held().await.len(), 25, "{way}");
        gateway.check().await;
        gateway.release(Which::All).await;
        assert_eq!(gateway.in_team("Crew").await, 0, "{way}");
        assert!(gateway.held().await.is_empty());
        gateway.check().await;
    }
}

#[tokio::test]
async fn what_a_run_takes_away_is_held_too_and_a_small_part_of_many_goes_at_once() {
    let gateway = Gateway::with(|config| config.scim.run_threshold = 8).await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 20).await;
    let large = crew(&gateway, &scim, "Large", &ids[..12]).await;
    assert_eq!(
        scim.send("DELETE", &format!("/Groups/{large}"), None)
            .await
            .0,
        204
    );
    assert_eq!(gateway.in_team("Large").await, 12, "until the run comes by");
    gateway.work().await;
    assert_eq!(gateway.in_team("Large").await, 7);
    assert_eq!(gateway.held().await.len(), 7);
    gateway.check().await;
    gateway.release(Which::All).await;
    assert_eq!(gateway.in_team("Large").await, 0);
    gateway.check().await;

    let gateway = Gateway::with(|config| config.scim.run_threshold = 8).await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 100).await;
    let small = crew(&gateway, &scim, "Small", &ids[..10]).await;
    assert_eq!(
        scim.send("DELETE", &format!("/Groups/{small}"), None)
            .await
            .0,
        204
    );
    assert_eq!(gateway.in_team("Small").await, 0, "its cause ended");
    off(&scim, &ids[20..22]).await;
    assert_eq!(gateway.held().await.len(), 2, "all ten were counted");
    gateway.check().await;
}

#[tokio::test]
async fn a_workspace_may_be_told_only_or_not_at_all() {
    for (mode, told) in [(Mode::Alert, true), (Mode::Off, false)] {
        let gateway = Gateway::new().await;
        let scim = gateway.scim().await;
        gateway.brake(mode).await;
        let ids = users(&scim, "u", 9).await;
        off(&scim, &ids).await;
        assert_eq!(gateway.having(Status::Active).await, 0);
        let kinds = gateway.texts("changes", "kind").await;
        assert_eq!(kinds.contains(&"workspace.brake_alerted".to_owned()), told);
        gateway.check().await;
    }
}

// C079
#[tokio::test]
async fn whoever_is_held_keeps_the_seat_and_takes_no_second_one() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let mut ids = Vec::new();
    for at in 0..7 {
        let body =
            json!({"userName": format!("u{at}@acme.example"), "externalId": format!("e{at}")});
        ids.push(scim.created("/Users", &body).await);
    }
    gateway
        .limit(Some(7), gatehouse::workspace::seats::SeatPolicy::Refuse)
        .await;
    for id in &ids {
        assert_eq!(
            scim.send("DELETE", &format!("/Users/{id}"), None).await.0,
            204
        );
    }
    assert_eq!(gateway.seats().await.0, 2);
    let again = json!({"userName": "u6@acme.example", "externalId": "e6"});
    scim.created("/Users", &again).await;
    assert_eq!(gateway.seats().await.0, 2);
    gateway.check().await;
    gateway.release(Which::All).await;
    assert_eq!(gateway.seats().await.0, 1);
    gateway.check().await;
}

#[tokio::test]
async fn what_people_have_by_hand_as_well_is_no_loss() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 20).await;
    let group = crew(&gateway, &scim, "Crew", &ids).await;
    gateway.work().await;
    for at in 0..14 {
        let right = Right {
            kind: GrantKind::Team,
            name: "Crew".to_owned(),
        };
        let member = gateway.number(&format!("u{at}@acme.example")).await;
        gateway.give(member, right).await.unwrap();
    }
    // One by one and all at once: nobody loses anything.
    for gone in [&ids[..1], &ids[1..14]] {
        let out: Vec<_> = gone.iter().map(|id| member(id)).collect();
        let op = json!([{"op": "remove", "path": "members", "value": out}]);
        let path = format!("/Groups/{group}");
        let (status, body) = scim.send("PATCH", &path, Some(&operations(op))).await;
        assert!([200, 204].contains(&status), "{body}");
    }
    let shown = brake::show(&gateway.app, gateway.workspace.id).await;
    let shown = shown.unwrap();
    assert_eq!((shown.lost, shown.held), (0, 0));
    assert_eq!(gateway.in_team("Crew").await, 20);
    // Of the others each counts: of six, five may.
    let (status, _) = scim
        .send(
            "PUT",
            &format!("/Groups/{group}"),
            Some(&json!({"displayName": "Crew"})),
        )
        .await;
    assert_eq!(status, 200);
    let shown = brake::show(&gateway.app, gateway.workspace.id).await;
    let shown = shown.unwrap();
    assert_eq!((shown.lost, shown.held), (5, 1));
    assert_eq!(gateway.in_team("Crew").await, 15);
    gateway.check().await;
}
