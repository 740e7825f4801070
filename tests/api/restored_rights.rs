//! Whoever gives back what a directory took away gives nobody more than its own rights cover.

use std::collections::BTreeSet;
use std::time::Duration;

use gatehouse::admission::brake::{self, Setting};
use gatehouse::admission::rules::{self, NewRule};
use gatehouse::changes::Origin;
use gatehouse::clock::Clock;
use gatehouse::workspace::keys::Permission;
use gatehouse::workspace::members;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, operations, users};
use crate::keys::new_key;
use crate::rules::group;

const MINUTE: Duration = Duration::from_mins(1);

impl Gateway {
    /// A key that may do everything, and admins: by a rule whoever is in the group, and the user of
    /// that name by hand, so that the others can go.
    async fn admins_of(&self, group: &str, keeper: &str) -> String {
        let rule = NewRule {
            directory: "idp".to_owned(),
            groups: vec![group.to_owned()],
            roles: vec!["admin".to_owned()],
            ..NewRule::default()
        };
        let added = rules::add(&self.app, &Origin::cli(), &self.workspace, rule).await;
        added.unwrap();
        self.work().await;
        let all = self.key_of(None, new_key(&[Permission::Everything])).await;
        let listed = members::list(&self.app, self.workspace.id, None, 500).await;
        let mut listed = listed.unwrap().into_iter();
        let keeper = listed.find(|it| it.user_name.as_deref() == Some(keeper));
        let put = format!("/members/{}/roles/admin", keeper.unwrap().id);
        let given = self.ask(&all.1, "PUT", &put, Value::Null).await;
        assert!(given.status < 300, "{}", given.text);
        all.1
    }

    /// From the second loss on the brake holds all.
    async fn sharp_brake(&self) {
        let setting = Setting {
            people: 1,
            percent: 1,
            ..Setting::default()
        };
        let set = brake::set(&self.app, &Origin::cli(), self.workspace.id, setting).await;
        set.unwrap();
    }

    /// Who is in and has the role of admins.
    async fn admins(&self) -> BTreeSet<String> {
        let listed = members::list(&self.app, self.workspace.id, None, 500).await;
        let listed = listed.unwrap().into_iter();
        let admins = listed.filter(|it| it.roles.contains("admin"));
        admins.filter_map(|it| it.user_name).collect()
    }
}

async fn gone(scim: &Scim, path: &str) {
    assert_eq!(scim.send("DELETE", path, None).await.0, 204);
}

