//! Another reading of filters and paths, `scim_v2`, as an oracle for ours: what both accept must
//! mean the same, and what it accepts of the standard's grammar ours must accept.
//!
//! The meaning is decided twice: by our evaluator over our tree, and here, by a small evaluator that
//! knows no schema, over the oracle's tree.

use std::collections::BTreeSet;

use gatehouse::error::Error;
use gatehouse::scim::patch::{self, PatchPath};
use gatehouse::scim::resource::{self, Strictness};
use gatehouse::scim::{evaluate, filter, schema};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use scim_v2::filter as oracle;
use scim_v2::filter::{AttrExp, AttrPath, CompValue, CompareOp, Filter, ValFilter};
use serde_json::{Value, json};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// What both read, and differently: reasons for which ours refuses what the grammar allows.
const REFUSALS: &[(&str, &str)] = &[
    (
        "the filter names an attribute that the resource type does not have",
        "ours knows the schema; section 3.4.2.2 allows 400 for what is not there",
    ),
    (
        "expected a sub-attribute: a complex attribute has no value of its own",
        "section 3.4.2.2: complex attributes are compared by their parts",
    ),
    (
        "expected brackets after a multi-valued attribute only",
        "section 3.4.2.2: brackets select values",
    ),
    (
        "expected eq or ne with a boolean attribute",
        "section 3.4.2.2: no order on booleans",
    ),
    ("expected true or false", "the literal is of another type"),
    (
        "expected an RFC 3339 date-time",
        "the literal is of another type",
    ),
    (
        "expected a comparison of instants",
        "a date-time has no parts of text",
    ),
    ("expected null with eq or ne only", "null has no order"),
];

/// What ours accepts and the oracle does not.
const WIDER: &[(&str, &str)] = &[
    (
        "not(title pr)",
        "figure 1 of RFC 7644 puts no blank after `not`",
    ),
    (
        r#"emails[type eq "work"].value eq "a@b.c""#,
        "Entra sends it",
    ),
    (
        r#"groups.$ref eq "https://a.example/Groups/1""#,
        "`$ref` is an attribute of the standard",
    ),
    ("active eq True", "Entra sends it"),
    (
        "userName eq ada",
        "text without quotes, as some clients send",
    ),
    (
        r#"members.value eq"ada""#,
        "RFC 7644 section 3.5.2.2 prints it",
    ),
];

fn runner() -> TestRunner {
    let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(Config::default(), seed)
}

fn draw<S: Strategy>(strategy: &S, runner: &mut TestRunner) -> S::Value {
    strategy.new_tree(runner).expect("drawn").current()
}

/// Values that meet: letter cases, prefixes of each other, and what JSON escapes.
fn word() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "a", "A", "b", "ab", "\"", "\\", "/", "\n", "]", ")", " and ",
    ];
    prop::collection::vec(prop::sample::select(PIECES), 1..3).prop_map(|pieces| pieces.concat())
}

fn instant() -> impl Strategy<Value = String> {
    (2019..2023).prop_map(|year| format!("{year}-06-01T00:00:00Z"))
}

fn person() -> impl Strategy<Value = Value> {
    let emails = prop::collection::vec(
        (
            word(),
            prop::sample::select(&["work", "Work", "home"][..]),
            prop::option::of(any::<bool>()),
        ),
        0..3,
    );
    let texts = prop::collection::vec(prop::option::of(word()), 5);
    let name = prop::sample::select(&["a", "A", "ab", "b\"\\"][..]);
    (name, texts, any::<bool>(), emails, instant()).prop_map(
        |(name, texts, active, emails, created)| {
            let mut user = json!({
                "userName": name, "active": active, "meta": {"created": created},
            });
            for (pointer, text) in ["externalId", "title", "family", "department", "manager"]
                .iter()
                .zip(texts)
            {
                let Some(text) = text else { continue };
                match *pointer {
                    "family" => user["name"] = json!({"familyName": text}),
                    "manager" => user[ENTERPRISE]["manager"] = json!({"value": text}),
                    "department" => user[ENTERPRISE]["department"] = json!(text),
                    name => user[name] = json!(text),
                }
            }
            let emails: Vec<_> = emails
                .into_iter()
                .map(|(value, kind, primary)| {
                    // The oracle does not know that an entry which is silent is not primary.
                    let primary = primary.unwrap_or(false);
                    json!({"value": value, "type": kind, "primary": primary})
                })
                .collect();
            if !emails.is_empty() {
                user["emails"] = json!(emails);
            }
            user
        },
    )
}

