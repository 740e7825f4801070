//! Admins: the last one who is in, and protected ones.

use std::time::Duration;

use gatehouse::admission::rules::{self, Missing, RuleEdit};
use gatehouse::changes::Origin;
use gatehouse::clock::Clock;
use gatehouse::error::Error;
use gatehouse::ids::MemberId;
use gatehouse::workspace::keys::{Permission, Scopes};
use gatehouse::workspace::profile::Say;
use gatehouse::workspace::status;
use serde_json::json;

use crate::gateway::{Gateway, member, operations};
use crate::keys::new_key;
use crate::members::{conflict, person, role};

// C073, C027
#[tokio::test]
async fn the_last_admin_stays_one_whatever_is_aimed_at_that_person() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let (user, ada) = person(&gateway, &scim, "ada").await;
    gateway.give(ada, role("admin")).await.unwrap();
    let epoch = gateway.epoch("ada@acme.example").await;
    let last = "last admin";
    conflict(gateway.suspend(ada).await, last);
    conflict(gateway.take(ada, role("admin")).await, last);
    let path = format!("/Users/{user}");
    let off = operations(json!([{"op": "replace", "path": "active", "value": false}]));
    let put = json!({"userName": "ada@acme.example", "active": false});
    for (method, body) in [("PATCH", Some(&off)), ("PUT", Some(&put)), ("DELETE", None)] {
        let (status, refused) = scim.send(method, &path, body).await;
        assert_eq!(status, 409, "{method}: {refused}");
        assert!(
            refused["detail"].as_str().unwrap().contains(last),
            "{refused}"
        );
    }
    assert_eq!(scim.send("GET", &path, None).await.1["active"], json!(true));
    assert_eq!(
        gateway.epoch("ada@acme.example").await,
        epoch,
        "nothing has happened"
    );
    assert!(gateway.listed(ada).await.roles.contains("admin"));
    // With another one, it may be.
    let (_, bob) = person(&gateway, &scim, "bob").await;
    gateway.give(bob, role("admin")).await.unwrap();
    assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    conflict(gateway.suspend(bob).await, last);
    gateway.check().await;
}

// C073: what the last admin does to that admin's own access, and what time does
#[tokio::test]
async fn the_last_admins_own_key_opens_what_it_opened_after_it_was_refused() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    let scim = gateway.scim().await;
    let rule = RuleEdit {
        directory: Some("idp".to_owned()),
        groups: Some(vec!["Admins".to_owned()]),
        roles: Some(vec!["admin".to_owned()]),
        until: Say::Set(clock.now().after(Duration::from_hours(48))),
        ..RuleEdit::default()
    };
    let (app, workspace) = (&gateway.app, &gateway.workspace);
    let by = (&Origin::cli(), &Scopes::everything());
    rules::create(app, by, workspace.id, rule, Missing::Refuse)
        .await
        .unwrap();
    let (user, ada) = person(&gateway, &scim, "ada").await;
    let group = json!({"displayName": "Admins", "members": [member(&user)]});
    scim.created("/Groups", &group).await;
    gateway.give(ada, role("admin")).await.unwrap();
    let mut new = new_key(&Permission::OF_WORKSPACE);
    new.member = Some(ada);
    let (_, key) = gateway.key_of(Some(workspace), new).await;
    let own = format!("/workspaces/acme/members/{ada}");
    let api = async |method: &str, path: &str| gateway.api(&key, method, path, None).await;
    // By hand and by a rule: the one goes, and with the rule's end in sight nothing is to be had.
    assert_eq!(
        api("DELETE", &format!("{own}/roles/admin")).await.status,
        204
    );
    clock.advance(Duration::from_hours(72));
    gateway.work().await;
    assert!(gateway.listed(ada).await.roles.contains("admin"));
    let refused = api("POST", &format!("{own}/suspend")).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(refused.text.contains("last admin"), "{}", refused.text);
    assert_eq!(api("GET", &own).await.status, 200);
    gateway.check().await;
}

