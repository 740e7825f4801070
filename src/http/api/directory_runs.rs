//! Runs over a directory: how far they are; going live waits, goes on and is undone.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::caller::ApiCaller;
use super::directories::which;
use super::operation::Operation;
use super::problem::Problem;
use super::{id, json};
use crate::admission::directory_runs::{self as runs, Shown};
use crate::error::{Error, Result};
use crate::http::Shared;
use crate::ids::{DirectoryId, RunId, WorkspaceId};

/// The last runs over a directory, newest first.
pub(super) async fn list(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let (workspace, directory) = which(&shared, &caller).await?;
    let page = caller.page(&format!("runs over {}", directory.id))?;
    let all = runs::list(&shared.app, (workspace.id, directory.id)).await?;
    json(
        StatusCode::OK,
        &page.newest(all, |it| it.run.id.to_string())?,
    )
}

/// A run over a directory.
pub(super) async fn show(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let (of, run) = named(&shared, &caller).await?;
    json(StatusCode::OK, &runs::show(&shared.app, of, run).await?)
}

/// Lets going live wait, or its undoing.
pub(super) async fn pause(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let (of, run) = named(&shared, &caller).await?;
    let run = runs::pause(&shared.app, caller.by(), of, run).await?;
    json(StatusCode::OK, &run)
}

/// Lets it go on.
pub(super) async fn resume(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let (of, run) = named(&shared, &caller).await?;
    let run = runs::resume(&shared.app, caller.by(), of, run).await?;
    json(StatusCode::OK, &run)
}

/// Takes back that a directory went live. To let members go takes every right in the workspace, for
/// they may be admins.
pub(super) async fn undo(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let (of, run) = named(&shared, &caller).await?;
    if !caller.scopes().are_all() {
        return Err(Error::Forbidden.into());
    }
    let run = runs::undo(&shared.app, caller.by(), of, run).await?;
    json(StatusCode::CREATED, &run)
}

async fn named(
    shared: &Shared,
    caller: &ApiCaller,
) -> Result<((WorkspaceId, DirectoryId), RunId), Problem> {
    let (workspace, directory) = which(shared, caller).await?;
    let run = id(caller.param("run"), "run")?;
    Ok(((workspace.id, directory.id), run))
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    let of = |method, path, what| Operation::new(method, path, what);
    vec![
        of(
            "GET",
            "/workspaces/{workspace}/directories/{directory}/runs",
            "List the last runs over a directory, newest first",
        )
        .gives_page::<Shown>(),
        of(
            "GET",
            "/workspaces/{workspace}/directories/{directory}/runs/{run}",
            "Show a run over a directory",
        )
        .gives::<Shown>(200, "The run."),
        of(
            "POST",
            "/workspaces/{workspace}/directories/{directory}/runs/{run}/pause",
            "Let a run wait by which a directory goes live",
        )
        .gives::<Shown>(200, "The run waits.")
        .refuses(409, "The run is done, or goes on in any case."),
        of(
            "POST",
            "/workspaces/{workspace}/directories/{directory}/runs/{run}/resume",
            "Let a paused run go on",
        )
        .gives::<Shown>(200, "The run goes on.")
        .refuses(409, "The run is done."),
        of(
            "POST",
            "/workspaces/{workspace}/directories/{directory}/runs/{run}/undo",
            "Take back that a directory went live",
        )
        .gives::<Shown>(201, "The run that takes it back.")
        .refuses(409, "It cannot be undone, or no longer."),
    ]
}
