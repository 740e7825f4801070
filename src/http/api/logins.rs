//! Who signed in, and who was refused and why.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::caller::ApiCaller;
use super::json;
use super::operation::Operation;
use super::page;
use super::problem::Problem;
use crate::error::Error;
use crate::http::Shared;
use crate::ids::RequestId;
use crate::workspace::activity::{self, Event, Spot};
use crate::workspace::keys::Permission;

/// A page of the logins of a workspace, newest first.
pub(super) async fn list(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    let request = caller.asked("request")?;
    let request = request.map(str::parse::<RequestId>).transpose();
    let request = request.map_err(|_| Error::value("request must be an id"))?;
    let list = format!("logins {} {request:?}", workspace.id);
    let page = caller.page_by(&list, &["request"])?;
    let from = page.after.as_ref().map(|after| after.parse());
    let from = from.transpose().map_err(|_: Error| page::invalid())?;
    let from = from.unwrap_or_else(Spot::newest);
    let found = activity::logins(&shared.app, workspace.id, request, from, page.most()).await?;
    let page = page.of(found, |event| Spot::after(event).to_text())?;
    json(StatusCode::OK, &page)
}

/// What the route of this file does.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "GET",
            "/workspaces/{workspace}/logins",
            "List logins, refused ones too, newest first",
        )
        .note(
            "A `login.refused` tells the `reason`; it is about the member, or about the `connection` where nobody is linked. Whoever was refused \
             names a reference: that is the `request`.",
        )
        .query(
            "request",
            "The reference that a page of an error names.",
            serde_json::json!({"type": "string", "format": "uuid"}),
        )
        .gives_page::<Event>(),
    ]
}