// C073, C027: of a change that concerns others as well
#[tokio::test]
async fn of_a_wider_change_the_last_admins_grant_alone_is_kept() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    gateway.rule(&["Admins"], "Leads").await;
    let rule = gatehouse::admission::rules::NewRule {
        directory: "idp".to_owned(),
        groups: vec!["Admins".to_owned()],
        roles: vec!["admin".to_owned()],
        ..Default::default()
    };
    let (app, workspace) = (&gateway.app, &gateway.workspace);
    gatehouse::admission::rules::add(app, &Origin::cli(), workspace, rule)
        .await
        .unwrap();
    let (one, ada) = person(&gateway, &scim, "ada").await;
    let (two, bob) = person(&gateway, &scim, "bob").await;
    let both = json!({"displayName": "Admins", "members": [member(&one), member(&two)]});
    let admins = scim.created("/Groups", &both).await;
    let path = format!("/Groups/{admins}");
    let is_admin = async |id| gateway.listed(id).await.roles.contains("admin");
    let count = async || usize::from(is_admin(ada).await) + usize::from(is_admin(bob).await);
    assert_eq!(count().await, 2);
    // Everybody is taken out of the group: one stays.
    let none = operations(json!([{"op": "replace", "path": "members", "value": []}]));
    assert_eq!(scim.send("PATCH", &path, Some(&none)).await.0, 200);
    assert_eq!(count().await, 1);
    assert_eq!(gateway.in_team("Leads").await, 0, "the rest applies");
    gateway.check().await;
    // It is kept over whatever settles it again.
    let back = operations(json!([{"op": "add", "path": "members", "value": [member(&one)]}]));
    assert_eq!(scim.send("PATCH", &path, Some(&back)).await.0, 200);
    assert!(is_admin(ada).await);
    // The group goes away, and the rule with it.
    assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    gateway.work().await;
    assert!(count().await >= 1);
    assert_eq!(gateway.in_team("Leads").await, 0);
    // Who gets another admin loses what was kept, the next time that somebody looks.
    let (_, eve) = person(&gateway, &scim, "eve").await;
    gateway.give(eve, role("admin")).await.unwrap();
    scim.created("/Groups", &both).await;
    let groups = scim
        .send(
            "GET",
            "/Groups?filter=displayName%20eq%20%22Admins%22",
            None,
        )
        .await
        .1;
    let path = format!("/Groups/{}", groups["Resources"][0]["id"].as_str().unwrap());
    assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    gateway.check().await;
}

// C074
#[tokio::test]
async fn of_admins_who_remove_each_other_one_is_left() {
    let gateway = Gateway::new().await;
    let mut admins = Vec::new();
    let scim = gateway.scim().await;
    for name in ["a", "b", "c"] {
        let (_, id) = person(&gateway, &scim, name).await;
        admins.push(id);
    }
    for trial in 0..60 {
        for id in &admins {
            gateway.activate(*id).await.unwrap();
            gateway.give(*id, role("admin")).await.unwrap();
        }
        let act = async |id: MemberId| {
            if trial % 2 == 0 {
                gateway.suspend(id).await
            } else {
                gateway.take(id, role("admin")).await
            }
        };
        let outcomes = tokio::join!(act(admins[0]), act(admins[1]), act(admins[2]));
        let refused = [outcomes.0, outcomes.1, outcomes.2]
            .into_iter()
            .filter(|outcome| matches!(outcome, Err(Error::Conflict(_))));
        assert_eq!(refused.count(), 1);
        let mut left = 0;
        for id in &admins {
            left += usize::from(gateway.listed(*id).await.roles.contains("admin"));
        }
        assert_eq!(left, 1);
    }
    gateway.check().await;
}

#[tokio::test]
async fn a_protected_admin_is_taken_away_by_nobody() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let (user, ada) = person(&gateway, &scim, "ada").await;
    let (_, bob) = person(&gateway, &scim, "bob").await;
    for id in [ada, bob] {
        gateway.give(id, role("admin")).await.unwrap();
    }
    let which = (gateway.workspace.id, ada);
    let protect = async |on| status::protect(&gateway.app, &Origin::cli(), which, on).await;
    protect(true).await.unwrap();
    conflict(gateway.suspend(ada).await, "protected");
    conflict(gateway.take(ada, role("admin")).await, "protected");
    let off = operations(json!([{"op": "replace", "path": "active", "value": false}]));
    let path = format!("/Users/{user}");
    assert_eq!(scim.send("PATCH", &path, Some(&off)).await.0, 409);
    assert_eq!(scim.send("DELETE", &path, None).await.0, 409);
    assert!(gateway.listed(ada).await.roles.contains("admin"));
    protect(false).await.unwrap();
    assert_eq!(scim.send("PATCH", &path, Some(&off)).await.0, 200);
    gateway.check().await;
}

