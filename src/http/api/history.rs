//! What was at an instant, and what differs between two.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::caller::ApiCaller;
use super::operation::Operation;
use super::problem::Problem;
use super::{body, id, json, page};
use crate::clock::Timestamp;
use crate::directory::{self, restore};
use crate::error::{Error, Result};
use crate::http::Shared;
use crate::ids::{MemberId, WorkspaceId};
use crate::workspace::keys::Permission;
use crate::workspace::{history, past_names, restoration};

/// A page of members as they were.
pub(super) async fn list(
    shared: &Shared,
    caller: &ApiCaller,
    workspace: WorkspaceId,
    at: Timestamp,
) -> Result<Response, Problem> {
    let page = caller.page(&format!("members {workspace} as of {at}"))?;
    let after = member_of(page.after.as_deref())?;
    let moment = history::moment(&shared.app, workspace, at).await?;
    let found = history::list(&shared.app, workspace, moment, after, page.most()).await?;
    json(StatusCode::OK, &page.of(found, |it| it.id.to_string())?)
}

/// A member as it was.
pub(super) async fn show(
    shared: &Shared,
    (workspace, member): (WorkspaceId, MemberId),
    at: Timestamp,
) -> Result<Response, Problem> {
    let moment = history::moment(&shared.app, workspace, at).await?;
    let then = history::show(&shared.app, workspace, moment, member).await?;
    json(StatusCode::OK, &then)
}

/// What is shown as it is, or as it was where an instant is asked for.
#[derive(schemars::JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
#[expect(dead_code, reason = "the shape of an answer")]
pub(super) enum NowOrThen<N, T> {
    /// As it is.
    Now(N),
    /// As it was.
    Then(T),
}

/// A page of teams as they were.
pub(super) async fn teams(
    shared: &Shared,
    caller: &ApiCaller,
    workspace: WorkspaceId,
    at: Timestamp,
) -> Result<Response, Problem> {
    let page = caller.page(&format!("teams {workspace} as of {at}"))?;
    let moment = history::moment(&shared.app, workspace, at).await?;
    let all = past_names::teams(&shared.app, workspace, moment).await?;
    json(StatusCode::OK, &page.cut(all, |it| it.id.to_string())?)
}

/// A page of roles as they were.
pub(super) async fn roles(
    shared: &Shared,
    caller: &ApiCaller,
    workspace: WorkspaceId,
    at: Timestamp,
) -> Result<Response, Problem> {
    let page = caller.page(&format!("roles {workspace} as of {at}"))?;
    let moment = history::moment(&shared.app, workspace, at).await?;
    let all = past_names::roles(&shared.app, workspace, moment).await?;
    json(StatusCode::OK, &page.cut(all, |it| it.id.to_string())?)
}

/// The instant to which a member is put back.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Instant {
    as_of: Timestamp,
}

/// Puts a member back to an instant.
pub(super) async fn put_back(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let which = (workspace.id, id(caller.param("id"), "member")?);
    let instant: Instant = body::read(&shared, &headers, body).await?;
    let done = restoration::restore(&shared.app, caller.by(), which, instant.as_of).await?;
    json(StatusCode::OK, &done)
}

/// A page of what differs between `from` and `to`.
pub(super) async fn diff(
    State(shared): State<Shared>,
    mut caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    let from = caller.instant("from")?;
    let from = from.ok_or_else(|| Error::value("from is missing: an RFC 3339 date-time"))?;
    let to = caller.instant("to")?;
    let to = to.ok_or_else(|| Error::value("to is missing: an RFC 3339 date-time"))?;
    let page = caller.page(&format!("diff {} {from} {to}", workspace.id))?;
    let after = member_of(page.after.as_deref())?;
    let app = &shared.app;
    let span = (
        history::moment(app, workspace.id, from).await?,
        history::moment(app, workspace.id, to).await?,
    );
    let found = history::differences(app, workspace.id, span, after, page.most()).await?;
    json(StatusCode::OK, &page.of(found, |it| it.member.to_string())?)
}

/// Between which instants.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Span {
    from: Timestamp,
    /// Now if it is left out.
    to: Option<Timestamp>,
}

/// Gives back what a directory took away between two instants.
pub(super) async fn restore(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::DirectoriesManage).await?;
    let id = id(caller.param("id"), "directory")?;
    let directory = directory::find_by_id(&shared.app, workspace.id, id).await?;
    let span: Span = body::read(&shared, &headers, body).await?;
    let to = span.to.unwrap_or_else(|| shared.app.clock.now());
    let span = (span.from, to);
    let restored = restore::restore(&shared.app, caller.by(), &directory, span).await?;
    json(StatusCode::OK, &restored)
}

fn member_of(after: Option<&str>) -> Result<Option<MemberId>> {
    let after = after.map(str::parse).transpose();
    after.map_err(|_: uuid::Error| page::invalid())
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    let instant = || serde_json::json!({"type": "string", "format": "date-time"});
    vec![
        Operation::new(
            "GET",
            "/workspaces/{workspace}/history/diff",
            "Tell what differs between two instants",
        )
        .query(
            "from",
            "The earlier instant; it is not to be left out.",
            instant(),
        )
        .query(
            "to",
            "The later instant; it is not to be left out.",
            instant(),
        )
        .gives_page::<history::Difference>(),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/directories/{id}/restore",
            "Give back what a directory took away between two instants",
        )
        .takes::<Span>()
        .gives::<restore::Restored>(200, "What was given back.")
        .refuses(409, "The directory is not live."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/members/{id}/restore",
            "Put a member back to an instant",
        )
        .takes::<Instant>()
        .gives::<serde_json::Map<String, serde_json::Value>>(200, "What was put back.")
        .refuses(409, "As things stand, it cannot be put back."),
    ]
}
