//! Microsoft's validator: users (12.1, 1 to 15 and P1 to P4).

use serde_json::{Value, json};

use super::cases;
use super::lives::{self, manager_path};
use crate::virtual_idp::selftest::resources::{ENTERPRISE, eq, unknown};

/// A user as the validator makes one before it adds everything else.
fn minimal() -> Value {
    json!({"schemas": [super::USER, ENTERPRISE]})
}

/// Every attribute that the validator sets, as a path and a value, and how it reads back.
fn everything(mark: &str) -> (Vec<(String, Value)>, Value) {
    let text = |name: &str| format!("{name} {mark}");
    let plain = [
        "displayName",
        "title",
        "preferredLanguage",
        "userType",
        "nickName",
        "locale",
        "timezone",
    ];
    let named = [
        "givenName",
        "familyName",
        "formatted",
        "middleName",
        "honorificPrefix",
        "honorificSuffix",
    ];
    let address = [
        "formatted",
        "streetAddress",
        "locality",
        "region",
        "postalCode",
        "country",
    ];
    let work = [
        "employeeNumber",
        "department",
        "costCenter",
        "organization",
        "division",
    ];
    let mut pairs = Vec::new();
    let mut expected = json!({
        "name": {}, "addresses": [{"type": "work"}], ENTERPRISE: {},
        "profileUrl": format!("https://selftest.example/{mark}"),
        "emails": [{"type": "work", "value": format!("{mark}@mail.example"), "primary": true}],
        "phoneNumbers": [
            {"type": "work", "value": "11-222", "primary": true},
            {"type": "mobile", "value": "33-444"},
            {"type": "fax", "value": "55-666"},
        ],
        "roles": [{"primary": true, "display": text("role"), "value": mark, "type": "app"}],
    });
    for name in plain {
        pairs.push((name.to_owned(), json!(text(name))));
        expected[name] = json!(text(name));
    }
    for name in named {
        pairs.push((format!("name.{name}"), json!(text(name))));
        expected["name"][name] = json!(text(name));
    }
    for name in address {
        pairs.push((
            format!("addresses[type eq \"work\"].{name}"),
            json!(text(name)),
        ));
        expected["addresses"][0][name] = json!(text(name));
    }
    for name in work {
        pairs.push((format!("{ENTERPRISE}:{name}"), json!(text(name))));
        expected[ENTERPRISE][name] = json!(text(name));
    }
    for (path, value) in [
        ("profileUrl", expected["profileUrl"].clone()),
        (
            "emails[type eq \"work\"].value",
            expected["emails"][0]["value"].clone(),
        ),
        ("emails[type eq \"work\"].primary", json!(true)),
        ("phoneNumbers[type eq \"work\"].value", json!("11-222")),
        ("phoneNumbers[type eq \"work\"].primary", json!(true)),
        ("phoneNumbers[type eq \"mobile\"].value", json!("33-444")),
        ("phoneNumbers[type eq \"fax\"].value", json!("55-666")),
        ("roles[primary eq \"True\"].display", json!(text("role"))),
        ("roles[primary eq \"True\"].value", json!(mark)),
        ("roles[primary eq \"True\"].type", json!("app")),
    ] {
        pairs.push((path.to_owned(), value));
    }
    (pairs, expected)
}

/// One operation without a path that carries all pairs.
fn at_once(op: &str, pairs: Vec<(String, Value)>) -> Value {
    let value: serde_json::Map<String, Value> = pairs.into_iter().collect();
    json!([{"op": op, "value": value}])
}

/// One operation a pair.
fn one_by_one(op: &str, pairs: Vec<(String, Value)>) -> Value {
    let operations = pairs.into_iter();
    operations
        .map(|(path, value)| json!({"op": op, "path": path, "value": value}))
        .collect()
}

