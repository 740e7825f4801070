//! Members, with what they have and why.

use axum::extract::State;
use axum::http::header::ETAG;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::caller::ApiCaller;
use super::problem::Problem;
use super::{id, json, page};
use crate::error::{Error, Result};
use crate::http::Shared;
use crate::ids::MemberId;
use crate::mapping::explain as explained;
use crate::workspace::keys::Permission;
use crate::workspace::members;

/// A page of members in the order of their making, those who are removed left out.
pub(super) async fn list(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    let page = caller.page(&format!("members {}", workspace.id))?;
    let after = page.after.as_ref().map(|after| after.parse());
    let after = after.transpose().map_err(|_| page::invalid())?;
    let found = members::list(&shared.app, workspace.id, after, page.most()).await?;
    json(StatusCode::OK, &page.of(found, |it| it.id.to_string())?)
}

/// A member; 304 for a version that the reader has.
pub(super) async fn show(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    let member = member(&caller)?;
    let (found, version) = members::show(&shared.app, workspace.id, member).await?;
    let mut response = if caller.precondition.is_unmodified(version) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        json(StatusCode::OK, &found)?
    };
    let tag = HeaderValue::from_str(&format!("\"{version}\"")).map_err(Error::internal)?;
    response.headers_mut().insert(ETAG, tag);
    Ok(response)
}

/// What a member has, and why.
pub(super) async fn explain(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    let member = member(&caller)?.to_string();
    let member = members::find(&shared.app, workspace.id, &member).await?;
    let explanation = explained::explain(&shared.app, workspace.id, &member).await?;
    json(StatusCode::OK, &explanation)
}

fn member(caller: &ApiCaller) -> Result<MemberId> {
    id(caller.param("id"), "member")
}
