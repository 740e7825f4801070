//! Rules: who is in which groups, or has which attributes, gets what.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::caller::ApiCaller;
use super::members::tagged;
use super::problem::Problem;
use super::{body, id, json};
use crate::admission::rules::{self as written, Missing, RuleEdit};
use crate::error::Result;
use crate::http::Shared;
use crate::ids::RuleId;
use crate::mapping::rules;
use crate::workspace::keys::Permission;

/// The rules, oldest first.
pub(super) async fn list(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RulesManage).await?;
    let page = caller.page(&format!("rules {}", workspace.id))?;
    let all = rules::list(&shared.app, workspace.id).await?;
    json(StatusCode::OK, &page.cut(all, |it| it.id.to_string())?)
}

/// A rule; 304 for a version that the reader has.
pub(super) async fn show(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RulesManage).await?;
    let found = rules::show(&shared.app, workspace.id, rule(&caller)?).await?;
    let response = if caller.precondition.is_unmodified(found.version) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        json(StatusCode::OK, &found)?
    };
    tagged(response, found.version)
}

/// Adds a rule.
pub(super) async fn create(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RulesManage).await?;
    let new: RuleEdit = body::read(&shared, &headers, body).await?;
    let (by, missing) = (caller.by(), Missing::Refuse);
    let added = written::create(&shared.app, by, workspace.id, new, missing).await?;
    json(StatusCode::CREATED, &added)
}

/// Changes a rule: a further version. What is left out stays, null clears (RFC 7396).
pub(super) async fn patch(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RulesManage).await?;
    let which = (workspace.id, rule(&caller)?);
    let edit: RuleEdit = body::read(&shared, &headers, body).await?;
    let (at, what) = (caller.precondition.clone(), (edit, Missing::Refuse));
    let changed = written::change(&shared.app, caller.by(), which, at, what).await?;
    tagged(json(StatusCode::OK, &changed)?, changed.version)
}

/// Ends a rule, and with it what it gave.
pub(super) async fn end(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RulesManage).await?;
    let which = (workspace.id, rule(&caller)?);
    let at = caller.precondition.clone();
    let ended = written::end(&shared.app, caller.by(), which, at).await?;
    json(StatusCode::OK, &ended)
}

fn rule(caller: &ApiCaller) -> Result<RuleId> {
    id(caller.param("id"), "rule")
}
