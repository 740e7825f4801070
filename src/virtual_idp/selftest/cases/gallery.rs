//! Microsoft's gallery set (12.2): users U1 to U7, groups G1 to G7, the protocol S1 to S11. S7 and S8
//! (credentials) are not checkable from outside.

use serde_json::{Value, json};

use super::lives::{self, manager_path};
use super::queries::pages_agree;
use super::{USER, cases};
use crate::virtual_idp::selftest::reply::{Checked, failed};
use crate::virtual_idp::selftest::resources::{ENTERPRISE, GROUP, eq, unknown};
use crate::virtual_idp::selftest::session::Session;

/// The attributes that Entra maps by default, by schema.
const MAPPED: [(&str, &[&str]); 3] = [
    (
        USER,
        &[
            "userName",
            "displayName",
            "active",
            "title",
            "emails",
            "preferredLanguage",
            "name",
            "addresses",
            "phoneNumbers",
        ],
    ),
    (ENTERPRISE, &["employeeNumber", "department", "manager"]),
    (GROUP, &["displayName", "members"]),
];

/// Sees that a schema describes these attributes.
async fn describes(s: &Session, urn: &str, names: &[&str]) -> Checked {
    let list = s.get("/Schemas").await?.list()?;
    let Some(schema) = list.resources.iter().find(|schema| schema["id"] == urn) else {
        return failed(format!("expected {urn} in /Schemas"));
    };
    let attributes = schema["attributes"].as_array().cloned().unwrap_or_default();
    let is_there = |name: &&&str| attributes.iter().any(|known| known["name"] == **name);
    match names.iter().find(|name| !is_there(name)) {
        None => Ok(()),
        Some(name) => failed(format!("expected {name} in {urn}")),
    }
}

/// Clears a title by one value, then sets it again.
async fn clears(s: &Session, value: Value) -> Checked {
    let user = s.user(json!({"title": "Lead"})).await?;
    let operation = json!([{"op": "Replace", "path": "title", "value": value}]);
    s.changes(
        &user,
        operation,
        json!({"title": null, "userName": user.name}),
    )
    .await
}

