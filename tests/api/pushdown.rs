//! The database and the evaluator agree on every filter, and on what is equal.

use std::collections::BTreeSet;

use gatehouse::scim::{evaluate, filter, fold, schema};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::gateway::Gateway;

/// Pieces that meet in names: case and Unicode pairs, and what `LIKE` gives a meaning.
const PIECES: &[&str] = &[
    "a", "A", "ä", "Ä", "ß", "SS", "ss", "é", "e\u{301}", "ı", "i", "İ", "%", "_", "\\", "1", "ａ",
    ".",
];

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 1..4).prop_map(|pieces| pieces.concat())
}

fn user() -> impl Strategy<Value = Value> {
    let emails = prop::collection::vec((text(), prop::sample::select(&["work", "home"][..])), 0..3);
    let external = prop::option::of(text());
    (
        text(),
        external,
        prop::option::of(text()),
        any::<bool>(),
        emails,
        prop::option::of(text()),
    )
        .prop_map(|(name, external, display, active, emails, title)| {
            let mut user = json!({"userName": format!("{name}@x"), "active": active});
            let emails: Vec<_> = emails
                .into_iter()
                .map(|(value, kind)| json!({"value": format!("{value}@x"), "type": kind}))
                .collect();
            if !emails.is_empty() {
                user["emails"] = json!(emails);
            }
            for (attribute, value) in [
                ("externalId", external),
                ("displayName", display),
                ("title", title),
            ] {
                if let Some(value) = value {
                    user[attribute] = json!(value);
                }
            }
            user
        })
}

fn term() -> impl Strategy<Value = String> {
    let attribute = prop::sample::select(
        &[
            "userName",
            "externalId",
            "displayName",
            "emails",
            "emails.value",
            "title",
        ][..],
    );
    let operator =
        prop::sample::select(&["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"][..]);
    let compared = (attribute.clone(), operator, text(), any::<bool>()).prop_map(
        |(attribute, operator, text, whole)| {
            let end = if whole { "@x" } else { "" };
            format!("{attribute} {operator} {}", json!(format!("{text}{end}")))
        },
    );
    let kind = prop::sample::select(&["work", "home"][..]);
    prop_oneof![
        6 => compared,
        1 => attribute.prop_map(|attribute| format!("{attribute} pr")),
        1 => any::<bool>().prop_map(|active| format!("active eq {active}")),
        1 => (kind, text()).prop_map(|(kind, text)| {
            format!("emails[type eq \"{kind}\"].value eq {}", json!(format!("{text}@x")))
        }),
        1 => text().prop_map(|text| format!("emails[value sw {} and type eq \"work\"]", json!(text))),
        1 => Just("meta.created gt \"2020-01-01T00:00:00Z\"".to_owned()),
    ]
}

fn a_filter() -> impl Strategy<Value = String> {
    term().prop_recursive(3, 12, 3, |inner| {
        let joined = (prop::collection::vec(inner.clone(), 2..4), any::<bool>());
        prop_oneof![
            joined.prop_map(|(parts, all)| {
                let word = if all { " and " } else { " or " };
                format!("({})", parts.join(word))
            }),
            inner.prop_map(|part| format!("not ({part})")),
        ]
    })
}

/// The same cases in every run: the filters are many, and a failure must come again.
fn runner() -> TestRunner {
    let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(Config::default(), seed)
}

// C058
#[tokio::test]
async fn the_database_finds_what_the_evaluator_finds() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let mut runner = runner();
    for _ in 0..60 {
        let user = user().new_tree(&mut runner).unwrap().current();
        // Names that fold alike are refused, which is fine here.
        let answer = scim.send("POST", "/Users", Some(&user)).await;
        assert!([201, 409].contains(&answer.0), "{}", answer.1);
    }
    let (_, all) = scim.send("GET", "/Users?count=200", None).await;
    let all = all["Resources"].as_array().unwrap();
    assert!(all.len() > 40);
    let mut hits = 0;
    for _ in 0..400 {
        let text = a_filter().new_tree(&mut runner).unwrap().current();
        let parsed = filter::parse(&text, schema::user()).unwrap();
        let expected: BTreeSet<_> = all
            .iter()
            .filter(|user| evaluate::matches(&parsed, user))
            .map(|user| user["id"].to_string())
            .collect();
        let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let (status, found) = scim
            .send("GET", &format!("/Users?count=200&filter={encoded}"), None)
            .await;
        assert_eq!(status, 200, "{text}: {found}");
        let resources = found["Resources"].as_array().unwrap();
        let ids: BTreeSet<_> = resources
            .iter()
            .map(|user| user["id"].to_string())
            .collect();
        assert_eq!(ids, expected, "{text}");
        assert_eq!(found["totalResults"], json!(expected.len()), "{text}");
        hits += usize::from(!expected.is_empty() && expected.len() < all.len());
    }
    assert!(hits > 100, "the filters must tell users apart: {hits}");
}

