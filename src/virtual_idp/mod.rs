//! Okta and Microsoft Entra ID as SCIM clients: what the demo, the self test and load tests drive.
//!
//! Owns how those providers behave towards a SCIM service: the order of a first sync, the shape of
//! every request, what is retried. It speaks HTTP and must not know the rest of this crate, so
//! that it measures and tests the service from outside. Real providers retry for days; here an
//! act that fails is an error at once.
//!
//! A dialect is data, not behaviour: `entra` and `okta` hold the same set of functions that give
//! a [`Request`], and [`Dialect`] picks one. With two of them a `match` reads better than a trait.

mod client;
mod entra;
mod names;
mod okta;
pub mod people;
pub mod selftest;
mod sync;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::{Value, json};

pub use client::{Answer, Error, Request, ScimClient};
pub use sync::{Step, SyncOptions, Synced, first_sync};

use people::{Group, Person};

/// Whose habits a client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Microsoft Entra ID, formerly Azure AD.
    Entra,
    /// Okta, as an app of its catalogue.
    Okta,
}

/// A resource of the service as the provider remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// The id the service gave.
    pub id: String,
    /// `userName` of a user, `displayName` of a group.
    pub name: String,
}

macro_rules! per_dialect {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*) => {
        impl Dialect {
            $($(#[$doc])*
            #[must_use]
            pub fn $name(self, $($argument: $kind),*) -> $answer {
                match self {
                    Self::Entra => entra::$name($($argument),*),
                    Self::Okta => okta::$name($($argument),*),
                }
            })*
        }
    };
}

per_dialect! {
    /// What is asked when an admin tests or saves the connection.
    connection_test() -> Vec<Request>;
    /// The search before a user is created.
    lookup_user(user_name: &str) -> Request;
    /// The search before a group is created.
    lookup_group(name: &str) -> Request;
    /// A new user.
    create_user(person: &Person) -> Request;
    /// A new group, which comes empty.
    create_group(group: &Group) -> Request;
    /// A user leaves the app.
    deactivate(user: &str) -> Request;
    /// A user comes back.
    reactivate(user: &str) -> Request;
    /// Users join a group.
    add_members(group: &Linked, users: &[&Linked]) -> Request;
    /// A user leaves a group.
    remove_member(group: &Linked, user: &Linked) -> Request;
    /// A group gets another name.
    rename_group(group: &Linked, name: &str) -> Request;
}

impl Dialect {
    /// The `externalId` this provider sends for a person.
    #[must_use]
    pub fn external_id(self, person: &Person) -> String {
        match self {
            Self::Entra => person.external_id.clone(),
            Self::Okta => okta::external_id(person),
        }
    }
}

/// Tests the connection as the provider does when it is set up.
pub async fn connection_test(client: &ScimClient) -> Result<(), Error> {
    for request in client.dialect().connection_test() {
        let answer = client.send(&request).await?;
        if !answer.json()["totalResults"].is_u64() {
            return Err(request.unexpected("a list with totalResults, even when nothing matches"));
        }
    }
    Ok(())
}

/// Takes the app away from a user.
pub async fn deactivate(client: &ScimClient, user: &Linked) -> Result<(), Error> {
    done(client, &client.dialect().deactivate(&user.id)).await
}

/// Gives the app back to a user.
pub async fn reactivate(client: &ScimClient, user: &Linked) -> Result<(), Error> {
    done(client, &client.dialect().reactivate(&user.id)).await
}

/// Puts a user into a group.
pub async fn add_member(client: &ScimClient, group: &Linked, user: &Linked) -> Result<(), Error> {
    done(client, &client.dialect().add_members(group, &[user])).await
}

/// Takes a user out of a group.
pub async fn remove_member(
    client: &ScimClient,
    group: &Linked,
    user: &Linked,
) -> Result<(), Error> {
    done(client, &client.dialect().remove_member(group, user)).await
}

/// Gives a group another name, and gives back how the provider remembers it from now on.
pub async fn rename_group(
    client: &ScimClient,
    group: &Linked,
    name: &str,
) -> Result<Linked, Error> {
    done(client, &client.dialect().rename_group(group, name)).await?;
    Ok(Linked {
        id: group.id.clone(),
        name: name.to_owned(),
    })
}

/// Deletes a user in the provider. Entra sends DELETE; Okta never does and deactivates instead.
pub async fn delete_user(client: &ScimClient, user: &Linked) -> Result<(), Error> {
    let request = match client.dialect() {
        Dialect::Entra => entra::delete_user(&user.id),
        Dialect::Okta => okta::deactivate(&user.id),
    };
    done(client, &request).await
}

/// Deletes a group.
pub async fn delete_group(client: &ScimClient, group: &Linked) -> Result<(), Error> {
    done(client, &Request::delete(format!("/Groups/{}", group.id))).await
}

async fn done(client: &ScimClient, request: &Request) -> Result<(), Error> {
    client.send(request).await.map(drop)
}

/// A PATCH with these operations.
fn patch(path: String, operations: &[Value]) -> Request {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations,
    });
    Request::write(Method::PATCH, path, body)
}

/// A filter's string literal (a JSON string, RFC 7644 section 3.4.2.2), percent-encoded.
fn quoted(text: &str) -> String {
    const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    utf8_percent_encode(&Value::from(text).to_string(), ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn anna() -> Person {
        Person {
            given: "Anna".into(),
            family: "Weiß".into(),
            user_name: "anna.weiss@acme.example".into(),
            email: "anna.weiss@acme.example".into(),
            external_id: "4b0c7d1e-5a3f-4f2e-9a55-1d8f0b6c7e21".into(),
            title: "Analyst".into(),
            department: "Finance".into(),
        }
    }

    pub(super) fn linked(id: &str, name: &str) -> Linked {
        Linked {
            id: id.into(),
            name: name.into(),
        }
    }

    pub(super) fn operations(operations: &[Value]) -> Value {
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": operations,
        })
    }

    #[track_caller]
    pub(super) fn check(request: &Request, method: &str, path: &str, body: Option<&Value>) {
        assert_eq!(request.method.as_str(), method);
        assert_eq!(request.path, path);
        assert_eq!(request.body.as_ref(), body);
    }

    #[test]
    fn literals_are_json_strings_on_the_wire() {
        for (text, expected) in [
            ("a.b-c_d~1", "%22a.b-c_d~1%22"),
            ("a b@c", "%22a%20b%40c%22"),
            ("say \"x\" \\", "%22say%20%5C%22x%5C%22%20%5C%5C%22"),
            ("Zoë", "%22Zo%C3%AB%22"),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }

    #[test]
    fn a_first_sync_can_be_spawned() {
        fn sendable(_: impl Send) {}
        let client = ScimClient::new("http://localhost", "t", Dialect::Okta).unwrap();
        let company = people::Company::generate(1, &[], "acme.example", 1);
        let options = SyncOptions::usual(Dialect::Okta);
        sendable(first_sync(&client, &company, options, |_| {}));
    }

    #[test]
    fn each_provider_has_its_own_ids() {
        assert_eq!(Dialect::Entra.external_id(&anna()), anna().external_id);
        let okta = Dialect::Okta.external_id(&anna());
        assert_eq!((okta.len(), &okta[..3]), (20, "00u"));
    }
}
