//! Members by a filter.

use std::collections::BTreeSet;

use gatehouse::scim::{evaluate, filter, schema};
use gatehouse::workspace::keys::Permission;
use gatehouse::workspace::members;
use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway, member, operations, users};
use crate::members::role;

impl Gateway {
    async fn filtered(&self, key: &str, filter: &str, more: &str) -> Answer {
        let filter: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        let path = format!("/workspaces/acme/members?filter={filter}{more}");
        self.api(key, "GET", &path, None).await
    }
}

/// People of a directory and people brought in by hand, some out, one removed.
async fn crowd(gateway: &Gateway) {
    let scim = gateway.scim().await;
    let ids = users(&scim, "Ann", 6).await;
    let crew = json!({"displayName": "Crew", "members": [member(&ids[0]), member(&ids[1])]});
    scim.created("/Groups", &crew).await;
    gateway.rule(&["Crew"], "Support Ä").await;
    gateway.work().await;
    let patch = operations(json!([{"op": "replace", "path": "active", "value": false}]));
    scim.send("PATCH", &format!("/Users/{}", ids[5]), Some(&patch))
        .await;
    let first = gateway.member("ann0@acme.example").await.id;
    for value in [
        json!({"email": "Bob@Acme.Example", "display_name": "Bob", "language": "de-AT",
               "phone": "+43 1 5880 4", "user_id": "B-1", "manager": first,
               "line": {"kind": "numbered", "number": "+1 202-555-0123"}}),
        json!({"display_name": "Straße", "given_name": "Carol", "time_zone": "Europe/Vienna"}),
        json!({"email": "dora@acme.example", "family_name": "Dvořák",
               "line": {"kind": "numberless"}}),
    ] {
        gateway.enter(value, &[role("user")]).await.unwrap();
    }
    let gone = json!({"email": "gone@acme.example", "display_name": "Gone"});
    let gone = gateway.enter(gone, &[]).await.unwrap().member;
    gateway.remove(gone).await.unwrap();
    let second = gateway.member("ann1@acme.example").await.id;
    gateway.give(second, role("admin")).await.unwrap();
    gateway
        .suspend(gateway.member("ann2@acme.example").await.id)
        .await
        .unwrap();
}

