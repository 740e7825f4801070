//! Data that leaves: written as it is read, never whole in memory.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::caller::ApiCaller;
use super::operation::Operation;
use super::problem::Problem;
use super::taking::Taking;
use crate::error::Error;
use crate::http::Shared;
use crate::workspace::export_many::{self, Export, Format};
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
    // Of a slug no character needs quotes.
    let name = format!("attachment; filename=\"members-{}.{end}\"", workspace.slug);
    let name = HeaderValue::from_str(&name).map_err(Error::internal)?;
    // The place among the requests in flight is held until the last part is read.
    let taking = Taking {
        workspace: workspace.id,
        permission: Permission::DataExport,
        subject: ("workspace", workspace.id.0),
    };
    let parts = stream::try_unfold((export, caller, taking), part);
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(media)),
        (CONTENT_DISPOSITION, name),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Body::from_stream(parts)).into_response())
}

type Going = (Export, ApiCaller, Taking);

async fn part((mut export, mut caller, taking): Going) -> Result<Option<(Bytes, Going)>, Error> {
    taking.check(&mut caller).await?;
    match export.next().await {
        Ok(next) => Ok(next.map(|text| (Bytes::from(text), (export, caller, taking)))),
        Err(error) => {
            tracing::error!(error = ?error, "an export broke off");
            Err(error)
        }
    }
}

/// The table as JSON; each field of a row is what an import reads.
#[derive(schemars::JsonSchema)]
#[schemars(rename = "MembersTable")]
#[expect(dead_code, reason = "the shape of an answer")]
struct Table {
    /// The members, one each.
    members: Vec<serde_json::Value>,
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
