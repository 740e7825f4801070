//! Workspaces, and the short lists that they have.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::caller::ApiCaller;
use super::json;
use super::problem::Problem;
use crate::directory;
use crate::http::Shared;
use crate::mapping;
use crate::workspace::keys::Permission;

/// The workspaces that the key opens, by slug.
pub(super) async fn list(caller: ApiCaller) -> Result<Response, Problem> {
    let page = caller.page("workspaces")?;
    let all = caller.workspaces().await?;
    json(StatusCode::OK, &page.cut(all, |it| it.slug.clone())?)
}

/// A workspace.
pub(super) async fn show(caller: ApiCaller) -> Result<Response, Problem> {
    json(StatusCode::OK, &caller.any_workspace().await?)
}

/// Its directories, oldest first.
pub(super) async fn directories(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::DirectoriesManage).await?;
    let page = caller.page(&format!("directories {}", workspace.id))?;
    let all = directory::list(&shared.app, workspace.id).await?;
    json(StatusCode::OK, &page.cut(all, |it| it.id.to_string())?)
}

/// Its rules, oldest first.
pub(super) async fn rules(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RulesManage).await?;
    let page = caller.page(&format!("rules {}", workspace.id))?;
    let all = mapping::rules::list(&shared.app, workspace.id).await?;
    json(StatusCode::OK, &page.cut(all, |it| it.id.to_string())?)
}
