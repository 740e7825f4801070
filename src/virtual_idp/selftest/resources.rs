//! What cases make, change and look at: users and groups as the profile's client writes them.

use std::collections::BTreeSet;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::{Value, json};

use super::Profile;
use super::reply::{Checked, List, Reply, difference, failed};
use super::session::Session;
use crate::virtual_idp::people::{Company, Group, Person};
use crate::virtual_idp::{Linked, Request, patch};

pub(super) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(super) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub(super) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A resource of this run.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) id: String,
    pub(super) path: String,
    /// `userName` or `displayName`.
    pub(super) name: String,
    /// What was sent to make it.
    pub(super) sent: Value,
}

impl Made {
    pub(super) fn linked(&self) -> Linked {
        Linked {
            id: self.id.clone(),
            name: self.name.clone(),
        }
    }
}

impl Session {
    /// The body of a new user; members of `more` stand beside or instead of the usual ones.
    pub(super) fn user_body(&self, more: &Value) -> Value {
        let name = format!("{}@selftest.example", self.unique());
        let seed = name.bytes().map(u64::from).sum();
        let mut drawn = Company::generate(1, &[], "selftest.example", seed).people;
        let drawn = drawn.pop().expect("one person was drawn");
        let person = Person {
            email: name.clone(),
            user_name: name,
            external_id: uuid::Uuid::new_v4().to_string(),
            ..drawn
        };
        let request = self
            .profile
            .dialect()
            .map(|dialect| dialect.create_user(&person));
        let mut body = request.and_then(|request| request.body).unwrap_or_else(|| {
            json!({
                "schemas": [USER],
                "userName": person.user_name,
                "externalId": person.external_id,
                "name": {"givenName": person.given, "familyName": person.family},
                "displayName": person.display_name(),
                "title": person.title,
                "emails": [{"value": person.email, "type": "work", "primary": true}],
                "active": true,
            })
        });
        merge(&mut body, more);
        body
    }

    /// The body of a new group.
    pub(super) fn group_body(&self, more: &Value) -> Value {
        let group = Group {
            name: format!("{} Team", self.unique()),
            external_id: uuid::Uuid::new_v4().to_string(),
            members: Vec::new(),
        };
        let request = self
            .profile
            .dialect()
            .map(|dialect| dialect.create_group(&group));
        let mut body = request
            .and_then(|request| request.body)
            .unwrap_or_else(|| json!({"schemas": [GROUP], "displayName": group.name}));
        merge(&mut body, more);
        body
    }

    /// Makes a user.
    pub(super) async fn user(&self, more: Value) -> Checked<Made> {
        let body = self.user_body(&more);
        self.make("/Users", "userName", body).await
    }

    /// Makes an empty group.
    pub(super) async fn group(&self, more: Value) -> Checked<Made> {
        self.needs_groups()?;
        let body = self.group_body(&more);
        self.make("/Groups", "displayName", body).await
    }

    /// Makes a group with that many new users in it.
    pub(super) async fn group_of(&self, count: usize) -> Checked<(Made, Vec<Made>)> {
        let group = self.group(json!({})).await?;
        let mut users = Vec::with_capacity(count);
        for _ in 0..count {
            users.push(self.user(json!({})).await?);
        }
        if count > 0 {
            self.add_members(&group, &users).await?;
        }
        Ok((group, users))
    }

    /// Adds users the way the profile's client does.
    pub(super) async fn add_members(&self, group: &Made, users: &[Made]) -> Checked<Reply> {
        let Some(dialect) = self.profile.dialect() else {
            let members: Vec<_> = users.iter().map(|user| json!({"value": user.id})).collect();
            return self
                .patch(
                    group,
                    json!([{"op": "add", "path": "members", "value": members}]),
                )
                .await;
        };
        let users: Vec<_> = users.iter().map(Made::linked).collect();
        let users: Vec<_> = users.iter().collect();
        let request = dialect.add_members(&group.linked(), &users);
        self.request(&request).await?.is(&[200, 204])
    }

    /// Posts a resource and sees that its answer has what an identity provider needs.
    pub(super) async fn make(&self, endpoint: &str, name: &str, body: Value) -> Checked<Made> {
        let reply = self.post(endpoint, body.clone()).await?.resource(&[201])?;
        let id = reply.body["id"].as_str().unwrap_or_default().to_owned();
        Ok(Made {
            path: format!("{endpoint}/{id}"),
            id,
            name: body[name].as_str().unwrap_or_default().to_owned(),
            sent: body,
        })
    }

    /// Sends operations that must succeed.
    pub(super) async fn patch(&self, made: &Made, operations: Value) -> Checked<Reply> {
        self.try_patch(&made.path, operations)
            .await?
            .is(&[200, 204])
    }

