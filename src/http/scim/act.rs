//! What a request or a Bulk operation does to one resource: the same checks, use cases and answers
//! for both.

use axum::http::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use super::respond::ScimError;
use super::show::View;
use crate::app::App;
use crate::directory::search::Found;
use crate::directory::{Caller, DirectoryKind, groups, resources, roles, users};
use crate::error::Error;
use crate::ids::{GroupId, ResourceId, RoleId, UserId};
use crate::scim::etag::Precondition;
use crate::scim::patch::{self as scim_patch, PatchRequest};
use crate::scim::resource::{self as scim, Incoming, Strictness};
use crate::scim::schema::{Purpose, ResourceType};

/// The methods of a type that clients only read.
pub(super) const READ_ONLY: &str = "GET,HEAD";

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Create,
    Read,
    Replace,
    Patch,
    Delete,
}

/// What is to be done to one resource, and how its answer is shown.
pub(super) struct Act<'a> {
    pub(super) app: &'a App,
    pub(super) caller: &'a Caller,
    pub(super) kind: &'static ResourceType,
    pub(super) view: View<'a>,
    pub(super) precondition: Precondition,
}

/// What became of it.
pub(super) struct Done {
    pub(super) status: StatusCode,
    /// The resource, where it is shown.
    pub(super) body: Option<String>,
    pub(super) version: Option<i64>,
    pub(super) location: Option<String>,
}

/// Whether the credential opens the resource type for that, and the type offers it.
pub(super) fn check(caller: &Caller, kind: &ResourceType, verb: Verb) -> Result<(), ScimError> {
    let writes = verb != Verb::Read;
    caller.access.check(kind, writes)?;
    if writes && kind.purpose == Purpose::Role {
        return Err(ScimError::not_offered(READ_ONLY));
    }
    Ok(())
}

