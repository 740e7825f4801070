//! Seats that members keep while they are suspended, where a workspace wants that.

use futures_util::future::join_all;
use gatehouse::admission::{adoption, going_live};
use gatehouse::changes::Origin;
use gatehouse::directory::{Mode, NewDirectory};
use gatehouse::workspace::keys::{Permission, Scopes};
use gatehouse::workspace::seats::{self, Limit, SeatPolicy, SeatRelease};
use gatehouse::workspace::{members, status};
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, new_directory, operations, users};
use crate::keys::new_key;

impl Gateway {
    async fn seat_policy(&self, limit: Option<i64>, policy: SeatPolicy, release: SeatRelease) {
        let limit = Limit {
            seat_limit: limit,
            seat_policy: policy,
            seat_release: release,
            seat_grace: 0,
            seat_contact: None,
        };
        let set = seats::set(&self.app, &Origin::cli(), self.workspace.id, limit).await;
        set.unwrap();
    }

    /// How many seats are taken, how many of them are kept, and how many members wait.
    async fn stand(&self) -> (i64, i64, i64) {
        let shown = seats::show(&self.app, self.workspace.id).await.unwrap();
        (shown.taken, shown.kept, shown.waiting)
    }

    /// What is explained of a member's seat.
    async fn seat_of(&self, key: &str, name: &str) -> Value {
        let id = members::find(&self.app, self.workspace.id, name).await;
        let path = format!("/members/{}/explanation", id.unwrap().id);
        let told = self.asked(key, ("GET", &path), Value::Null, 200).await;
        told["seat"].clone()
    }
}

async fn turn(scim: &Scim, id: &str, active: bool) -> u16 {
    let body = operations(json!([{"op": "replace", "path": "active", "value": active}]));
    let path = format!("/Users/{id}");
    scim.send("PATCH", &path, Some(&body)).await.0
}

async fn come(scim: &Scim, name: &str) -> u16 {
    let body = json!({"userName": name});
    scim.send("POST", "/Users", Some(&body)).await.0
}

#[tokio::test]
async fn a_suspended_member_keeps_its_seat_until_it_is_removed() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.key(&[Permission::MembersRead]).await;
    let ids = users(&scim, "u", 3).await;
    let policy = (SeatPolicy::Refuse, SeatRelease::OnRemove);
    gateway.seat_policy(Some(3), policy.0, policy.1).await;
    assert_eq!(turn(&scim, &ids[0], false).await, 200);
    assert_eq!(gateway.stand().await, (3, 1, 0));
    assert_eq!(come(&scim, "late").await, 409, "no seat is free");
    let seat = gateway.seat_of(&key, "u0@acme.example").await;
    assert_eq!(
        (&seat["standing"], &seat["taken"]),
        (&json!("kept"), &json!(3))
    );
    assert!(seat["since"].is_string(), "{seat}");
    let seat = gateway.seat_of(&key, "u1@acme.example").await;
    let why = seat["why"].as_str().unwrap();
    assert!(why.ends_with("once it is removed"), "{why}");
    // It comes back by its own seat, and an admin's word is as good as a directory's.
    assert_eq!(turn(&scim, &ids[0], true).await, 200);
    assert_eq!(gateway.stand().await, (3, 0, 0));
    let by = (&Origin::cli(), &Scopes::everything());
    let found = members::find(&gateway.app, gateway.workspace.id, "u1@acme.example").await;
    let which = (gateway.workspace.id, found.unwrap().id);
    status::suspend(&gateway.app, by, which).await.unwrap();
    assert_eq!(gateway.stand().await, (3, 1, 0));
    status::activate(&gateway.app, by, which).await.unwrap();
    assert_eq!(gateway.stand().await, (3, 0, 0));
    // Removed while it is suspended, it gives the seat back; so does one who is in.
    assert_eq!(turn(&scim, &ids[2], false).await, 200);
    let path = format!("/Users/{}", ids[2]);
    assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    assert_eq!(gateway.stand().await, (2, 0, 0));
    assert_eq!(come(&scim, "late").await, 201);
    // One who comes out already never had a seat to keep.
    let off = json!({"userName": "off", "active": false});
    let off = scim.created("/Users", &off).await;
    assert_eq!(gateway.stand().await, (3, 0, 0));
    assert_eq!(turn(&scim, &off, true).await, 409);
    gateway.check().await;
}

#[tokio::test]
async fn who_waits_keeps_no_seat_and_gets_those_that_are_given_back() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 3).await;
    let policy = (SeatPolicy::Hold, SeatRelease::OnRemove);
    gateway.seat_policy(Some(3), policy.0, policy.1).await;
    let late = scim.created("/Users", &json!({"userName": "late"})).await;
    assert_eq!(turn(&scim, &late, false).await, 200);
    assert_eq!(gateway.stand().await, (3, 0, 0));
    assert_eq!(turn(&scim, &late, true).await, 200);
    assert_eq!(turn(&scim, &ids[0], false).await, 200);
    gateway.work().await;
    assert_eq!(gateway.stand().await, (3, 1, 1), "its seat is kept");
    let path = format!("/Users/{}", ids[0]);
    assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    gateway.work().await;
    assert_eq!(gateway.stand().await, (3, 0, 0));
    gateway.check().await;
}

