//! What the pure functions of a request cost by themselves: `cargo bench --bench micro`.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use gatehouse::clock::Timestamp;
use gatehouse::ids::{CauseId, DirectoryId, GroupId, RuleId};
use gatehouse::mapping::{self, Facts};
use gatehouse::scim::messages::{ListResponse, Start};
use gatehouse::scim::patch;
use gatehouse::scim::projection::Projection;
use gatehouse::scim::resource::{self, Meta, Strictness};
use gatehouse::scim::{evaluate, filter, fold, json as strict, schema};
use gatehouse::store::grants::GrantKind;
use gatehouse::store::live_rules::LiveRule;
use serde_json::{Map, Value, json};
use uuid::Uuid;

const ID: &str = "2819c223-7f76-453a-919d-413861904646";
/// As Okta and Entra send them, and one that no index answers.
const FILTERS: [(&str, &str); 3] = [
    ("userName", r#"userName eq "ada.lovelace@example.com""#),
    (
        "value path",
        r#"emails[type eq "work"].value eq "ada.lovelace@example.com""#,
    ),
    (
        "six terms",
        r#"(title co "engineer" or title co "lead") and active eq true and name.familyName sw "Love" and not (nickName pr) and meta.created gt "2020-01-01T00:00:00Z""#,
    ),
];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    filters(&mut criterion);
    patches(&mut criterion);
    bodies(&mut criterion);
    shown(&mut criterion);
    rules(&mut criterion);
    keys(&mut criterion);
    criterion.final_summary();
}

fn filters(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("filter");
    let mut whole = user();
    whole["meta"] = json!({"created": "2026-01-01T00:00:00Z"});
    for (name, text) in FILTERS {
        group.bench_function(format!("parse {name}"), |b| {
            b.iter(|| filter::parse(black_box(text), schema::user()).unwrap());
        });
        let parsed = filter::parse(text, schema::user()).unwrap();
        assert!(evaluate::matches(&parsed, &whole), "{text}");
        group.bench_function(format!("evaluate {name}"), |b| {
            b.iter(|| evaluate::matches(black_box(&parsed), black_box(&whole)));
        });
    }
    group.finish();
}

