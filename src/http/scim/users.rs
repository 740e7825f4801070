//! `/Users`.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::body::{self, Size};
use super::caller::ScimCaller;
use super::respond::{ScimError, list_of, project, references, resource};
use crate::directory::groups::Members;
use crate::directory::search::{self, Search};
use crate::directory::users::{self, Found};
use crate::error::Error;
use crate::http::Shared;
use crate::ids::UserId;
use crate::scim::patch as scim_patch;
use crate::scim::projection::Projection;
use crate::scim::resource as scim;
use crate::scim::resource::Meta;
use crate::scim::schema;

type Answer = Result<Response, ScimError>;

/// `GET /Users`
pub(super) async fn list(State(shared): State<Shared>, caller: ScimCaller) -> Answer {
    let projection = projection(&caller)?;
    let search = Search {
        filter: caller.query.filter.clone(),
        start_index: caller.query.start_index,
        count: caller.query.count,
        with: if projection.wants("groups") {
            Members::Names
        } else {
            Members::None
        },
    };
    let page = search::users(&shared.app, &caller.caller, search).await?;
    let resources = page
        .resources
        .iter()
        .map(|found| show(&caller, &projection, found))
        .collect::<Result<Vec<_>, Error>>()?;
    list_of(page.total, page.start_index, resources)
}

/// `POST /Users`
pub(super) async fn create(
    State(shared): State<Shared>,
    caller: ScimCaller,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let projection = projection(&caller)?;
    let body = body::read(&shared, &headers, body, Size::User).await?;
    let incoming = scim::normalise(schema::user(), body, caller.caller.strictness())?;
    let found = users::create(&shared.app, &caller.caller, incoming).await?;
    answer(StatusCode::CREATED, &caller, &projection, &found)
}

/// `GET /Users/{id}`
pub(super) async fn read(State(shared): State<Shared>, caller: ScimCaller) -> Answer {
    let projection = projection(&caller)?;
    let with_groups = projection.wants("groups");
    let found = users::find(&shared.app, &caller.caller, id(&caller)?, with_groups).await?;
    answer(StatusCode::OK, &caller, &projection, &found)
}

/// `PUT /Users/{id}`
pub(super) async fn replace(
    State(shared): State<Shared>,
    caller: ScimCaller,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let projection = projection(&caller)?;
    let body = body::read(&shared, &headers, body, Size::User).await?;
    let id = id(&caller)?;
    let incoming = scim::normalise(schema::user(), body, caller.caller.strictness())?;
    let found = users::replace(&shared.app, &caller.caller, id, incoming).await?;
    answer(StatusCode::OK, &caller, &projection, &found)
}

/// `PATCH /Users/{id}`
pub(super) async fn patch(
    State(shared): State<Shared>,
    caller: ScimCaller,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let projection = projection(&caller)?;
    let body = body::read(&shared, &headers, body, Size::User).await?;
    let id = id(&caller)?;
    let request = scim_patch::parse(body)?;
    let found = users::patch(&shared.app, &caller.caller, id, request).await?;
    answer(StatusCode::OK, &caller, &projection, &found)
}

/// `DELETE /Users/{id}`
pub(super) async fn delete(State(shared): State<Shared>, caller: ScimCaller) -> Answer {
    users::delete(&shared.app, &caller.caller, id(&caller)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// An id of another form names nothing.
fn id(caller: &ScimCaller) -> Result<UserId, Error> {
    caller.id.parse().map_err(|_| Error::NotFound("user"))
}

fn projection(caller: &ScimCaller) -> Result<Projection, Error> {
    Projection::parse(
        schema::user(),
        caller.query.attributes.as_deref(),
        caller.query.excluded_attributes.as_deref(),
    )
}

fn answer(
    status: StatusCode,
    caller: &ScimCaller,
    projection: &Projection,
    found: &Found,
) -> Answer {
    let body = show(caller, projection, found)?;
    let location = location(caller, found.user.id);
    Ok(resource(status, body, found.user.version, &location))
}

fn show(caller: &ScimCaller, projection: &Projection, found: &Found) -> Result<String, Error> {
    let user = &found.user;
    let groups = (!found.groups.is_empty() && projection.wants("groups")).then(|| {
        let groups = found.groups.iter().map(|(id, display)| {
            let reference = format!("{}/Groups/{id}", caller.base_url);
            (id.to_string(), Some(display.as_str()), reference)
        });
        references(groups, "direct")
    });
    let meta = Meta {
        created: user.created_at,
        last_modified: user.updated_at,
        location: location(caller, user.id),
        version: user.version,
    };
    let extra: Vec<_> = groups
        .iter()
        .map(|text| ("groups", text.as_str()))
        .collect();
    let id = user.id.to_string();
    let text = scim::render(schema::user(), &id, &user.document, &extra, &meta);
    project(projection, text)
}

fn location(caller: &ScimCaller, id: UserId) -> String {
    format!("{}/Users/{id}", caller.base_url)
}
