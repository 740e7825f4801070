//! PATCH of users.

use super::*;

fn check(before: Value, operations: Value, after: Value) {
    let mut user = ada(before);
    let shown = operations.to_string();
    let old = user.clone();
    let applied = try_patch(schema::user(), &mut user, operations, Strictness::Lenient)
        .unwrap_or_else(|error| panic!("{shown}: {error}"));
    assert_eq!(
        Value::Object(user.clone()),
        Value::Object(ada(after)),
        "{shown}"
    );
    assert_eq!(applied.changed, old != user, "{shown}");
}

#[test]
fn simple_attributes_are_set_and_cleared() {
    check(
        json!({}),
        one("Add", "nickName", json!("B")),
        json!({"nickName": "B"}),
    );
    check(
        json!({"nickName": "A"}),
        one("add", "nickName", json!("B")),
        json!({"nickName": "B"}),
    );
    check(
        json!({}),
        one("REPLACE", "DISPLAYNAME", json!("S")),
        json!({"displayName": "S"}),
    );
    check(
        json!({"title": "x"}),
        one("Replace", "title", json!("")),
        json!({}),
    );
    check(
        json!({"title": "x"}),
        one("Add", "title", json!(null)),
        json!({}),
    );
    check(
        json!({"title": "x"}),
        json!([{"op": "remove", "path": "title"}]),
        json!({}),
    );
    check(
        json!({"title": "x"}),
        one("Replace", "title", json!("x")),
        json!({"title": "x"}),
    );
    let wrapped = json!([{"$ref": null, "value": "W"}]);
    check(
        json!({}),
        one("Replace", "displayName", wrapped),
        json!({"displayName": "W"}),
    );
    check(json!({"title": "x"}), json!([]), json!({"title": "x"}));
    check(
        json!({"externalId": "e"}),
        json!([
            {"op": "remove", "path": "externalId"},
            {"op": "add", "path": "externalId", "value": "e3"},
            {"op": "replace", "path": "externalId", "value": "e4"},
        ]),
        json!({"externalId": "e4"}),
    );
    check(
        json!({}),
        one("replace", "externalId", json!(7)),
        json!({"externalId": "7"}),
    );
}

// Found by fuzzing: the second time there is an entry more for the first key to speak of.
#[test]
fn paths_as_keys_are_done_in_order() {
    let value = json!({"emails.value": "b@x", "emails[type eq \"work\"].primary": true});
    let operation = json!([{"op": "replace", "value": value}]);
    let home = json!({"type": "home", "value": "a@x"});
    check(
        json!({"emails": [home]}),
        operation,
        json!({"emails": [{"type": "home", "value": "b@x"}, {"type": "work", "primary": true}]}),
    );
}

// C033, C034
#[test]
fn active_takes_booleans_in_every_spelling() {
    let core = "urn:ietf:params:scim:schemas:core:2.0:User:active";
    for path in ["active", "Active", core] {
        for off in [
            json!(false),
            json!("False"),
            json!("false"),
            json!([false]),
            json!(["False"]),
        ] {
            for op in ["Replace", "replace", "Add"] {
                let mut user = ada(json!({"active": true}));
                let done = try_patch(
                    schema::user(),
                    &mut user,
                    one(op, path, off.clone()),
                    Strictness::Lenient,
                );
                let done = done.unwrap();
                assert_eq!(done.active, Some(false));
                assert_eq!(done.changed_attributes, ["active"]);
                assert_eq!(user["active"], json!(false));
            }
        }
    }
    let urn = "urn:ietf:params:scim:schemas:core:2.0:User";
    for value in [
        json!({"active": false}),
        json!({"ACTIVE": "False"}),
        json!({(urn): {"active": false}}),
    ] {
        check(
            json!({"active": true}),
            json!([{"op": "replace", "value": value}]),
            json!({"active": false}),
        );
    }
    check(
        json!({}),
        one("replace", "active", json!({"value": "true"})),
        json!({"active": true}),
    );
    for bad in [
        json!(0),
        json!(1),
        json!("no"),
        json!(null),
        json!([]),
        json!(""),
        json!({}),
    ] {
        for operations in [
            one("replace", "active", bad.clone()),
            json!([{"op": "add", "value": {"active": bad}}]),
        ] {
            let mut user = ada(json!({"active": true}));
            let result = try_patch(schema::user(), &mut user, operations, Strictness::Lenient);
            assert_eq!(kind_of(result), Invalid::Value, "{bad}");
            assert_eq!(user, ada(json!({"active": true})));
        }
    }
    let mut user = ada(json!({"active": true}));
    let removal = json!([{"op": "remove", "path": "active"}]);
    let result = try_patch(schema::user(), &mut user, removal, Strictness::Lenient);
    assert_eq!(kind_of(result), Invalid::Value);
}