impl Act<'_> {
    /// Makes a resource of that id.
    pub(super) async fn create(self, id: Uuid, body: Value) -> Result<Done, ScimError> {
        let incoming = self.incoming(body)?;
        let (app, caller) = (self.app, self.caller);
        let found = match self.kind.purpose {
            Purpose::User => Found::User(users::create(app, caller, UserId(id), incoming).await?),
            Purpose::Group => {
                Found::Group(groups::create(app, caller, GroupId(id), incoming).await?)
            }
            Purpose::Custom => {
                let id = ResourceId(id);
                let made = resources::create(app, caller, self.kind, id, incoming).await?;
                Found::Resource(self.kind, made)
            }
            Purpose::Role => return Err(ScimError::not_offered(READ_ONLY)),
        };
        self.shown(StatusCode::CREATED, &found)
    }

    /// Reads a resource; 304 for a version that the reader has.
    pub(super) async fn read(self, id: &str) -> Result<Done, ScimError> {
        let (app, caller) = (self.app, self.caller);
        let with = self.view.relations(self.kind);
        let found = match self.kind.purpose {
            Purpose::User => {
                let with_groups = with != groups::Members::None;
                Found::User(users::find(app, caller, parse(id, "user")?, with_groups).await?)
            }
            Purpose::Group => {
                Found::Group(groups::find(app, caller, parse(id, "group")?, with).await?)
            }
            Purpose::Custom => {
                let id = parse(id, "resource")?;
                let found = resources::find(app, caller, self.kind, id).await?;
                Found::Resource(self.kind, found)
            }
            Purpose::Role => {
                let id: RoleId = parse(id, "role")?;
                Found::Role(roles::find(app, caller, id).await?)
            }
        };
        let version = View::version(&found);
        // RFC 9110 section 13.2.2: If-Match comes first.
        self.precondition.check_match(version)?;
        if self.precondition.is_unmodified(version) {
            return Ok(Done {
                status: StatusCode::NOT_MODIFIED,
                body: None,
                version: Some(version),
                location: Some(self.view.location(self.kind, &View::id(&found))),
            });
        }
        self.shown(StatusCode::OK, &found)
    }

    /// Replaces a resource.
    pub(super) async fn replace(mut self, id: &str, body: Value) -> Result<Done, ScimError> {
        let incoming = self.incoming(body)?;
        let (app, caller) = (self.app, self.caller);
        let precondition = std::mem::take(&mut self.precondition);
        let found = match self.kind.purpose {
            Purpose::User => {
                let id = parse(id, "user")?;
                Found::User(users::replace(app, caller, id, incoming, precondition).await?)
            }
            Purpose::Group => {
                let id = parse(id, "group")?;
                Found::Group(groups::replace(app, caller, id, incoming, precondition).await?)
            }
            Purpose::Custom => {
                let which = (self.kind, parse(id, "resource")?);
                let made = resources::replace(app, caller, which, incoming, precondition).await?;
                Found::Resource(self.kind, made)
            }
            Purpose::Role => return Err(ScimError::not_offered(READ_ONLY)),
        };
        self.shown(StatusCode::OK, &found)
    }

    /// Changes a resource. A Group is answered with 204; with 200 and the projection where one was
    /// asked for; with 200 and the resource in generic directories up to a number of members.
    pub(super) async fn patch(mut self, id: &str, body: Value) -> Result<Done, ScimError> {
        let request = self.request(body)?;
        let (app, caller) = (self.app, self.caller);
        let precondition = std::mem::take(&mut self.precondition);
        let found = match self.kind.purpose {
            Purpose::User => {
                let id = parse(id, "user")?;
                Found::User(users::patch(app, caller, id, request, precondition).await?)
            }
            Purpose::Group => {
                let id: GroupId = parse(id, "group")?;
                groups::patch(app, caller, id, request, precondition).await?;
                if !self.shows_group(id).await? {
                    return Ok(Done::nothing(Some(
                        self.view.location(self.kind, &id.to_string()),
                    )));
                }
                let with = self.view.relations(self.kind);
                Found::Group(groups::find(app, caller, id, with).await?)
            }
            Purpose::Custom => {
                let which = (self.kind, parse(id, "resource")?);
                let made = resources::patch(app, caller, which, request, precondition).await?;
                Found::Resource(self.kind, made)
            }
            Purpose::Role => return Err(ScimError::not_offered(READ_ONLY)),
        };
        self.shown(StatusCode::OK, &found)
    }

    /// Takes a resource away.
    pub(super) async fn delete(mut self, id: &str) -> Result<Done, ScimError> {
        let (app, caller) = (self.app, self.caller);
        let precondition = std::mem::take(&mut self.precondition);
        match self.kind.purpose {
            Purpose::User => users::delete(app, caller, parse(id, "user")?, precondition).await?,
            Purpose::Group => {
                groups::delete(app, caller, parse(id, "group")?, precondition).await?;
            }
            Purpose::Custom => {
                let which = (self.kind, parse(id, "resource")?);
                resources::delete(app, caller, which, precondition).await?;
            }
            Purpose::Role => return Err(ScimError::not_offered(READ_ONLY)),
        }
        Ok(Done::nothing(Some(self.view.location(self.kind, id))))
    }

    async fn shows_group(&self, id: GroupId) -> Result<bool, Error> {
        if !self.view.is_everything() {
            return Ok(true);
        }
        let most = self.app.config.scim.generic_patch_group_body_members;
        let is_generic = self.caller.directory.kind == DirectoryKind::Generic;
        Ok(is_generic && groups::has_at_most(self.app, self.caller, id, most).await?)
    }

    fn incoming(&self, body: Value) -> Result<Incoming, Error> {
        let strictness = self.caller.strictness();
        if strictness == Strictness::Strict {
            scim::check_declared(self.kind, &body)?;
        }
        scim::normalise(self.kind, body, strictness)
    }

    fn request(&self, body: Value) -> Result<PatchRequest, Error> {
        super::body::check_schemas(self.caller, &body, scim_patch::REQUEST)?;
        scim_patch::parse(body)
    }

    fn shown(&self, status: StatusCode, found: &Found) -> Result<Done, ScimError> {
        Ok(Done {
            status,
            body: Some(self.view.show(found)?),
            version: Some(View::version(found)),
            location: Some(self.view.location(self.kind, &View::id(found))),
        })
    }
}

impl Done {
    fn nothing(location: Option<String>) -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: None,
            version: None,
            location,
        }
    }
}

/// An id of another form names nothing.
fn parse<I: std::str::FromStr>(id: &str, what: &'static str) -> Result<I, Error> {
    id.parse().map_err(|_| Error::NotFound(what))
}
