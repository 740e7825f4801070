//! What was at an instant, and what differs between two.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::caller::ApiCaller;
use super::directories::which;
use super::operation::Operation;
use super::page::Page;
use super::problem::Problem;
use super::{body, id, json, page};
use crate::admission::restoration::{self, PutBack};
use crate::clock::Timestamp;
use crate::directory::restore;
use crate::error::{Error, Result};
use crate::http::Shared;
use crate::ids::{MemberId, WorkspaceId};
use crate::workspace::keys::Permission;
use crate::workspace::{history, past_names};

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
    let (of, page) = span(&shared, &mut caller, workspace.id, "diff").await?;
    let after = member_of(page.after.as_deref())?;
    let found = history::differences(&shared.app, workspace.id, of, after, page.most()).await?;
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
    let (_, directory) = which(&shared, &caller).await?;
    let span: Span = body::read(&shared, &headers, body).await?;
    let to = span.to.unwrap_or_else(|| shared.app.clock.now());
    let span = (span.from, to);
    let restored = restore::restore(&shared.app, caller.by(), &directory, span).await?;
    json(StatusCode::OK, &restored)
}

/// Between which instants, and a page of a list that is about them.
async fn span(
    shared: &Shared,
    caller: &mut ApiCaller,
    workspace: WorkspaceId,
    list: &str,
) -> Result<((history::Moment, history::Moment), Page), Problem> {
    let from = caller.instant("from")?;
    let from = from.ok_or_else(|| Error::value("from is missing: an RFC 3339 date-time"))?;
    let to = caller.instant("to")?;
    let to = to.ok_or_else(|| Error::value("to is missing: an RFC 3339 date-time"))?;
    let page = caller.page(&format!("{list} {workspace} {from} {to}"))?;
    let app = &shared.app;
    let span = (
        history::moment(app, workspace, from).await?,
        history::moment(app, workspace, to).await?,
    );
    Ok((span, page))
}

/// A page of the teams that differ between `from` and `to`.
pub(super) async fn diff_teams(
    State(shared): State<Shared>,
    mut caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    let (of, page) = span(&shared, &mut caller, workspace.id, "diff teams").await?;
    let all = past_names::changed_teams(&shared.app, workspace.id, of).await?;
    json(StatusCode::OK, &page.cut(all, |it| it.id.to_string())?)
}

/// A page of the roles that differ between `from` and `to`.
pub(super) async fn diff_roles(
    State(shared): State<Shared>,
    mut caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    let (of, page) = span(&shared, &mut caller, workspace.id, "diff roles").await?;
    let all = past_names::changed_roles(&shared.app, workspace.id, of).await?;
    json(StatusCode::OK, &page.cut(all, |it| it.id.to_string())?)
}

fn member_of(after: Option<&str>) -> Result<Option<MemberId>> {
    let after = after.map(str::parse).transpose();
    after.map_err(|_: uuid::Error| page::invalid())
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    let instant = || serde_json::json!({"type": "string", "format": "date-time"});
    let between = |path: &'static str, summary: &'static str| {
        Operation::new("GET", path, summary)
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
    };
    vec![
        between(
            "/workspaces/{workspace}/history/diff",
            "Tell what differs for members between two instants",
        )
        .gives_page::<history::Difference>(),
        between(
            "/workspaces/{workspace}/history/diff/teams",
            "Tell which teams differ between two instants",
        )
        .gives_page::<past_names::TeamChanged>(),
        between(
            "/workspaces/{workspace}/history/diff/roles",
            "Tell which roles differ between two instants",
        )
        .gives_page::<past_names::RoleChanged>(),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/directories/{directory}/restore",
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
        .gives::<PutBack>(200, "What was put back, and what was not.")
        .refuses(409, "As things stand, it cannot be put back."),
    ]
}