/// A name or word in another letter case.
fn in_any_case(text: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(text.to_owned()),
        1 => Just(text.to_uppercase()),
        1 => Just(text.to_lowercase()),
    ]
}

/// A comparison or presence test of one of these attributes of text.
fn test_of(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    let name = || prop::sample::select(names).prop_flat_map(in_any_case);
    let operators = &["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"][..];
    let operator = prop::sample::select(operators).prop_flat_map(in_any_case);
    let literal = word().prop_map(|text| json!(text).to_string());
    prop_oneof![
        6 => (name(), operator, literal, blank())
            .prop_map(|(name, operator, literal, blank)| format!("{name}{blank}{operator} {literal}")),
        1 => (name(), blank()).prop_map(|(name, blank)| format!("{name}{blank}pr")),
        1 => (name(), any::<bool>())
            .prop_map(|(name, is)| format!("{name} {} null", if is { "eq" } else { "ne" })),
    ]
}

fn blank() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&[" ", " ", " ", "  ", "\t"][..])
}

fn joined(leaf: BoxedStrategy<String>, depth: u32) -> BoxedStrategy<String> {
    leaf.prop_recursive(depth, 16, 3, |inner| {
        let words = prop::sample::select(&[" and ", " or ", " AND ", "  Or  "][..]);
        prop_oneof![
            3 => (inner.clone(), words, inner.clone())
                .prop_map(|(left, word, right)| format!("{left}{word}{right}")),
            1 => inner.clone().prop_map(|inner| format!("not ({inner})")),
            1 => inner.prop_map(|inner| format!("({inner})")),
        ]
    })
    .boxed()
}

/// Filters over the entries of `emails`.
fn entry_filter() -> BoxedStrategy<String> {
    let flag = any::<bool>().prop_map(|is| format!("primary eq {is}"));
    let kind = prop::sample::select(&["work", "HOME"][..]);
    let kind = kind.prop_map(|kind| format!("type eq \"{kind}\""));
    joined(
        prop_oneof![4 => test_of(&["value", "type"]), 1 => flag, 2 => kind].boxed(),
        2,
    )
}

/// Filters as figure 1 of RFC 7644 section 3.4.2.2 makes them, of types that fit.
fn any_filter() -> BoxedStrategy<String> {
    let top = test_of(&[
        "userName",
        "externalId",
        "title",
        "name.familyName",
        "emails.value",
        "emails.type",
        "urn:ietf:params:scim:schemas:core:2.0:User:userName",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
    ]);
    let active = any::<(bool, bool)>().prop_map(|(is, same)| {
        let operator = if same { "eq" } else { "ne" };
        format!("active {operator} {is}")
    });
    let order = prop::sample::select(&["eq", "ne", "gt", "ge", "lt", "le"][..]);
    let created = (order, instant())
        .prop_map(|(operator, instant)| format!("meta.created {operator} \"{instant}\""));
    let entries = entry_filter().prop_map(|inner| format!("emails[{inner}]"));
    joined(
        prop_oneof![6 => top, 1 => active, 1 => created, 2 => entries].boxed(),
        4,
    )
}

/// The values at a path, whatever its letter case.
fn values<'v>(path: &AttrPath, resource: &'v Value) -> Vec<&'v Value> {
    fn child<'v>(value: &'v Value, name: &str) -> Vec<&'v Value> {
        let parts = value.as_object().into_iter().flatten();
        let found = parts.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found
            .flat_map(|(_, value)| match value {
                Value::Array(items) => items.iter().collect(),
                one => vec![one],
            })
            .collect()
    }
    let holder = match path.uri.as_deref() {
        Some(uri) if !uri.eq_ignore_ascii_case(USER) => child(resource, uri),
        _ => vec![resource],
    };
    let mut found: Vec<_> = holder
        .into_iter()
        .flat_map(|holder| child(holder, &path.name))
        .collect();
    if let Some(sub) = &path.sub_attr {
        found = found
            .into_iter()
            .flat_map(|value| child(value, sub))
            .collect();
    }
    found
}

fn is_there(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        _ => true,
    }
}

