//! Imports of members: a table is sent, and each row says what became of it.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;

use super::caller::ApiCaller;
use super::operation::Operation;
use super::problem::Problem;
use super::{id, json, page};
use crate::admission::import::{self, Format, Import, Options, RowShown, Shown};
use crate::error::{Error, Result};
use crate::http::Shared;
use crate::http::limits::read_body;
use crate::http::media::{is_csv, is_json};
use crate::ids::ImportId;
use crate::workspace::keys::Permission;
use crate::workspace::profile::Line;

/// How many rows the answer to a short import has.
const SHORT: i64 = 200;

/// A table as JSON: a list of rows, or an object with them. It has 10,000 rows at most.
#[derive(schemars::JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "ImportTable")]
#[expect(dead_code, reason = "the shape of what is taken")]
enum Table {
    /// The rows.
    Rows(#[schemars(length(min = 1, max = 10_000))] Vec<Row>),
    /// An object with the rows.
    Object(Members),
}

/// The rows, as an export has them.
#[derive(schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
#[expect(dead_code, reason = "the shape of what is taken")]
struct Members {
    /// The rows.
    #[schemars(length(min = 1, max = 10_000))]
    members: Vec<Row>,
}

/// A row of the table. Names may be written in any letter case and with anything between their words;
/// what an export tells besides is passed over.
#[derive(schemars::JsonSchema)]
#[schemars(rename = "ImportTableRow")]
#[expect(dead_code, reason = "the shape of what is taken")]
struct Row {
    /// The member's id, where it is known.
    id: Option<String>,
    /// The address.
    email: Option<String>,
    /// First name.
    given_name: Option<String>,
    /// Last name.
    family_name: Option<String>,
    /// The name for people.
    display_name: Option<String>,
    /// The `UserID`.
    user_id: Option<String>,
    /// Roles, by name or id.
    roles: Option<Names>,
    /// Permissions.
    permissions: Option<Names>,
    /// Teams, by name or id.
    teams: Option<Names>,
    /// The language.
    language: Option<String>,
    /// The time zone.
    time_zone: Option<String>,
    /// The phone number.
    phone: Option<String>,
    /// The line: `numberless`, `numbered` or a number, or as a member shows it.
    line: Option<LineCell>,
    /// The line's number.
    line_number: Option<String>,
    /// Whom the member reports to: an address, a `UserID` or an id.
    manager: Option<String>,
    /// The address of a picture.
    picture: Option<String>,
    /// Whether one who left is brought back.
    revive: Option<bool>,
}

/// Names: a list of them, or a text with `;` between.
#[derive(schemars::JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
#[expect(dead_code, reason = "the shape of what is taken")]
enum Names {
    List(Vec<String>),
    Text(String),
}

#[derive(schemars::JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
#[expect(dead_code, reason = "the shape of what is taken")]
enum LineCell {
    Text(String),
    Shown(Line),
}

/// An import that was asked for.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "ImportStarted")]
struct Started {
    #[serde(flatten)]
    shown: Shown,
    /// What became of each row, where the import is done already.
    rows: Option<Vec<RowShown>>,
}

/// Brings members in from a table: 200 if that is done, 202 if it goes on.
pub(super) async fn create(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let [preview, revive] = caller.parameters(["preview", "revive"])?;
    let options = Options {
        preview: flag("preview", preview)?,
        revive: flag("revive", revive)?,
    };
    let format = if is_csv(&headers) {
        Format::Csv
    } else if is_json(&headers, &["application/json"]) {
        Format::Json
    } else {
        let detail = "the body must be text/csv or application/json in UTF-8";
        return Err(Problem::other_media_type(detail));
    };
    let config = &shared.app.config;
    let (limit, timeout) = (config.limits.body_group_bytes, config.server.body_timeout());
    let bytes = read_body(&headers, body, limit, timeout).await?;
    let (app, table) = (&shared.app, (&*bytes, format));
    let shown = import::start(app, caller.by(), workspace.id, table, options).await?;
    let import = &shown.import;
    let rows = match import.finished_at {
        Some(_) => Some(import::list_rows(app, workspace.id, import.id, 0, SHORT).await?),
        None => None,
    };
    let status = if rows.is_some() {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    let location = format!(
        "/api/v1/workspaces/{}/imports/{}",
        workspace.slug, import.id
    );
    let location = HeaderValue::from_str(&location).map_err(Error::internal)?;
    let mut response = json(status, &Started { shown, rows })?;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

fn flag(name: &str, text: Option<&str>) -> Result<bool> {
    match text {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Error::value(format!("{name} must be true or false"))),
    }
}

/// The imports of the last weeks, newest first.
pub(super) async fn list(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let page = caller.page(&format!("imports {}", workspace.id))?;
    let all = import::list(&shared.app, workspace.id).await?;
    json(
        StatusCode::OK,
        &page.newest(all, |it: &Import| it.id.to_string())?,
    )
}

/// How far an import is, and what its rows came to.
pub(super) async fn show(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let shown = import::show(&shared.app, workspace.id, which(&caller)?).await?;
    json(StatusCode::OK, &shown)
}

/// What became of each row that had its turn, in the order of the table.
pub(super) async fn rows(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let which = which(&caller)?;
    let page = caller.page(&format!("import {which}"))?;
    let after = page.after.as_ref().map(|after| after.parse());
    let after = after.transpose().map_err(|_| page::invalid())?;
    let most = page.most();
    let (app, after) = (&shared.app, after.unwrap_or(0));
    let found = import::list_rows(app, workspace.id, which, after, most).await?;
    json(StatusCode::OK, &page.of(found, |it| it.row.to_string())?)
}

fn which(caller: &ApiCaller) -> Result<ImportId> {
    id(caller.param("id"), "import")
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    const IMPORTS: &str = "/workspaces/{workspace}/imports";
    let flag = || serde_json::json!({"type": "boolean", "default": false});
    vec![
        Operation::new("POST", IMPORTS, "Bring members in from a table")
            .query(
                "preview",
                "Whether it only tells what would become of each row.",
                flag(),
            )
            .query(
                "revive",
                "Whether those who had left are brought back; the column revive says so for one.",
                flag(),
            )
            .takes::<Table>()
            .takes_text("text/csv")
            .gives::<Started>(200, "It is done, with what became of each row.")
            .gives::<Started>(202, "It goes on; see how far it is at `Location`."),
        Operation::new(
            "GET",
            IMPORTS,
            "List the imports of the last weeks, newest first",
        )
        .gives_page::<Import>(),
        Operation::new(
            "GET",
            "/workspaces/{workspace}/imports/{id}",
            "Show how far an import is",
        )
        .gives::<Shown>(200, "The import."),
        Operation::new(
            "GET",
            "/workspaces/{workspace}/imports/{id}/rows",
            "List what became of the rows of an import",
        )
        .gives_page::<RowShown>(),
    ]
}
