//! Many at once, over sockets, against a model.

use std::collections::BTreeSet;

use crate::gateway::{Gateway, Scim, member, operations, users};
use gatehouse::changes::Origin;
use gatehouse::directory::credentials;
use gatehouse::error::Error;
use serde_json::json;

/// A client has users of its own that nobody else touches, so that what the group must hold of them
/// follows from its own acknowledged requests; one user of all is fought over.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_clients_on_one_group_lose_nothing_of_each_other() {
    const CLIENTS: usize = 20;
    const ROUNDS: usize = 12;
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    gateway.rule(&["Crew"], "Crew").await;
    let shared = users(&scim, "shared", 1).await.remove(0);
    let group = scim
        .created("/Groups", &json!({"displayName": "Crew", "members": []}))
        .await;
    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        let own = users(&scim, &format!("c{client}-"), 3).await;
        let (scim, group, shared) = (scim.clone(), format!("/Groups/{group}"), shared.clone());
        clients.push(tokio::spawn(async move {
            let mut held = BTreeSet::new();
            for round in 0..ROUNDS {
                let id = &own[round % own.len()];
                let change = match (client + round) % 4 {
                    0 | 1 => {
                        held.insert(id.clone());
                        json!([{"op": "add", "path": "members", "value": [member(id), member(&shared)]}])
                    }
                    2 => {
                        held.remove(id);
                        json!([{"op": "remove", "path": format!("members[value eq \"{id}\"]")}])
                    }
                    _ => {
                        held.insert(id.clone());
                        json!([
                            {"op": "Remove", "path": "members", "value": [member(&shared)]},
                            {"op": "replace", "value": {"displayName": "Crew"}},
                            {"op": "Add", "path": "members", "value": [member(id)]},
                        ])
                    }
                };
                let answer = scim.send("PATCH", &group, Some(&operations(change))).await;
                assert!([200, 204].contains(&answer.0), "{}: {}", answer.0, answer.1);
            }
            (own, held)
        }));
    }
    let mut expected = BTreeSet::new();
    for client in clients {
        expected.extend(client.await.unwrap().1);
    }
    let mut found = scim.members(&group).await;
    found.remove(&shared);
    assert_eq!(found, expected);
    assert_eq!(
        gateway.in_team("Crew").await,
        scim.members(&group).await.len()
    );
    replace_among_adds(&scim, &group, expected.into_iter().collect()).await;
    gateway.check().await;
    let present = scim.members(&group).await.len();
    assert_eq!(gateway.in_team("Crew").await, present);
    // All twenty delete it: one does.
    let mut deletes = Vec::new();
    for _ in 0..CLIENTS {
        let (scim, path) = (scim.clone(), format!("/Groups/{group}"));
        deletes.push(tokio::spawn(async move {
            scim.send("DELETE", &path, None).await.0
        }));
    }
    let mut statuses = Vec::new();
    for delete in deletes {
        statuses.push(delete.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses[0], 204);
    assert!(statuses[1..].iter().all(|status| *status == 404));
    assert_eq!(gateway.in_team("Crew").await, 0);
    gateway.check().await;
}

/// Ten replacements with sets of their own among ten adds: what is there afterwards is one of the
/// sets, whole, with such of the added as came behind it.
async fn replace_among_adds(scim: &Scim, group: &str, ids: Vec<String>) {
    let (added, rest) = ids.split_at(10);
    let sets: Vec<BTreeSet<String>> = (0..10)
        .map(|at| rest.iter().skip(at).step_by(10).cloned().collect())
        .collect();
    let mut writers = Vec::new();
    for (id, set) in added.iter().zip(&sets) {
        let value: Vec<_> = set.iter().map(|id| member(id)).collect();
        for change in [
            json!([{"op": "replace", "path": "members", "value": value}]),
            json!([{"op": "add", "path": "members", "value": [member(id)]}]),
        ] {
            let (scim, path) = (scim.clone(), format!("/Groups/{group}"));
            writers.push(tokio::spawn(async move {
                scim.send("PATCH", &path, Some(&operations(change))).await.0
            }));
        }
    }
    for writer in writers {
        assert!([200, 204].contains(&writer.await.unwrap()));
    }
    let mut found = scim.members(group).await;
    found.retain(|id| !added.contains(id));
    assert!(sets.contains(&found), "a mixture: {found:?}");
}

