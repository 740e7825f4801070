//! Seats: counted once, on every path.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use gatehouse::changes::Origin;
use gatehouse::ids::MemberId;
use gatehouse::workspace::keys::{Permission, Scopes};
use gatehouse::workspace::seats::{self, Limit, SeatPolicy, SeatRelease};
use gatehouse::workspace::{members, status};
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, member, operations, users};

impl Gateway {
    pub(crate) async fn limit(&self, limit: Option<i64>, policy: SeatPolicy) {
        let limit = Limit {
            seat_limit: limit,
            seat_policy: policy,
            seat_release: SeatRelease::OnSuspend,
            seat_grace: 0,
            seat_contact: Some("billing@acme.example".to_owned()),
        };
        seats::set(&self.app, &Origin::cli(), self.workspace.id, limit)
            .await
            .unwrap();
    }

    pub(crate) async fn seats(&self) -> (i64, i64) {
        let shown = seats::show(&self.app, self.workspace.id).await.unwrap();
        (shown.taken, shown.waiting)
    }

    async fn id(&self, name: &str) -> MemberId {
        let found = members::find(&self.app, self.workspace.id, name).await;
        found.unwrap().id
    }
}

fn person(name: &str) -> Value {
    json!({"userName": format!("{name}@acme.example")})
}

fn active(is: bool) -> Value {
    operations(json!([{"op": "replace", "path": "active", "value": is}]))
}

async fn create(scim: &Scim, name: &str) -> (u16, Value) {
    scim.send("POST", "/Users", Some(&person(name))).await
}

#[tokio::test]
async fn beyond_the_limit_nobody_comes_in_on_any_path() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 2).await;
    assert_eq!(gateway.seats().await, (2, 0), "whoever is in");
    gateway.limit(Some(3), SeatPolicy::Refuse).await;
    assert_eq!(gateway.seats().await, (2, 0));
    assert_eq!(create(&scim, "third").await.0, 201);
    let (status, refused) = create(&scim, "fourth").await;
    assert_eq!(status, 409, "{refused}");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("seat limit") && detail.contains("billing@acme.example"));
    assert_eq!(gateway.count("users").await, 3, "nothing is half done");
    // Who is made inactive needs none until it is let in.
    let mut off = person("off");
    off["active"] = json!(false);
    let off = scim.created("/Users", &off).await;
    let path = format!("/Users/{off}");
    assert_eq!(scim.send("PATCH", &path, Some(&active(true))).await.0, 409);
    let put = json!({"userName": "off@acme.example", "active": true});
    assert_eq!(scim.send("PUT", &path, Some(&put)).await.0, 409);
    assert_eq!(
        scim.send("GET", &path, None).await.1["active"],
        json!(false)
    );
    // A seat that is free is usable at once: by suspension, removal, an admin's act.
    let first = format!("/Users/{}", ids[0]);
    assert_eq!(
        scim.send("PATCH", &first, Some(&active(false))).await.0,
        200
    );
    assert_eq!(gateway.seats().await.0, 2);
    assert_eq!(scim.send("PATCH", &path, Some(&active(true))).await.0, 200);
    assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    assert_eq!(scim.send("PATCH", &first, Some(&active(true))).await.0, 200);
    let which = (gateway.workspace.id, gateway.id("u0@acme.example").await);
    status::suspend(&gateway.app, (&Origin::cli(), &Scopes::everything()), which)
        .await
        .unwrap();
    assert_eq!(create(&scim, "fourth").await.0, 201);
    assert!(
        status::activate(&gateway.app, (&Origin::cli(), &Scopes::everything()), which)
            .await
            .is_err()
    );
    assert_eq!(gateway.seats().await, (3, 0));
    gateway.limit(None, SeatPolicy::Refuse).await;
    status::activate(&gateway.app, (&Origin::cli(), &Scopes::everything()), which)
        .await
        .unwrap();
    gateway.check().await;
}

