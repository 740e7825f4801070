//! Runs: what touches many members, with how far it is.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::caller::ApiCaller;
use super::operation::Operation;
use super::problem::Problem;
use super::{id, json};
use crate::admission::runs::{self, Shown};
use crate::error::Result;
use crate::http::Shared;
use crate::ids::RunId;
use crate::workspace::keys::Permission;

/// The last runs, newest first.
pub(super) async fn list(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RulesManage).await?;
    let page = caller.page(&format!("runs {}", workspace.id))?;
    let all = runs::list(&shared.app, workspace.id).await?;
    json(
        StatusCode::OK,
        &page.newest(all, |it| it.run.id.to_string())?,
    )
}

/// A run.
pub(super) async fn show(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RulesManage).await?;
    let run = runs::show(&shared.app, workspace.id, run(&caller)?).await?;
    json(StatusCode::OK, &run)
}

/// Lets a run wait.
pub(super) async fn pause(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RulesManage).await?;
    let which = (workspace.id, run(&caller)?);
    let run = runs::pause(&shared.app, caller.by(), which).await?;
    json(StatusCode::OK, &run)
}

/// Lets a run go on.
pub(super) async fn resume(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RulesManage).await?;
    let which = (workspace.id, run(&caller)?);
    let run = runs::resume(&shared.app, caller.by(), which).await?;
    json(StatusCode::OK, &run)
}

/// Undoes a run that wrote a rule.
pub(super) async fn undo(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RulesManage).await?;
    let which = (workspace.id, run(&caller)?);
    let run = runs::undo(&shared.app, caller.by(), which).await?;
    json(StatusCode::CREATED, &run)
}

fn run(caller: &ApiCaller) -> Result<RunId> {
    id(caller.param("id"), "run")
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "GET",
            "/workspaces/{workspace}/runs",
            "The last runs, newest first",
        )
        .gives_page::<Shown>(),
        Operation::new("GET", "/workspaces/{workspace}/runs/{id}", "A run")
            .gives::<Shown>(200, "The run."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/runs/{id}/pause",
            "Lets a run wait",
        )
        .gives::<Shown>(200, "The run waits.")
        .refuses(409, "As things stand, this cannot be."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/runs/{id}/resume",
            "Lets a run go on",
        )
        .gives::<Shown>(200, "The run goes on.")
        .refuses(409, "As things stand, this cannot be."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/runs/{id}/undo",
            "Undoes a run that wrote a rule",
        )
        .gives::<Shown>(201, "The run that takes it back.")
        .refuses(409, "As things stand, this cannot be."),
    ]
}
