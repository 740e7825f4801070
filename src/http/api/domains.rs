//! Domains of a workspace.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::caller::ApiCaller;
use super::operation::Operation;
use super::problem::Problem;
use super::{body, json};
use crate::http::Shared;
use crate::workspace::domains::{self, Shown};
use crate::workspace::keys::Permission;

/// The domains of a workspace, oldest first.
pub(super) async fn list(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::WorkspaceManage).await?;
    let page = caller.page(&format!("domains {}", workspace.id))?;
    let all = domains::list(&shared.app, workspace.id).await?;
    let page = page.cut(all, |it| it.domain.id.to_string())?;
    json(StatusCode::OK, &page)
}

/// A domain to be added.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DomainsNewDomain")]
struct NewDomain {
    /// Its name.
    name: String,
}

/// Adds a domain; the answer says what proves it.
pub(super) async fn create(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::WorkspaceManage).await?;
    let new: NewDomain = body::read(&shared, &headers, body).await?;
    let added = domains::add(&shared.app, &caller.origin, workspace.id, &new.name).await?;
    json(StatusCode::CREATED, &added)
}

/// Looks whether a domain is proved.
pub(super) async fn check(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::WorkspaceManage).await?;
    let named = caller.param("id");
    let checked = domains::check(&shared.app, &caller.origin, workspace.id, named).await?;
    json(StatusCode::OK, &checked)
}

/// Says that a domain is the workspace's own, for operators.
pub(super) async fn attest(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::Everything).await?;
    let named = caller.param("id");
    let attested = domains::attest(&shared.app, &caller.origin, workspace.id, named).await?;
    json(StatusCode::OK, &attested)
}

/// What is to change.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DomainsEdit")]
struct Edit {
    /// Whether a User of the domain links to whom the workspace has.
    adoption: bool,
}

/// Says whether Users of a domain link to whom the workspace has.
pub(super) async fn patch(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::WorkspaceManage).await?;
    let edit: Edit = body::read(&shared, &headers, body).await?;
    let (by, named) = (caller.by(), caller.param("id"));
    let set = domains::set_adoption(&shared.app, by, workspace.id, named, edit.adoption).await?;
    json(StatusCode::OK, &set)
}

/// Takes a domain away.
pub(super) async fn remove(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::WorkspaceManage).await?;
    let named = caller.param("id");
    domains::remove(&shared.app, &caller.origin, workspace.id, named).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "GET",
            "/workspaces/{workspace}/domains",
            "The domains of a workspace, oldest first",
        )
        .gives_page::<Shown>(),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/domains",
            "Adds a domain; the answer says what proves it",
        )
        .takes::<NewDomain>()
        .gives::<Shown>(201, "The domain, with what proves it.")
        .refuses(409, "As things stand, this cannot be."),
        Operation::new(
            "PATCH",
            "/workspaces/{workspace}/domains/{id}",
            "Says whether Users of a domain link to whom the workspace has",
        )
        .takes::<Edit>()
        .gives::<Shown>(200, "The domain.")
        .refuses(409, "As things stand, this cannot be."),
        Operation::new(
            "DELETE",
            "/workspaces/{workspace}/domains/{id}",
            "Takes a domain away",
        )
        .gives_nothing("It is done.")
        .refuses(409, "As things stand, this cannot be."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/domains/{id}/check",
            "Looks whether a domain is proved",
        )
        .gives::<Shown>(200, "The domain.")
        .refuses(409, "As things stand, this cannot be."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/domains/{id}/attest",
            "Says that a domain is the workspace's own, for operators",
        )
        .gives::<Shown>(200, "The domain.")
        .refuses(409, "As things stand, this cannot be."),
    ]
}