#[tokio::test]
async fn who_waits_for_a_seat_has_no_rights_until_one_is_free() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    gateway.rule(&["Crew"], "Crew").await;
    let ids = users(&scim, "u", 3).await;
    gateway.limit(Some(3), SeatPolicy::Hold).await;
    let mut waiting = Vec::new();
    for name in ["one", "two"] {
        let (status, made) = create(&scim, name).await;
        assert_eq!(
            (status, &made["active"]),
            (201, &json!(true)),
            "what the directory said"
        );
        waiting.push(made["id"].as_str().unwrap().to_owned());
    }
    let crew: Vec<_> = ids.iter().chain(&waiting).map(|id| member(id)).collect();
    let crew = json!({"displayName": "Crew", "members": crew});
    scim.created("/Groups", &crew).await;
    assert_eq!(gateway.seats().await, (3, 2));
    assert_eq!(gateway.in_team("Crew").await, 3);
    // The one who waits longest is seated.
    assert_eq!(
        scim.send("DELETE", &format!("/Users/{}", ids[0]), None)
            .await
            .0,
        204
    );
    gateway.work().await;
    assert_eq!(gateway.seats().await, (3, 1));
    assert_eq!(gateway.in_team("Crew").await, 3);
    let listed = members::list(&gateway.app, gateway.workspace.id, None, 10)
        .await
        .unwrap();
    let waits: Vec<_> = listed.iter().filter(|it| it.waiting_at.is_some()).collect();
    assert_eq!(waits.len(), 1);
    assert_eq!(waits[0].user_name.as_deref(), Some("two@acme.example"));
    // Who waits and leaves had none to give back.
    let two = format!("/Users/{}", waiting[1]);
    assert_eq!(scim.send("PATCH", &two, Some(&active(false))).await.0, 200);
    assert_eq!(gateway.seats().await, (3, 0));
    assert_eq!(scim.send("PATCH", &two, Some(&active(true))).await.0, 200);
    assert_eq!(gateway.seats().await, (3, 1));
    gateway.check().await;
    gateway.limit(None, SeatPolicy::Hold).await;
    assert_eq!(
        gateway.in_team("Crew").await,
        4,
        "without a limit all are in"
    );
    assert!(gateway.told("\"percent\":100").await);
    gateway.check().await;
}

// C079: on any path and any node
#[tokio::test]
async fn nobody_overtakes_those_who_wait() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 3).await;
    gateway.limit(Some(3), SeatPolicy::Hold).await;
    assert_eq!(create(&scim, "first").await.0, 201);
    let one = format!("/Users/{}", ids[0]);
    assert_eq!(scim.send("PATCH", &one, Some(&active(false))).await.0, 200);
    assert_eq!(gateway.seats().await, (2, 1), "it is not given yet");
    // A newcomer, one who comes back, and one whom an admin lets in beside another node.
    assert_eq!(create(&scim, "late").await.0, 201);
    assert_eq!(scim.send("PATCH", &one, Some(&active(true))).await.0, 200);
    let by = (&Origin::cli(), &Scopes::everything());
    let which = (gateway.workspace.id, gateway.id("u1@acme.example").await);
    status::suspend(&gateway.app, by, which).await.unwrap();
    let node = gateway.second_node().await;
    status::activate(&node, by, which).await.unwrap();
    assert_eq!(gateway.seats().await, (1, 4));
    let waiting = async || {
        let listed = members::list(&gateway.app, gateway.workspace.id, None, 10).await;
        let listed = listed.unwrap().into_iter();
        let waiting = listed.filter(|it| it.waiting_at.is_some());
        let names = waiting.map(|it| it.user_name.unwrap_or_default());
        names.collect::<BTreeSet<_>>()
    };
    gateway.work().await;
    assert_eq!(gateway.seats().await, (3, 2));
    let names = ["u0@acme.example", "u1@acme.example"].map(str::to_owned);
    assert_eq!(waiting().await, names.into(), "who waits longest is in");
    // Where nobody is to wait any more, whoever waits has the next seat all the same.
    gateway.limit(Some(3), SeatPolicy::Refuse).await;
    let last = format!("/Users/{}", ids[2]);
    assert_eq!(scim.send("DELETE", &last, None).await.0, 204);
    let (status, refused) = create(&scim, "later").await;
    assert_eq!(status, 409, "{refused}");
    assert!(refused["detail"].as_str().unwrap().contains("waited for"));
    let key = gateway.key(&[Permission::MembersManage]).await;
    let path = "/workspaces/acme/admission/explanation?person=later@acme.example";
    let why = gateway.api(&key, "GET", path, None).await;
    assert!(why.text.contains("seats_full"), "{}", why.text);
    gateway.work().await;
    assert_eq!(gateway.seats().await, (3, 1));
    gateway.check().await;
}