/// A walk by any page size meets everybody once, also while somebody goes away.
#[tokio::test]
async fn a_walk_meets_everybody_once() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = crate::gateway::users(&scim, "u", 25).await;
    for (size, filter) in [
        (1, ""),
        (4, ""),
        (7, "&filter=userName%20pr"),
        (25, ""),
        (3, "&filter=title%20eq%20%22x%22%20or%20userName%20pr"),
    ] {
        let mut met = Vec::new();
        let mut start = 1;
        loop {
            let path = format!("/Users?startIndex={start}&count={size}{filter}");
            let (_, page) = scim.send("GET", &path, None).await;
            assert_eq!(page["totalResults"], 25);
            assert_eq!(page["startIndex"], start);
            let resources = page["Resources"].as_array().unwrap();
            if resources.is_empty() {
                break;
            }
            met.extend(
                resources
                    .iter()
                    .map(|user| user["id"].as_str().unwrap().to_owned()),
            );
            start += resources.len();
        }
        assert_eq!(met, ids, "in the order of making, by {size}{filter}");
    }
    // Whoever goes away during the walk makes nobody be skipped.
    let (_, first) = scim.send("GET", "/Users?startIndex=1&count=10", None).await;
    let gone = first["Resources"][2]["id"].as_str().unwrap();
    assert_eq!(
        scim.send("DELETE", &format!("/Users/{gone}"), None).await.0,
        204
    );
    let (_, second) = scim
        .send("GET", "/Users?startIndex=11&count=10", None)
        .await;
    assert_eq!(second["Resources"][0]["id"], json!(ids[10]));
}

// C024
#[tokio::test]
async fn what_folds_alike_is_one_value_to_the_database_as_well() {
    const STRINGS: usize = 1_000_000;
    let gateway = Gateway::new().await;
    let mut keys = BTreeSet::new();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = move || {
        // xorshift64*
        random ^= random >> 12;
        random ^= random << 25;
        random ^= random >> 27;
        u32::try_from(random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40).unwrap_or(0)
    };
    let mut text = String::new();
    for _ in 0..STRINGS {
        text.clear();
        for _ in 0..=(draw() % 5) {
            // Half of them from the first planes, where letters have cases.
            let code = if draw() % 2 == 0 {
                draw() % 0x3000
            } else {
                draw() % 0x11_0000
            };
            text.extend(char::from_u32(code).filter(|char| *char != '\0'));
        }
        let key = fold::key(&text);
        assert_eq!(fold::key(&key), key, "{text:?}");
        if keys.len() < 400 {
            keys.insert(key);
        }
    }
    let workspace = gateway.workspace.id;
    let given: Vec<String> = keys.iter().cloned().collect();
    let stored = gateway
        .app
        .write(move |tx| {
            let given = given.clone();
            Box::pin(async move {
                for key in given.iter().chain(&given) {
                    tx.query(
                        "INSERT INTO teams (workspace, id, name, name_key, enabled, created_at) \
                         VALUES ($1, $2, 'x', $3, $4, 1) ON CONFLICT DO NOTHING",
                    )
                    .bind(workspace)
                    .bind(uuid::Uuid::now_v7())
                    .bind(key.clone())
                    .bind(true)
                    .execute()
                    .await?;
                }
                let sorted: Vec<(String,)> = tx
                    .query("SELECT name_key FROM teams ORDER BY name_key")
                    .fetch_all()
                    .await?;
                Ok(sorted)
            })
        })
        .await
        .unwrap();
    let stored: Vec<String> = stored.into_iter().map(|row| row.0).collect();
    assert_eq!(
        stored,
        keys.into_iter().collect::<Vec<_>>(),
        "equality and order are Rust's"
    );
}
