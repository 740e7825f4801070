//! Plans: what would become of a change of the rules, and the change itself once somebody agrees.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use uuid::Uuid;

use super::caller::ApiCaller;
use super::operation::Operation;
use super::problem::Problem;
use super::{body, id, json};
use crate::admission::planned::{Shown, Stale};
use crate::admission::plans::{self, Applied, Done, Proposal};
use crate::admission::rules::Missing;
use crate::http::Shared;
use crate::workspace::keys::Permission;

/// Tells what would become of a new rule, another version of one or its end.
pub(super) async fn plan(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RulesManage).await?;
    let proposal: Proposal = body::read(&shared, &headers, body).await?;
    let plan = plans::plan(
        &shared.app,
        caller.by(),
        workspace.id,
        (proposal, Missing::Refuse),
    )
    .await?;
    json(StatusCode::CREATED, &plan)
}

/// A group that might go away.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PlansGone")]
struct Gone {
    /// The directory, by name or id.
    directory: String,
    /// The group, by name or id.
    group: String,
}

/// Tells what would become of it if a directory deleted a group.
pub(super) async fn plan_delete(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RulesManage).await?;
    let gone: Gone = body::read(&shared, &headers, body).await?;
    let what = (gone.directory.as_str(), gone.group.as_str());
    let plan = plans::plan_delete(&shared.app, caller.by(), workspace.id, what).await?;
    json(StatusCode::CREATED, &plan)
}

/// A plan.
pub(super) async fn show(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RulesManage).await?;
    let which = (workspace.id, id(caller.param("id"), "plan")?);
    let plan = plans::find(&shared.app, caller.scopes(), which).await?;
    json(StatusCode::OK, &plan)
}

/// Which plan is to be applied.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PlansWanted")]
struct Wanted {
    /// Its id.
    plan: Uuid,
}

/// Applies a plan, if it would still do what it told.
pub(super) async fn apply(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RulesManage).await?;
    let wanted: Wanted = body::read(&shared, &headers, body).await?;
    let which = (workspace.id, wanted.plan);
    match plans::apply(&shared.app, caller.by(), which).await? {
        Applied::Done(done) => json(StatusCode::OK, &done),
        Applied::Stale(difference) => Err(Problem::plan_stale(&difference)),
    }
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "POST",
            "/workspaces/{workspace}/rules/plan",
            "Tells what would become of a new rule, another version of one or its end",
        )
        .takes::<Proposal>()
        .gives::<Shown>(201, "The plan.")
        .refuses(409, "As things stand, this cannot be."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/rules/apply",
            "Applies a plan, if it would still do what it told",
        )
        .takes::<Wanted>()
        .gives::<Done>(200, "It is applied.")
        .refuses_stale::<Stale>("The plan would do something else by now, or cannot be applied."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/groups/plan-delete",
            "Tells what would become of it if a directory deleted a group",
        )
        .takes::<Gone>()
        .gives::<Shown>(201, "The plan, which only tells.")
        .refuses(409, "As things stand, this cannot be."),
        Operation::new("GET", "/workspaces/{workspace}/plans/{id}", "A plan")
            .gives::<Shown>(200, "The plan."),
    ]
}
