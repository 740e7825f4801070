//! The last admin who was kept is kept no longer once another one is in, whatever brought that one in;
//! and who of several is kept.

use std::time::Duration;

use gatehouse::admission::exit::{self, End, Leaving};
use gatehouse::admission::holds;
use gatehouse::admission::plans::{self, Proposal};
use gatehouse::admission::rules::{self, Missing, NewRule, RuleEdit};
use gatehouse::admission::runs;
use gatehouse::changes::Origin;
use gatehouse::clock::Clock;
use gatehouse::ids::MemberId;
use gatehouse::scim::etag::Precondition;
use gatehouse::workspace::keys::Scopes;
use gatehouse::workspace::members::Status;
use gatehouse::workspace::seats::SeatPolicy;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, member, operations, users};
use crate::members::{person, role};

fn active(is: bool) -> Value {
    operations(json!([{"op": "replace", "path": "active", "value": is}]))
}

/// Ada, whom a rule makes an admin, and the path of the group by which it does.
pub(crate) async fn by_rule(gateway: &Gateway, scim: &Scim) -> (MemberId, String) {
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
    // Another one who is out, so that whoever empties the group is not after Ada alone.
    let zoe = json!({"userName": "zoe@acme.example", "active": false});
    let zoe = scim.created("/Users", &zoe).await;
    let group = json!({"displayName": "Admins", "members": [member(&user), member(&zoe)]});
    let group = scim.created("/Groups", &group).await;
    (ada, format!("/Groups/{group}"))
}

/// Takes everybody out of the group: Ada stays what she is, for there is no other.
pub(crate) async fn keep(gateway: &Gateway, scim: &Scim, (ada, group): (MemberId, &str)) {
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

/// A way in which all admins lose the role at once.
#[derive(Debug, Clone, Copy)]
enum Way {
    Emptied,
    Deleted,
    Ended,
    Overtaken,
}

/// Takes the role from three whom a rule made admins, of whom the second became one that much earlier;
/// who was there first comes first. Tells who is one still, when runs take so many at a time.
async fn still_admins(way: Way, earlier: Duration, batch: i64) -> Vec<usize> {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |config| {
        config.scim.run_threshold = 1;
        config.scim.run_batch = batch;
    })
    .await;
    let scim = gateway.scim().await;
    let mut people = Vec::new();
    for name in ["ada", "bob", "eve"] {
        people.push(person(&gateway, &scim, name).await);
    }
    let rule = NewRule {
        directory: "idp".to_owned(),
        groups: vec!["Admins".to_owned()],
        roles: vec!["admin".to_owned()],
        ..NewRule::default()
    };
    let (app, workspace) = (&gateway.app, &gateway.workspace);
    let (origin, scopes) = (Origin::cli(), Scopes::everything());
    let rule = rules::add(app, &origin, workspace, rule).await.unwrap().id;
    let group = json!({"displayName": "Admins", "members": [member(&people[1].0)]});
    let path = format!("/Groups/{}", scim.created("/Groups", &group).await);
    clock.advance(earlier);
    let all: Vec<Value> = people.iter().map(|(user, _)| member(user)).collect();
    let join = operations(json!([{"op": "add", "path": "members", "value": all}]));
    assert_eq!(scim.send("PATCH", &path, Some(&join)).await.0, 200);
    let all = json!({"displayName": "All", "members": all});
    scim.created("/Groups", &all).await;
    let admins = async || {
        gateway.work().await;
        gateway.check().await;
        let mut admins = Vec::new();
        for (at, (_, id)) in people.iter().enumerate() {
            if gateway.listed(*id).await.roles.contains("admin") {
                admins.push(at);
            }
        }
        admins
    };
    assert_eq!(admins().await, [0, 1, 2]);
    match way {
        Way::Emptied => {
            let none = json!({"displayName": "Admins", "members": []});
            assert_eq!(scim.send("PUT", &path, Some(&none)).await.0, 200);
        }
        Way::Deleted => assert_eq!(scim.send("DELETE", &path, None).await.0, 204),
        Way::Ended => {
            let (by, which) = ((&origin, &scopes), (workspace.id, rule));
            let ended = rules::end(app, by, which, Precondition::default());
            ended.await.unwrap();
        }
        Way::Overtaken => {
            let rule = RuleEdit {
                directory: Some("idp".to_owned()),
                groups: Some(vec!["All".to_owned()]),
                teams: Some(vec!["Crew".to_owned()]),
                priority: Some(1),
                stop: Some(true),
                ..RuleEdit::default()
            };
            let by = (&origin, &scopes);
            let made = rules::create(app, by, workspace.id, rule, Missing::Make);
            made.await.unwrap();
        }
    }
    admins().await
}