#[test]
fn complex_attributes_are_merged() {
    let name = json!({"name": {"givenName": "Ada", "familyName": "L"}});
    check(
        name.clone(),
        one(
            "Replace",
            "name",
            json!({"familyName": "N", "Formatted": "x"}),
        ),
        json!({"name": {"givenName": "Ada", "familyName": "N", "formatted": "x"}}),
    );
    check(
        name.clone(),
        one("replace", "name", json!({"familyName": null})),
        json!({"name": {"givenName": "Ada"}}),
    );
    check(
        name.clone(),
        one("replace", "name.givenName", json!("")),
        json!({"name": {"familyName": "L"}}),
    );
    check(name.clone(), one("replace", "name", json!(null)), json!({}));
    check(name, json!([{"op": "remove", "path": "name"}]), json!({}));
    check(
        json!({}),
        one("add", "name.givenName", json!("A")),
        json!({"name": {"givenName": "A"}}),
    );
}

#[test]
fn the_manager_comes_in_many_shapes() {
    let set = json!({(URN): {"manager": {"value": "m"}}});
    let path = format!("{URN}:manager");
    for path in [
        path.as_str(),
        "manager",
        &path.replace("User:", "User."),
        "manager.value",
    ] {
        check(json!({}), one("Add", path, json!("m")), set.clone());
        check(
            json!({(URN): {"manager": {"value": "o", "$ref": "r"}}}),
            one("Replace", path, json!("m")),
            set.clone(),
        );
        check(set.clone(), one("Replace", path, json!("")), json!({}));
        check(
            set.clone(),
            json!([{"op": "Remove", "path": path}]),
            json!({}),
        );
    }
    let listed = json!([{"$ref": "https://x/Users/m", "value": "m"}]);
    let with_ref = json!({(URN): {"manager": {"$ref": "https://x/Users/m", "value": "m"}}});
    check(json!({}), one("Add", "manager", listed), with_ref.clone());
    check(
        with_ref.clone(),
        one("Replace", "manager", json!("m")),
        with_ref,
    );
    check(
        json!({}),
        one("replace", &path, json!({"value": "m"})),
        set.clone(),
    );
    check(
        json!({}),
        json!([{"op": "add", "value": {(URN): {"Manager": "m"}}}]),
        set.clone(),
    );
    check(
        json!({}),
        json!([{"op": "add", "value": {(path): "m"}}]),
        set.clone(),
    );
    check(
        set.clone(),
        json!([{"op": "remove", "path": URN}]),
        json!({}),
    );
    check(
        set,
        one("replace", URN, json!({"department": "D"})),
        json!({(URN): {"manager": {"value": "m"}, "department": "D"}}),
    );
}

#[test]
fn path_less_values_have_keys_that_are_paths() {
    check(
        json!({"name": {"givenName": "Ada"}}),
        json!([{"op": "replace", "value": {
            "id": ID, "schemas": [], "meta": {}, "groups": [{"value": "g"}], "displayName": "P",
            "name.familyName": "N", "emails[type eq \"work\"].value": "a@b.c",
            "emails[type eq \"work\"].primary": true, "roles[primary eq \"True\"].value": "R",
            (format!("{URN}:costCenter")): "C", (URN): {"department": "D"}, "meta.version": "9",
        }}]),
        json!({
            "name": {"givenName": "Ada", "familyName": "N"}, "displayName": "P",
            "emails": [{"type": "work", "value": "a@b.c", "primary": true}],
            "roles": [{"primary": true, "value": "R"}],
            (URN): {"costCenter": "C", "department": "D"},
        }),
    );
}

