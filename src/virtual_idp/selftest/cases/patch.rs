//! What must hold of PATCH (13-1 to 13-3, 13-7, 13-8, 13-9, 13-22).

use serde_json::json;

use super::{cases, lives};
use crate::virtual_idp::selftest::reply::ensure;
use crate::virtual_idp::selftest::resources::{ENTERPRISE, eq, unknown};

cases! {
    "13-1a" [Entra Okta] "an operation's name is read in any letter case" |s| {
        let user = s.user(json!({})).await?;
        for (op, title) in [("REPLACE", "A"), ("Add", "B"), ("replace", "C")] {
            let operation = json!([{"op": op, "path": "title", "value": title}]);
            s.changes(&user, operation, json!({"title": title})).await?;
        }
        s.changes(&user, json!([{"op": "Remove", "path": "title"}]), json!({"title": null}))
            .await?;
    }
    "13-1b" [Rfc Entra Okta] "an attribute's name is read in any letter case" |s| {
        let user = s.user(json!({})).await?;
        let operation = json!([{"op": "replace", "path": "DISPLAYNAME", "value": "Shouted"}]);
        s.changes(&user, operation, json!({"displayName": "Shouted"})).await?;
        s.users(&eq("USERNAME", &user.name)).await?.only(&user.id)?;
    }
    "13-1c" [Entra Okta] "a query's keys are read in any letter case" |s| {
        let user = s.user(json!({})).await?;
        let filter = s.encoded(&eq("userName", &user.name));
        let list = s.get(format!("/Users?FILTER={filter}&startindex=1&Count=5")).await?;
        list.list()?.only(&user.id)?;
    }
    "13-1d" [Entra Okta] "a text is taken for a boolean in a PATCH" |s| {
        let user = s.user(json!({})).await?;
        for (text, active) in
            [("False", false), ("True", true), ("false", false), ("true", true)]
        {
            let operation = json!([{"op": "Replace", "path": "active", "value": text}]);
            s.changes(&user, operation, json!({"active": active})).await?;
        }
    }
    "13-1e" [Entra Okta] "a text is taken for a boolean inside a list of values" |s| {
        let emails = json!([{"type": "work", "value": "one@selftest.example", "primary": "True"}]);
        let user = s.user(json!({"active": "False", "emails": emails})).await?;
        let expected = json!([{"type": "work", "primary": true}]);
        s.shows(&user, json!({"active": false, "emails": expected})).await?;
    }
    "13-1f" [Entra Okta] "a text is taken for a boolean in a filter" |s| {
        let user = s.user(json!({})).await?;
        let value = json!(user.name);
        for literal in ["\"True\"", "true"] {
            let filter = format!("emails[primary eq {literal}].value eq {value}");
            s.users(&filter).await?.only(&user.id)?;
        }
    }
    "13-2a" [Rfc Entra Okta] "a replace without a path changes what it names alone" |s| {
        let user = s.user(json!({})).await?;
        let mut expected = lives::comparable(&user.sent);
        expected["title"] = json!("Lead");
        s.changes(&user, json!([{"op": "replace", "value": {"title": "Lead"}}]), expected).await?;
    }
    "13-2b" [Entra Okta] "dotted keys without a path are paths" |s| {
        let user = s.user(json!({})).await?;
        let value = json!({"displayName": "Dotted", "name.givenName": "Dot"});
        let family = &user.sent["name"]["familyName"];
        let expected = json!({
            "displayName": "Dotted", "name": {"givenName": "Dot", "familyName": family},
            "name.givenName": null,
        });
        s.changes(&user, json!([{"op": "replace", "value": value}]), expected).await?;
    }
    "13-2c" [Entra Okta] "keys with a schema's URN before an attribute are paths" |s| {
        s.needs_extension(ENTERPRISE)?;
        let user = s.user(json!({})).await?;
        let value = json!({format!("{ENTERPRISE}:department"): "Deck"});
        let operation = json!([{"op": "replace", "value": value}]);
        s.changes(&user, operation, json!({ENTERPRISE: {"department": "Deck"}})).await?;
    }
    "13-2d" [Rfc Entra Okta] "an extension's object without a path is merged" |s| {
        s.needs_extension(ENTERPRISE)?;
        let user = s.user(json!({})).await?;
        for (name, value) in [("department", "Deck"), ("costCenter", "42")] {
            let value = json!({ENTERPRISE: {name: value}});
            s.patch(&user, json!([{"op": "add", "value": value}])).await?;
        }
        s.shows(&user, json!({ENTERPRISE: {"department": "Deck", "costCenter": "42"}})).await?;
    }
    "13-2e" [Rfc Entra Okta] "a replace of a complex attribute keeps its other parts" |s| {
        let user = s.user(json!({})).await?;
        let operation =
            json!([{"op": "replace", "path": "name", "value": {"familyName": "Merged"}}]);
        let given = &user.sent["name"]["givenName"];
        s.changes(&user, operation, json!({"name": {"familyName": "Merged", "givenName": given}}))
            .await?;
    }
    "13-2f" [Entra Okta] "what the server decides is ignored in a value without a path" |s| {
        let user = s.user(json!({})).await?;
        let value = json!({
            "id": user.id, "schemas": user.sent["schemas"], "meta": {"resourceType": "User"},
            "groups": [], "title": "Lead",
        });
        let operation = json!([{"op": "replace", "value": value}]);
        s.changes(&user, operation, json!({"title": "Lead", "id": user.id})).await?;
    }
    "13-3a" [Entra Okta] "an add to an entry that is not there makes it" |s| {
        let user = s.user(json!({})).await?;
        let path = "phoneNumbers[type eq \"mobile\"].value";
        let operation = json!([{"op": "Add", "path": path, "value": "1 2"}]);
        let phones = json!([{"type": "mobile", "value": "1 2"}]);
        s.changes(&user, operation, json!({"phoneNumbers": phones})).await?;
    }
    "13-3b" [Entra Okta] "a replace of an entry that is not there makes it" |s| {
        let user = s.user(json!({})).await?;
        let path = "addresses[type eq \"work\"].streetAddress";
        let operation = json!([{"op": "Replace", "path": path, "value": "1 Way"}]);
        let addresses = json!([{"type": "work", "streetAddress": "1 Way"}]);
        s.changes(&user, operation, json!({"addresses": addresses})).await?;
    }
    "13-3c" [Entra Okta] "a removal of an entry that is not there is no error" |s| {
        let user = s.user(json!({})).await?;
        let operation = json!([{"op": "Remove", "path": "phoneNumbers[type eq \"fax\"]"}]);
        s.changes(&user, operation, lives::comparable(&user.sent)).await?;
    }
    "13-3d" [Entra Okta] "another entry beside the first leaves the first alone" |s| {
        let user = s.user(json!({})).await?;
        let path = "emails[type eq \"other\"].value";
        let operation = json!([{"op": "Add", "path": path, "value": "other@selftest.example"}]);
        let emails = json!([
            {"type": "work", "value": user.name},
            {"type": "other", "value": "other@selftest.example"},
        ]);
        s.changes(&user, operation, json!({"emails": emails})).await?;
    }
    "13-7a" [Entra Okta] "a manager is taken as a text" |s| {
        let id = unknown();
        let set = json!({"op": "replace", "path": lives::manager_path(), "value": id});
        lives::manager(s, &[(set, Some(&id))]).await?;
    }
    "13-7b" [Rfc Entra Okta] "a manager is taken as an object" |s| {
        let id = unknown();
        let set = json!({"op": "add", "path": lives::manager_path(), "value": {"value": id}});
        lives::manager(s, &[(set, Some(&id))]).await?;
    }
    "13-7c" [Entra Okta] "a manager is taken as a list of one object" |s| {
        let id = unknown();
        let set = json!({"op": "add", "path": lives::manager_path(), "value": [{"value": id}]});
        lives::manager(s, &[(set, Some(&id))]).await?;
    }
    "13-7d" [Entra Okta] "an empty text or null takes a manager away" |s| {
        let id = unknown();
        let path = lives::manager_path();
        let set = json!({"op": "replace", "path": path, "value": id});
        lives::manager(s, &[
            (set.clone(), Some(&id)),
            (json!({"op": "replace", "path": path, "value": ""}), None),
            (set, Some(&id)),
            (json!({"op": "replace", "path": path, "value": null}), None),
        ]).await?;
    }
    "13-7e" [Entra Okta] "a manager need not be a user" |s| {
        let set = json!({"op": "add", "path": lives::manager_path(), "value": "nobody-at-all"});
        lives::manager(s, &[(set, Some("nobody-at-all"))]).await?;
    }
    "13-8a" [Entra Okta] "emails are taken as one object" |s| {
        let email = json!({"type": "work", "value": "one@selftest.example", "primary": true});
        let user = s.user(json!({"emails": email})).await?;
        s.shows(&user, json!({"emails": [{"value": "one@selftest.example"}]})).await?;
    }
    "13-8b" [Rfc Entra Okta] "an address need not say that it is primary" |s| {
        let user = s.user(json!({"emails": [{"value": "one@selftest.example"}]})).await?;
        s.shows(&user, json!({"emails": [{"value": "one@selftest.example"}]})).await?;
    }
    "13-8c" [Entra Okta] "two primary addresses come back as one" |s| {
        let user = s.user(json!({"emails": [
            {"type": "work", "value": "one@selftest.example", "primary": true},
            {"type": "home", "value": "two@selftest.example", "primary": true},
        ]})).await?;
        let emails = s.read(&user).await?.body["emails"].as_array().cloned().unwrap_or_default();
        let primary = emails.iter().filter(|email| email["primary"] == true).count();
        ensure(emails.len() == 2, "expected both addresses")?;
        ensure(primary <= 1, format!("expected one primary address, found {primary}"))?;
    }
    "13-8d" [Rfc Entra Okta] "a user need not have an address" |s| {
        let user = s.user(json!({"emails": null})).await?;
        s.shows(&user, json!({"userName": user.name, "emails": null})).await?;
    }
    "13-8e" [Entra Okta] "a role that is JSON in a text is kept as a text" |s| {
        let text = json!({"id": unknown(), "value": "Admin", "displayName": "Admin"}).to_string();
        let user = s.user(json!({})).await?;
        let operation = json!([{"op": "Add", "path": "roles", "value": [{"value": text}]}]);
        s.changes(&user, operation, json!({"roles": [{"value": text}]})).await?;
    }
    "13-9e" [Entra Okta] "an unknown path is skipped and the rest applies" |s| {
        let user = s.user(json!({})).await?;
        let operations = json!([
            {"op": "Replace", "path": "madeUpAttribute", "value": "x"},
            {"op": "Add", "path": "madeUp[type eq \"work\"].value", "value": "x"},
            {"op": "Replace", "path": "active", "value": "False"},
        ]);
        s.changes(&user, operations, json!({"active": false})).await?;
    }
    "13-9f" [Rfc Entra Okta] "a path that cannot be read is a 400 and changes nothing" |s| {
        let user = s.user(json!({})).await?;
        let operations = json!([
            {"op": "replace", "path": "title", "value": "Changed"},
            {"op": "replace", "path": "emails[type eq", "value": "x"},
        ]);
        s.try_patch(&user.path, operations).await?.refused(&[400])?;
        s.shows(&user, lives::comparable(&user.sent)).await?;
    }
    "13-9g" [Rfc Entra Okta] "an unknown operation is a 400 and changes nothing" |s| {
        let user = s.user(json!({})).await?;
        let operations = json!([
            {"op": "replace", "path": "title", "value": "Changed"},
            {"op": "increase", "path": "title", "value": "x"},
        ]);
        s.try_patch(&user.path, operations).await?.refused(&[400])?;
        s.shows(&user, lives::comparable(&user.sent)).await?;
    }
    "13-22" [Entra Okta] "a PATCH without operations succeeds and changes nothing" |s| {
        let user = s.user(json!({})).await?;
        s.changes(&user, json!([]), lives::comparable(&user.sent)).await?;
    }
}