// C027, C073: aimed at that one person, by each request that takes somebody out of a group
#[tokio::test]
async fn a_group_gives_up_its_last_admin_alone_by_no_request() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    admins_by_group(&gateway).await;
    let (one, ada) = person(&gateway, &scim, "ada").await;
    let (two, _) = person(&gateway, &scim, "bob").await;
    let group = json!({"displayName": "Admins", "members": [member(&one)]});
    let id = scim.created("/Groups", &group).await;
    let path = format!("/Groups/{id}");
    let one_out = json!([{"op": "remove", "path": format!("members[value eq \"{one}\"]")}]);
    let none = json!([{"op": "remove", "path": "members"}]);
    let empty = json!([{"op": "replace", "path": "members", "value": []}]);
    let put = json!({"displayName": "Admins", "members": []});
    let bulk = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [{"method": "PATCH", "path": path, "data": operations(one_out.clone())}],
    });
    let before = gateway.count("changes").await;
    let shown = scim.send("GET", &path, None).await.1;
    for patch in [one_out, none, empty] {
        let (status, refused) = scim.send("PATCH", &path, Some(&operations(patch))).await;
        assert_eq!(status, 409, "{refused}");
        assert!(refused["detail"].as_str().unwrap().contains("last admin"));
    }
    assert_eq!(scim.send("PUT", &path, Some(&put)).await.0, 409);
    let (status, answer) = scim.send("POST", "/Bulk", Some(&bulk)).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["Operations"][0]["status"], "409", "{answer}");
    assert_eq!(gateway.count("changes").await, before, "nothing happened");
    assert_eq!(scim.send("GET", &path, None).await.1, shown);
    // Whoever takes the place at once leaves an admin, and is the last one then.
    let other = json!({"displayName": "Admins", "members": [member(&two)]});
    assert_eq!(scim.send("PUT", &path, Some(&other)).await.0, 200);
    assert!(!gateway.listed(ada).await.roles.contains("admin"));
    gateway.check().await;
}

// C073: below a group within a group as well, and what is wider is noted in the request log
#[tokio::test]
async fn groups_within_groups_keep_their_last_admin() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    admins_by_group(&gateway).await;
    let (one, ada) = person(&gateway, &scim, "ada").await;
    let (two, _) = person(&gateway, &scim, "bob").await;
    let inner = json!({"displayName": "Inner", "members": [member(&one), member(&two)]});
    let inner = scim.created("/Groups", &inner).await;
    let outer = json!({"displayName": "Admins", "members": [member(&inner)]});
    let outer = format!("/Groups/{}", scim.created("/Groups", &outer).await);
    let out = |id: &str| {
        let path = format!("members[value eq \"{id}\"]");
        operations(json!([{"op": "remove", "path": path}]))
    };
    let path = format!("/Groups/{inner}");
    assert_eq!(scim.send("PATCH", &path, Some(&out(&two))).await.0, 200);
    assert_eq!(scim.send("PATCH", &path, Some(&out(&one))).await.0, 409);
    assert_eq!(scim.send("PATCH", &outer, Some(&out(&inner))).await.0, 200);
    assert!(gateway.listed(ada).await.roles.contains("admin"));
    let entries = crate::request_log::logged(&gateway, &scim).await;
    assert!(entries.iter().any(|entry| entry.status == 409));
    let mut noted = entries.iter().flat_map(|entry| &entry.notes);
    assert!(
        noted.any(|note| note["reason"] == "kept_admin"),
        "{entries:?}"
    );
    gateway.check().await;
}

// C027: of a protected admin no directory takes the role away, by whichever end
#[tokio::test]
async fn what_makes_a_protected_admin_one_stays_over_groups_and_rules() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    admins_by_group(&gateway).await;
    let (one, ada) = person(&gateway, &scim, "ada").await;
    let (_, bob) = person(&gateway, &scim, "bob").await;
    gateway.give(bob, role("admin")).await.unwrap();
    let group = json!({"displayName": "Admins", "members": [member(&one)]});
    let path = format!("/Groups/{}", scim.created("/Groups", &group).await);
    let which = (gateway.workspace.id, ada);
    status::protect(&gateway.app, &Origin::cli(), which, true)
        .await
        .unwrap();
    let none = operations(json!([{"op": "replace", "path": "members", "value": []}]));
    let (status, refused) = scim.send("PATCH", &path, Some(&none)).await;
    assert_eq!(status, 409, "{refused}");
    assert!(refused["detail"].as_str().unwrap().contains("protected"));
    let (two, _) = person(&gateway, &scim, "eve").await;
    let more = operations(json!([{"op": "add", "path": "members", "value": [member(&two)]}]));
    assert_eq!(scim.send("PATCH", &path, Some(&more)).await.0, 200);
    assert_eq!(scim.send("PATCH", &path, Some(&none)).await.0, 200);
    assert!(gateway.listed(ada).await.roles.contains("admin"));
    assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    gateway.work().await;
    assert!(gateway.listed(ada).await.roles.contains("admin"));
    // Protected no longer, and there is another admin.
    status::protect(&gateway.app, &Origin::cli(), which, false)
        .await
        .unwrap();
    gateway.work().await;
    assert!(!gateway.listed(ada).await.roles.contains("admin"));
    gateway.check().await;
}

