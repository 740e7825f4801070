//! What a group comes to before it is mapped.

use gatehouse::admission::{adoption, exit};
use gatehouse::changes::Origin;
use gatehouse::directory::{Mode, NewDirectory};
use gatehouse::workspace::keys::Permission;
use gatehouse::workspace::seats::{self, Limit, SeatPolicy, SeatRelease};
use serde_json::{Value, json};

use crate::gateway::{Gateway, member, new_directory, operations, users};
use crate::rules::group;

#[tokio::test]
async fn before_a_group_is_mapped_a_plan_tells_how_many_seats_that_comes_to() {
    let gateway = Gateway::new().await;
    let live = gateway.scim().await;
    let members = users(&live, "m", 3).await;
    group(&live, "Staff", &members).await;
    let limit = Limit {
        seat_limit: Some(5),
        seat_policy: SeatPolicy::Refuse,
        seat_release: SeatRelease::OnSuspend,
        seat_grace: 0,
        seat_contact: Some("sales@acme.example".to_owned()),
    };
    seats::set(&gateway.app, &Origin::cli(), gateway.workspace.id, limit)
        .await
        .unwrap();
    let key = gateway.ruler(&["Crew"], &[]).await;
    let collecting = NewDirectory {
        mode: Mode::Collect,
        ..new_directory("second")
    };
    let scim = gateway.scim_of(&gateway.workspace, collecting).await;
    let ids = users(&scim, "u", 6).await;
    let inner = group(&scim, "Inner", &ids[..2]).await;
    let both = json!([member(&inner), member(&ids[2]), member(&ids[3])]);
    let outer = json!({"displayName": "Outer", "members": both});
    scim.created("/Groups", &outer).await;
    let off = operations(json!([{"op": "replace", "path": "active", "value": false}]));
    scim.send("PATCH", &format!("/Users/{}", ids[3]), Some(&off))
        .await;
    let told = async |directory: &str, group: &str| {
        let rule = json!({"directory": directory, "groups": [group], "teams": ["Crew"]});
        let plan = json!({"action": "add", "rule": rule});
        gateway
            .asked(&key, ("POST", "/rules/plan"), plan, 201)
            .await
    };
    let few = told("second", "Inner").await;
    let of = |plan: &Value| {
        let names = ["members", "newcomers", "seats", "seats_free", "fits"];
        names.map(|name| plan[name].clone())
    };
    assert_eq!(
        of(&few),
        [json!(0), json!(2), json!(2), json!(2), json!(true)]
    );
    let many = told("second", "Outer").await;
    assert_eq!(
        of(&many),
        [json!(0), json!(4), json!(3), json!(2), json!(false)],
        "who is out takes none"
    );
    assert_eq!(many["seats_contact"], "sales@acme.example");
    // Members have their seats.
    let own = told("idp", "Staff").await;
    assert_eq!(
        of(&own),
        [json!(3), json!(0), json!(0), json!(2), json!(true)]
    );
    gateway.check().await;
}

#[tokio::test]
async fn who_finds_no_seat_while_a_directory_goes_live_holds_nobody_up() {
    let gateway = Gateway::with(|config| {
        config.scim.run_threshold = 2;
        config.scim.run_batch = 2;
    })
    .await;
    let live = gateway.scim().await;
    let collecting = NewDirectory {
        mode: Mode::Collect,
        ..new_directory("second")
    };
    let scim = gateway.scim_of(&gateway.workspace, collecting).await;
    users(&scim, "u", 5).await;
    let limit = async |seats: i64| {
        let limit = Limit {
            seat_limit: Some(seats),
            seat_policy: SeatPolicy::Refuse,
            seat_release: SeatRelease::OnSuspend,
            seat_grace: 0,
            seat_contact: None,
        };
        seats::set(&gateway.app, &Origin::cli(), gateway.workspace.id, limit)
            .await
            .unwrap();
    };
    limit(5).await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    let path = format!("/directories/{}/live", scim.directory.id);
    let plan = async |status: u16| {
        let plan = format!("{path}/plan");
        gateway
            .asked(&key, ("POST", &plan), Value::Null, status)
            .await
    };
    let go = async |plan: &Value, status: u16| {
        let hash = json!({"hash": plan["hash"]});
        gateway.asked(&key, ("POST", &path), hash, status).await
    };
    go(&plan(200).await, 200).await;
    // Somebody else takes a seat that was counted with.
    users(&live, "m", 2).await;
    gateway.check().await;
    let which = (gateway.workspace.id, scim.directory.id);
    let runs = exit::runs(&gateway.app, which).await.unwrap();
    assert_eq!((runs[0].processed, runs[0].skipped), (5, 2));
    assert!(runs[0].finished_at.is_some());
    assert!(gateway.told("seat_limit").await);
    let left = adoption::foreseen(&gateway.app, which, None, 10).await;
    let why: Vec<_> = left.unwrap().into_iter().map(|it| it.refused).collect();
    assert_eq!(why, vec![Some("seat_limit".to_owned()); 2]);
    // With more seats those who were left are let in.
    limit(7).await;
    let left = plan(200).await;
    assert_eq!(
        (&left["new"], &left["seats_needed"]),
        (&json!(2), &json!(2))
    );
    go(&left, 200).await;
    gateway.check().await;
    assert_eq!(gateway.count("members WHERE status = 'active'").await, 7);
    plan(409).await;
}