#[test]
fn value_paths_change_or_create_one_entry() {
    let work = json!({"emails": [{"type": "work", "value": "w"}]});
    let set = |op, path, value: Value| one(op, path, value);
    check(
        json!({}),
        set("Add", "emails[type eq \"work\"].value", json!("w")),
        work.clone(),
    );
    check(
        work.clone(),
        set("Replace", "emails[type eq \"work\"].value", json!("x")),
        json!({"emails": [{"type": "work", "value": "x"}]}),
    );
    check(
        work.clone(),
        set("Add", "emails[type eq \"other\"].value", json!("o")),
        json!({"emails": [{"type": "work", "value": "w"}, {"type": "other", "value": "o"}]}),
    );
    check(
        work.clone(),
        set("Replace", "emails[type eq \"work\"].value", json!(null)),
        json!({}),
    );
    check(
        work.clone(),
        json!([{"op": "Remove", "path": "emails[type eq \"work\"]"}]),
        json!({}),
    );
    check(
        work.clone(),
        json!([{"op": "Remove", "path": "emails[type eq \"home\"].value"}]),
        work.clone(),
    );
    check(
        work.clone(),
        set("replace", "emails[type eq \"work\"]", json!({"value": "n"})),
        json!({"emails": [{"type": "work", "value": "n"}]}),
    );
    check(
        work,
        set("add", "emails[type eq \"work\"]", json!({"display": "d"})),
        json!({"emails": [{"type": "work", "value": "w", "display": "d"}]}),
    );
    check(
        json!({}),
        json!([
            {"op": "Add", "path": "addresses[type eq \"work\"].streetAddress", "value": "R"},
            {"op": "Add", "path": "addresses[type eq \"work\"].country", "value": "A"},
            {"op": "Add", "path": "roles[primary eq \"True\"].display", "value": "E"},
            {"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "e"},
        ]),
        json!({
            "addresses": [{"type": "work", "streetAddress": "R", "country": "A"}],
            "roles": [{"primary": true, "display": "E", "value": "e"}],
        }),
    );
}

#[test]
fn lists_are_extended_replaced_and_thinned() {
    let two = json!({"emails": [{"value": "a", "type": "work", "primary": true}, {"value": "b", "type": "home"}]});
    check(
        two.clone(),
        one("add", "emails", json!([{"value": "A", "type": "work"}])),
        json!({"emails": [{"value": "A", "type": "work", "primary": true}, {"value": "b", "type": "home"}]}),
    );
    check(
        two.clone(),
        one("add", "emails", json!({"value": "c", "primary": true})),
        json!({"emails": [{"value": "a", "type": "work", "primary": false}, {"value": "b", "type": "home"}, {"value": "c", "primary": true}]}),
    );
    check(
        two.clone(),
        one("replace", "emails[type eq \"home\"].primary", json!("true")),
        json!({"emails": [{"value": "a", "type": "work", "primary": false}, {"value": "b", "type": "home", "primary": true}]}),
    );
    check(
        two.clone(),
        one(
            "replace",
            "emails[value pr]",
            json!({"value": "c", "primary": true}),
        ),
        json!({"emails": [{"value": "c", "primary": true}]}),
    );
    check(
        two.clone(),
        one(
            "add",
            "emails[type eq \"home\"]",
            json!({"value": "A", "type": "work", "primary": true}),
        ),
        json!({"emails": [{"value": "A", "type": "work", "primary": true}]}),
    );
    // What was said last is how it is spelled, wherever the two stood.
    check(
        json!({"emails": [{"value": "b"}, {"value": "A", "display": "old"}]}),
        one("add", "emails[value eq \"b\"]", json!({"value": "a"})),
        json!({"emails": [{"value": "a", "display": "old"}]}),
    );
    check(
        two.clone(),
        one("replace", "emails", json!([{"value": "c"}])),
        json!({"emails": [{"value": "c"}]}),
    );
    check(two.clone(), one("replace", "emails", json!([])), json!({}));
    check(two.clone(), one("add", "emails", json!([])), two.clone());
    check(
        two.clone(),
        one("remove", "emails", json!([{"type": "work", "value": "A"}])),
        json!({"emails": [{"value": "b", "type": "home"}]}),
    );
    check(two.clone(), one("remove", "emails", json!([])), two.clone());
    check(
        two.clone(),
        json!([{"op": "remove", "value": {"emails": [{"value": "b"}]}}]),
        json!({"emails": [{"value": "a", "type": "work", "primary": true}]}),
    );
    check(two, json!([{"op": "remove", "path": "emails"}]), json!({}));
    let opaque =
        json!([{"value": "{\"id\":\"1\",\"value\":\"DocAdmin\"}"}, {"value": "{\"id\":\"2\"}"}]);
    check(
        json!({"roles": opaque}),
        one("Add", "roles", opaque.clone()),
        json!({"roles": opaque}),
    );
    check(
        json!({"roles": [{"value": "x"}]}),
        one(
            "replace",
            "roles",
            json!([{"displayName": "Reader", "value": "r", "primary": false}]),
        ),
        json!({"roles": [{"display": "Reader", "value": "r", "primary": false}]}),
    );
}