/// Whole replacements and a deletion among the deltas: the outcome is one of the replacements with
/// what came after it, and never a mixture of two.
#[tokio::test(flavor = "multi_thread")]
async fn replacements_are_whole_and_a_deleted_group_takes_its_grants_along() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    gateway.rule(&["Crew"], "Crew").await;
    let left = users(&scim, "left", 8).await;
    let right = users(&scim, "right", 8).await;
    let group = scim
        .created("/Groups", &json!({"displayName": "Crew", "members": []}))
        .await;
    let path = format!("/Groups/{group}");
    for _ in 0..6 {
        let mut writers = Vec::new();
        for side in [&left, &right, &left, &right] {
            let value: Vec<_> = side.iter().map(|id| member(id)).collect();
            let body = operations(json!([{"op": "replace", "path": "members", "value": value}]));
            let (scim, path) = (scim.clone(), path.clone());
            writers.push(tokio::spawn(async move {
                scim.send("PATCH", &path, Some(&body)).await.0
            }));
        }
        for writer in writers {
            assert!([200, 204].contains(&writer.await.unwrap()));
        }
        let found = scim.members(&group).await;
        let is = |side: &[String]| found == side.iter().cloned().collect();
        assert!(is(&left) || is(&right), "a mixture: {found:?}");
        assert_eq!(gateway.in_team("Crew").await, 8);
    }
    let add = operations(json!([{"op": "add", "path": "members", "value": [member(&left[0])]}]));
    let (deleted, added) = tokio::join!(
        scim.send("DELETE", &path, None),
        scim.send("PATCH", &path, Some(&add))
    );
    assert_eq!(deleted.0, 204);
    assert!([200, 204, 404].contains(&added.0), "{}", added.0);
    assert_eq!(scim.send("GET", &path, None).await.0, 404);
    assert_eq!(gateway.in_team("Crew").await, 0);
    gateway.check().await;
}

/// Two requests each bring one half of what a rule asks for: whichever comes last must see both.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_over_two_groups_never_misses_a_person_who_joins_both_at_once() {
    const TRIALS: usize = 1_000;
    const AT_ONCE: usize = 8;
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    gateway.rule(&["One", "Two"], "Both").await;
    let people = users(&scim, "p", TRIALS).await;
    let one = scim
        .created("/Groups", &json!({"displayName": "One"}))
        .await;
    let two = scim
        .created("/Groups", &json!({"displayName": "Two"}))
        .await;
    for people in people.chunks(AT_ONCE) {
        let mut joins = Vec::new();
        for id in people {
            for group in [&one, &two] {
                let add = json!([{"op": "add", "path": "members", "value": [member(id)]}]);
                let (scim, path) = (scim.clone(), format!("/Groups/{group}"));
                joins.push(tokio::spawn(async move {
                    scim.send("PATCH", &path, Some(&operations(add))).await.0
                }));
            }
        }
        for join in joins {
            assert!([200, 204].contains(&join.await.unwrap()));
        }
    }
    assert_eq!(gateway.in_team("Both").await, TRIALS);
    gateway.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_creates_of_one_name_exactly_one_is_admitted() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    for trial in 0..20 {
        let mut creates = Vec::new();
        for case in ["ada", "ADA", "Ada", "aDa", "adA", "AdA"] {
            let body = json!({"userName": format!("{case}{trial}@acme.example")});
            let scim = scim.clone();
            creates.push(tokio::spawn(async move {
                scim.send("POST", "/Users", Some(&body)).await
            }));
        }
        let mut statuses = Vec::new();
        for create in creates {
            let (status, body) = create.await.unwrap();
            if status == 409 {
                assert_eq!(body["scimType"], "uniqueness");
            }
            statuses.push(status);
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409, 409, 409, 409, 409]);
    }
    gateway.check().await;
}

/// A rule that is added while people join its group finds every one of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_added_while_people_join_misses_nobody() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    for trial in 0..10 {
        let people = users(&scim, &format!("t{trial}-"), 12).await;
        let name = format!("Crew {trial}");
        let group = scim.created("/Groups", &json!({"displayName": name})).await;
        let mut joins = Vec::new();
        for id in people {
            let add = json!([{"op": "add", "path": "members", "value": [member(&id)]}]);
            let (scim, path) = (scim.clone(), format!("/Groups/{group}"));
            joins.push(tokio::spawn(async move {
                scim.send("PATCH", &path, Some(&operations(add))).await.0
            }));
        }
        gateway.rule(&[&name], &name).await;
        for join in joins {
            assert!([200, 204].contains(&join.await.unwrap()));
        }
        gateway.work().await;
        assert_eq!(gateway.in_team(&name).await, 12, "{name}");
    }
    gateway.check().await;
}

// C011
#[tokio::test(flavor = "multi_thread")]
async fn tokens_made_on_two_nodes_at_once_are_never_more_than_five() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let other = if gateway.app.db.is_shared() {
        gateway.second_node().await
    } else {
        gateway.app.clone()
    };
    let nodes = [gateway.app.clone(), other];
    for _ in 0..10 {
        let mut issues = Vec::new();
        for at in 0..16 {
            let (app, directory) = (nodes[at % 2].clone(), scim.directory.clone());
            issues.push(tokio::spawn(async move {
                credentials::issue(&app, &Origin::cli(), &directory, None).await
            }));
        }
        let mut made = Vec::new();
        for issue in issues {
            match issue.await.unwrap() {
                Ok(token) => made.push(token.credential.id),
                Err(error) => assert!(matches!(error, Error::Conflict(_)), "{error:?}"),
            }
        }
        assert_eq!(made.len(), 4, "beside the one that is there");
        let listed = credentials::list(&nodes[1], &scim.directory).await.unwrap();
        let live = listed.iter().filter(|token| token.revoked_at.is_none());
        assert_eq!(live.count(), 5);
        for id in made {
            credentials::revoke(&nodes[0], &Origin::cli(), &scim.directory, id)
                .await
                .unwrap();
        }
    }
    gateway.check().await;
}