fn patches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("patch");
    group.bench_function("parse path", |b| {
        b.iter(|| patch::PatchPath::parse(black_box(r#"emails[type eq "work"].value"#)).unwrap());
    });
    let entra = json!({"schemas": [patch::REQUEST], "Operations": [
        {"op": "Replace", "path": r#"emails[type eq "work"].value"#, "value": "ada@example.com"},
        {"op": "Replace", "path": "name.familyName", "value": "King"},
        {"op": "Add", "path": "title", "value": "Countess"},
    ]});
    group.bench_function("parse three operations", |b| {
        b.iter_batched(
            || entra.clone(),
            |body| patch::parse(body).unwrap(),
            BatchSize::SmallInput,
        );
    });
    let request = patch::parse(entra).unwrap();
    let document = document();
    group.bench_function("apply three operations to a user", |b| {
        b.iter_batched(
            || document.clone(),
            |mut document| {
                let lenient = Strictness::Lenient;
                patch::apply(schema::user(), &request, &mut document, ID, lenient).unwrap()
            },
            BatchSize::SmallInput,
        );
    });
    let members: Vec<Value> = (0..100)
        .map(|_| json!({"value": Uuid::now_v7().to_string()}))
        .collect();
    let body = json!({"schemas": [patch::REQUEST], "Operations": [
        {"op": "Add", "path": "members", "value": members},
    ]});
    let mut crew = Map::new();
    crew.insert("displayName".to_owned(), json!("Crew"));
    group.bench_function("parse and apply 100 members", |b| {
        b.iter_batched(
            || (body.clone(), crew.clone()),
            |(body, mut crew)| {
                let request = patch::parse(body).unwrap();
                let lenient = Strictness::Lenient;
                patch::apply(schema::group(), &request, &mut crew, ID, lenient).unwrap()
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn bodies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("create");
    let bytes = user().to_string().into_bytes();
    group.bench_function("parse the body", |b| {
        b.iter(|| strict::parse(black_box(&bytes)).unwrap());
    });
    group.bench_function("parse, validate and store the body", |b| {
        b.iter(|| {
            let body = strict::parse(black_box(&bytes)).unwrap();
            let incoming = resource::normalise(schema::user(), body, Strictness::Lenient).unwrap();
            resource::to_stored(schema::user(), &incoming.document)
        });
    });
    group.finish();
}

fn shown(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("show");
    let stored = resource::to_stored(schema::user(), &document());
    let render = || {
        let meta = Meta {
            created: Timestamp(1_780_000_000_000_000),
            last_modified: Timestamp(1_780_000_000_000_000),
            location: format!("https://gate.example/scim/v2/Users/{ID}"),
            version: 3,
        };
        resource::render(schema::user(), ID, black_box(&stored), &[], &meta)
    };
    group.bench_function("a user", |b| b.iter(render));
    let names = Some("userName,emails.value,name.familyName");
    let projection = Projection::parse(schema::user(), names, None).unwrap();
    group.bench_function("a user, three attributes", |b| {
        b.iter(|| {
            let whole = serde_json::from_str(&render()).unwrap();
            projection.apply(whole).to_string()
        });
    });
    group.bench_function("a page of 100 users", |b| {
        b.iter(|| {
            let resources = (0..100).map(|_| render()).collect();
            let page = ListResponse::new(Some(10_000), Start::Index(1), resources).unwrap();
            serde_json::to_string(&page).unwrap()
        });
    });
    group.finish();
}

/// Rules over pairs of four times as many groups, every fifth of which also looks at the title; a
/// member in 20 groups, or in all of them.
fn rules(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rules");
    for count in [10, 50, 100, 1_000] {
        let directory = DirectoryId::new();
        let groups: Vec<GroupId> = (0..count * 4).map(|_| GroupId::new()).collect();
        let live = live_rules(directory, &groups);
        for (name, held) in [("20 groups", 20), ("all groups", groups.len())] {
            let facts = Facts {
                groups: groups.iter().take(held).copied().collect(),
                users: [(directory, user())].into(),
                profile: None,
            };
            assert_eq!(mapping::wanted(&live, &facts).len(), held / 4 * 2);
            group.bench_function(format!("{count} rules, member in {name}"), |b| {
                b.iter(|| mapping::wanted(black_box(&live), black_box(&facts)));
            });
        }
    }
    group.finish();
}

fn live_rules(directory: DirectoryId, groups: &[GroupId]) -> Vec<LiveRule> {
    let rules = groups.chunks(4).enumerate();
    let rules = rules.map(|(at, groups)| LiveRule {
        id: RuleId::new(),
        directory: Some(directory),
        cause: CauseId::new(),
        groups: groups[..2].to_vec(),
        when: (at % 5 == 0)
            .then(|| filter::parse(r#"title co "engineer""#, schema::user()).unwrap()),
        grants: vec![
            (GrantKind::Team, Uuid::now_v7()),
            (GrantKind::Role, Uuid::now_v7()),
        ],
        priority: 0,
        stop: false,
        line: None,
        language: None,
    });
    rules.collect()
}

fn keys(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fold");
    for (name, text) in [
        ("ASCII", "Ada.Lovelace@Example.com"),
        ("other letters", "Ångström-Weiß"),
    ] {
        group.bench_function(name, |b| b.iter(|| fold::key(black_box(text))));
    }
    group.finish();
}

fn document() -> Map<String, Value> {
    resource::normalise(schema::user(), user(), Strictness::Lenient)
        .unwrap()
        .document
}

/// Eight attributes and the enterprise extension, as the load bench creates them.
fn user() -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", schema::ENTERPRISE_USER],
        "userName": "ada.lovelace@example.com",
        "externalId": "00u1a2b3c4d5e6f7g8h9",
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
        "displayName": "Ada Lovelace",
        "title": "Engineer of analytical engines",
        "active": true,
        "preferredLanguage": "en-GB",
        "emails": [{"value": "ada.lovelace@example.com", "type": "work", "primary": true}],
        (schema::ENTERPRISE_USER): {"department": "Engines", "employeeNumber": "1815"},
    })
}
