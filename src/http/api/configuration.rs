//! Configuration as code: a document of what a workspace is to be like.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::caller::ApiCaller;
use super::problem::Problem;
use super::{body, json};
use crate::configuration::{self, Configuration, Options};
use crate::http::Shared;
use crate::workspace::keys::Permission;

/// What is to be planned or applied.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    configuration: Configuration,
    /// Whether teams and roles end that it does not name.
    #[serde(default)]
    prune: bool,
    /// The hash of the plan that was agreed to.
    plan: Option<String>,
}

/// What the workspace is like.
pub(super) async fn show(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::WorkspaceManage).await?;
    let found = configuration::export(&shared.app, &workspace).await?;
    json(StatusCode::OK, &found)
}

/// What would have to change.
pub(super) async fn plan(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::WorkspaceManage).await?;
    let wanted: Wanted = body::read(&shared, &headers, body).await?;
    let (app, by, prune) = (&shared.app, caller.by(), wanted.prune);
    let plan = configuration::plan(app, by, &workspace, wanted.configuration, prune).await?;
    json(StatusCode::OK, &plan)
}

/// Changes it; what the key may not do by itself stops all of it.
pub(super) async fn apply(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::WorkspaceManage).await?;
    let wanted: Wanted = body::read(&shared, &headers, body).await?;
    let options = Options {
        prune: wanted.prune,
        plan: wanted.plan,
    };
    let (app, by) = (&shared.app, caller.by());
    let done = configuration::apply(app, by, &workspace, wanted.configuration, options).await?;
    json(StatusCode::OK, &done)
}
