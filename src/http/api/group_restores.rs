//! A group is put back to what it was at an instant, or comes back that was deleted.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::caller::ApiCaller;
use super::directories::which;
use super::operation::Operation;
use super::problem::Problem;
use super::{body, json, page};
use crate::clock::Timestamp;
use crate::directory::restore::groups::{self, Deleted, Outcome, Plan};
use crate::http::Shared;

/// A page of the groups that were deleted and can be given back.
pub(super) async fn list(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let (workspace, directory) = which(&shared, &caller).await?;
    let page = caller.page(&format!("deleted groups {}", directory.id))?;
    let after = page.after.as_deref().map(str::parse).transpose();
    let after = after.map_err(|_: uuid::Error| page::invalid())?;
    let of = (workspace.id, directory.id);
    let found = groups::list_deleted(&shared.app, of, after, page.most()).await?;
    json(StatusCode::OK, &page.of(found, |it| it.id.to_string())?)
}

/// To which instant.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "GroupInstant")]
struct Instant {
    /// Left out, a deleted group comes back as it was before that.
    as_of: Option<Timestamp>,
}

/// Tells what it would come to.
pub(super) async fn plan(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (workspace, directory) = which(&shared, &caller).await?;
    let instant: Instant = body::read(&shared, &headers, body).await?;
    let of = (workspace.id, directory.id);
    let group = groups::resolve(&shared.app, of, caller.param("group")).await?;
    let which = (group, instant.as_of);
    let plan = groups::plan(&shared.app, caller.by(), of, which).await?;
    json(StatusCode::OK, &plan)
}

/// Which plan, to which instant.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "GroupPlanned")]
struct Planned {
    /// As it was planned with.
    as_of: Option<Timestamp>,
    /// The hash of the plan.
    hash: String,
}

/// Puts it back as it was planned.
pub(super) async fn restore(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (workspace, directory) = which(&shared, &caller).await?;
    let planned: Planned = body::read(&shared, &headers, body).await?;
    let of = (workspace.id, directory.id);
    let group = groups::resolve(&shared.app, of, caller.param("group")).await?;
    let which = (group, planned.as_of);
    match groups::restore(&shared.app, caller.by(), of, which, &planned.hash).await? {
        Outcome::Done(plan) => json(StatusCode::OK, &plan),
        Outcome::Stale(plan) => Err(Problem::plan_stale(&plan)),
    }
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "GET",
            "/workspaces/{workspace}/directories/{directory}/deleted-groups",
            "List groups that were deleted and can be given back",
        )
        .gives_page::<Deleted>(),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/directories/{directory}/groups/{group}/restore/plan",
            "Tell what it would come to if a group was put back to an instant",
        )
        .takes::<Instant>()
        .gives::<Plan>(200, "What it would come to.")
        .refuses(
            409,
            "The group was not there then, or cannot be made again.",
        ),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/directories/{directory}/groups/{group}/restore",
            "Put a group back to an instant, as it was planned",
        )
        .takes::<Planned>()
        .gives::<Plan>(200, "What was put back.")
        .refuses_stale::<Plan>("The plan is stale, or the group cannot be made again."),
    ]
}