// C073: whichever way, and however many are looked at together
#[tokio::test]
async fn of_all_admins_the_one_who_has_been_one_longest_is_kept() {
    for way in [Way::Emptied, Way::Deleted, Way::Ended, Way::Overtaken] {
        for batch in [1, 500] {
            let kept = still_admins(way, Duration::from_hours(1), batch).await;
            assert_eq!(kept, [1], "{way:?} by {batch}");
        }
        // Of those who became admins at once, who was there first.
        let kept = still_admins(way, Duration::ZERO, 2).await;
        assert_eq!(kept, [0], "{way:?}");
    }
}

// C073
#[tokio::test]
async fn by_a_rule_that_makes_another_one() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let (ada, group) = by_rule(&gateway, &scim).await;
    let (user, bob) = person(&gateway, &scim, "bob").await;
    keep(&gateway, &scim, (ada, &group)).await;
    let join = operations(json!([{"op": "add", "path": "members", "value": [member(&user)]}]));
    assert_eq!(scim.send("PATCH", &group, Some(&join)).await.0, 200);
    gateway.work().await;
    is_let_go(&gateway, (ada, bob)).await;
}

// C073: whom a run had yet to come to, and who got out of its way
#[tokio::test]
async fn by_the_end_of_a_run_that_leaves_another_one_what_he_is() {
    let gateway = Gateway::with(|config| config.scim.run_threshold = 2).await;
    let scim = gateway.scim().await;
    let (ada, group) = by_rule(&gateway, &scim).await;
    let (user, bob) = person(&gateway, &scim, "bob").await;
    let change = async |path: &str, op: &str, users: &[&str]| {
        let of: Vec<Value> = users.iter().map(|user| member(user)).collect();
        let body = operations(json!([{"op": op, "path": "members", "value": of}]));
        assert_eq!(scim.send("PATCH", path, Some(&body)).await.0, 200);
        gateway.work().await;
    };
    change(&group, "add", &[&user]).await;
    let ids = users(&scim, "u", 3).await;
    let night: Vec<Value> = ids.iter().chain([&user]).map(|id| member(id)).collect();
    let night = json!({"displayName": "Night", "members": night});
    let night = format!("/Groups/{}", scim.created("/Groups", &night).await);
    // Whoever is on duty at night is no admin then.
    let rule = RuleEdit {
        directory: Some("idp".to_owned()),
        groups: Some(vec!["Admins".to_owned(), "Night".to_owned()]),
        teams: Some(vec!["Night".to_owned()]),
        priority: Some(1),
        stop: Some(true),
        ..RuleEdit::default()
    };
    let (app, workspace) = (&gateway.app, gateway.workspace.id);
    let (origin, scopes) = (Origin::cli(), Scopes::everything());
    let by = (&origin, &scopes);
    let made = rules::create(app, by, workspace, rule, Missing::Make).await;
    let run = made.unwrap().run.unwrap();
    let planned = runs::find(app, workspace, run).await.unwrap().unwrap();
    runs::step(app, &planned).await.unwrap();
    runs::pause(app, by, (workspace, run)).await.unwrap();
    let all = scim.members(group.trim_start_matches("/Groups/")).await;
    let others: Vec<&str> = all
        .iter()
        .map(String::as_str)
        .filter(|id| *id != user)
        .collect();
    assert_eq!(others.len(), 2);
    change(&group, "remove", &others).await;
    assert!(gateway.listed(ada).await.roles.contains("admin"), "is kept");
    // Bob may be about to lose the role: nobody is let go, and kept again, for him.
    let (_, eve) = person(&gateway, &scim, "eve").await;
    gateway.give(eve, role("user")).await.unwrap();
    gateway.work().await;
    let held = "grants WHERE hold = 'last_admin' AND to_at IS NULL";
    let kept = "changes WHERE kind = 'member.last_admin_kept'";
    assert_eq!(
        (gateway.count(held).await, gateway.count(kept).await),
        (1, 1)
    );
    change(&night, "remove", &[&user]).await;
    runs::resume(app, by, (workspace, run)).await.unwrap();
    gateway.work().await;
    is_let_go(&gateway, (ada, bob)).await;
}

// C073: so it is where people leave, and not a role alone
#[tokio::test]
async fn of_admins_whose_directory_ends_the_one_who_has_been_one_longest_stays() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    let scim = gateway.scim().await;
    let mut people = Vec::new();
    for name in ["ada", "bob", "eve"] {
        people.push(person(&gateway, &scim, name).await.1);
    }
    for at in [1, 0, 2] {
        gateway.give(people[at], role("admin")).await.unwrap();
        clock.advance(Duration::from_mins(1));
    }
    let end = End {
        members: Leaving::Suspend,
        keep_grants: false,
    };
    let which = (gateway.workspace.id, scim.directory.id);
    let ended = exit::end(&gateway.app, &Origin::cli(), which, end).await;
    assert_eq!(ended.unwrap().skipped, 1);
    gateway.work().await;
    let mut active = Vec::new();
    for id in &people {
        active.push(gateway.listed(*id).await.status == Status::Active);
    }
    assert_eq!(active, [false, true, false]);
    gateway.check().await;
}
