//! Groups within groups: many at once, against a model, and under `gatehouse verify`.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse::store::verify::{CHECKS, count_faults};
use gatehouse::workspace::members;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;

use crate::gateway::{Gateway, Scim, member, users};
use crate::nesting::{add, group, groups, patch, remove};

/// Two groups, or three, are each put into the next at once: one of the edges is refused.
#[tokio::test(flavor = "multi_thread")]
async fn no_circle_closes_however_many_halves_come_at_once() {
    const TRIALS: usize = 300;
    const AT_ONCE: usize = 4;
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let mut rings = Vec::new();
    for ring in 0..AT_ONCE {
        let scim = scim.clone();
        rings.push(tokio::spawn(async move {
            let mut ids = Vec::new();
            for at in 0..3 {
                ids.push(group(&scim, &format!("R{ring}-{at}"), &[]).await);
            }
            for trial in 0..TRIALS / AT_ONCE {
                let ring = &ids[..2 + trial % 2];
                let mut halves = Vec::new();
                for (at, outer) in ring.iter().enumerate() {
                    let inner = ring[(at + 1) % ring.len()].clone();
                    let (scim, outer) = (scim.clone(), outer.clone());
                    halves.push(tokio::spawn(async move {
                        (add(&scim, &outer, &inner).await, outer)
                    }));
                }
                let mut made = Vec::new();
                for half in halves {
                    match half.await.unwrap() {
                        (200, outer) => made.push(outer),
                        (status, _) => assert_eq!(status, 409),
                    }
                }
                assert_eq!(made.len(), ring.len() - 1, "trial {trial}");
                for outer in made {
                    let clear = json!({"op": "remove", "path": "members"});
                    assert_eq!(patch(&scim, &outer, clear).await, 200);
                }
            }
        }));
    }
    for ring in rings {
        ring.await.unwrap();
    }
    assert_eq!(gateway.count("nestings").await, 0);
    gateway.check().await;
}

/// Somebody joins or leaves the inner group in the moment in which it joins or leaves the outer one:
/// whichever comes last must see the other.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_slips_through_between_a_group_and_the_one_that_holds_it() {
    const ROUNDS: usize = 4;
    const TRIALS: usize = 15;
    const AT_ONCE: usize = 4;
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    for round in 0..ROUNDS {
        let lanes = (0..AT_ONCE).map(|lane| slip(&gateway, &scim, (round, lane), TRIALS));
        futures_util::future::join_all(lanes).await;
        gateway.check().await;
    }
}

async fn slip(gateway: &Gateway, scim: &Scim, (round, lane): (usize, usize), trials: usize) {
    let team = format!("T{lane}");
    let name = |text: &str| format!("{text}{round}-{lane}");
    let ids = users(scim, &name("u"), 2).await;
    let inner = group(scim, &name("Inner"), &[]).await;
    // The way has a group between, which is what is nested and un-nested.
    let middle = group(scim, &name("Middle"), &[&inner]).await;
    let outer = group(scim, &name("Outer"), &[]).await;
    gateway.rule(&[&name("Outer")], &team).await;
    for trial in 0..trials {
        let (ada, bob) = (&ids[trial % 2], &ids[(trial + 1) % 2]);
        let done = tokio::join!(add(scim, &inner, ada), add(scim, &outer, &middle));
        assert_eq!(done, (200, 200));
        assert_eq!(gateway.in_team(&team).await, 1, "both halves are there");
        let done = tokio::join!(add(scim, &inner, bob), remove(scim, &outer, &middle));
        assert_eq!(done, (200, 200));
        assert_eq!(gateway.in_team(&team).await, 0, "the way is gone");
        let done = tokio::join!(remove(scim, &inner, ada), add(scim, &outer, &middle));
        assert_eq!(done, (200, 200));
        assert_eq!(gateway.in_team(&team).await, 1, "one has left");
        let value = json!([member(ada)]);
        let replace = json!({"op": "replace", "path": "members", "value": value});
        let done = tokio::join!(patch(scim, &inner, replace), remove(scim, &outer, &middle));
        assert_eq!(done, (200, 200));
        assert_eq!(gateway.in_team(&team).await, 0, "nobody is left over");
        assert_eq!(remove(scim, &inner, ada).await, 200);
    }
}

