//! Sessions of members.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::caller::ApiCaller;
use super::members::member;
use super::operation::Operation;
use super::problem::Problem;
use super::{id, json};
use crate::accounts::sessions::Listed;
use crate::http::Shared;
use crate::login::sessions;
use crate::workspace::keys::Permission;

/// The live sessions of a member, the newest first.
pub(super) async fn list(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    let member = member(&caller)?;
    let page = caller.page(&format!("sessions {} {member}", workspace.id))?;
    let mut all = sessions::list(&shared.app, (workspace.id, member)).await?;
    all.sort_by_key(|it| it.id);
    let page = page.cut(all, |it| it.id.to_string())?;
    json(StatusCode::OK, &page)
}

/// How many sessions ended.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "SessionsEnded")]
struct Ended {
    /// How many.
    ended: u64,
}

/// Ends all sessions of a member.
pub(super) async fn end_all(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let whose = (workspace.id, member(&caller)?);
    let ended = sessions::end_all(&shared.app, caller.by(), whose).await?;
    json(StatusCode::OK, &Ended { ended })
}

/// Ends one session of a member.
pub(super) async fn end(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let whose = (workspace.id, member(&caller)?);
    let session = id(caller.param("session"), "session")?;
    sessions::end(&shared.app, caller.by(), whose, session).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "GET",
            "/workspaces/{workspace}/members/{id}/sessions",
            "The live sessions of a member, oldest first",
        )
        .gives_page::<Listed>(),
        Operation::new(
            "DELETE",
            "/workspaces/{workspace}/members/{id}/sessions",
            "Ends all sessions of a member, at once",
        )
        .note("A member who may do more than the caller is refused.")
        .gives::<Ended>(200, "How many ended."),
        Operation::new(
            "DELETE",
            "/workspaces/{workspace}/members/{id}/sessions/{session}",
            "Ends one session of a member, at once",
        )
        .note("A member who may do more than the caller is refused.")
        .gives_nothing("It is done."),
    ]
}
