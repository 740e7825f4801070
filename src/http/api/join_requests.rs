//! Requests of people who signed in for the first time, and ask to be let in.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::caller::ApiCaller;
use super::operation::Operation;
use super::problem::Problem;
use super::{id, json};
use crate::admission::join_requests::{self, Approved, Shown};
use crate::http::Shared;
use crate::workspace::keys::Permission;

/// The requests of a workspace, oldest first.
pub(super) async fn list(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let page = caller.page(&format!("join requests {}", workspace.id))?;
    let all = join_requests::list(&shared.app, workspace.id).await?;
    let page = page.cut(all, |it| it.id.to_string())?;
    json(StatusCode::OK, &page)
}

/// Lets in who asked.
pub(super) async fn approve(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let request = id(caller.param("id"), "join request")?;
    let approved = join_requests::approve(&shared.app, caller.by(), workspace.id, request).await?;
    json(StatusCode::OK, &approved)
}

/// Declines a request.
pub(super) async fn decline(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let request = id(caller.param("id"), "join request")?;
    join_requests::decline(&shared.app, &caller.origin, workspace.id, request).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Forgets a request.
pub(super) async fn remove(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let request = id(caller.param("id"), "join request")?;
    join_requests::remove(&shared.app, &caller.origin, workspace.id, request).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "GET",
            "/workspaces/{workspace}/join-requests",
            "The requests of people who signed in for the first time, oldest first",
        )
        .note("There are such where a connection's `first_login` is `queue`.")
        .gives_page::<Shown>(),
        Operation::new(
            "DELETE",
            "/workspaces/{workspace}/join-requests/{id}",
            "Forgets a request; whoever made it may ask again",
        )
        .gives_nothing("It is done."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/join-requests/{id}/approve",
            "Lets in who asked, with the teams and roles of the connection",
        )
        .note("Nobody gives more than one has: a key that may do less is refused.")
        .gives::<Approved>(200, "The member.")
        .refuses(409, "It was declined, or the person cannot be let in."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/join-requests/{id}/decline",
            "Declines a request; the person is refused from then on",
        )
        .gives_nothing("It is done."),
    ]
}