/// A group goes away while it is put into another, while somebody joins it, and while one of its
/// members goes away.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_goes_away_leaves_no_edge_and_no_grant() {
    const TRIALS: usize = 40;
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    gateway.rule(&["Outer"], "Outer").await;
    let outer = group(&scim, "Outer", &[]).await;
    for trial in 0..TRIALS {
        let ids = users(&scim, &format!("t{trial}-"), 2).await;
        let leaf = group(&scim, &format!("Leaf{trial}"), &[&ids[0]]).await;
        let inner = group(&scim, &format!("Inner{trial}"), &[&leaf]).await;
        if trial % 2 == 0 {
            assert_eq!(add(&scim, &outer, &inner).await, 200);
        }
        let (inner_path, user_path) = (format!("/Groups/{inner}"), format!("/Users/{}", ids[0]));
        let (gone, nested, joined, left) = tokio::join!(
            scim.send("DELETE", &inner_path, None),
            add(&scim, &outer, &inner),
            add(&scim, &leaf, &ids[1]),
            scim.send("DELETE", &user_path, None),
        );
        assert_eq!((gone.0, nested, joined, left.0), (204, 200, 200, 204));
        assert!(scim.members(&outer).await.is_empty());
        assert_eq!(gateway.in_team("Outer").await, 0);
        assert_eq!(scim.members(&leaf).await, [ids[1].clone()].into());
    }
    assert_eq!(gateway.count("nestings").await, 0);
    gateway.check().await;
}

/// Access by a large group ends with the request that takes the group out or away; what a large
/// group brings is a run's.
#[tokio::test]
async fn a_large_group_within_loses_its_access_at_once_and_gets_it_by_a_run() {
    let gateway = Gateway::with(|config| {
        config.scim.run_threshold = 10;
        config.scim.run_batch = 7;
    })
    .await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    gateway.rule(&["Outer"], "Outer").await;
    let ids = users(&scim, "u", 25).await;
    let most: Vec<_> = ids[..20].iter().collect();
    let rest: Vec<_> = ids[20..].iter().collect();
    let leaf = group(&scim, "Leaf", &rest).await;
    let mut in_large = most.clone();
    in_large.push(&leaf);
    let large = group(&scim, "Large", &in_large).await;
    let outer = group(&scim, "Outer", &[&ids[0]]).await;
    assert_eq!(add(&scim, &outer, &large).await, 200);
    assert_eq!(gateway.count("runs").await, 1);
    // Requests meanwhile settle for themselves.
    assert_eq!(gateway.in_team("Outer").await, 1);
    assert_eq!(remove(&scim, &leaf, &ids[24]).await, 200);
    assert_eq!(add(&scim, &leaf, &ids[24]).await, 200);
    assert_eq!(gateway.in_team("Outer").await, 2);
    gateway.check().await;
    assert_eq!(gateway.in_team("Outer").await, 25);
    // Taken out: now.
    assert_eq!(remove(&scim, &outer, &large).await, 200);
    assert_eq!(gateway.in_team("Outer").await, 1);
    // A rule over a group of few with many below is a run.
    assert_eq!(add(&scim, &outer, &large).await, 200);
    gateway.rule(&["Outer"], "Second").await;
    assert_eq!(gateway.in_team("Second").await, 0, "planned");
    gateway.check().await;
    assert_eq!(gateway.in_team("Second").await, 25);
    // Away: the access ends now, the rows by a run.
    gateway.rule(&["Large"], "Large").await;
    gateway.check().await;
    assert_eq!(gateway.in_team("Large").await, 25);
    let gone = scim.send("DELETE", &format!("/Groups/{large}"), None).await;
    assert_eq!(gone.0, 204);
    assert_eq!(gateway.in_team("Outer").await, 1);
    assert_eq!(gateway.in_team("Second").await, 1);
    assert_eq!(gateway.in_team("Large").await, 0);
    assert_eq!(gateway.count("nestings").await, 0);
    assert_eq!(gateway.count("memberships").await, 26);
    assert!(groups(&scim, &ids[3]).await.is_empty());
    gateway.check().await;
    assert_eq!(gateway.count("memberships").await, 6);
    assert_eq!(scim.members(&outer).await, [ids[0].clone()].into());
}

#[derive(Debug, Clone)]
enum Step {
    Nest(usize, usize),
    Unnest(usize, usize),
    Add(usize, usize),
    Remove(usize, usize),
    Replace(usize, BTreeSet<usize>, BTreeSet<usize>),
    DeleteUser(usize),
    DeleteGroup(usize),
}

const USERS: usize = 6;
const GROUPS: usize = 7;

fn step() -> impl Strategy<Value = Step> {
    let some = |most: usize| prop::collection::btree_set(0..most, 0..3);
    prop_oneof![
        8 => (0..GROUPS, 0..GROUPS).prop_map(|(outer, inner)| Step::Nest(outer, inner)),
        4 => (0..GROUPS, 0..GROUPS).prop_map(|(outer, inner)| Step::Unnest(outer, inner)),
        6 => (0..GROUPS, 0..USERS).prop_map(|(group, user)| Step::Add(group, user)),
        3 => (0..GROUPS, 0..USERS).prop_map(|(group, user)| Step::Remove(group, user)),
        3 => (0..GROUPS, some(USERS), some(GROUPS))
            .prop_map(|(group, users, groups)| Step::Replace(group, users, groups)),
        1 => (0..USERS).prop_map(Step::DeleteUser),
        1 => (0..GROUPS).prop_map(Step::DeleteGroup),
    ]
}

