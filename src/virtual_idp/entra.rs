//! What Microsoft Entra ID puts on the wire, without the `aadOptscim062020` switch.
//!
//! Filters with `+` for blanks, capitalised operations, booleans as text in a PATCH, groups that
//! are created without members, and one membership a request unless told otherwise.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::people::{Group, Person};
use super::{Linked, Request, patch, quoted};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const MICROSOFT_GROUP: &str =
    "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group";

/// "Test Connection": a user nobody can have. The answer must be an empty list, not 404.
pub(super) fn connection_test() -> Vec<Request> {
    vec![lookup_user(&Uuid::new_v4().to_string())]
}

/// The search before a user is created.
pub(super) fn lookup_user(user_name: &str) -> Request {
    Request::get(format!("/Users?filter=userName+eq+{}", quoted(user_name)))
}

/// The search before a group is created.
pub(super) fn lookup_group(name: &str) -> Request {
    let name = quoted(name).replace("%20", "+");
    Request::get(format!(
        "/Groups?excludedAttributes=members&filter=displayName+eq+{name}"
    ))
}

/// The default attribute mapping, with the object id as `externalId`.
pub(super) fn create_user(person: &Person) -> Request {
    let body = json!({
        "schemas": [USER, ENTERPRISE],
        "externalId": person.external_id,
        "userName": person.user_name,
        "active": true,
        "displayName": person.display_name(),
        "emails": [{"primary": true, "type": "work", "value": person.email}],
        "meta": {"resourceType": "User"},
        "name": {
            "formatted": person.display_name(),
            "familyName": person.family,
            "givenName": person.given,
        },
        "title": person.title,
        "roles": [],
        ENTERPRISE: {"department": person.department},
    });
    Request::write(Method::POST, "/Users", body)
}

/// A group comes without members; they follow one by one.
pub(super) fn create_group(group: &Group) -> Request {
    let body = json!({
        "schemas": [GROUP, MICROSOFT_GROUP],
        "externalId": group.external_id,
        "displayName": group.name,
        "meta": {"resourceType": "Group"},
    });
    Request::write(Method::POST, "/Groups", body)
}

/// Out of scope, unassigned or disabled.
pub(super) fn deactivate(user: &str) -> Request {
    change_user(
        user,
        json!({"op": "Replace", "path": "active", "value": "False"}),
    )
}

/// Back in scope.
pub(super) fn reactivate(user: &str) -> Request {
    change_user(
        user,
        json!({"op": "Replace", "path": "active", "value": "True"}),
    )
}

/// Thirty days after the soft delete, or on a purge.
pub(super) fn delete_user(user: &str) -> Request {
    Request::delete(format!("/Users/{user}"))
}

/// Members by id; `$ref` is always null.
pub(super) fn add_members(group: &Linked, users: &[&Linked]) -> Request {
    change_group(
        group,
        json!({"op": "Add", "path": "members", "value": references(users)}),
    )
}

/// The members to remove stand in `value`, not in the path.
pub(super) fn remove_member(group: &Linked, user: &Linked) -> Request {
    change_group(
        group,
        json!({"op": "Remove", "path": "members", "value": references(&[user])}),
    )
}

/// A new display name.
pub(super) fn rename_group(group: &Linked, name: &str) -> Request {
    change_group(
        group,
        json!({"op": "Replace", "path": "displayName", "value": name}),
    )
}

fn references(users: &[&Linked]) -> Vec<Value> {
    users
        .iter()
        .map(|user| json!({"$ref": null, "value": user.id}))
        .collect()
}

fn change_user(user: &str, operation: Value) -> Request {
    patch(format!("/Users/{user}"), &[operation])
}

fn change_group(group: &Linked, operation: Value) -> Request {
    patch(format!("/Groups/{}", group.id), &[operation])
}

#[cfg(test)]
mod tests {
    use super::super::tests::{anna, check, linked, operations};
    use super::*;

    #[test]
    fn filters_carry_plus_for_blanks() {
        for (request, path) in [
            (
                lookup_user("mara.lindt@contoso.example"),
                "/Users?filter=userName+eq+%22mara.lindt%40contoso.example%22",
            ),
            (
                lookup_group("Payroll Team"),
                "/Groups?excludedAttributes=members&filter=displayName+eq+%22Payroll+Team%22",
            ),
            (
                lookup_group("R&D + 1"),
                "/Groups?excludedAttributes=members&filter=displayName+eq+%22R%26D+%2B+1%22",
            ),
        ] {
            check(&request, "GET", path, None);
        }
    }

    #[test]
    fn the_connection_test_never_asks_twice_for_the_same_user() {
        let (first, second) = (connection_test(), connection_test());
        assert_eq!(first.len(), 1);
        assert_ne!(first, second);
        assert!(first[0].path.starts_with("/Users?filter=userName+eq+%22"));
    }

    #[test]
    fn creates() {
        let user = json!({
            "schemas": [USER, ENTERPRISE],
            "externalId": "4b0c7d1e-5a3f-4f2e-9a55-1d8f0b6c7e21",
            "userName": "anna.weiss@acme.example",
            "active": true,
            "displayName": "Anna Weiß",
            "emails": [{"primary": true, "type": "work", "value": "anna.weiss@acme.example"}],
            "meta": {"resourceType": "User"},
            "name": {"formatted": "Anna Weiß", "familyName": "Weiß", "givenName": "Anna"},
            "title": "Analyst",
            "roles": [],
            ENTERPRISE: {"department": "Finance"},
        });
        check(&create_user(&anna()), "POST", "/Users", Some(&user));

        let group = Group {
            name: "Payroll".into(),
            external_id: "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900160".into(),
            members: vec![1, 2],
        };
        let body = json!({
            "schemas": [GROUP, MICROSOFT_GROUP],
            "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900160",
            "displayName": "Payroll",
            "meta": {"resourceType": "Group"},
        });
        check(&create_group(&group), "POST", "/Groups", Some(&body));
    }

    #[test]
    fn changes() {
        let (group, a, b) = (
            linked("g1", "Payroll"),
            linked("u1", "a"),
            linked("u2", "b"),
        );
        for (request, path, operation) in [
            (
                deactivate("u1"),
                "/Users/u1",
                json!({"op": "Replace", "path": "active", "value": "False"}),
            ),
            (
                reactivate("u1"),
                "/Users/u1",
                json!({"op": "Replace", "path": "active", "value": "True"}),
            ),
            (
                add_members(&group, &[&a]),
                "/Groups/g1",
                json!({"op": "Add", "path": "members", "value": [{"$ref": null, "value": "u1"}]}),
            ),
            (
                add_members(&group, &[&a, &b]),
                "/Groups/g1",
                json!({"op": "Add", "path": "members", "value": [
                    {"$ref": null, "value": "u1"}, {"$ref": null, "value": "u2"},
                ]}),
            ),
            (
                remove_member(&group, &a),
                "/Groups/g1",
                json!({"op": "Remove", "path": "members", "value": [{"$ref": null, "value": "u1"}]}),
            ),
            (
                rename_group(&group, "Payroll Europe"),
                "/Groups/g1",
                json!({"op": "Replace", "path": "displayName", "value": "Payroll Europe"}),
            ),
        ] {
            check(&request, "PATCH", path, Some(&operations(&[operation])));
        }
        check(&delete_user("u1"), "DELETE", "/Users/u1", None);
    }
}