// C078
#[tokio::test]
async fn nobody_comes_back_with_more_than_whoever_restores_may_give() {
    for is_braked in [false, true] {
        let clock = Clock::fixed(Clock::system().now());
        let gateway = Gateway::at(clock.clone(), |_| {}).await;
        let scim = gateway.scim().await;
        let ids = users(&scim, "u", 6).await;
        let chiefs = group(&scim, "Chiefs", &ids[..3]).await;
        let crew = group(&scim, "Crew", &ids[..5]).await;
        gateway.rule(&["Crew"], "Sailors").await;
        let all = gateway.admins_of("Chiefs", "u5@acme.example").await;
        let before = gateway.admins().await;
        assert_eq!(before.len(), 4, "{before:?}");
        if is_braked {
            gateway.sharp_brake().await;
        } else {
            gateway.without_brake().await;
        }
        gateway.work().await;
        let from = clock.now();
        clock.advance(MINUTE);
        // An admin and another one of each kind: deleted, set inactive, out of the group.
        gone(&scim, &format!("/Users/{}", ids[0])).await;
        gone(&scim, &format!("/Users/{}", ids[3])).await;
        for (path, op) in [
            (
                format!("/Users/{}", ids[1]),
                json!({"op": "replace", "path": "active", "value": false}),
            ),
            (
                format!("/Groups/{chiefs}"),
                json!({"op": "remove", "path": format!("members[value eq \"{}\"]", ids[2])}),
            ),
            (
                format!("/Groups/{crew}"),
                json!({"op": "remove", "path": format!("members[value eq \"{}\"]", ids[4])}),
            ),
        ] {
            let (status, body) = scim
                .send("PATCH", &path, Some(&operations(json!([op]))))
                .await;
            assert!([200, 204].contains(&status), "{body}");
        }
        gateway.work().await;
        clock.advance(MINUTE);
        let to = clock.now();
        let left = gateway.admins().await;
        assert_eq!(left.len(), if is_braked { 3 } else { 1 }, "{left:?}");

        let key = gateway.key(&[Permission::DirectoriesManage]).await;
        let path = format!("/directories/{}/restore", scim.directory.id);
        let span = json!({"from": from, "to": to});
        let restored = gateway
            .asked(&key, ("POST", &path), span.clone(), 200)
            .await;
        assert_eq!(
            (
                &restored["users"],
                &restored["activated"],
                &restored["memberships"]
            ),
            (&json!(1), &json!(0), &json!(1)),
            "{restored}"
        );
        let skipped = restored["skipped"].as_array().unwrap().iter();
        let skipped: BTreeSet<_> = skipped
            .map(|it| {
                let reason = it["reason"].as_str().unwrap();
                assert!(reason.contains("more than you may give"), "{restored}");
                it["user"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(skipped, ids[..3].iter().cloned().collect());
        // What the brake holds it holds still.
        assert_eq!(gateway.admins().await, left);
        gateway.check().await;

        let restored = gateway.asked(&all, ("POST", &path), span, 200).await;
        assert_eq!(
            (
                &restored["users"],
                &restored["activated"],
                &restored["memberships"]
            ),
            (&json!(1), &json!(1), &json!(1)),
            "{restored}"
        );
        assert_eq!(gateway.admins().await, before);
        assert_eq!(gateway.in_team("Sailors").await, 5);
        gateway.check().await;
    }
}

// C078
#[tokio::test]
async fn what_the_brake_holds_is_given_where_a_group_comes_back() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 6).await;
    let chiefs = group(&scim, "Chiefs", &ids[..4]).await;
    let all = gateway.admins_of("Chiefs", "u4@acme.example").await;
    gateway.sharp_brake().await;
    let before = gateway.admins().await;
    assert_eq!(before.len(), 5, "{before:?}");
    clock.advance(MINUTE);
    // The one loss that passes is somebody else's.
    gone(&scim, &format!("/Users/{}", ids[5])).await;
    gone(&scim, &format!("/Groups/{chiefs}")).await;
    gateway.work().await;
    assert_eq!(gateway.admins().await, before);
    clock.advance(MINUTE);

    let key = gateway.key(&[Permission::DirectoriesManage]).await;
    let path = format!("/directories/{}/groups/{chiefs}/restore", scim.directory.id);
    let plan = format!("{path}/plan");
    gateway.asked(&key, ("POST", &plan), json!({}), 403).await;
    let plan = gateway.asked(&all, ("POST", &plan), json!({}), 200).await;
    let effects = &plan["effects"];
    assert_eq!(
        (&effects["members"], &effects["gains"][0]["members"]),
        (&json!(4), &json!(4)),
        "{plan}"
    );
    let apply = json!({"hash": plan["hash"]});
    gateway
        .asked(&key, ("POST", &path), apply.clone(), 403)
        .await;
    // Nothing of it was done: the brake holds what it held.
    let held = brake::held(&gateway.app, gateway.workspace.id, None, 100).await;
    assert_eq!(held.unwrap().len(), 4);
    gateway.asked(&all, ("POST", &path), apply, 200).await;
    let held = brake::held(&gateway.app, gateway.workspace.id, None, 100).await;
    assert_eq!(held.unwrap().len(), 0);
    assert_eq!(gateway.admins().await, before);
    gateway.check().await;
}