// C073: of admins who are all kept, one is not let go
#[tokio::test]
async fn of_two_admins_who_are_both_kept_one_is_left() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    admins_by_group(&gateway).await;
    let (one, ada) = person(&gateway, &scim, "ada").await;
    let (two, bob) = person(&gateway, &scim, "bob").await;
    let (_, eve) = person(&gateway, &scim, "eve").await;
    let group = json!({"displayName": "Admins", "members": [member(&one), member(&two)]});
    let path = format!("/Groups/{}", scim.created("/Groups", &group).await);
    let protect = async |id, on| {
        let which = (gateway.workspace.id, id);
        status::protect(&gateway.app, &Origin::cli(), which, on)
            .await
            .unwrap();
    };
    for id in [ada, bob] {
        protect(id, true).await;
    }
    assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    for id in [ada, bob] {
        protect(id, false).await;
    }
    gateway.give(eve, role("user")).await.unwrap();
    gateway.work().await;
    let is_admin = async |id| gateway.listed(id).await.roles.contains("admin");
    assert!(is_admin(ada).await || is_admin(bob).await);
    gateway.check().await;
}

// C073: after a restore everybody is held, and the last admin is one all the same
#[tokio::test]
async fn the_last_admin_whom_a_restore_holds_cannot_be_taken_away() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    admins_by_group(&gateway).await;
    let (one, ada) = person(&gateway, &scim, "ada").await;
    let group = json!({"displayName": "Admins", "members": [member(&one)]});
    let path = format!("/Groups/{}", scim.created("/Groups", &group).await);
    let (id, now) = (gateway.workspace.id, gateway.app.clock.now());
    let held = gateway.app.write(move |tx| {
        Box::pin(async move { Ok(gatehouse::store::members::hold(tx, id, now).await?) })
    });
    assert_eq!(held.await.unwrap(), 1);
    assert_eq!(
        scim.send("DELETE", &format!("/Users/{one}"), None).await.0,
        409
    );
    assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    gateway.work().await;
    let which = (gateway.workspace.id, ada);
    let by = (&Origin::cli(), &Scopes::everything());
    status::activate(&gateway.app, by, which).await.unwrap();
    assert!(gateway.listed(ada).await.roles.contains("admin"));
    gateway.check().await;
}

async fn admins_by_group(gateway: &Gateway) {
    let rule = gatehouse::admission::rules::NewRule {
        directory: "idp".to_owned(),
        groups: vec!["Admins".to_owned()],
        roles: vec!["admin".to_owned()],
        ..Default::default()
    };
    let (app, workspace) = (&gateway.app, &gateway.workspace);
    gatehouse::admission::rules::add(app, &Origin::cli(), workspace, rule)
        .await
        .unwrap();
}

// C073: what a rule gave and gives no longer is no way in
#[tokio::test]
async fn a_grant_whose_rule_has_ended_does_not_count_for_an_admin() {
    let gateway = Gateway::with(|config| {
        config.scim.run_threshold = 2;
        config.scim.run_batch = 1;
    })
    .await;
    let scim = gateway.scim().await;
    admins_by_group(&gateway).await;
    let mut ids = Vec::new();
    for name in ["ada", "bob", "eve"] {
        ids.push(person(&gateway, &scim, name).await);
    }
    let members: Vec<_> = ids.iter().map(|(user, _)| member(user)).collect();
    let group = json!({"displayName": "Admins", "members": members});
    let path = format!("/Groups/{}", scim.created("/Groups", &group).await);
    gateway.work().await;
    let ada = ids[0].1;
    gateway.give(ada, role("admin")).await.unwrap();
    // The run that takes the group apart has not come to anybody yet.
    assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    conflict(gateway.take(ada, role("admin")).await, "last admin");
    gateway.work().await;
    assert!(gateway.listed(ada).await.roles.contains("admin"));
    gateway.check().await;
}

#[tokio::test]
async fn what_was_kept_for_the_last_admin_ends_once_there_is_another() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    admins_by_group(&gateway).await;
    let (one, ada) = person(&gateway, &scim, "ada").await;
    let group = json!({"displayName": "Admins", "members": [member(&one)]});
    let path = format!("/Groups/{}", scim.created("/Groups", &group).await);
    assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    gateway.work().await;
    assert!(gateway.listed(ada).await.roles.contains("admin"));
    // What is kept already is nothing that another change of groups is about.
    gateway.rule(&["Crew"], "Crew").await;
    let crew = json!({"displayName": "Crew", "members": [member(&one)]});
    let crew = format!("/Groups/{}", scim.created("/Groups", &crew).await);
    let out = json!([{"op": "remove", "path": format!("members[value eq \"{one}\"]")}]);
    assert_eq!(
        scim.send("PATCH", &crew, Some(&operations(out))).await.0,
        200
    );
    assert!(gateway.listed(ada).await.teams.is_empty());
    let (_, bob) = person(&gateway, &scim, "bob").await;
    gateway.give(bob, role("admin")).await.unwrap();
    gateway.work().await;
    assert!(!gateway.listed(ada).await.roles.contains("admin"));
    gateway.check().await;
}
