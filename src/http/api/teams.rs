//! Teams and roles.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::caller::ApiCaller;
use super::problem::Problem;
use super::{body, history, id, json};
use crate::http::Shared;
use crate::workspace::keys::Permission;
use crate::workspace::roles::{self, RoleEdit};
use crate::workspace::teams::{self, TeamEdit};

/// What a team is made with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTeam {
    name: String,
}

/// The teams of a workspace, oldest first.
pub(super) async fn list(
    State(shared): State<Shared>,
    mut caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    if let Some(at) = caller.instant("as_of")? {
        return history::teams(&shared, &caller, workspace.id, at).await;
    }
    let page = caller.page(&format!("teams {}", workspace.id))?;
    let all = teams::list(&shared.app, workspace.id).await?;
    json(StatusCode::OK, &page.cut(all, |it| it.id.to_string())?)
}

/// Makes a team.
pub(super) async fn create(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::TeamsManage).await?;
    let new: NewTeam = body::read(&shared, &headers, body).await?;
    let made = teams::create(&shared.app, &caller.origin, workspace.id, &new.name).await?;
    json(StatusCode::CREATED, &made)
}

/// Renames, enables, disables or archives a team.
pub(super) async fn patch(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::TeamsManage).await?;
    let which = (workspace.id, id(caller.param("id"), "team")?);
    let edit: TeamEdit = body::read(&shared, &headers, body).await?;
    let team = teams::edit(&shared.app, &caller.origin, which, edit).await?;
    json(StatusCode::OK, &team)
}

/// The roles of a workspace with their permissions, oldest first.
pub(super) async fn list_roles(
    State(shared): State<Shared>,
    mut caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    if let Some(at) = caller.instant("as_of")? {
        return history::roles(&shared, &caller, workspace.id, at).await;
    }
    let page = caller.page(&format!("roles {}", workspace.id))?;
    let all = roles::list_full(&shared.app, workspace.id).await?;
    json(StatusCode::OK, &page.cut(all, |it| it.role.id.to_string())?)
}

/// Makes a role, of permissions that the key has itself.
pub(super) async fn create_role(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RolesManage).await?;
    let new: RoleEdit = body::read(&shared, &headers, body).await?;
    let made = roles::create(&shared.app, caller.by(), workspace.id, new).await?;
    json(StatusCode::CREATED, &made)
}

/// Renames a role, or gives it other permissions.
pub(super) async fn patch_role(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RolesManage).await?;
    let which = (workspace.id, id(caller.param("id"), "role")?);
    let edit: RoleEdit = body::read(&shared, &headers, body).await?;
    let role = roles::edit(&shared.app, caller.by(), which, edit).await?;
    json(StatusCode::OK, &role)
}

/// Deletes a role that nobody has and no rule gives.
pub(super) async fn delete_role(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RolesManage).await?;
    let which = (workspace.id, id(caller.param("id"), "role")?);
    roles::delete(&shared.app, caller.by(), which).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