/// What the database answers by itself and what it only narrows are as the evaluator has them.
#[tokio::test]
async fn the_database_finds_the_members_that_the_evaluator_finds() {
    let gateway = Gateway::new().await;
    crowd(&gateway).await;
    let key = gateway.key(&[Permission::MembersRead]).await;
    let mut wholes = Vec::new();
    for id in gateway.texts_of_ids().await {
        let full = members::show(&gateway.app, gateway.workspace.id, id).await;
        wholes.push(serde_json::to_value(full.unwrap()).unwrap());
    }
    assert_eq!(wholes.len(), 10);
    let first = wholes[0]["id"].as_str().unwrap().to_owned();
    let at = wholes[3]["created_at"].as_str().unwrap().to_owned();
    let mut told_apart = 0;
    for term in [
        "user_name eq \"ANN3@acme.example\"".to_owned(),
        "user_name ne \"ann3@acme.example\"".to_owned(),
        "user_name sw \"ann\"".to_owned(),
        "user_name pr".to_owned(),
        "user_name eq null".to_owned(),
        "email eq \"bob@acme.example\"".to_owned(),
        "email co \"ACME\"".to_owned(),
        "email ne \"dora@acme.example\"".to_owned(),
        "email pr".to_owned(),
        "user_id eq \"b-1\"".to_owned(),
        "user_id pr".to_owned(),
        "display_name eq \"strasse\"".to_owned(),
        "given_name eq \"carol\"".to_owned(),
        "family_name sw \"dvoř\"".to_owned(),
        "status eq \"Active\"".to_owned(),
        "status ne \"active\"".to_owned(),
        "status eq \"removed\"".to_owned(),
        "status co \"e\" and email eq \"gone@acme.example\"".to_owned(),
        "source eq \"api\"".to_owned(),
        "source sw \"dir\"".to_owned(),
        "phone eq \"+43158804\"".to_owned(),
        "line.kind eq \"numbered\"".to_owned(),
        "line[kind eq \"numbered\" and number sw \"+1\"]".to_owned(),
        "line pr".to_owned(),
        "language eq \"de-at\"".to_owned(),
        "time_zone sw \"Europe\"".to_owned(),
        format!("manager eq \"{first}\""),
        "manager pr".to_owned(),
        "teams eq \"support ä\"".to_owned(),
        "teams eq \"nothing\"".to_owned(),
        "teams sw \"Sup\"".to_owned(),
        "teams pr".to_owned(),
        "not (teams eq \"Support Ä\")".to_owned(),
        "roles eq \"ADMIN\"".to_owned(),
        "roles eq \"user\"".to_owned(),
        "permissions pr".to_owned(),
        "directories eq \"idp\"".to_owned(),
        "directories co \"x\"".to_owned(),
        "manual eq \"phone\"".to_owned(),
        "protected eq false".to_owned(),
        "barred_at pr".to_owned(),
        "held_at pr".to_owned(),
        "activated_at pr".to_owned(),
        "not (suspended_at pr)".to_owned(),
        format!("created_at gt \"{at}\""),
        format!("created_at le \"{at}\""),
        format!("updated_at ge \"{at}\""),
        format!("id eq \"{first}\""),
        "version gt 1".to_owned(),
        "teams eq \"Support Ä\" or (roles eq \"user\" and not (language pr))".to_owned(),
        "email eq \"bob@acme.example\" and language eq \"de-AT\"".to_owned(),
        "email eq \"bob@acme.example\" and language eq \"en\"".to_owned(),
    ] {
        let parsed = filter::parse(&term, schema::member()).unwrap();
        let with_removed = term.contains("status");
        let expected: BTreeSet<_> = wholes
            .iter()
            .filter(|whole| with_removed || whole["status"] != "removed")
            .filter(|whole| evaluate::matches(&parsed, whole))
            .map(|whole| whole["id"].to_string())
            .collect();
        let found = gateway.filtered(&key, &term, "&count=true").await;
        assert_eq!(found.status, 200, "{term}: {}", found.text);
        let items = found.body["items"].as_array().unwrap();
        let ids: BTreeSet<_> = items.iter().map(|it| it["id"].to_string()).collect();
        assert_eq!(ids, expected, "{term}");
        assert_eq!(found.body["total"], json!(expected.len()), "{term}");
        told_apart += usize::from(!expected.is_empty() && expected.len() < wholes.len());
    }
    assert!(told_apart > 40, "{told_apart}");
}

