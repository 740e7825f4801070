//! What Okta puts on the wire, as an app of its catalogue (OIN) that supports PATCH for users.
//!
//! The core schema only, a password filler, path-less PATCH, up to a hundred membership changes
//! in a request, and the group's name sent again with each of them. Okta also accepts gzip; this
//! client does not ask for it.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::people::{Group, Person};
use super::{Linked, Request, patch, quoted};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// What is asked when an admin saves the credentials.
pub(super) fn connection_test() -> Vec<Request> {
    vec![
        Request::get("/Users?startIndex=1&count=2"),
        Request::get("/Groups?startIndex=1&count=100"),
    ]
}

/// The search before a user is created.
pub(super) fn lookup_user(user_name: &str) -> Request {
    let filter = quoted(user_name);
    Request::get(format!(
        "/Users?filter=userName%20eq%20{filter}&startIndex=1&count=100"
    ))
}

/// The search before a group is created.
pub(super) fn lookup_group(name: &str) -> Request {
    let filter = quoted(name);
    Request::get(format!(
        "/Groups?filter=displayName%20eq%20{filter}&startIndex=1&count=100"
    ))
}

/// Okta's own id of a person: `00u` and 17 characters, drawn from the object id.
pub(super) fn external_id(person: &Person) -> String {
    let digits = person
        .external_id
        .chars()
        .filter(char::is_ascii_hexdigit)
        .take(17);
    format!("00u{}", digits.collect::<String>())
}

/// The profile of the core schema; the password is a filler nobody uses.
pub(super) fn create_user(person: &Person) -> Request {
    let body = json!({
        "schemas": [USER],
        "userName": person.user_name,
        "name": {"givenName": person.given, "familyName": person.family},
        "emails": [{"primary": true, "value": person.email, "type": "work"}],
        "displayName": person.display_name(),
        "locale": "en-US",
        "externalId": external_id(person),
        "groups": [],
        "password": filler(),
        "active": true,
    });
    Request::write(Method::POST, "/Users", body)
}

/// A group comes empty; the members follow in batches.
pub(super) fn create_group(group: &Group) -> Request {
    let body = json!({"schemas": [GROUP], "displayName": group.name, "members": []});
    Request::write(Method::POST, "/Groups", body)
}

/// Unassigned from the app, or deactivated in Okta.
pub(super) fn deactivate(user: &str) -> Request {
    change_user(user, &json!({"active": false}))
}

/// Assigned again.
pub(super) fn reactivate(user: &str) -> Request {
    change_user(user, &json!({"active": true}))
}

/// The name once more, then the new members.
pub(super) fn add_members(group: &Linked, users: &[&Linked]) -> Request {
    let value: Vec<Value> = users
        .iter()
        .map(|user| json!({"value": user.id, "display": user.name}))
        .collect();
    let add = json!({"op": "add", "path": "members", "value": value});
    change_group(group, &[naming(group, &group.name), add])
}

/// The name once more, then a removal by value path.
pub(super) fn remove_member(group: &Linked, user: &Linked) -> Request {
    let path = format!("members[value eq \"{}\"]", user.id);
    change_group(
        group,
        &[
            naming(group, &group.name),
            json!({"op": "remove", "path": path}),
        ],
    )
}

/// A new display name.
pub(super) fn rename_group(group: &Linked, name: &str) -> Request {
    change_group(group, &[naming(group, name)])
}

fn naming(group: &Linked, name: &str) -> Value {
    json!({"op": "replace", "value": {"id": group.id, "displayName": name}})
}

fn filler() -> String {
    Uuid::new_v4()
        .simple()
        .to_string()
        .chars()
        .take(8)
        .collect()
}

fn change_user(user: &str, value: &Value) -> Request {
    patch(
        format!("/Users/{user}"),
        &[json!({"op": "replace", "value": value})],
    )
}

fn change_group(group: &Linked, operations: &[Value]) -> Request {
    patch(format!("/Groups/{}", group.id), operations)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{anna, check, linked, operations};
    use super::*;

    #[test]
    fn reads() {
        let test = connection_test();
        for (request, path) in [
            (&test[0], "/Users?startIndex=1&count=2"),
            (&test[1], "/Groups?startIndex=1&count=100"),
            (
                &lookup_user("test.user@okta.example"),
                "/Users?filter=userName%20eq%20%22test.user%40okta.example%22&startIndex=1&count=100",
            ),
            (
                &lookup_group("Test SCIMv2"),
                "/Groups?filter=displayName%20eq%20%22Test%20SCIMv2%22&startIndex=1&count=100",
            ),
        ] {
            check(request, "GET", path, None);
        }
    }

    #[test]
    fn creates() {
        let mut request = create_user(&anna());
        let body = request.body.as_mut().unwrap();
        let password = body["password"].take();
        assert_eq!(password.as_str().unwrap().len(), 8);
        let user = json!({
            "schemas": [USER],
            "userName": "anna.weiss@acme.example",
            "name": {"givenName": "Anna", "familyName": "Weiß"},
            "emails": [{"primary": true, "value": "anna.weiss@acme.example", "type": "work"}],
            "displayName": "Anna Weiß",
            "locale": "en-US",
            "externalId": "00u4b0c7d1e5a3f4f2e9",
            "groups": [],
            "password": null,
            "active": true,
        });
        check(&request, "POST", "/Users", Some(&user));

        let group = Group {
            name: "Crew".into(),
            external_id: String::new(),
            members: vec![1],
        };
        let body = json!({"schemas": [GROUP], "displayName": "Crew", "members": []});
        check(&create_group(&group), "POST", "/Groups", Some(&body));
    }

    #[test]
    fn changes() {
        let (group, a, b) = (
            linked("g1", "Crew"),
            linked("u1", "a@x"),
            linked("u2", "b@x"),
        );
        let name = json!({"op": "replace", "value": {"id": "g1", "displayName": "Crew"}});
        for (request, path, expected) in [
            (
                deactivate("u1"),
                "/Users/u1",
                vec![json!({"op": "replace", "value": {"active": false}})],
            ),
            (
                reactivate("u1"),
                "/Users/u1",
                vec![json!({"op": "replace", "value": {"active": true}})],
            ),
            (
                add_members(&group, &[&a, &b]),
                "/Groups/g1",
                vec![
                    name.clone(),
                    json!({"op": "add", "path": "members", "value": [
                        {"value": "u1", "display": "a@x"}, {"value": "u2", "display": "b@x"},
                    ]}),
                ],
            ),
            (
                remove_member(&group, &a),
                "/Groups/g1",
                vec![
                    name,
                    json!({"op": "remove", "path": "members[value eq \"u1\"]"}),
                ],
            ),
            (
                rename_group(&group, "Team"),
                "/Groups/g1",
                vec![json!({"op": "replace", "value": {"id": "g1", "displayName": "Team"}})],
            ),
        ] {
            check(&request, "PATCH", path, Some(&operations(&expected)));
        }
    }
}
