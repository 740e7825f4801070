//! What the client of a directory sent, and to send it again.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::caller::ApiCaller;
use super::operation::Operation;
use super::problem::Problem;
use super::{body, id, json};
use crate::directory::request_log::{self, Entry};
use crate::error::Error;
use crate::http::Shared;
use crate::http::scim::replay;
use crate::workspace::Workspace;
use crate::workspace::keys::Permission;

/// A request with its bodies, secrets removed.
pub(super) async fn show(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::DirectoriesManage).await?;
    let entry = find(&shared, &caller, &workspace).await?;
    request_log::note_read(&shared.app, &caller.origin, &entry).await?;
    json(StatusCode::OK, &entry)
}

/// How it is to be sent again.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ReplayHow")]
struct How {
    /// Whether nothing of it is kept.
    #[serde(default)]
    rehearsal: bool,
}

/// Sends a request again.
pub(super) async fn again(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::DirectoriesManage).await?;
    let how: How = body::read(&shared, &headers, body).await?;
    let entry = find(&shared, &caller, &workspace).await?;
    let done = replay::replay(&shared.app, &caller.origin, &entry, how.rehearsal);
    json(StatusCode::OK, &Box::pin(done).await?)
}

async fn find(
    shared: &Shared,
    caller: &ApiCaller,
    workspace: &Workspace,
) -> Result<Entry, Problem> {
    let directory = id(caller.param("directory"), "directory")?;
    let request = id(caller.param("request"), "request")?;
    let place = (workspace.id, directory);
    let found = request_log::find(&shared.app, place, request).await?;
    Ok(found.ok_or(Error::NotFound("request"))?)
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    type Thing = serde_json::Map<String, serde_json::Value>;
    const REQUEST: &str = "/workspaces/{workspace}/directories/{directory}/requests/{request}";
    vec![
        Operation::new("GET", REQUEST, "Show a request of the log with its bodies")
            .gives::<Thing>(200, "The request, secrets removed."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/directories/{directory}/requests/{request}/replay",
            "Send a request of the log again, for rehearsal or for real",
        )
        .takes::<How>()
        .gives::<Thing>(200, "What it was answered.")
        .refuses(409, "It cannot be sent again."),
    ]
}
