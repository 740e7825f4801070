//! All of one member: what happened to it, everything that is held of it, and its erasure.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::caller::ApiCaller;
use super::members::member;
use super::operation::Operation;
use super::page::{self, Items};
use super::problem::Problem;
use super::streamed::streamed;
use super::taking::Taking;
use super::{body, json};
use crate::clock::Timestamp;
use crate::directory::erasure;
use crate::directory::export;
use crate::error::Error;
use crate::http::Shared;
use crate::workspace::activity::{self, Event, Spot};
use crate::workspace::keys::Permission;

/// A page of what happened.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "Activity")]
struct ActivityBody {
    last_seen: Option<Timestamp>,
    #[serde(flatten)]
    page: Items<Event>,
}

/// What happened to a member, newest first.
pub(super) async fn activity(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    let member = member(&caller)?;
    let page = caller.page(&format!("activity {} {member}", workspace.id))?;
    let from = page.after.as_ref().map(|after| after.parse());
    let from = from.transpose().map_err(|_: Error| page::invalid())?;
    let from = from.unwrap_or_else(Spot::newest);
    let found = activity::list(&shared.app, workspace.id, member, from, page.most()).await?;
    let body = ActivityBody {
        last_seen: found.last_seen,
        page: page.of(found.events, |event| Spot::after(event).to_text())?,
    };
    json(StatusCode::OK, &body)
}

/// Everything that is held of a member, as one document that is written as it is read.
pub(super) async fn export(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::DataExport).await?;
    let member = member(&caller)?;
    let export = export::begin(&shared.app, &caller.origin, &workspace, member).await?;
    let taking = Taking {
        workspace: workspace.id,
        permission: Permission::DataExport,
        subject: ("member", member.0),
    };
    let file = format!("member-{member}.json");
    streamed(export, (caller, taking), ("application/json", &file))
}

/// How somebody is erased.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Erasure")]
struct Wanted {
    /// Remove the member first, where it is not yet.
    remove: bool,
}

/// Who was erased, and when.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "Erased")]
struct ErasedBody {
    member: crate::ids::MemberId,
    erased_at: Timestamp,
}

/// Destroys what is personal of a member who left.
pub(super) async fn erase(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let member = member(&caller)?;
    let wanted: Wanted = body::read(&shared, &headers, body).await?;
    let which = (workspace.id, member);
    let erased_at = erasure::erase(&shared.app, caller.by(), which, wanted.remove).await?;
    json(StatusCode::OK, &ErasedBody { member, erased_at })
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "GET",
            "/workspaces/{workspace}/members/{id}/activity",
            "Tell what happened to a member, newest first",
        )
        .gives_page::<Event>()
        .instead::<ActivityBody>(),
        Operation::new(
            "GET",
            "/workspaces/{workspace}/members/{id}/export",
            "Hand out everything that is held of a member",
        )
        .note(
            "One document, written as it is read: an answer that breaks off was not all of it. It \
             breaks off where the right to it is lost meanwhile.",
        )
        .gives::<export::Document>(200, "The document."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/members/{id}/erase",
            "Destroy what is personal of a member who left",
        )
        .takes::<Wanted>()
        .gives::<ErasedBody>(200, "When it was erased.")
        .refuses(
            409,
            "The member has not left, or a directory has the person.",
        ),
    ]
}