    /// Sends operations.
    pub(super) async fn try_patch(&self, path: &str, operations: Value) -> Checked<Reply> {
        self.may("patch")?;
        let operations = operations.as_array().cloned().unwrap_or_default();
        self.request(&patch(path.to_owned(), &operations)).await
    }

    /// Reads a resource that must be there.
    pub(super) async fn read(&self, made: &Made) -> Checked<Reply> {
        let reply = self.get(made.path.as_str()).await?.resource(&[200])?;
        if reply.body["id"] != made.id {
            return reply.fail(format!("expected the resource {}", made.id));
        }
        Ok(reply)
    }

    /// Reads a resource and finds this in it; `null` stands for "no value".
    pub(super) async fn shows(&self, made: &Made, expected: Value) -> Checked<Reply> {
        self.read(made).await?.holds(&expected)
    }

    /// Changes a resource, then finds this in it.
    pub(super) async fn changes(&self, made: &Made, operations: Value, expected: Value) -> Checked {
        self.patch(made, operations).await?;
        self.shows(made, expected).await.map(drop)
    }

    /// The ids in a group.
    pub(super) async fn members(&self, group: &Made) -> Checked<BTreeSet<String>> {
        let reply = self.read(group).await?;
        let members = reply.body["members"].as_array().into_iter().flatten();
        let ids = members.map(|member| member["value"].as_str().unwrap_or_default().to_owned());
        Ok(ids.collect())
    }

    /// Exactly these are in a group.
    pub(super) async fn has_members(&self, group: &Made, expected: &[&Made]) -> Checked {
        let found = self.members(group).await?;
        let expected: BTreeSet<_> = expected.iter().map(|user| user.id.clone()).collect();
        let missing: Vec<_> = expected.difference(&found).cloned().collect();
        let more: Vec<_> = found.difference(&expected).cloned().collect();
        if missing.is_empty() && more.is_empty() {
            return Ok(());
        }
        failed(format!(
            "expected {} members; missing are [{}], too many are [{}]",
            expected.len(),
            missing.join(", "),
            more.join(", "),
        ))
    }

    /// Changes a group, then finds exactly these in it.
    pub(super) async fn leaves(
        &self,
        group: &Made,
        operations: Value,
        expected: &[&Made],
    ) -> Checked {
        self.patch(group, operations).await?;
        self.has_members(group, expected).await
    }

    /// Searches users.
    pub(super) async fn users(&self, filter: &str) -> Checked<List> {
        self.may("filter")?;
        let path = format!("/Users?filter={}", self.encoded(filter));
        self.get(path).await?.list()
    }

    /// Searches groups, without their members as Entra asks.
    pub(super) async fn groups(&self, filter: &str) -> Checked<List> {
        self.needs_groups()?;
        self.may("filter")?;
        let without = match self.profile {
            Profile::Entra => "excludedAttributes=members&",
            Profile::Rfc | Profile::Okta => "",
        };
        let path = format!("/Groups?{without}filter={}", self.encoded(filter));
        self.get(path).await?.list()
    }

    /// Finds a user by a filter, and this in it.
    pub(super) async fn finds(&self, user: &Made, filter: &str, expected: Value) -> Checked {
        let list = self.users(filter).await?;
        let exchange = list.reply.exchange.clone();
        let found = list.only(&user.id)?;
        match difference(&expected, &found, "") {
            None => Ok(()),
            Some(reason) => Err(super::reply::Stop::Failed(reason, Some(exchange))),
        }
    }

    /// A filter as a query value, with blanks as the profile's client writes them.
    pub(super) fn encoded(&self, text: &str) -> String {
        const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
            .remove(b'-')
            .remove(b'.')
            .remove(b'_')
            .remove(b'~');
        let encoded = utf8_percent_encode(text, PLAIN).to_string();
        match self.profile {
            Profile::Entra => encoded.replace("%20", "+"),
            Profile::Rfc | Profile::Okta => encoded,
        }
    }

    /// Writes a whole resource the way RFC 7644 section 3.5.1 has it.
    pub(super) async fn replace(&self, made: &Made, body: Value) -> Checked<Reply> {
        self.request(&Request::write(Method::PUT, made.path.as_str(), body))
            .await?
            .resource(&[200])
    }
}

/// A term that finds exactly that text in an attribute.
pub(super) fn eq(attribute: &str, text: &str) -> String {
    format!("{attribute} eq {}", Value::from(text))
}

/// A random id that nothing has.
pub(super) fn unknown() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Members of `more` go over those of `body`.
fn merge(body: &mut Value, more: &Value) {
    let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) else {
        return;
    };
    for (name, value) in more {
        body.insert(name.clone(), value.clone());
    }
}