/// The simplest thing that is right: who was put into what, and rules over some groups.
#[derive(Default)]
struct Model {
    users: Vec<String>,
    groups: Vec<String>,
    edges: BTreeSet<(String, String)>,
    /// Team by the groups that must all hold.
    rules: BTreeMap<String, Vec<String>>,
}

impl Model {
    fn holds(&self, outer: &str, inner: &str) -> bool {
        let own = self.edges.iter().filter(|(group, _)| group == outer);
        let mut own = own.map(|(_, member)| member);
        own.any(|member| member == inner || self.holds(member, inner))
    }

    fn expected(&self, user: &str) -> BTreeSet<(String, String)> {
        let held = self.groups.iter().filter(|group| self.holds(group, user));
        let kind = |group: &String| {
            let is_own = self.edges.contains(&(group.clone(), user.to_owned()));
            if is_own { "direct" } else { "indirect" }.to_owned()
        };
        held.map(|group| (group.clone(), kind(group))).collect()
    }

    fn teams(&self, user: &str) -> BTreeSet<String> {
        let rules = self.rules.iter();
        let hold = rules.filter(|(_, groups)| groups.iter().all(|group| self.holds(group, user)));
        hold.map(|(team, _)| team.clone()).collect()
    }

    fn forget(&mut self, id: &str) {
        self.edges
            .retain(|(group, member)| group != id && member != id);
        self.rules
            .retain(|_, groups| !groups.iter().any(|group| group == id));
    }

    /// Whether the members of a group may be these: no group that holds it.
    fn allows(&self, group: &str, members: &BTreeSet<String>) -> bool {
        let mut members = members.iter();
        members.all(|member| member != group && !self.holds(member, group))
    }
}

async fn take(scim: &Scim, model: &mut Model, at: usize, step: Step) {
    let (users, groups) = (model.users.clone(), model.groups.clone());
    match step {
        Step::Nest(outer, inner) => {
            let (outer, inner) = (&groups[outer], &groups[inner]);
            let is_allowed = model.allows(outer, &[inner.clone()].into());
            let status = add(scim, outer, inner).await;
            assert_eq!(status, if is_allowed { 200 } else { 409 });
            if is_allowed {
                model.edges.insert((outer.clone(), inner.clone()));
            }
        }
        Step::Unnest(outer, inner) => {
            assert_eq!(remove(scim, &groups[outer], &groups[inner]).await, 200);
            let edge = (groups[outer].clone(), groups[inner].clone());
            model.edges.remove(&edge);
        }
        Step::Add(group, user) => {
            assert_eq!(add(scim, &groups[group], &users[user]).await, 200);
            let edge = (groups[group].clone(), users[user].clone());
            model.edges.insert(edge);
        }
        Step::Remove(group, user) => {
            assert_eq!(remove(scim, &groups[group], &users[user]).await, 200);
            let edge = (groups[group].clone(), users[user].clone());
            model.edges.remove(&edge);
        }
        Step::Replace(group, own_users, own_groups) => {
            let group = &groups[group];
            let own = own_users.iter().map(|at| users[*at].clone());
            let own: BTreeSet<String> = own
                .chain(own_groups.iter().map(|at| groups[*at].clone()))
                .collect();
            let value: Vec<_> = own.iter().map(|id| member(id)).collect();
            let replace = json!({"op": "replace", "path": "members", "value": value});
            let is_allowed = model.allows(group, &own);
            let status = patch(scim, group, replace).await;
            assert_eq!(status, if is_allowed { 200 } else { 409 });
            if is_allowed {
                model.edges.retain(|(outer, _)| outer != group);
                let edges = own.into_iter().map(|id| (group.clone(), id));
                model.edges.extend(edges);
            }
        }
        Step::DeleteUser(user) => {
            let path = format!("/Users/{}", users[user]);
            assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
            model.forget(&users[user]);
            let fresh = crate::gateway::users(scim, &format!("n{at}-"), 1).await;
            model.users[user].clone_from(&fresh[0]);
        }
        Step::DeleteGroup(which) => {
            let path = format!("/Groups/{}", groups[which]);
            assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
            model.forget(&groups[which]);
            model.groups[which] = group(scim, &format!("N{at}"), &[]).await;
        }
    }
}

