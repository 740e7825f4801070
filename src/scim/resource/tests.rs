//! Tables of bodies that are taken in, refused, read and rendered.

#![expect(
    clippy::needless_pass_by_value,
    reason = "rows of a table read best as plain values"
)]

use serde_json::json;

use super::*;
use crate::clock::Timestamp;
use crate::scim::schema;

const URN: &str = schema::ENTERPRISE_USER;

fn user(body: Value) -> Result<Incoming> {
    normalise(schema::user(), body, Strictness::Lenient)
}

fn kind_of(error: &Error) -> Invalid {
    match error {
        Error::Invalid { kind, .. } => *kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn bodies_become_documents_in_schema_spelling() {
    fn check(body: Value, expect: Value) {
        let mut body = body;
        body["userName"] = json!("ada");
        let mut document = user(body).unwrap().document;
        assert_eq!(document.shift_remove("userName"), Some(json!("ada")));
        assert_eq!(Value::Object(document), expect);
    }
    check(
        json!({"active": "True", "ACTIVE2": 1}),
        json!({"active": true}),
    );
    check(json!({"active": ["false"]}), json!({"active": false}));
    check(
        json!({"title": "", "nickName": null, "roles": [], "name": {}}),
        json!({}),
    );
    check(
        json!({"emails": [{"Primary": true, "type": "work", "value": "a@b.c"}]}),
        json!({"emails": [{"primary": true, "type": "work", "value": "a@b.c"}]}),
    );
    check(
        json!({"emails": {"value": "a@b.c"}}),
        json!({"emails": [{"value": "a@b.c"}]}),
    );
    check(
        json!({"emails": [{"value": "a", "primary": true}, {"value": "b", "primary": "True"}]}),
        json!({"emails": [{"value": "a", "primary": true}, {"value": "b", "primary": false}]}),
    );
    check(
        json!({"roles": ["admin"]}),
        json!({"roles": [{"value": "admin"}]}),
    );
    check(
        json!({"roles": [{"displayName": "Reader", "value": "r", "primary": "False"}]}),
        json!({"roles": [{"display": "Reader", "value": "r", "primary": false}]}),
    );
    check(
        json!({"addresses": [{"type": "other", "country": null, "postalCode": 91608}, {"region": null}]}),
        json!({"addresses": [{"type": "other", "postalCode": "91608"}]}),
    );
    check(
        json!({"externalId": 701_984}),
        json!({"externalId": "701984"}),
    );
    check(
        json!({"displayName": [{"$ref": null, "value": "Wrapped"}]}),
        json!({"displayName": "Wrapped"}),
    );
    let manager = json!({(URN): {"manager": {"value": "m"}}});
    for sent in [
        json!("m"),
        json!({"Value": "m"}),
        json!([{"value": "m", "$ref": null}]),
    ] {
        check(json!({(URN): {"Manager": sent}}), manager.clone());
    }
    for none in [json!(""), json!(null), json!([]), json!([{"value": ""}])] {
        check(json!({(URN): {"manager": none}}), json!({}));
    }
    check(
        json!({(URN.to_uppercase()): {"Department": "D"}}),
        json!({(URN): {"department": "D"}}),
    );
    check(json!({(URN): null}), json!({}));
    // C045: shown inert elsewhere, stored as sent.
    check(
        json!({"displayName": "<b>\u{202e}{{x}}\u{1b}[1m"}),
        json!({"displayName": "<b>\u{202e}{{x}}\u{1b}[1m"}),
    );
}

// C061
#[test]
fn wrong_types_are_refused() {
    let wide = "x".repeat(STRING + 1);
    let many = vec![json!({"value": "a"}); ENTRIES + 1];
    for body in [
        json!({"userName": ["a", "b"]}),
        json!({"userName": {}}),
        json!({"userName": true}),
        json!({"userName": {"value": "a"}}),
        json!({"userName": "a", "active": {}}),
        // C033
        json!({"userName": "a", "active": 0}),
        json!({"userName": "a", "active": "no"}),
        json!({"userName": "a", "active": ""}),
        json!({"userName": "a", "active": []}),
        json!({"userName": "a", "name": "x"}),
        json!({"userName": "a", "name": [1]}),
        json!({"userName": "a", "emails": "x"}),
        json!({"userName": "a", "emails": 1}),
        json!({"userName": "a", "emails": [["x"]]}),
        json!({"userName": "a", "emails": [{"value": {}}]}),
        json!({"userName": "a", "emails": [true]}),
        json!({"userName": "a", "title": {}}),
        json!({"userName": "a", "title": [[{"value": "x"}]]}),
        json!({"userName": "a", "title": "a\u{0}"}),
        json!({"userName": "a", "profileUrl": 1}),
        json!({"userName": "a", (URN): []}),
        json!({"userName": "a", (URN): {"manager": [1, 2]}}),
        // The limits
        json!({"userName": "a", "title": wide}),
        json!({"userName": "a", "emails": many}),
        // What is required
        json!({}),
        json!({"userName": ""}),
        json!({"userName": " "}),
        json!({"userName": null}),
        // C023
        json!({"userName": "a\u{200d}b"}),
        json!({"userName": "a "}),
    ] {
        let error = user(body.clone()).expect_err(&body.to_string());
        assert_eq!(kind_of(&error), Invalid::Value, "{body}");
    }
    assert_eq!(kind_of(&user(json!([])).unwrap_err()), Invalid::Syntax);
    let group = normalise(
        schema::group(),
        json!({"displayName": " "}),
        Strictness::Lenient,
    );
    assert_eq!(kind_of(&group.unwrap_err()), Invalid::Value);
}

#[test]
fn values_at_the_limit_are_taken() {
    let binary = "x".repeat(BINARY);
    let body = json!({
        "userName": "é".repeat(STRING), "emails": vec![json!({"value": "a"}); ENTRIES],
        "x509Certificates": [{"value": binary}],
    });
    assert!(user(body).is_ok());
    let body = json!({"userName": "a", "x509Certificates": [{"value": binary + "x"}]});
    assert!(user(body).is_err());
}

// C029, C030
#[test]
fn what_is_not_the_clients_is_dropped_and_noted() {
    let incoming = user(json!({
        "schemas": ["urn:x"], "id": "other", "meta": {"version": "x"}, "groups": [{"value": "g"}],
        "userName": "ada", "password": "hunter2", "isAdmin": true, "department": "D",
        "name": {"nick": "x"}, (URN): {"manager": {"value": "m", "displayName": "M"}, "x": 1},
    }))
    .unwrap();
    assert_eq!(incoming.id.as_deref(), Some("other"));
    assert_eq!(
        Value::Object(incoming.document),
        json!({"userName": "ada", (URN): {"manager": {"value": "m"}}}),
    );
    let notes: Vec<_> = incoming
        .notes
        .iter()
        .map(|note| (note.path.as_str(), note.reason))
        .collect();
    assert_eq!(
        notes,
        [
            ("groups", Reason::ReadOnly),
            ("password", Reason::Password),
            ("isAdmin", Reason::Unknown),
            ("department", Reason::Unknown),
            ("name.nick", Reason::Unknown),
            ("manager.displayName", Reason::ReadOnly),
            ("x", Reason::Unknown),
        ]
    );
    assert!(!format!("{:?}", incoming.notes).contains("hunter2"));
}

#[test]
fn a_strict_directory_refuses_what_it_does_not_know() {
    for body in [
        json!({"userName": "a", "isAdmin": true}),
        json!({"userName": "a", "name": {"nick": "x"}}),
        json!({"userName": "a", "externalId": 1}),
        json!({"userName": "a", (URN): {"x": 1}}),
    ] {
        assert!(
            normalise(schema::user(), body.clone(), Strictness::Strict).is_err(),
            "{body}"
        );
    }
    for body in [
        json!({"userName": "a", "groups": [], "meta": {}, "password": "x"}),
        json!({"userName": "a", (URN): {"schemas": [URN], "department": "d"}}),
    ] {
        let taken = normalise(schema::user(), body.clone(), Strictness::Strict);
        assert!(taken.is_ok(), "{body}");
    }
}

#[test]
fn members_come_out_apart() {
    fn check(members: Value, expect: Option<&[&str]>) {
        let body = json!({"displayName": "Crew", "members": members});
        let incoming = normalise(schema::group(), body.clone(), Strictness::Lenient);
        let found = incoming.ok().map(|incoming| {
            assert!(!incoming.document.contains_key("members"));
            incoming
                .members
                .unwrap()
                .into_iter()
                .map(|m| m.value)
                .collect::<Vec<_>>()
        });
        let expect: Option<Vec<String>> =
            expect.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect());
        assert_eq!(found, expect, "{body}");
    }
    check(json!([]), Some(&[]));
    check(json!(null), Some(&[]));
    check(json!("a"), Some(&["a"]));
    check(json!({"value": "a"}), Some(&["a"]));
    check(
        json!(["a", {"Value": "b", "display": null}, {"value": 7}, "a"]),
        Some(&["a", "b", "7"]),
    );
    check(json!({"value": {}}), None);
    check(json!([{"display": "x"}]), None);
    check(json!([""]), None);
    check(json!(true), None);
    let body = json!({"displayName": "Crew"});
    let silent = normalise(schema::group(), body, Strictness::Lenient).unwrap();
    assert_eq!(silent.members, None);
    let body = json!({"displayName": "Crew", "members": [{"value": "g", "type": "group"}]});
    let group = normalise(schema::group(), body, Strictness::Lenient).unwrap();
    assert_eq!(group.members.unwrap()[0].kind, Some(MemberKind::Group));
}

#[test]
fn the_address_to_write_to_is_determined() {
    fn check(body: Value, expect: Option<&str>) {
        let document = user(body).unwrap().document;
        assert_eq!(user_core(&document).primary_email(), expect);
    }
    let entry = |value: &str, kind: &str, primary: bool| json!({"value": value, "type": kind, "primary": primary});
    let (home, work) = (entry("h@x.y", "home", false), entry("w@x.y", "Work", false));
    let best = entry("p@x.y", "other", true);
    check(
        json!({"userName": "u", "emails": [home, work, best]}),
        Some("p@x.y"),
    );
    check(
        json!({"userName": "u", "emails": [home, work]}),
        Some("w@x.y"),
    );
    check(
        json!({"userName": "u", "emails": [home, {"type": "work"}]}),
        Some("h@x.y"),
    );
    check(json!({"userName": "u@x.y"}), Some("u@x.y"));
    check(json!({"userName": "u"}), None);
}

#[test]
fn the_core_is_read_from_the_document() {
    let document = user(json!({
        "userName": "ada", "externalId": "e", "name": {"givenName": "Ada", "familyName": "L"},
        (URN): {"manager": "m"}, "preferredLanguage": "en",
    }))
    .unwrap()
    .document;
    let core = user_core(&document);
    assert!(core.active);
    assert_eq!(
        (core.user_name, core.external_id, core.manager),
        ("ada", Some("e"), Some("m"))
    );
    assert_eq!(
        (core.given_name, core.family_name),
        (Some("Ada"), Some("L"))
    );
    assert_eq!(core.shown_name(), "Ada L");
}

// C035
#[test]
fn a_silent_body_leaves_active_to_the_caller() {
    let mut silent = user(json!({"userName": "ada"})).unwrap();
    assert!(!silent.has_active());
    silent.default_active(false);
    assert_eq!(silent.document["active"], json!(false));
    let mut clear = user(json!({"userName": "ada", "active": true})).unwrap();
    clear.default_active(false);
    assert_eq!(clear.document["active"], json!(true));
}

#[test]
fn a_resource_is_rendered_from_stored_text() {
    let document = user(json!({"userName": "a]\"}", (URN): {"department": "D"}}))
        .unwrap()
        .document;
    let stored = to_stored(schema::user(), &document);
    assert_eq!(from_stored(&stored).unwrap(), document);
    let meta = Meta {
        created: Timestamp(0),
        last_modified: Timestamp(1_000_000),
        location: "https://x/Users/1".to_owned(),
        version: 3,
    };
    let groups = r#"[{"value":"g"}]"#;
    let text = render(schema::user(), "1", &stored, &[("groups", groups)], &meta);
    let resource: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        resource,
        json!({
            "schemas": [schema::USER, URN], "id": "1", "userName": "a]\"}",
            (URN): {"department": "D"}, "groups": [{"value": "g"}],
            "meta": {
                "resourceType": "User", "created": "1970-01-01T00:00:00.000000Z",
                "lastModified": "1970-01-01T00:00:01.000000Z", "location": "https://x/Users/1",
                "version": "W/\"3\"",
            },
        })
    );
    let empty = render(schema::group(), "1", "{}", &[], &meta);
    assert!(serde_json::from_str::<Value>(&empty).is_ok());
}