// C079
#[tokio::test]
async fn the_last_seat_is_taken_once() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    users(&scim, "u", 4).await;
    let mut off = person("off");
    off["active"] = json!(false);
    let off = format!("/Users/{}", scim.created("/Users", &off).await);
    gateway.limit(Some(5), SeatPolicy::Refuse).await;
    let names: Vec<_> = (0..200).map(|at| format!("n{at}")).collect();
    let creating = join_all(names.iter().map(|name| create(&scim, name)));
    let on = active(true);
    let reactivating = scim.send("PATCH", &off, Some(&on));
    let (created, reactivated) = tokio::join!(creating, reactivating);
    let refused = |status: u16| match status {
        409 => 0,
        200 | 201 => 1,
        other => panic!("{other}"),
    };
    let in_all: usize = created.iter().map(|(status, _)| refused(*status)).sum();
    assert_eq!(in_all + refused(reactivated.0), 1);
    assert_eq!(gateway.seats().await, (5, 0));
    gateway.check().await;
}

#[tokio::test]
async fn a_limit_that_is_set_among_creates_counts_everybody() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let names: Vec<_> = (0..60).map(|at| format!("n{at}")).collect();
    let creating = join_all(names.iter().map(|name| create(&scim, name)));
    let setting = async {
        for _ in 0..5 {
            gateway.limit(Some(40), SeatPolicy::Refuse).await;
            gateway.limit(None, SeatPolicy::Refuse).await;
        }
        gateway.limit(Some(40), SeatPolicy::Refuse).await;
    };
    tokio::join!(creating, setting);
    gateway.check().await;
}

#[tokio::test]
async fn an_explanation_says_who_takes_a_seat_and_why_somebody_waits() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.key(&[Permission::MembersRead]).await;
    users(&scim, "u", 1).await;
    let explained = async |name: &str| {
        let id = gateway.id(&format!("{name}@acme.example")).await;
        let path = format!("/workspaces/acme/members/{id}/explanation");
        gateway.api(&key, "GET", &path, None).await.body["seat"].clone()
    };
    assert_eq!(explained("u0").await, Value::Null, "there is no limit");
    gateway.limit(Some(3), SeatPolicy::Hold).await;
    for name in ["ada", "bob", "cid"] {
        assert_eq!(create(&scim, name).await.0, 201);
    }
    let taken = explained("u0").await;
    assert_eq!(
        (&taken["standing"], &taken["taken"], &taken["limit"]),
        (&json!("taken"), &json!(3), &json!(3))
    );
    let waits = explained("cid").await;
    assert_eq!(waits["standing"], "waiting");
    assert!(waits["since"].is_string(), "{waits}");
    let why = waits["why"].as_str().unwrap();
    assert!(why.contains("ask billing@acme.example"), "{why}");
    let by = (&Origin::cli(), &Scopes::everything());
    let ada = gateway.id("ada@acme.example").await;
    status::suspend(&gateway.app, by, (gateway.workspace.id, ada))
        .await
        .unwrap();
    assert_eq!(explained("ada").await["standing"], "none");
    gateway.check().await;
}

#[tokio::test]
async fn a_lower_limit_tells_what_part_of_it_is_reached() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    users(&scim, "u", 8).await;
    let told = async || {
        let told = "changes WHERE kind = 'workspace.seats_reached'";
        gateway.count(told).await
    };
    for (limit, expected, percent) in [
        (Some(20), 0, ""),
        (Some(10), 1, "\"percent\":80"),
        (Some(9), 1, ""),
        (Some(12), 1, ""),
        (Some(5), 2, "\"percent\":100"),
        (Some(4), 2, ""),
        (None, 2, ""),
        (Some(8), 3, "\"limit\":8"),
    ] {
        gateway.limit(limit, SeatPolicy::Refuse).await;
        assert_eq!(told().await, expected, "{limit:?}");
        assert!(gateway.told(percent).await, "{limit:?}");
    }
    gateway.check().await;
}
