//! Tables of filters that are read, refused, and printed.

use proptest::prelude::*;

use super::*;
use crate::scim::properties::{cases, on_a_small_stack};
use crate::scim::schema;

#[test]
fn filters_are_read_and_printed_in_schema_spelling() {
    fn check(text: &str, expect: &str) {
        let filter = parse(text, schema::user()).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(filter.to_string(), expect, "{text}");
    }
    check(
        r#"userName Eq "p.user@ping.example""#,
        r#"userName eq "p.user@ping.example""#,
    );
    check("externalId eq mlindt", r#"externalId eq "mlindt""#);
    check("externalId eq 701984", r#"externalId eq "701984""#);
    check("userName sw O", r#"userName sw "O""#);
    check(
        "meta.Created gt 2015-10-10T14:38:21.8617979-07:00",
        r#"meta.created gt "2015-10-10T14:38:21.8617979-07:00""#,
    );
    check(
        "name.FamilyName eq Employee and (emails.Value co a or emails.Value co b)",
        r#"name.familyName eq "Employee" and (emails.value co "a" or emails.value co "b")"#,
    );
    check(r#"emails eq "a@b""#, r#"emails.value eq "a@b""#);
    check(
        r#"id eq "a" and manager eq "b""#,
        r#"id eq "a" and urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "b""#,
    );
    check(
        r#"emails[type eq "work"].value eq "x""#,
        r#"emails[type eq "work"].value eq "x""#,
    );
    check(
        r#"emails[primary eq "True"] eq "x""#,
        "emails[primary eq true].value eq \"x\"",
    );
    check(r#"active eq "False""#, "active eq false");
    check("not(title pr)", "not (title pr)");
    check(
        "NOT (title PR) AND active EQ TRUE",
        "not (title pr) and active eq true",
    );
    check("((title pr))", "title pr");
    check(
        "title pr and (active eq true and locale pr)",
        "title pr and active eq true and locale pr",
    );
    check(
        "title pr or active eq true and locale pr",
        "title pr or active eq true and locale pr",
    );
    check("(title pr)and(locale pr)", "title pr and locale pr");
    check(r#"userName eq "a\"\\\u00e9)""#, r#"userName eq "a\"\\é)""#);
    check("displayName eq null", "displayName eq null");
    check("  title pr  ", "title pr");
}

#[test]
fn broken_and_impossible_filters_are_refused() {
    fn check(text: &str) {
        match parse(text, schema::user()) {
            Err(Error::Invalid { kind, detail }) => {
                assert_eq!(kind, Invalid::Filter, "{text}");
                assert!(!detail.contains("hunter2"), "{text}: {detail}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    for text in [
        "",
        " ",
        "userName",
        "userName eq",
        "userName eq \"a",
        "userName eq \"a\" and",
        "userName zz \"a\"",
        "(title pr",
        "title pr)",
        "not title pr",
        "and title pr",
        "title pr title pr",
        "userName eq a b",
        "userName eq and",
        "userName eq\"a\"b",
        "userName eq \"\\x\"",
        "userName eq \"\\ud800\"",
        "emails[type eq \"work\"",
        "emails[]",
        "emails[type eq \"work\"]]",
        "userName[value eq \"x\"]",
        "emails[emails[type pr]]",
        "emails.value[type pr]",
        "name eq \"x\"",
        "userName eq hunter2(",
        "hunter2 eq \"x\"",
        "emails[hunter2 eq 1]",
        // RFC 7644 section 3.4.2.2: no order on booleans.
        "active gt true",
        "active eq 1",
        "active co true",
        "active eq yes",
        "meta.created gt \"yesterday\"",
        "meta.created co 2020",
        "userName gt null",
        "members eq \"x\"",
        // C031
        "password sw \"a\"",
        "PASSWORD pr",
        "totpSecret pr",
        "urn:ietf:params:scim:schemas:core:2.0:User:password pr",
        "urn:example:internal:recoveryEmail eq \"x\"",
        // C007
        "userName pr or tenant eq \"B\"",
    ] {
        check(text);
    }
}

// C046
#[test]
fn depth_is_bounded_while_reading() {
    let nest = |levels: usize| format!("{}title pr{}", "(".repeat(levels), ")".repeat(levels));
    assert!(parse(&nest(DEPTH), schema::user()).is_ok());
    assert!(parse(&nest(DEPTH + 1), schema::user()).is_err());
    let negated = format!("{}title pr{}", "not(".repeat(DEPTH), ")".repeat(DEPTH));
    on_a_small_stack(move || {
        let deepest = parse(&negated, schema::user()).unwrap();
        let resource = serde_json::json!({"title": "x"});
        assert!(crate::scim::evaluate::matches(&deepest, &resource));
        let _ = deepest.to_string();
        drop(deepest);
        for levels in [2_000, 5_000, 200_000] {
            for open in ["(", "[", "emails[", "not(", "userName eq ("] {
                let hostile = open.repeat(levels);
                assert!(parse(&hostile, schema::user()).is_err());
                assert!(parse(&hostile[..hostile.len().min(BYTES)], schema::user()).is_err());
            }
        }
    });
}

// C047
#[test]
fn width_is_bounded() {
    let wide = |terms: usize| vec!["title pr"; terms].join(" or ");
    assert!(parse(&wide(TERMS), schema::user()).is_ok());
    assert!(parse(&wide(TERMS + 1), schema::user()).is_err());
    let long = |bytes: usize| format!("title eq \"{}\"", "x".repeat(bytes - 11));
    assert!(parse(&long(BYTES), schema::user()).is_ok());
    assert!(parse(&long(BYTES + 1), schema::user()).is_err());
}

fn literal() -> impl Strategy<Value = Literal> {
    any::<String>().prop_map(Literal::String)
}

fn text_operator() -> impl Strategy<Value = Operator> {
    use Operator::{Co, Eq, Ew, Ge, Gt, Le, Lt, Ne, Sw};
    proptest::sample::select(vec![Eq, Ne, Co, Sw, Ew, Gt, Ge, Lt, Le])
}

fn resolved(text: &str) -> Resolved {
    let path = AttributePath::parse(text).unwrap();
    path.resolve(schema::user()).known().unwrap()
}

fn element(paths: &'static [&'static str]) -> impl Strategy<Value = Filter> {
    tree(
        prop_oneof![
            (proptest::sample::select(paths), text_operator(), literal()).prop_map(
                |(path, operator, value)| Filter::Compare {
                    path: resolved(path),
                    operator,
                    value
                }
            ),
            proptest::sample::select(paths).prop_map(|path| Filter::Present {
                path: resolved(path)
            }),
        ]
        .boxed(),
        2,
    )
}

fn tree(leaf: BoxedStrategy<Filter>, depth: u32) -> BoxedStrategy<Filter> {
    let branch = |inner: BoxedStrategy<Filter>| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Filter::all),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Filter::any),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    };
    leaf.prop_recursive(depth, 20, 3, branch).boxed()
}

fn filters() -> impl Strategy<Value = Filter> {
    const EMAIL: &[&str] = &["emails.value", "emails.type", "emails.display"];
    const TOP: &[&str] = &[
        "userName",
        "name.familyName",
        "externalId",
        "manager.value",
        "id",
    ];
    let value_path = (
        element(EMAIL),
        proptest::option::of((text_operator(), literal())),
        any::<bool>(),
    )
        .prop_map(|(filter, comparison, with_sub)| {
            let path = resolved("emails");
            let with_sub = with_sub || comparison.is_some();
            let sub = with_sub.then(|| path.attribute.sub("value").unwrap());
            Filter::ValuePath {
                path,
                filter: Box::new(filter),
                sub,
                comparison,
            }
        });
    let flag = any::<bool>().prop_map(|value| Filter::Compare {
        path: resolved("active"),
        operator: Operator::Eq,
        value: Literal::Boolean(value),
    });
    tree(prop_oneof![element(TOP), value_path, flag].boxed(), 4)
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn a_printed_filter_reads_back(filter in filters()) {
        let text = filter.to_string();
        prop_assume!(text.len() <= BYTES);
        prop_assert_eq!(parse(&text, schema::user()).unwrap(), filter);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC*") {
        let _ = parse(&text, schema::user());
        let _ = Selection::parse(&text);
    }

    #[test]
    fn no_filter_like_text_makes_it_panic(
        parts in proptest::collection::vec(proptest::sample::select(vec![
            "userName", "emails", "[", "]", "(", ")", " eq ", " and ", " or ", "not", ".", ":",
            "\"", "\\", "x", " pr", " ", "é", "urn:", "null", "true", "1e9",
        ]), 0..24),
    ) {
        let text = parts.concat();
        if let Ok(filter) = parse(&text, schema::user()) {
            prop_assert_eq!(parse(&filter.to_string(), schema::user()).unwrap(), filter);
        }
    }
}