#[tokio::test]
async fn the_policy_is_switched_while_members_are_suspended() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let (_, operator) = gateway
        .key_of(None, new_key(&[Permission::Everything]))
        .await;
    let ids = users(&scim, "u", 3).await;
    let put = async |limit: Value, release: &str| {
        let body = json!({"limit": limit, "policy": "hold", "release": release});
        gateway.asked(&operator, ("PUT", "/seats"), body, 200).await
    };
    put(json!(3), "on_suspend").await;
    assert_eq!(turn(&scim, &ids[0], false).await, 200);
    assert_eq!(come(&scim, "one").await, 201);
    // Who was suspended before gave its seat back: no more are taken than there are.
    let now = put(json!(3), "on_remove").await;
    assert_eq!(
        (&now["taken"], &now["kept"], &now["release"]),
        (&json!(3), &json!(0), &json!("on_remove"))
    );
    assert_eq!(turn(&scim, &ids[0], true).await, 200);
    assert_eq!(gateway.stand().await, (3, 0, 1), "it waits");
    assert_eq!(turn(&scim, &ids[1], false).await, 200);
    assert_eq!(turn(&scim, &ids[2], false).await, 200);
    gateway.check().await;
    assert_eq!(gateway.stand().await, (3, 2, 1));
    // Those that are kept are free at once, and whoever waits gets one.
    let now = put(json!(3), "on_suspend").await;
    assert_eq!((&now["taken"], &now["kept"]), (&json!(1), &json!(0)));
    assert!(gateway.told("\"freed\":2").await);
    gateway.check().await;
    assert_eq!(gateway.stand().await, (2, 0, 0));
    // Without a limit nobody keeps anything.
    put(json!(3), "on_remove").await;
    assert_eq!(turn(&scim, &ids[0], false).await, 200);
    assert_eq!(gateway.stand().await, (2, 1, 0));
    put(Value::Null, "on_remove").await;
    assert_eq!(gateway.stand().await, (1, 0, 0));
    put(json!(3), "on_remove").await;
    assert_eq!(gateway.stand().await, (1, 0, 0));
    gateway.check().await;
}

#[tokio::test]
async fn a_forecast_knows_who_keeps_a_seat() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 3).await;
    let policy = (SeatPolicy::Refuse, SeatRelease::OnRemove);
    gateway.seat_policy(Some(3), policy.0, policy.1).await;
    assert_eq!(turn(&scim, &ids[0], false).await, 200);
    let second = NewDirectory {
        mode: Mode::Collect,
        ..new_directory("second")
    };
    let second = gateway.scim_of(&gateway.workspace, second).await;
    second
        .created("/Users", &json!({"userName": "u0@acme.example"}))
        .await;
    let by = (&Origin::cli(), &Scopes::everything());
    let place = (gateway.workspace.id, second.directory.id);
    let adopt = adoption::Adopt::User {
        user_name: "u0@acme.example".to_owned(),
        member: None,
    };
    adoption::adopt(&gateway.app, by, place, adopt)
        .await
        .unwrap();
    let matched = adoption::matched(&gateway.app, place, None, 10).await;
    assert!(matched.unwrap()[0].planned);
    let plan = going_live::plan(&gateway.app, &Origin::cli(), place)
        .await
        .unwrap();
    assert_eq!((plan.linked, plan.seats_needed), (1, 0), "it has one");
    gateway.check().await;
}

// C079: with seats that are kept, and with the policy switched meanwhile
#[tokio::test]
async fn seats_are_counted_once_while_members_go_out_and_in() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 8).await;
    let refuse = SeatPolicy::Refuse;
    gateway
        .seat_policy(Some(10), refuse, SeatRelease::OnRemove)
        .await;
    let names: Vec<_> = (0..12).map(|at| format!("n{at}")).collect();
    let creating = join_all(names.iter().map(|name| come(&scim, name)));
    let turning = join_all(ids.iter().map(|id| async {
        for active in [false, true, false] {
            turn(&scim, id, active).await;
        }
    }));
    let switching = async {
        for release in [SeatRelease::OnSuspend, SeatRelease::OnRemove] {
            gateway.seat_policy(Some(10), refuse, release).await;
        }
    };
    tokio::join!(creating, turning, switching);
    let (taken, kept, _) = gateway.stand().await;
    assert!(taken <= 10 && kept <= 8);
    gateway.check().await;
}

#[tokio::test]
async fn a_kept_seat_is_given_back_with_the_directory_that_made_the_draft_a_member() {
    let gateway = Gateway::new().await;
    let (refuse, keep) = (SeatPolicy::Refuse, SeatRelease::OnRemove);
    gateway.seat_policy(Some(5), refuse, keep).await;
    let scim = gateway.collects().await;
    let draft = json!({"email": "u0@acme.example"});
    gateway.enter(draft, &[]).await.unwrap();
    let ids = users(&scim, "u", 1).await;
    let plan = gateway.of(&scim, "POST", "/live/plan", Value::Null).await;
    let hash = json!({"hash": plan.body["hash"]});
    let applied = gateway.of(&scim, "POST", "/live", hash).await;
    let run = applied.body["run"]["id"].as_str().unwrap().to_owned();
    gateway.work().await;
    assert_eq!(turn(&scim, &ids[0], false).await, 200);
    assert_eq!(gateway.stand().await, (1, 1, 0));
    let undo = format!("/runs/{run}/undo");
    let undone = gateway.of(&scim, "POST", &undo, Value::Null).await;
    assert!(undone.status < 300, "{}", undone.text);
    gateway.work().await;
    assert_eq!(gateway.stand().await, (0, 0, 0));
    gateway.check().await;
}
