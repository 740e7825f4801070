//! `/Groups`.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::body::{self, Size};
use super::caller::ScimCaller;
use super::respond::{ScimError, list_of, project, references, resource};
use crate::directory::DirectoryKind;
use crate::directory::groups::{self, Found, Members};
use crate::directory::search::{self, Search};
use crate::error::Error;
use crate::http::Shared;
use crate::ids::GroupId;
use crate::scim::patch as scim_patch;
use crate::scim::projection::Projection;
use crate::scim::resource as scim;
use crate::scim::resource::Meta;
use crate::scim::schema;

type Answer = Result<Response, ScimError>;

/// `GET /Groups`
pub(super) async fn list(State(shared): State<Shared>, caller: ScimCaller) -> Answer {
    let projection = projection(&caller)?;
    let search = Search {
        filter: caller.query.filter.clone(),
        start_index: caller.query.start_index,
        count: caller.query.count,
        with: members(&projection),
    };
    let page = search::groups(&shared.app, &caller.caller, search).await?;
    let resources = page
        .resources
        .iter()
        .map(|found| show(&caller, &projection, found))
        .collect::<Result<Vec<_>, Error>>()?;
    list_of(page.total, page.start_index, resources)
}

/// `POST /Groups`
pub(super) async fn create(
    State(shared): State<Shared>,
    caller: ScimCaller,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let projection = projection(&caller)?;
    let body = body::read(&shared, &headers, body, Size::Group).await?;
    let incoming = scim::normalise(schema::group(), body, caller.caller.strictness())?;
    let found = groups::create(&shared.app, &caller.caller, incoming).await?;
    answer(StatusCode::CREATED, &caller, &projection, &found)
}

/// `GET /Groups/{id}`
pub(super) async fn read(State(shared): State<Shared>, caller: ScimCaller) -> Answer {
    let projection = projection(&caller)?;
    let found = groups::find(
        &shared.app,
        &caller.caller,
        id(&caller)?,
        members(&projection),
    )
    .await?;
    answer(StatusCode::OK, &caller, &projection, &found)
}

/// `PUT /Groups/{id}`
pub(super) async fn replace(
    State(shared): State<Shared>,
    caller: ScimCaller,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let projection = projection(&caller)?;
    let body = body::read(&shared, &headers, body, Size::Group).await?;
    let id = id(&caller)?;
    let incoming = scim::normalise(schema::group(), body, caller.caller.strictness())?;
    let found = groups::replace(&shared.app, &caller.caller, id, incoming).await?;
    answer(StatusCode::OK, &caller, &projection, &found)
}

/// `PATCH /Groups/{id}`: 204; 200 with the projection where one was asked for; 200 with the
/// resource in generic directories up to a number of members.
pub(super) async fn patch(
    State(shared): State<Shared>,
    caller: ScimCaller,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let projection = projection(&caller)?;
    let body = body::read(&shared, &headers, body, Size::Group).await?;
    let id = id(&caller)?;
    let request = scim_patch::parse(body)?;
    groups::patch(&shared.app, &caller.caller, id, request).await?;
    let is_shown = if projection.is_everything() {
        let most = shared.app.config.scim.generic_patch_group_body_members;
        caller.caller.directory.kind == DirectoryKind::Generic
            && groups::count_members(&shared.app, &caller.caller, id).await? <= most
    } else {
        true
    };
    if !is_shown {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let found = groups::find(&shared.app, &caller.caller, id, members(&projection)).await?;
    answer(StatusCode::OK, &caller, &projection, &found)
}

/// `DELETE /Groups/{id}`
pub(super) async fn delete(State(shared): State<Shared>, caller: ScimCaller) -> Answer {
    groups::delete(&shared.app, &caller.caller, id(&caller)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// An id of another form names nothing.
fn id(caller: &ScimCaller) -> Result<GroupId, Error> {
    caller.id.parse().map_err(|_| Error::NotFound("group"))
}

fn projection(caller: &ScimCaller) -> Result<Projection, Error> {
    Projection::parse(
        schema::group(),
        caller.query.attributes.as_deref(),
        caller.query.excluded_attributes.as_deref(),
    )
}

/// Names of members are read on request alone: their join costs as much as all the rest.
fn members(projection: &Projection) -> Members {
    if projection.asks_for("members", "display") {
        Members::Names
    } else if projection.wants("members") {
        Members::Ids
    } else {
        Members::None
    }
}

fn answer(
    status: StatusCode,
    caller: &ScimCaller,
    projection: &Projection,
    found: &Found,
) -> Answer {
    let body = show(caller, projection, found)?;
    let location = location(caller, found.group.id);
    Ok(resource(status, body, found.group.version, &location))
}

fn show(caller: &ScimCaller, projection: &Projection, found: &Found) -> Result<String, Error> {
    let group = &found.group;
    let members = found.members.as_ref().map(|members| {
        let members = members.iter().map(|member| {
            let reference = format!("{}/Users/{}", caller.base_url, member.user_id);
            let display = member.display.as_deref();
            (member.user_id.to_string(), display, reference)
        });
        references(members, "User")
    });
    let meta = Meta {
        created: group.created_at,
        last_modified: group.updated_at,
        location: location(caller, group.id),
        version: group.version,
    };
    let extra: Vec<_> = members
        .iter()
        .map(|text| ("members", text.as_str()))
        .collect();
    let id = group.id.to_string();
    let text = scim::render(schema::group(), &id, &group.document, &extra, &meta);
    project(projection, text)
}

fn location(caller: &ScimCaller, id: GroupId) -> String {
    format!("{}/Groups/{id}", caller.base_url)
}
