//! Members, with what they have and why.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::ETAG;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::caller::ApiCaller;
use super::problem::Problem;
use super::{body, history, id, json, page};
use crate::admission::entry::{self, Entrant, Outcome};
use crate::error::{Error, Result};
use crate::http::Shared;
use crate::ids::MemberId;
use crate::mapping::explain as explained;
use crate::workspace::keys::Permission;
use crate::workspace::manual::{self, Right};
use crate::workspace::members::{self, GrantKind, Source};
use crate::workspace::profile::Edit;
use crate::workspace::{Workspace, edit, status};

/// A page of members in the order of their making, those who are removed left out.
pub(super) async fn list(
    State(shared): State<Shared>,
    mut caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    if let Some(at) = caller.instant("as_of")? {
        return history::list(&shared, &caller, workspace.id, at).await;
    }
    let page = caller.page(&format!("members {}", workspace.id))?;
    let after = page.after.as_ref().map(|after| after.parse());
    let after = after.transpose().map_err(|_| page::invalid())?;
    let found = members::list(&shared.app, workspace.id, after, page.most()).await?;
    json(StatusCode::OK, &page.of(found, |it| it.id.to_string())?)
}

/// A member; 304 for a version that the reader has.
pub(super) async fn show(
    State(shared): State<Shared>,
    mut caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    if let Some(at) = caller.instant("as_of")? {
        return history::show(&shared, (workspace.id, member(&caller)?), at).await;
    }
    let found = members::show(&shared.app, workspace.id, member(&caller)?).await?;
    let response = if caller.precondition.is_unmodified(found.version) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        json(StatusCode::OK, &found)?
    };
    tagged(response, found.version)
}

/// A member as it is now, after a change.
async fn shown(
    shared: &Shared,
    (workspace, member): (&Workspace, MemberId),
) -> Result<Response, Problem> {
    let found = members::show(&shared.app, workspace.id, member).await?;
    tagged(json(StatusCode::OK, &found)?, found.version)
}

/// An answer with a version as its tag.
pub(super) fn tagged(mut response: Response, version: i64) -> Result<Response, Problem> {
    let tag = HeaderValue::from_str(&format!("\"{version}\"")).map_err(Error::internal)?;
    response.headers_mut().insert(ETAG, tag);
    Ok(response)
}

/// Who is to be brought in.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NewMember {
    /// What the member shows.
    profile: Edit,
    /// Teams, by name or id.
    teams: Vec<String>,
    /// Roles, by name or id.
    roles: Vec<String>,
    /// Permissions.
    permissions: Vec<String>,
}

/// What became of it.
#[derive(Serialize)]
struct EnteredBody {
    outcome: Outcome,
    member: members::Full,
}

/// Brings somebody in as a draft: 201 for a new member, 200 for one who was expected or had left.
pub(super) async fn create(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let new: NewMember = body::read(&shared, &headers, body).await?;
    let rights = |kind, names: Vec<String>| names.into_iter().map(move |name| Right { kind, name });
    let entrant = Entrant {
        edit: new.profile,
        rights: rights(GrantKind::Team, new.teams)
            .chain(rights(GrantKind::Role, new.roles))
            .chain(rights(GrantKind::Permission, new.permissions))
            .collect(),
    };
    let entered =
        entry::enter(&shared.app, caller.by(), workspace.id, Source::Api, entrant).await?;
    let status = match entered.outcome {
        Outcome::Created => StatusCode::CREATED,
        Outcome::Merged | Outcome::Revived => StatusCode::OK,
    };
    let body = EnteredBody {
        outcome: entered.outcome,
        member: members::show(&shared.app, workspace.id, entered.member).await?,
    };
    json(status, &body)
}

/// Writes fields of a member: what is left out stays, null clears (RFC 7396).
pub(super) async fn patch(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let which = (workspace.id, member(&caller)?);
    let written: Edit = body::read(&shared, &headers, body).await?;
    edit::edit(
        &shared.app,
        caller.by(),
        which,
        caller.precondition.clone(),
        written,
    )
    .await?;
    shown(&shared, (&workspace, which.1)).await
}

/// Takes a member out of the workspace; id and history stay.
pub(super) async fn remove(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let which = (workspace.id, member(&caller)?);
    status::remove(&shared.app, caller.by(), which, caller.precondition.clone()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Shuts a member out until an admin lets it in again.
pub(super) async fn suspend(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let member = member(&caller)?;
    status::suspend(&shared.app, caller.by(), (workspace.id, member)).await?;
    shown(&shared, (&workspace, member)).await
}

/// Lets a member in again.
pub(super) async fn activate(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let member = member(&caller)?;
    status::activate(&shared.app, caller.by(), (workspace.id, member)).await?;
    shown(&shared, (&workspace, member)).await
}

/// Gives a right by hand; one that the member has by hand already is no fault.
pub(super) async fn give(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let (which, by) = ((workspace.id, member(&caller)?), caller.by());
    manual::give(&shared.app, by, which, vec![right(&caller)?]).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Takes a right away that was given by hand.
pub(super) async fn take(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let (which, by) = ((workspace.id, member(&caller)?), caller.by());
    manual::take(&shared.app, by, which, vec![right(&caller)?]).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The right that a path names.
fn right(caller: &ApiCaller) -> Result<Right> {
    let kind = match caller.param("kind") {
        "teams" => GrantKind::Team,
        "roles" => GrantKind::Role,
        "permissions" => GrantKind::Permission,
        _ => return Err(Error::NotFound("kind of right")),
    };
    let name = caller.param("name").to_owned();
    Ok(Right { kind, name })
}

/// What a member has, and why.
pub(super) async fn explain(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    let member = member(&caller)?.to_string();
    let member = members::find(&shared.app, workspace.id, &member).await?;
    let explanation = explained::explain(&shared.app, workspace.id, &member).await?;
    json(StatusCode::OK, &explanation)
}

pub(super) fn member(caller: &ApiCaller) -> Result<MemberId> {
    id(caller.param("id"), "member")
}
