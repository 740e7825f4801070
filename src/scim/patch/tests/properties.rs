//! What holds for every PATCH.

use proptest::prelude::*;

use super::*;
use crate::scim::properties::{cases, on_a_small_stack};
use crate::scim::resource::normalise;

const PATHS: &[&str] = &[
    "title",
    "displayName",
    "name.givenName",
    "name.familyName",
    "active",
    "emails",
    "roles",
    "emails[type eq \"work\"].value",
    "emails[type eq \"home\"]",
    "manager",
    "department",
    "phoneNumbers[primary eq true].value",
    "emails.type",
    "userName",
    "externalId",
    "members",
    "addresses[type eq \"work\" and primary eq true].country",
    "id",
    "zzz",
    URN,
];

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from),
        Just(json!("True")),
        Just(json!({"value": "v", "type": "work", "primary": true})),
        Just(json!({"value": "h", "type": "home", "primary": true})),
        Just(json!({"givenName": "g", "familyName": ""})),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            (proptest::sample::select(PATHS), inner)
                .prop_map(|(path, value)| json!({(path): value})),
        ]
    })
}

fn operation() -> impl Strategy<Value = Value> {
    let op = proptest::sample::select(vec!["add", "Replace", "remove"]);
    let path = proptest::option::of(proptest::sample::select(PATHS));
    (op, path, value())
        .prop_map(|(op, path, value)| json!({"op": op, "path": path, "value": value}))
}

fn text() -> impl Strategy<Value = String> {
    "[a-z]{1,4}"
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn what_comes_out_would_have_been_taken_in(
        operations in proptest::collection::vec(operation(), 0..6),
    ) {
        let mut user = ada(json!({"active": true, "emails": [{"value": "a", "type": "work"}]}));
        let before = user.clone();
        let done = try_patch(schema::user(), &mut user, json!(operations), Strictness::Lenient);
        prop_assert_eq!(done.is_ok_and(|applied| applied.changed), user != before);
        let again = normalise(schema::user(), Value::Object(user.clone()), Strictness::Strict);
        prop_assert_eq!(again.unwrap().document, user);
    }

    #[test]
    fn doing_the_same_twice_changes_nothing_more(operation in operation()) {
        let mut user = ada(json!({"emails": [{"value": "a", "type": "work"}]}));
        let operations = json!([operation]);
        if try_patch(schema::user(), &mut user, operations.clone(), Strictness::Lenient).is_ok() {
            let again = try_patch(schema::user(), &mut user, operations, Strictness::Lenient);
            prop_assert!(!again.unwrap().changed);
        }
    }

    #[test]
    fn patching_back_restores(title in text(), work in text(), family in text(), manager in text()) {
        let before = ada(json!({
            "title": "t", "name": {"familyName": "L", "givenName": "Ada"},
            "emails": [{"value": "a@b.c", "type": "work", "primary": true}, {"value": "h", "type": "home"}],
            (URN): {"manager": {"value": "m"}, "department": "D"},
        }));
        let set = |title: &str, work: &str, family: &str, manager: &str| json!([
            {"op": "Replace", "path": "title", "value": title},
            {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": work},
            {"op": "replace", "value": {"name.familyName": family, (format!("{URN}:manager")): manager}},
        ]);
        let mut user = before.clone();
        let there = set(&title, &work, &family, &manager);
        try_patch(schema::user(), &mut user, there, Strictness::Lenient).unwrap();
        prop_assert_eq!(&user["title"], &json!(title));
        try_patch(schema::user(), &mut user, set("t", "a@b.c", "L", "m"), Strictness::Lenient).unwrap();
        prop_assert_eq!(user, before);
    }

    #[test]
    fn no_path_makes_it_panic(path in "\\PC*", value in value()) {
        let mut user = ada(json!({}));
        let operations = json!([{"op": "add", "path": path, "value": value}]);
        let _ = try_patch(schema::user(), &mut user, operations, Strictness::Lenient);
    }
}

// C046
#[test]
fn hostile_nesting_in_a_path_is_refused() {
    on_a_small_stack(|| {
        for levels in [20, 100, 5_000, 200_000] {
            for open in ["[", "(", "emails[", "emails[("] {
                assert!(PatchPath::parse(&open.repeat(levels)).is_err());
            }
        }
    });
}

#[test]
fn nesting_at_the_limit_is_taken() {
    let nested = format!("emails[{}type pr{}]", "(".repeat(19), ")".repeat(19));
    assert!(PatchPath::parse(&nested).is_ok());
    let deeper = format!("emails[{}type pr{}]", "(".repeat(20), ")".repeat(20));
    assert!(PatchPath::parse(&deeper).is_err());
}