cases! {
    "12.1-1" [Entra] "a created user is found with every value that was sent" |s| {
        lives::creates_and_reads_back(s).await?;
    }
    "12.1-2" [Entra] "a user created twice is a 409" |s| {
        lives::refuses_a_duplicate(s, "/Users").await?;
    }
    "12.1-3" [Entra] "a filter finds an existing user" |s| {
        lives::is_found(s, "/Users", str::to_owned).await?;
    }
    "12.1-4" [Entra] "a filter for a user that does not exist is an empty list" |s| {
        lives::nothing_is_found(s, "/Users").await?;
    }
    "12.1-5" [Entra] "a filter finds a userName in another letter case" |s| {
        lives::is_found(s, "/Users", str::to_uppercase).await?;
    }
    "12.1-6" [Entra] "one replace without a path changes every attribute" |s| {
        let (pairs, expected) = everything(&s.unique());
        let user = s.user(json!({})).await?;
        s.changes(&user, at_once("replace", pairs), expected).await?;
    }
    "12.1-7" [Entra] "one replace an attribute changes every attribute" |s| {
        let (pairs, expected) = everything(&s.unique());
        let user = s.user(json!({})).await?;
        s.changes(&user, one_by_one("Replace", pairs), expected).await?;
    }
    "12.1-8" [Entra] "a PATCH changes the userName" |s| {
        let user = s.user(json!({})).await?;
        let name = format!("{}@selftest.example", s.unique());
        let operation = json!([{"op": "Replace", "path": "userName", "value": name}]);
        s.patch(&user, operation).await?;
        s.finds(&user, &eq("userName", &name), json!({"userName": name})).await?;
        s.users(&eq("userName", &user.name)).await?.none()?;
    }
    "12.1-9" [Entra] "a disabled user is shown and found as inactive" |s| {
        let user = s.user(json!({})).await?;
        lives::is_deactivated(s, &user).await?;
    }
    "12.1-10" [Entra] "one add without a path sets every attribute" |s| {
        let (pairs, expected) = everything(&s.unique());
        let user = s.user(minimal()).await?;
        s.changes(&user, at_once("add", pairs), expected).await?;
    }
    "12.1-11" [Entra] "one add an attribute sets every attribute of a minimal user" |s| {
        let (pairs, expected) = everything(&s.unique());
        let name = format!("{}@selftest.example", s.unique());
        let body = json!({"schemas": [super::USER, ENTERPRISE], "userName": name, "active": true});
        let user = s.make("/Users", "userName", body).await?;
        s.changes(&user, one_by_one("Add", pairs), expected).await?;
    }
    "12.1-12" [Entra] "a manager is added as a plain string" |s| {
        let id = unknown();
        let add = json!({"op": "Add", "path": manager_path(), "value": id});
        lives::manager(s, &[(add, Some(&id))]).await?;
    }
    "12.1-13" [Entra] "a manager is replaced by another" |s| {
        let (first, second) = (unknown(), unknown());
        let add = json!({"op": "Add", "path": manager_path(), "value": first});
        let replace = json!({"op": "Replace", "path": manager_path(), "value": second});
        lives::manager(s, &[(add, Some(&first)), (replace, Some(&second))]).await?;
    }
    "12.1-14" [Entra] "a manager replaced by an empty text is gone" |s| {
        let id = unknown();
        let add = json!({"op": "Add", "path": manager_path(), "value": id});
        let clear = json!({"op": "Replace", "path": manager_path(), "value": ""});
        lives::manager(s, &[(add, Some(&id)), (clear, None)]).await?;
    }
    "12.1-15" [Entra] "a deleted user is a 404" |s| {
        lives::is_deleted(s, "/Users").await?;
    }
    "P1" [Entra] "operations on different attributes of a user all apply" |s| {
        let user = s.user(json!({"preferredLanguage": "de", "nickName": null})).await?;
        let operations = json!([
            {"op": "remove", "path": "preferredLanguage"},
            {"op": "add", "path": "nickName", "value": "Selfie"},
            {"op": "replace", "path": "displayName", "value": "Self Test"},
        ]);
        let expected = json!(
            {"preferredLanguage": null, "nickName": "Selfie", "displayName": "Self Test"}
        );
        s.changes(&user, operations, expected).await?;
    }
    "P2" [Entra] "operations on one attribute apply in order" |s| {
        let user = s.user(json!({"displayName": "First"})).await?;
        let operations = json!([
            {"op": "remove", "path": "displayName"},
            {"op": "add", "path": "displayName", "value": "Second"},
            {"op": "replace", "path": "displayName", "value": "Third"},
        ]);
        s.changes(&user, operations, json!({"displayName": "Third"})).await?;
    }
    "P3" [Entra] "deleting an unknown user is a 404" |s| {
        lives::unknown_is_not_deleted(s, "/Users").await?;
    }
    "P4" [Entra] "a user deleted twice is a 204, then a 404" |s| {
        lives::is_deleted_once(s, "/Users").await?;
    }
}
