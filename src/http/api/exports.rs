//! Data that leaves.

use axum::extract::State;
use axum::response::Response;

use super::caller::ApiCaller;
use super::operation::Operation;
use super::problem::Problem;
use super::streamed::streamed;
use super::taking::Taking;
use crate::error::Error;
use crate::http::Shared;
use crate::workspace::export_many::{self, Format, Table};
use crate::workspace::keys::Permission;

/// All members as a table. An answer that breaks off was not all of it.
pub(super) async fn members(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::DataExport).await?;
    let [format] = caller.parameters(["format"])?;
    let format: Format = format
        .unwrap_or("csv")
        .parse()
        .map_err(|expected| Error::value(format!("format: {expected}")))?;
    let export = export_many::begin(&shared.app, &caller.origin, workspace.id, format).await?;
    let (media, end) = match format {
        Format::Csv => ("text/csv; charset=utf-8; header=present", "csv"),
        Format::Json => ("application/json", "json"),
    };
    let taking = Taking {
        workspace: workspace.id,
        permission: Permission::DataExport,
        subject: ("workspace", workspace.id.0),
    };
    let file = format!("members-{}.{end}", workspace.slug);
    streamed(export, (caller, taking), (media, &file))
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "GET",
            "/workspaces/{workspace}/members/export",
            "Hand out all members as a table",
        )
        .note(
            "Written as it is read: an answer that breaks off was not all of it. It breaks off where \
             the right to it is lost meanwhile.",
        )
        .query(
            "format",
            "What the table is written in.",
            serde_json::json!({"type": "string", "enum": ["csv", "json"], "default": "csv"}),
        )
        .gives::<Table>(200, "The table.")
        .in_media("text/csv"),
    ]
}