fn compares(path: &AttrPath, value: &Value, operator: &CompareOp, literal: &CompValue) -> bool {
    let is_exact = path.name.eq_ignore_ascii_case("externalId");
    let fold = |text: &str| {
        if is_exact {
            return text.to_owned();
        }
        text.to_ascii_lowercase()
    };
    match (value, literal) {
        (Value::Bool(value), CompValue::True) => *value,
        (Value::Bool(value), CompValue::False) => !*value,
        (Value::String(value), CompValue::Str(literal)) => {
            let (value, literal) = (fold(value), fold(literal));
            match operator {
                CompareOp::Eq | CompareOp::Ne => value == literal,
                CompareOp::Co => value.contains(&literal),
                CompareOp::Sw => value.starts_with(&literal),
                CompareOp::Ew => value.ends_with(&literal),
                CompareOp::Gt => value > literal,
                CompareOp::Ge => value >= literal,
                CompareOp::Lt => value < literal,
                CompareOp::Le => value <= literal,
            }
        }
        _ => false,
    }
}

fn test_holds(test: &AttrExp, resource: &Value) -> bool {
    match test {
        AttrExp::Present(path) => values(path, resource).into_iter().any(is_there),
        AttrExp::Comparison(path, operator, CompValue::Null) => {
            let there = values(path, resource).into_iter().any(is_there);
            there == (*operator == CompareOp::Ne)
        }
        AttrExp::Comparison(path, operator, literal) => {
            let mut values = values(path, resource).into_iter();
            let any = values.any(|value| compares(path, value, operator, literal));
            any != (*operator == CompareOp::Ne)
        }
    }
}

fn entry_holds(filter: &ValFilter, entry: &Value) -> bool {
    match filter {
        ValFilter::Attr(test) => test_holds(test, entry),
        ValFilter::Not(inner) => !entry_holds(inner, entry),
        ValFilter::And(inner) => inner.iter().all(|filter| entry_holds(filter, entry)),
        ValFilter::Or(inner) => inner.iter().any(|filter| entry_holds(filter, entry)),
    }
}

fn holds(filter: &Filter, resource: &Value) -> bool {
    match filter {
        Filter::Attr(test) => test_holds(test, resource),
        Filter::Not(inner) => !holds(inner, resource),
        Filter::And(inner) => inner.iter().all(|filter| holds(filter, resource)),
        Filter::Or(inner) => inner.iter().any(|filter| holds(filter, resource)),
        Filter::ValuePath(path) => {
            let mut entries = values(&path.attr, resource).into_iter();
            entries.any(|entry| entry_holds(&path.filter, entry))
        }
    }
}

#[test]
fn what_both_accept_is_one_tree_and_decides_alike() {
    let mut runner = runner();
    let people: Vec<_> = (0..40).map(|_| draw(&person(), &mut runner)).collect();
    let filters = any_filter();
    let mut telling = 0;
    for _ in 0..2_000 {
        let text = draw(&filters, &mut runner);
        let theirs: Filter = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        let ours = filter::parse(&text, schema::user()).unwrap_or_else(|e| panic!("{text}: {e}"));
        let again = filter::parse(&theirs.to_string(), schema::user()).unwrap();
        assert_eq!(again, ours, "{text}: the oracle prints {theirs}");
        let again: Filter = ours.to_string().parse().unwrap();
        let mut hits = 0;
        for person in &people {
            let expected = holds(&theirs, person);
            assert_eq!(
                evaluate::matches(&ours, person),
                expected,
                "{text}: {person}"
            );
            assert_eq!(
                holds(&again, person),
                expected,
                "{ours} for {text}: {person}"
            );
            hits += usize::from(expected);
        }
        telling += usize::from(hits > 0 && hits < people.len());
    }
    assert!(
        telling > 800,
        "the filters must tell people apart: {telling}"
    );
}

/// Every attribute with every operator and every kind of literal.
fn every_comparison() -> impl Iterator<Item = String> {
    let names = "userName emails emails.value name active meta.created password unknown title";
    let operators = "eq ne co sw ew gt ge lt le";
    // A number is text as it was written; this one the oracle prints as it was.
    let literals = r#""a" "2020-01-01T00:00:00Z" "true" true null -2"#;
    names.split(' ').flat_map(move |name| {
        operators.split(' ').flat_map(move |operator| {
            let literals = literals.split(' ');
            literals.map(move |literal| format!("{name} {operator} {literal}"))
        })
    })
}

/// Tokens in any order.
fn soup() -> impl Strategy<Value = String> {
    const TOKENS: &str = "userName|emails|active|title|andy|[|]|(|)|not | eq | pr| and | or |\"a\"|\
        true|null|7|value|type eq \"work\"| |title pr|active eq true|userName sw \"a\"|.|USERNAME pr";
    let tokens: Vec<_> = TOKENS.split('|').collect();
    prop::collection::vec(prop::sample::select(tokens), 1..7).prop_map(|tokens| tokens.concat())
}

