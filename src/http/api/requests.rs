//! What the client of a directory sent, and to send it again.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use uuid::Uuid;

use super::caller::ApiCaller;
use super::directories::which;
use super::operation::Operation;
use super::problem::Problem;
use super::streamed::streamed;
use super::taking::Taking;
use super::{body, id, json, page};
use crate::clock::Timestamp;
use crate::directory::request_log::bundle;
use crate::directory::request_log::{self, Entry, Spot, Wanted};
use crate::error::Error;
use crate::http::Shared;
use crate::http::scim::replay::{self, Replayed};
use crate::ids::{DirectoryId, RequestId, WorkspaceId};
use crate::workspace::keys::Permission;

/// What a list may be asked for beside its page.
const FILTERS: [&str; 7] = [
    "status", "method", "path", "resource", "request", "since", "until",
];

/// A page of the requests of a directory, newest first, without their bodies.
pub(super) async fn list(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let (workspace, directory) = which(&shared, &caller).await?;
    let place = (workspace.id, directory.id);
    let wanted = wanted(&caller)?;
    let list = format!("requests {} {} {wanted:?}", workspace.id, directory.id);
    let page = caller.page_by(&list, &FILTERS)?;
    let from = page.after.as_ref().map(|after| after.parse());
    let from = from.transpose().map_err(|_: Error| page::invalid())?;
    let from = from.unwrap_or_else(Spot::newest);
    let found = request_log::page(&shared.app, place, &wanted, from, page.limit()).await?;
    let mut entries = found.entries;
    for entry in &mut entries {
        entry.request = None;
        entry.response = None;
    }
    let next = found.next.map(Spot::to_text);
    json(StatusCode::OK, &page.with(entries, next, None)?)
}

/// The requests of a directory with their bodies, in one document. An answer that breaks off was not all
/// of it.
pub(super) async fn bundle(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let (workspace, directory) = which(&shared, &caller).await?;
    caller.parameters(FILTERS)?;
    let wanted = wanted(&caller)?;
    request_log::flush(&shared.app).await;
    let bundle = bundle::begin(&shared.app, &caller.origin, &directory, wanted).await?;
    let taking = Taking {
        workspace: workspace.id,
        permission: Permission::DirectoriesManage,
        subject: ("directory", directory.id.0),
    };
    let file = format!("requests-{}.json", directory.id);
    streamed(bundle, (caller, taking), ("application/json", &file))
}

/// Which requests the query asks for.
fn wanted(caller: &ApiCaller) -> Result<Wanted, Error> {
    let of_id = |name: &str| {
        let text = caller.asked(name)?;
        let read = text.map(str::parse::<Uuid>).transpose();
        read.map_err(|_| Error::value(format!("{name} must be an id")))
    };
    let instant = |name: &str| {
        let text = caller.asked(name)?;
        let read = text.map(|text| Timestamp::parse(text).ok_or(name));
        let read = read.transpose();
        read.map_err(|name| Error::value(format!("{name}: expected an RFC 3339 date-time")))
    };
    let status = caller.asked("status")?;
    let method = caller.asked("method")?;
    if method.is_some_and(|it| it.is_empty() || !it.bytes().all(|byte| byte.is_ascii_alphabetic()))
    {
        return Err(Error::value("method must be one such as POST"));
    }
    Ok(Wanted {
        status: status.map(request_log::statuses).transpose()?,
        method: method.map(str::to_owned),
        path: caller.asked("path")?.map(str::to_owned),
        resource: of_id("resource")?,
        since: instant("since")?,
        until: instant("until")?,
        request: of_id("request")?.map(RequestId),
    })
}

/// A request with its bodies, secrets removed.
pub(super) async fn show(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let (workspace, directory) = which(&shared, &caller).await?;
    let entry = find(&shared, &caller, (workspace.id, directory.id)).await?;
    request_log::note_read(&shared.app, &caller.origin, &entry).await?;
    json(StatusCode::OK, &entry)
}