cases! {
    "12.2-U1" [Entra] "a user with an apostrophe in the name is created" |s| {
        let name = json!({"familyName": "O'Selftest", "givenName": "Test'User"});
        let user = s.user(json!({"name": name, "displayName": "Test'User"})).await?;
        s.shows(&user, json!({"name": name, "displayName": "Test'User"})).await?;
    }
    "12.2-U2" [Entra] "a user is updated" |s| {
        let user = s.user(json!({})).await?;
        let operations = json!([
            {"op": "Replace", "path": "displayName", "value": "Updated"},
            {"op": "Add", "path": "phoneNumbers[type eq \"work\"].value", "value": "1-(234)x5"},
        ]);
        let phone = json!([{"type": "work", "value": "1-(234)x5"}]);
        s.changes(&user, operations, json!({"displayName": "Updated", "phoneNumbers": phone}))
            .await?;
    }
    "12.2-U3" [Entra] "a user is disabled" |s| {
        let user = s.user(json!({})).await?;
        lives::is_deactivated(s, &user).await?;
    }
    "12.2-U4" [Entra] "a user is deleted" |s| {
        lives::is_deleted(s, "/Users").await?;
    }
    "12.2-U5" [Entra] "a manager is added, replaced and cleared" |s| {
        let (first, second) = (unknown(), unknown());
        let set = |op: &str, id: &str| json!({"op": op, "path": manager_path(), "value": id});
        lives::manager(s, &[
            (set("Add", &first), Some(&first)),
            (set("Replace", &second), Some(&second)),
            (set("Replace", ""), None),
        ]).await?;
    }
    "12.2-U6" [Entra] "a disabled user is restored with the memberships it had" |s| {
        let (group, users) = s.group_of(1).await?;
        lives::is_deactivated(s, &users[0]).await?;
        lives::is_reactivated(s, &users[0]).await?;
        s.has_members(&group, &[&users[0]]).await?;
    }
    "12.2-U7" [Entra] "provision on demand: both dialects of PATCH reach one user" |s| {
        s.users(&eq("userName", &unknown())).await?.none()?;
        let user = s.user(json!({})).await?;
        let path = format!("{}?aadOptscim062020", user.path);
        let flagged = json!([{"op": "replace", "value": {"displayName": "A", "name.givenName": "B"}}]);
        s.try_patch(&path, flagged).await?.is(&[200, 204])?;
        let plain = json!([{"op": "Replace", "path": "title", "value": "C"}]);
        let expected = json!({"displayName": "A", "name": {"givenName": "B"}, "title": "C"});
        s.changes(&user, plain, expected).await?;
    }
    "12.2-G1" [Entra] "a group with an apostrophe in its name is created and found" |s| {
        let name = format!("Test'Group {}", s.unique());
        let group = s.group(json!({"displayName": name})).await?;
        s.groups(&eq("displayName", &name)).await?.only(&group.id)?;
    }
    "12.2-G2" [Entra] "a group is updated" |s| {
        lives::is_renamed(s).await?;
    }
    "12.2-G3" [Entra] "a group is deleted and its members stay" |s| {
        let (group, users) = s.group_of(1).await?;
        s.delete(group.path.as_str()).await?.is(&[204])?;
        s.get(group.path.as_str()).await?.is(&[404])?;
        s.read(&users[0]).await?;
    }
    "12.2-G4" [Entra] "a member is added beside another" |s| {
        lives::one_joins(s).await?;
    }
    "12.2-G5" [Entra] "a member is removed and the other stays" |s| {
        lives::one_leaves(s).await?;
    }
    "12.2-G6" [Entra] "provision on demand: a group is looked up, created and filled" |s| {
        s.groups(&eq("displayName", &unknown())).await?.none()?;
        let (group, users) = s.group_of(2).await?;
        s.has_members(&group, &[&users[0], &users[1]]).await?;
    }
    "12.2-G7" [Entra] "a deleted group can be created anew under its name" |s| {
        let group = s.group(json!({})).await?;
        s.delete(group.path.as_str()).await?.is(&[204])?;
        let again = s.make("/Groups", "displayName", group.sent.clone()).await?;
        s.groups(&eq("displayName", &group.name)).await?.only(&again.id)?;
    }
    "12.2-S1a" [Entra] "the mapped attributes of a user are in the schemas" |s| {
        describes(s, MAPPED[0].0, MAPPED[0].1).await?;
    }
    "12.2-S1b" [Entra] "the mapped attributes of the enterprise extension are in the schemas" |s| {
        s.needs_extension(ENTERPRISE)?;
        describes(s, MAPPED[1].0, MAPPED[1].1).await?;
    }
    "12.2-S1c" [Entra] "the mapped attributes of a group are in the schemas" |s| {
        s.needs_groups()?;
        describes(s, MAPPED[2].0, MAPPED[2].1).await?;
    }
    "12.2-S2a" [Entra] "an update with an empty text clears an attribute" |s| {
        clears(s, json!("")).await?;
    }
    "12.2-S2b" [Entra] "an update with null clears an attribute" |s| {
        clears(s, Value::Null).await?;
    }
    "12.2-S3" [Entra] "a created user is answered with 201 and its id" |s| {
        s.user(json!({})).await?;
    }
    "12.2-S4" [Entra] "an updated user keeps what the update does not name" |s| {
        let user = s.user(json!({})).await?;
        let mut expected = lives::comparable(&user.sent);
        expected["title"] = json!("Changed");
        let operation = json!([{"op": "Replace", "path": "title", "value": "Changed"}]);
        s.changes(&user, operation, expected).await?;
    }
    "12.2-S5" [Entra] "a created group is answered with 201 and its id" |s| {
        s.group(json!({})).await?;
    }
    "12.2-S6" [Entra] "an updated group keeps what the update does not name" |s| {
        let group = s.group(json!({})).await?;
        let id = unknown();
        let operation = json!([{"op": "Replace", "path": "externalId", "value": id}]);
        s.changes(&group, operation, json!({"externalId": id, "displayName": group.name})).await?;
    }
    "12.2-S9" [Entra] "users are paged by five, each once" |s| {
        for _ in 0..11 {
            s.user(json!({})).await?;
        }
        pages_agree(s, "/Users", 5).await?;
    }
    "12.2-S10" [Entra] "groups are paged by five, each once" |s| {
        for _ in 0..11 {
            s.group(json!({})).await?;
        }
        pages_agree(s, "/Groups", 5).await?;
    }
    "12.2-S11" [Entra] "the manager of a user is updated by its path alone" |s| {
        let id = unknown();
        let set = json!({"op": "Add", "path": "manager", "value": [{"$ref": null, "value": id}]});
        lives::manager(s, &[(set, Some(&id))]).await?;
    }
}