#[test]
fn what_the_oracle_accepts_is_refused_for_its_attributes_alone() {
    // Something well-formed is joined to the soup, so that more of it is read.
    let mixed = (soup(), any_filter()).prop_map(|(soup, filter)| format!("{soup} and {filter}"));
    let text = prop_oneof![mixed, soup()];
    let mut runner = runner();
    let drawn = std::iter::repeat_with(|| draw(&text, &mut runner)).take(12_000);
    let (mut accepted, mut refusals) = (0, BTreeSet::new());
    let in_brackets = ["userName[value pr]".to_owned()];
    for text in every_comparison().chain(in_brackets).chain(drawn) {
        let Ok(theirs) = text.parse::<Filter>() else {
            continue;
        };
        match filter::parse(&text, schema::user()) {
            Ok(ours) => {
                accepted += 1;
                let again = filter::parse(&theirs.to_string(), schema::user()).unwrap();
                assert_eq!(again, ours, "{text}");
            }
            Err(Error::Invalid { detail, .. }) => {
                // The attributes that there are come after it.
                let refusal = detail.split("; expected one such as ").next();
                refusals.insert(refusal.unwrap().to_owned());
            }
            Err(other) => panic!("{text}: {other}"),
        }
    }
    assert!(accepted > 300, "{accepted}");
    let listed: BTreeSet<_> = REFUSALS.iter().map(|(refusal, _)| *refusal).collect();
    let found: BTreeSet<_> = refusals.iter().map(String::as_str).collect();
    assert_eq!(found, listed);
}

#[test]
fn what_ours_accepts_beyond_the_oracle_is_listed() {
    for (text, why) in WIDER {
        let is_read = [schema::user(), schema::group()]
            .into_iter()
            .any(|kind| filter::parse(text, kind).is_ok());
        assert!(is_read, "{text}: {why}");
        assert!(text.parse::<Filter>().is_err(), "{text} is no difference");
    }
}

#[test]
fn paths_name_the_same_and_select_the_same_entries() {
    let mut runner = runner();
    let people: Vec<_> = (0..20).map(|_| draw(&person(), &mut runner)).collect();
    let filters = entry_filter();
    let mut removed = 0;
    for _ in 0..1_500 {
        let text = format!("emails[{}]", draw(&filters, &mut runner));
        let (Ok(oracle::PatchPath::Value(theirs)), Ok(ours)) =
            (text.parse(), PatchPath::parse(&text))
        else {
            // Ours bounds the length of a path.
            assert!(text.len() > 512, "{text}");
            continue;
        };
        assert_eq!(ours.attribute().to_string(), theirs.attr.to_string());
        for person in &people {
            // As a directory would keep it: no two entries with one value and type.
            let taken = resource::normalise(schema::user(), person.clone(), Strictness::Lenient);
            let mut document = taken.unwrap().document;
            let Some(Value::Array(entries)) = document.get("emails").cloned() else {
                continue;
            };
            let left: Vec<_> = entries
                .iter()
                .filter(|entry| !entry_holds(&theirs.filter, entry))
                .cloned()
                .collect();
            let body = json!({"Operations": [{"op": "remove", "path": text}]});
            let request = patch::parse(body).unwrap();
            patch::apply(
                schema::user(),
                &request,
                &mut document,
                "id",
                Strictness::Lenient,
            )
            .unwrap();
            let found = document.get("emails").and_then(Value::as_array);
            assert_eq!(found.unwrap_or(&Vec::new()), &left, "{text}");
            removed += usize::from(left.len() < entries.len());
        }
    }
    assert!(removed > 1_000, "{removed}");
    for text in [
        "members",
        "name.familyName",
        "addresses[type eq \"work\"]",
        "members[value eq \"2819c223-7f76-453a-919d-413861904646\"].displayName",
        "urn:ietf:params:scim:schemas:core:2.0:User:name.givenName",
        "emails.",
        "emails[",
        "emails[type eq \"work\"]x",
        "1a",
        "a.b.c",
        "",
    ] {
        let (theirs, ours) = (text.parse::<oracle::PatchPath>(), PatchPath::parse(text));
        assert_eq!(theirs.is_ok(), ours.is_ok(), "{text}");
    }
}