/// How it is to be sent again.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ReplayHow")]
struct How {
    /// Whether it is done; without this nothing of it is kept.
    for_real: Option<bool>,
    /// Whether nothing of it is kept: the same the other way round.
    rehearsal: Option<bool>,
}

impl How {
    /// Whether nothing of it is kept, which is so if nobody says otherwise.
    fn is_rehearsal(&self) -> Result<bool, Error> {
        match (self.for_real, self.rehearsal) {
            (Some(for_real), Some(rehearsal)) if for_real == rehearsal => Err(Error::value(
                "for_real and rehearsal say the opposite of each other",
            )),
            (Some(for_real), _) => Ok(!for_real),
            (None, rehearsal) => Ok(rehearsal.unwrap_or(true)),
        }
    }
}

/// Sends a request again.
pub(super) async fn again(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (workspace, directory) = which(&shared, &caller).await?;
    let how: How = body::read(&shared, &headers, body).await?;
    let entry = find(&shared, &caller, (workspace.id, directory.id)).await?;
    let done = replay::replay(&shared.app, &caller.origin, &entry, how.is_rehearsal()?);
    json(StatusCode::OK, &Box::pin(done).await?)
}

async fn find(
    shared: &Shared,
    caller: &ApiCaller,
    place: (WorkspaceId, DirectoryId),
) -> Result<Entry, Problem> {
    let request = id(caller.param("request"), "request")?;
    let found = request_log::find(&shared.app, place, request).await?;
    Ok(found.ok_or(Error::NotFound("request"))?)
}

/// With the parameters by which requests are chosen.
fn filtered(operation: Operation) -> Operation {
    let text = || serde_json::json!({"type": "string", "minLength": 1});
    let of_id = || serde_json::json!({"type": "string", "format": "uuid"});
    let instant = || serde_json::json!({"type": "string", "format": "date-time"});
    operation
        .query(
            "status",
            "One status such as `409`; `2xx`, `4xx` or `5xx`; or `errors` for what was refused or \
             failed.",
            text(),
        )
        .query("method", "The method.", text())
        .query(
            "path",
            "What path and query hold, in any letter case.",
            text(),
        )
        .query(
            "resource",
            "The id of the resource that it was about.",
            of_id(),
        )
        .query(
            "request",
            "The id that its answer carried as X-Request-Id.",
            of_id(),
        )
        .query("since", "Answered at that instant or later.", instant())
        .query("until", "Answered at that instant or before.", instant())
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    const REQUEST: &str = "/workspaces/{workspace}/directories/{directory}/requests/{request}";
    vec![
        filtered(Operation::new(
            "GET",
            "/workspaces/{workspace}/directories/{directory}/requests",
            "List the requests of the log, newest first, without their bodies",
        ))
        .note(
            "With `path`, which no index answers, a page may be short, or empty, before the last \
             one.",
        )
        .gives_page::<Entry>(),
        filtered(Operation::new(
            "GET",
            "/workspaces/{workspace}/directories/{directory}/requests/bundle",
            "Hand out the requests of the log with their bodies, in one document",
        ))
        .note(
            "For whoever is asked for help. Secrets are in none of it; what people are called is. \
             Written as it is read: an answer that breaks off was not all of it. It breaks off where \
             the right to it is lost meanwhile.",
        )
        .gives::<bundle::Document>(200, "`directory`, and `requests`, newest first."),
        Operation::new("GET", REQUEST, "Show a request of the log with its bodies")
            .gives::<Entry>(200, "The request, secrets removed."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/directories/{directory}/requests/{request}/replay",
            "Send a request of the log again, for rehearsal or for real",
        )
        .note("Nothing of it is kept unless `for_real` is true.")
        .takes::<How>()
        .gives::<Replayed>(200, "What it was answered.")
        .refuses(409, "It cannot be sent again."),
    ]
}
