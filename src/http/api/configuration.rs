//! Configuration as code: a document of what a workspace is to be like.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::caller::ApiCaller;
use super::operation::Operation;
use super::problem::Problem;
use super::{body, json};
use crate::configuration::{self, Applied, Configuration, Options, Plan};
use crate::http::Shared;
use crate::workspace::keys::Permission;

/// What is to be planned or applied.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ConfigurationWanted")]
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
    let wanted = wanted.configuration;
    match configuration::apply(app, by, &workspace, wanted, options).await? {
        Applied::Done(plan) => json(StatusCode::OK, &plan),
        Applied::Stale(plan) => Err(Problem::plan_stale(&plan)),
    }
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    const CONFIGURATION: &str = "/workspaces/{workspace}/configuration";
    vec![
        Operation::new(
            "GET",
            CONFIGURATION,
            "Show what the workspace is like, as a document",
        )
        .gives::<Configuration>(200, "A document as `plan` and `apply` take it."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/configuration/plan",
            "Tell what would have to change for the workspace to be like a document",
        )
        .takes::<Wanted>()
        .gives::<Plan>(200, "The plan, with its hash.")
        .refuses(409, "As things stand, it cannot be applied."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/configuration/apply",
            "Make the workspace like a document",
        )
        .takes::<Wanted>()
        .gives::<Plan>(200, "What was changed.")
        .refuses_stale::<Plan>("It is another plan than was agreed to, or cannot be applied."),
    ]
}