#[tokio::test]
async fn a_walk_by_a_filter_meets_each_member_once() {
    let gateway = Gateway::new().await;
    crowd(&gateway).await;
    let key = gateway.key(&[Permission::MembersRead]).await;
    for (filter, count) in [
        ("source eq \"directory\"", 6),
        ("not (language pr)", 8),
        ("status pr", 10),
        ("directories eq \"idp\" and display_name pr", 6),
    ] {
        let (mut met, mut more) = (BTreeSet::new(), "&limit=2".to_owned());
        let mut steps = 0;
        loop {
            let page = gateway.filtered(&key, filter, &more).await;
            assert_eq!(page.status, 200, "{filter}: {}", page.text);
            assert_eq!(page.body.get("total"), None);
            for item in page.body["items"].as_array().unwrap() {
                assert!(met.insert(item["id"].to_string()), "{filter}");
            }
            steps += 1;
            match page.body["next_cursor"].as_str() {
                Some(cursor) => more = format!("&limit=2&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!((met.len(), steps >= count / 2), (count, true), "{filter}");
    }
    let page = gateway.filtered(&key, "email pr", "&limit=1").await;
    let cursor = page.body["next_cursor"].as_str().unwrap();
    let more = format!("&limit=1&cursor={cursor}");
    let other = gateway.filtered(&key, "phone pr", &more).await;
    assert_eq!(other.body["code"], "invalid_cursor", "{}", other.text);
}

/// Holders of a right are gathered a stretch at a time: who is far behind others without effect is found.
#[tokio::test]
async fn holders_far_apart_are_met_by_short_pages() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "Ann", 9).await;
    let members: Vec<_> = ids.iter().map(|id| member(id)).collect();
    let crew = json!({"displayName": "Crew", "members": members});
    scim.created("/Groups", &crew).await;
    gateway.rule(&["Crew"], "Support").await;
    gateway.work().await;
    let mut expected = Vec::new();
    for at in 0..9 {
        let id = gateway.member(&format!("ann{at}@acme.example")).await.id;
        if matches!(at, 5 | 8) {
            expected.push(id.to_string());
        } else {
            gateway.suspend(id).await.unwrap();
        }
    }
    expected.sort();
    let key = gateway.key(&[Permission::MembersRead]).await;
    for filter in [
        "teams eq \"support\"",
        "teams eq \"support\" and user_name sw \"ann\"",
    ] {
        let (mut met, mut more) = (Vec::new(), "&limit=1".to_owned());
        loop {
            let page = gateway.filtered(&key, filter, &more).await;
            let items = page.body["items"].as_array().unwrap();
            met.extend(items.iter().map(|it| it["id"].as_str().unwrap().to_owned()));
            match page.body["next_cursor"].as_str() {
                Some(cursor) => more = format!("&limit=1&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(met, expected, "{filter}");
    }
}

#[tokio::test]
async fn what_is_no_filter_over_members_is_refused() {
    let gateway = Gateway::new().await;
    let key = gateway.key(&[Permission::MembersRead]).await;
    for wrong in [
        "",
        "user_name",
        "userName eq \"x\"",
        "password pr",
        "meta.created gt \"2020-01-01T00:00:00Z\"",
        "externalId eq \"x\"",
        "created_at gt \"yesterday\"",
        "teams[value eq \"x\"",
        "line eq \"x\"",
    ] {
        let refused = gateway.filtered(&key, wrong, "").await;
        let answer = (refused.status, &refused.body["code"]);
        assert_eq!(answer, (400, &json!("invalid_filter")), "{wrong}");
        // What there is no attribute for is answered with those that there are.
        let detail = refused.body["detail"].as_str().unwrap();
        let is_unknown = ["userName", "password"]
            .iter()
            .any(|it| wrong.starts_with(it));
        let known = detail.contains("expected one such as ") && detail.contains("display_name");
        assert_eq!(is_unknown, known, "{wrong}: {detail}");
    }
    for more in [
        "&count=yes",
        "&count=true&count=true",
        "&sort=email",
        "&filter=email%20pr",
    ] {
        let refused = gateway.filtered(&key, "email pr", more).await;
        assert_eq!(refused.body["code"], "invalid_value", "{more}");
    }
}

/// A rare value that no index finds does not hold a page up: it ends, and the next goes on.
#[tokio::test]
async fn a_filter_that_takes_too_long_pages_on_and_is_not_counted() {
    let gateway = Gateway::with(|config| config.limits.search_milliseconds = 0).await;
    crowd(&gateway).await;
    let key = gateway.key(&[Permission::MembersRead]).await;
    let rare = "given_name eq \"carol\"";
    let counted = gateway.filtered(&key, rare, "&count=true").await;
    assert_eq!(
        (counted.status, &counted.body["code"]),
        (400, &json!("too_many")),
        "{}",
        counted.text
    );
    let (mut found, mut more) = (0, String::new());
    for _ in 0..5 {
        let page = gateway.filtered(&key, rare, &more).await;
        found += page.body["items"].as_array().unwrap().len();
        let Some(cursor) = page.body["next_cursor"].as_str() else {
            assert_eq!(found, 1);
            return;
        };
        more = format!("&cursor={cursor}");
    }
    panic!("it goes on for ever");
}

impl Gateway {
    /// The ids of all members, oldest first.
    async fn texts_of_ids(&self) -> Vec<gatehouse::ids::MemberId> {
        let key = self.key(&[Permission::MembersRead]).await;
        let all = self.filtered(&key, "status pr", "&limit=200").await;
        let ids = all.body["items"].as_array().unwrap().iter();
        ids.map(|it: &Value| it["id"].as_str().unwrap().parse().unwrap())
            .collect()
    }
}
