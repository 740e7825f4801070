//! How people may sign in to a workspace, and for how long.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::caller::ApiCaller;
use super::operation::Operation;
use super::problem::Problem;
use super::{body, json};
use crate::http::Shared;
use crate::login::policy::{self, Edit, Shown};
use crate::workspace::keys::Permission;

/// What holds.
pub(super) async fn show(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::WorkspaceManage).await?;
    let found = policy::find(&shared.app, workspace.id).await?;
    json(StatusCode::OK, &found)
}

/// Changes it.
pub(super) async fn patch(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::WorkspaceManage).await?;
    let edit: Edit = body::read(&shared, &headers, body).await?;
    let edited = policy::edit(&shared.app, caller.by(), workspace.id, edit).await?;
    json(StatusCode::OK, &edited)
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "GET",
            "/workspaces/{workspace}/sign-in-policy",
            "How people may sign in, and for how long",
        )
        .gives::<Shown>(200, "What holds."),
        Operation::new(
            "PATCH",
            "/workspaces/{workspace}/sign-in-policy",
            "Changes how people may sign in, and for how long; it holds for sessions under way too",
        )
        .note(
            "It is for keys that may do everything in the workspace. Where nobody can sign in by a \
             connection any more, an operator lifts `sso_enforced` at the command line.",
        )
        .takes::<Edit>()
        .gives::<Shown>(200, "What holds now.")
        .refuses(409, "Nobody signs in to the workspace by a connection yet."),
    ]
}
