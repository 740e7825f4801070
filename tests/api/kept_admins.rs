//! The last admin who was kept is kept no longer once another one is in, whatever brought that one in.

use gatehouse::admission::holds;
use gatehouse::admission::plans::{self, Proposal};
use gatehouse::admission::rules::{self, Missing, NewRule};
use gatehouse::changes::Origin;
use gatehouse::ids::MemberId;
use gatehouse::workspace::keys::Scopes;
use gatehouse::workspace::seats::SeatPolicy;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, member, operations, users};
use crate::members::{person, role};

fn active(is: bool) -> Value {
    operations(json!([{"op": "replace", "path": "active", "value": is}]))
}

/// Ada, whom a rule makes an admin, and the path of the group by which it does.
async fn by_rule(gateway: &Gateway, scim: &Scim) -> (MemberId, String) {
    let rule = NewRule {
        directory: "idp".to_owned(),
        groups: vec!["Admins".to_owned()],
        roles: vec!["admin".to_owned()],
        ..NewRule::default()
    };
    rules::add(&gateway.app, &Origin::cli(), &gateway.workspace, rule)
        .await
        .unwrap();
    let (user, ada) = person(gateway, scim, "ada").await;
    let group = json!({"displayName": "Admins", "members": [member(&user)]});
    let group = scim.created("/Groups", &group).await;
    (ada, format!("/Groups/{group}"))
}

/// Takes everybody out of the group: Ada stays what she is, for there is no other.
async fn keep(gateway: &Gateway, scim: &Scim, (ada, group): (MemberId, &str)) {
    let none = operations(json!([{"op": "replace", "path": "members", "value": []}]));
    let (status, _) = scim.send("PATCH", group, Some(&none)).await;
    assert!([200, 204].contains(&status));
    gateway.work().await;
    assert!(gateway.listed(ada).await.roles.contains("admin"));
    let held = "grants WHERE hold = 'last_admin' AND to_at IS NULL";
    assert_eq!(gateway.count(held).await, 1);
}

async fn is_let_go(gateway: &Gateway, (ada, bob): (MemberId, MemberId)) {
    gateway.check().await;
    assert!(gateway.listed(bob).await.roles.contains("admin"));
    assert!(!gateway.listed(ada).await.roles.contains("admin"));
}

// C073
#[tokio::test]
async fn by_a_directory_that_lets_another_one_in_again() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let (ada, group) = by_rule(&gateway, &scim).await;
    let (user, bob) = person(&gateway, &scim, "bob").await;
    gateway.give(bob, role("admin")).await.unwrap();
    let path = format!("/Users/{user}");
    assert_eq!(scim.send("PATCH", &path, Some(&active(false))).await.0, 200);
    keep(&gateway, &scim, (ada, &group)).await;
    assert_eq!(scim.send("PATCH", &path, Some(&active(true))).await.0, 200);
    is_let_go(&gateway, (ada, bob)).await;
}

// C073
#[tokio::test]
async fn by_a_seat_that_another_one_gets() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let (ada, group) = by_rule(&gateway, &scim).await;
    person(&gateway, &scim, "one").await;
    let (leaves, _) = person(&gateway, &scim, "two").await;
    gateway.limit(Some(3), SeatPolicy::Hold).await;
    let (_, bob) = person(&gateway, &scim, "bob").await;
    gateway.give(bob, role("admin")).await.unwrap();
    keep(&gateway, &scim, (ada, &group)).await;
    let path = format!("/Users/{leaves}");
    assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    is_let_go(&gateway, (ada, bob)).await;
}

// C073
#[tokio::test]
async fn by_the_release_of_another_one_whom_a_restore_held() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let (ada, group) = by_rule(&gateway, &scim).await;
    let (_, bob) = person(&gateway, &scim, "bob").await;
    gateway.give(bob, role("admin")).await.unwrap();
    let hold = gateway.app.write(move |tx| {
        Box::pin(async move {
            tx.query("UPDATE members SET held_at = created_at WHERE id = $1")
                .bind(bob)
                .execute()
                .await?;
            Ok(())
        })
    });
    hold.await.unwrap();
    keep(&gateway, &scim, (ada, &group)).await;
    holds::release(&gateway.app, &Origin::cli(), gateway.workspace.id, bob)
        .await
        .unwrap();
    is_let_go(&gateway, (ada, bob)).await;
}

// C253: what holds for every end of access holds for one that was planned as well
#[tokio::test]
async fn neither_brake_nor_last_admin_is_got_round_by_a_plan() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 20).await;
    let people: Vec<_> = ids.iter().map(|id| member(id)).collect();
    let rule = NewRule {
        directory: "idp".to_owned(),
        groups: vec!["Crew".to_owned()],
        teams: vec!["Crew".to_owned()],
        ..NewRule::default()
    };
    let by = (&Origin::cli(), &Scopes::everything());
    let crew = rules::add(&gateway.app, by.0, &gateway.workspace, rule);
    let crew = crew.await.unwrap().id;
    let group = json!({"displayName": "Crew", "members": people});
    scim.created("/Groups", &group).await;
    let (ada, _) = by_rule(&gateway, &scim).await;
    let admins = gatehouse::mapping::rules::list(&gateway.app, gateway.workspace.id).await;
    let admins = admins.unwrap().into_iter().find(|rule| rule.id != crew);
    let end = async |id| {
        let what = (Proposal::End { id }, Missing::Refuse);
        let planned = plans::plan(&gateway.app, by, gateway.workspace.id, what).await;
        let which = (gateway.workspace.id, planned.unwrap().id);
        plans::apply(&gateway.app, by, which).await.unwrap();
        gateway.work().await;
    };
    end(crew).await;
    assert_eq!(
        gateway.in_team("Crew").await,
        15,
        "five may go within the hour"
    );
    end(admins.unwrap().id).await;
    assert!(gateway.listed(ada).await.roles.contains("admin"));
    gateway.check().await;
}
