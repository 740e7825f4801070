//! Connections, through which people sign in.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::caller::ApiCaller;
use super::operation::Operation;
use super::problem::Problem;
use super::{body, json};
use crate::http::Shared;
use crate::login::connections::{self, Shown};
use crate::login::settings::Edit;
use crate::workspace::keys::Permission;

/// The connections of a workspace, oldest first.
pub(super) async fn list(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::WorkspaceManage).await?;
    let page = caller.page(&format!("connections {}", workspace.id))?;
    let all = connections::list(&shared.app, workspace.id).await?;
    let page = page.cut(all, |it| it.id.to_string())?;
    json(StatusCode::OK, &page)
}

/// Makes a connection by which nobody signs in yet.
pub(super) async fn create(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::WorkspaceManage).await?;
    let edit: Edit = body::read(&shared, &headers, body).await?;
    let made = connections::create(&shared.app, caller.by(), workspace.id, &edit).await?;
    json(StatusCode::CREATED, &made)
}

/// One connection.
pub(super) async fn show(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::WorkspaceManage).await?;
    let found = connections::find(&shared.app, workspace.id, caller.param("id")).await?;
    json(StatusCode::OK, &found)
}

/// Changes what a connection is set to.
pub(super) async fn patch(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::WorkspaceManage).await?;
    let edit: Edit = body::read(&shared, &headers, body).await?;
    let (by, named) = (caller.by(), caller.param("id"));
    let edited = connections::edit(&shared.app, by, workspace.id, named, &edit).await?;
    json(StatusCode::OK, &edited)
}

/// Lets people sign in by a connection.
pub(super) async fn enable(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::WorkspaceManage).await?;
    let (by, named) = (caller.by(), caller.param("id"));
    let enabled = connections::enable(&shared.app, by, workspace.id, named).await?;
    json(StatusCode::OK, &enabled)
}

/// Lets nobody sign in by a connection any more.
pub(super) async fn disable(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::WorkspaceManage).await?;
    let (by, named) = (caller.by(), caller.param("id"));
    let disabled = connections::disable(&shared.app, by, workspace.id, named).await?;
    json(StatusCode::OK, &disabled)
}

/// Takes a connection away.
pub(super) async fn remove(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::WorkspaceManage).await?;
    let (by, named) = (caller.by(), caller.param("id"));
    connections::remove(&shared.app, by, workspace.id, named).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    let whole = "It is for keys that may do everything in the workspace: whoever says where people \
                 sign in says who is who.";
    vec![
        Operation::new(
            "GET",
            "/workspaces/{workspace}/connections",
            "The connections of a workspace, oldest first",
        )
        .gives_page::<Shown>(),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/connections",
            "Makes a connection by which nobody signs in yet",
        )
        .note(whole)
        .takes::<Edit>()
        .gives::<Shown>(
            201,
            "The connection, with the redirect URI that its provider is to know.",
        )
        .refuses(409, "As things stand, this cannot be."),
        Operation::new(
            "GET",
            "/workspaces/{workspace}/connections/{id}",
            "One connection, by its id or name",
        )
        .gives::<Shown>(200, "The connection, without the client's secret."),
        Operation::new(
            "PATCH",
            "/workspaces/{workspace}/connections/{id}",
            "Changes what a connection is set to",
        )
        .note(whole)
        .takes::<Edit>()
        .gives::<Shown>(200, "The connection.")
        .refuses(409, "As things stand, this cannot be.")
        .refuses(412, "It was changed meanwhile."),
        Operation::new(
            "DELETE",
            "/workspaces/{workspace}/connections/{id}",
            "Takes a connection away, with whom it knew; sessions that began by it end",
        )
        .note(whole)
        .gives_nothing("It is done."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/connections/{id}/enable",
            "Lets people sign in by a connection, which a test login has proved",
        )
        .note(whole)
        .gives::<Shown>(200, "The connection.")
        .refuses(409, "No test login has shown that it works as it is set."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/connections/{id}/disable",
            "Lets nobody sign in by a connection any more; sessions that began by it end",
        )
        .note(whole)
        .gives::<Shown>(200, "The connection."),
    ]
}
