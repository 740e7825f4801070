//! How resources are shown: with their address, what belongs to them, and no more than was asked
//! for.

use serde_json::Value;

use super::respond::references;
use crate::directory::groups::{Found as FoundGroup, Members};
use crate::directory::roles;
use crate::directory::search::Found;
use crate::directory::users::Found as FoundUser;
use crate::error::Error;
use crate::scim::projection::Projection;
use crate::scim::resource::{Meta, render};
use crate::scim::schema::{Purpose, ResourceType};

/// The base address of a client and what it asked for.
pub(super) struct View<'a> {
    pub(super) base_url: &'a str,
    pub(super) projection: Projection,
}

impl View<'_> {
    /// Whether resources are shown as they are.
    pub(super) fn is_everything(&self) -> bool {
        self.projection.is_everything()
    }

    /// What of the groups of users, or the members of groups, has to be read. Names of members are
    /// read on request alone: their join costs as much as all the rest.
    pub(super) fn relations(&self, kind: &ResourceType) -> Members {
        match kind.purpose {
            Purpose::User if self.projection.wants("groups") => Members::Names,
            Purpose::Group if self.projection.asks_for("members", "display") => Members::Names,
            Purpose::Group if self.projection.wants("members") => Members::Ids,
            _ => Members::None,
        }
    }

    /// The address of a resource.
    pub(super) fn location(&self, kind: &ResourceType, id: &str) -> String {
        format!("{}{}/{id}", self.base_url, kind.endpoint)
    }

    /// The id of a resource.
    pub(super) fn id(found: &Found) -> String {
        match found {
            Found::User(found) => found.user.id.to_string(),
            Found::Group(found) => found.group.id.to_string(),
            Found::Resource(_, resource) => resource.id.to_string(),
            Found::Role(role) => role.id.to_string(),
        }
    }

    /// The version of a resource.
    pub(super) fn version(found: &Found) -> i64 {
        match found {
            Found::User(found) => found.user.version,
            Found::Group(found) => found.group.version,
            Found::Resource(_, resource) => resource.version,
            // A role has a name and nothing else that changes, and names stay.
            Found::Role(_) => 1,
        }
    }

    /// A resource as the client asked to see it.
    pub(super) fn show(&self, found: &Found) -> Result<String, Error> {
        let text = match found {
            Found::User(found) => self.user(found),
            Found::Group(found) => self.group(found),
            Found::Resource(kind, resource) => {
                let id = resource.id.to_string();
                let times = (resource.created_at, resource.updated_at);
                let meta = self.meta(kind, &id, times, resource.version);
                render(kind, &id, &resource.document, &[], &meta)
            }
            Found::Role(role) => {
                let mut document = roles::document(role);
                let kind = self.projection.kind();
                let location = self.location(kind, &role.id.to_string());
                document["meta"]["location"] = Value::from(location);
                return Ok(self.projection.apply(document).to_string());
            }
        };
        if self.is_everything() {
            return Ok(text);
        }
        let whole = serde_json::from_str(&text).map_err(Error::internal)?;
        Ok(self.projection.apply(whole).to_string())
    }

    fn user(&self, found: &FoundUser) -> String {
        let (user, kind) = (&found.user, self.projection.kind());
        let groups = (!found.groups.is_empty() && self.projection.wants("groups")).then(|| {
            let groups = found.groups.iter().map(|group| {
                let id = group.group_id.to_string();
                let reference = format!("{}/Groups/{id}", self.base_url);
                (id, Some(group.display.as_str()), reference, group.kind())
            });
            references(groups)
        });
        let id = user.id.to_string();
        let times = (user.created_at, user.updated_at);
        let meta = self.meta(kind, &id, times, user.version);
        let parts = groups.as_ref().map(|text| ("groups", text.as_str()));
        render(kind, &id, &user.document, parts.as_slice(), &meta)
    }

    fn group(&self, found: &FoundGroup) -> String {
        let (group, kind) = (&found.group, self.projection.kind());
        let members = found.members.as_ref().map(|members| {
            let members = members.iter().map(|member| {
                let kind = member.kind();
                let reference = format!("{}/{kind}s/{}", self.base_url, member.id);
                let display = member.display.as_deref();
                (member.id.to_string(), display, reference, kind)
            });
            references(members)
        });
        let id = group.id.to_string();
        let times = (group.created_at, group.updated_at);
        let meta = self.meta(kind, &id, times, group.version);
        let parts = members.as_ref().map(|text| ("members", text.as_str()));
        render(kind, &id, &group.document, parts.as_slice(), &meta)
    }

    fn meta(
        &self,
        kind: &ResourceType,
        id: &str,
        (created, last_modified): (crate::clock::Timestamp, crate::clock::Timestamp),
        version: i64,
    ) -> Meta {
        Meta {
            created,
            last_modified,
            location: self.location(kind, id),
            version,
        }
    }
}