/// The teams of each active member, by the user name.
async fn teams(gateway: &Gateway) -> BTreeMap<String, BTreeSet<String>> {
    let listed = members::list(&gateway.app, gateway.workspace.id, None, 500);
    let listed = listed.await.unwrap().into_iter();
    listed
        .map(|member| (member.user_name.unwrap(), member.teams))
        .collect()
}

#[tokio::test]
async fn any_order_of_changes_gives_what_the_model_says() {
    const STEPS: usize = 350;
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    let mut model = Model {
        users: users(&scim, "u", USERS).await,
        ..Model::default()
    };
    for at in 0..GROUPS {
        model
            .groups
            .push(group(&scim, &format!("G{at}"), &[]).await);
    }
    for (team, asked) in [
        ("Zero", &[0][..]),
        ("One", &[1]),
        ("Both", &[2, 3]),
        ("Four", &[4]),
    ] {
        let names: Vec<_> = asked.iter().map(|at| format!("G{at}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        gateway.rule(&names, team).await;
        let ids = asked.iter().map(|at| model.groups[*at].clone()).collect();
        model.rules.insert(team.to_owned(), ids);
    }
    let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), seed);
    let (mut nested, mut granted) = (0, 0);
    for at in 0..STEPS {
        let step = step().new_tree(&mut runner).unwrap().current();
        // Rules go with their groups, so that these stay for most of the time.
        let is_early = at < STEPS * 2 / 3;
        if is_early && matches!(step, Step::DeleteGroup(..5)) {
            continue;
        }
        let told = format!("{at}: {step:?}");
        take(&scim, &mut model, at, step).await;
        let teams = teams(&gateway).await;
        for user in &model.users {
            let (_, body) = scim.send("GET", &format!("/Users/{user}"), None).await;
            let own = &teams[body["userName"].as_str().unwrap()];
            assert_eq!(*own, model.teams(user), "{told}");
            granted += own.len();
            if at % 5 == 0 {
                let found = groups(&scim, user).await;
                assert_eq!(found, model.expected(user), "{told}");
                nested += found.iter().filter(|(_, kind)| kind == "indirect").count();
            }
        }
    }
    assert!(nested > 100 && granted > 300, "{nested} {granted}");
    gateway.check().await;
}

/// The promises that `gatehouse verify` finds broken.
async fn broken(gateway: &Gateway) -> Vec<&'static str> {
    let mut tx = gateway.app.db.read().await.unwrap();
    let mut broken = Vec::new();
    for check in CHECKS {
        if count_faults(&mut tx, check).await.unwrap() > 0 {
            broken.push(check.holds);
        }
    }
    broken
}

#[tokio::test]
async fn verify_finds_what_nested_groups_may_not_be() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    gateway.rule(&["Outer"], "Outer").await;
    let ada = users(&scim, "ada", 1).await.remove(0);
    let inner = group(&scim, "Inner", &[&ada]).await;
    let middle = group(&scim, "Middle", &[&inner]).await;
    group(&scim, "Outer", &[&middle]).await;
    gateway.check().await;
    for (harm, promise) in [
        (
            "INSERT INTO nestings (workspace, directory, group_id, member_id) \
             SELECT a.workspace, a.directory, a.member_id, b.group_id FROM nestings a \
             JOIN nestings b ON b.member_id = a.group_id",
            "no group is a member of itself",
        ),
        (
            "UPDATE user_groups SET deleted_at = 1 WHERE display = 'Middle'",
            "a group is a member of live groups",
        ),
        (
            "DELETE FROM nestings",
            "every effective grant of a rule is wanted",
        ),
    ] {
        gateway
            .app
            .write(move |tx| Box::pin(async move { Ok(tx.query(harm).execute().await?) }))
            .await
            .unwrap();
        let found = broken(&gateway).await;
        let is_found = found.iter().any(|holds| holds.starts_with(promise));
        assert!(is_found, "{promise}: {found:?}");
    }
}

#[tokio::test]
async fn verify_finds_a_grant_that_is_missing_below() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    gateway.rule(&["Outer"], "Outer").await;
    let ada = users(&scim, "ada", 1).await.remove(0);
    let inner = group(&scim, "Inner", &[&ada]).await;
    group(&scim, "Outer", &[&inner]).await;
    gateway.check().await;
    gateway
        .app
        .write(|tx| Box::pin(async move { Ok(tx.query("DELETE FROM grants").execute().await?) }))
        .await
        .unwrap();
    let found = broken(&gateway).await;
    let due = "whoever is in the groups of a live rule";
    assert!(
        found.iter().any(|holds| holds.starts_with(due)),
        "{found:?}"
    );
}
