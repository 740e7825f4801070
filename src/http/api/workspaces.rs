//! Workspaces, and the short lists that they have.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::caller::ApiCaller;
use super::operation::Operation;
use super::problem::Problem;
use super::{body, json};
use crate::clock::Timestamp;
use crate::directory::{self, Directory};
use crate::error::Error;
use crate::http::Shared;
use crate::workspace::keys::Permission;
use crate::workspace::profile::Say;
use crate::workspace::seats::{self, Limit, SeatPolicy, SeatRelease, Seats};
use crate::workspace::settings::{self, Edit};
use crate::workspace::{self, Workspace, deletion, lifecycle};

/// The workspaces that the key opens, by slug.
pub(super) async fn list(caller: ApiCaller) -> Result<Response, Problem> {
    let page = caller.page("workspaces")?;
    let all = caller.workspaces().await?;
    json(StatusCode::OK, &page.cut(all, |it| it.slug.clone())?)
}

/// A workspace.
pub(super) async fn show(caller: ApiCaller) -> Result<Response, Problem> {
    json(StatusCode::OK, &caller.any_workspace().await?)
}

/// A deleted workspace, and until when it can be had back.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "DeletedWorkspace")]
struct DeletedBody {
    workspace: Workspace,
    purged_after: Timestamp,
}

/// Deletes it, for operators: nothing of it opens anything any more, and its rows go after a time of
/// grace.
pub(super) async fn delete(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::Everything).await?;
    let purged_after = deletion::delete(&shared.app, &caller.origin, &workspace).await?;
    let workspace = workspace::find_named(&shared.app, &workspace.slug).await?;
    let body = DeletedBody {
        workspace,
        purged_after,
    };
    json(StatusCode::OK, &body)
}

/// Takes the deletion back, for operators.
pub(super) async fn undelete(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace_or_deleted(Permission::Everything).await?;
    deletion::undelete(&shared.app, &caller.origin, &workspace).await?;
    now(&shared, &workspace).await
}

/// Changes it; another name is for operators to give.
pub(super) async fn edit(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::WorkspaceManage).await?;
    let edit: Edit = body::read(&shared, &headers, body).await?;
    settings::edit(&shared.app, caller.by(), &workspace, edit).await?;
    now(&shared, &workspace).await
}

/// Shuts it, for operators: nothing of it opens anything until it is resumed.
pub(super) async fn suspend(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::Everything).await?;
    lifecycle::suspend(&shared.app, &caller.origin, &workspace).await?;
    now(&shared, &workspace).await
}

/// Opens it again, for operators.
pub(super) async fn resume(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::Everything).await?;
    lifecycle::resume(&shared.app, &caller.origin, &workspace).await?;
    now(&shared, &workspace).await
}

async fn now(shared: &Shared, workspace: &Workspace) -> Result<Response, Problem> {
    let workspace = workspace::find_named(&shared.app, &workspace.slug).await?;
    json(StatusCode::OK, &workspace)
}

/// How its seats stand.
pub(super) async fn seats(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    json(
        StatusCode::OK,
        &seats::show(&shared.app, workspace.id).await?,
    )
}

/// How many seats there are to be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SeatsWanted")]
struct Wanted {
    /// Null for as many as come; it is not to be left out.
    #[serde(default)]
    #[schemars(required)]
    limit: Say<i64>,
    /// What becomes of whoever finds none; as it is if it is left out, like all that follows.
    policy: Option<SeatPolicy>,
    /// When a member gives its seat back.
    release: Option<SeatRelease>,
    /// How many more are let in for the time being.
    grace: Option<i64>,
    /// Whom to ask for more; null for nobody.
    #[serde(default)]
    contact: Say<String>,
}

/// Sets how many seats there are, for operators.
pub(super) async fn set_seats(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::Everything).await?;
    let wanted: Wanted = body::read(&shared, &headers, body).await?;
    if wanted.limit == Say::Nothing {
        return Err(Error::value("limit is missing: a number, or null for none").into());
    }
    let before = seats::show(&shared.app, workspace.id).await?.limit;
    let limit = Limit {
        seat_limit: wanted.limit.set().copied(),
        seat_policy: wanted.policy.unwrap_or(before.seat_policy),
        seat_release: wanted.release.unwrap_or(before.seat_release),
        seat_grace: wanted.grace.unwrap_or(before.seat_grace),
        seat_contact: wanted.contact.or(before.seat_contact.as_ref()),
    };
    seats::set(&shared.app, &caller.origin, workspace.id, limit).await?;
    json(
        StatusCode::OK,
        &seats::show(&shared.app, workspace.id).await?,
    )
}

/// Its directories, oldest first.
pub(super) async fn directories(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::DirectoriesManage).await?;
    let page = caller.page(&format!("directories {}", workspace.id))?;
    let all = directory::list(&shared.app, workspace.id).await?;
    json(StatusCode::OK, &page.cut(all, |it| it.id.to_string())?)
}

/// What a workspace is made with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    rename = "NewWorkspace",
    extend("examples" = [{"slug": "acme", "name": "Acme"}])
)]
struct New {
    /// Its name in commands and URLs: 1 to 64 of `a-z`, `0-9` and `-`.
    slug: String,
    /// Its name for people.
    name: String,
}

/// Makes a workspace, for operators.
pub(super) async fn create(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.operator()?;
    let new: New = body::read(&shared, &headers, body).await?;
    let name = new.name.trim();
    let made = workspace::create(&shared.app, &caller.origin, &new.slug, name).await?;
    json(StatusCode::CREATED, &made)
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    const SEATS: &str = "/workspaces/{workspace}/seats";
    vec![
        Operation::new(
            "GET",
            "/workspaces",
            "List the workspaces that the key opens",
        )
        .gives_page::<Workspace>(),
        Operation::new("POST", "/workspaces", "Make a workspace")
            .note("For keys of operators.")
            .takes::<New>()
            .gives::<Workspace>(201, "The workspace.")
            .refuses(409, "The slug is taken."),
        Operation::new("GET", "/workspaces/{workspace}", "Show a workspace")
            .gives::<Workspace>(200, "The workspace."),
        Operation::new("PATCH", "/workspaces/{workspace}", "Change a workspace")
            .note(
                "Its slug stays. Another name is for keys of operators to give; how far admins have \
                 access is for whoever may do what admins may.",
            )
            .takes::<Edit>()
            .gives::<Workspace>(200, "The workspace."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/suspend",
            "Suspend a workspace",
        )
        .note("For keys of operators. Nothing of it opens anything until it is resumed.")
        .gives::<Workspace>(200, "The workspace.")
        .refuses(409, "It is suspended or deleted already."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/resume",
            "Resume a workspace",
        )
        .note("For keys of operators.")
        .gives::<Workspace>(200, "The workspace.")
        .refuses(409, "It is active already, or deleted."),
        Operation::new("DELETE", "/workspaces/{workspace}", "Delete a workspace")
            .note(
                "For keys of operators. Nothing of it opens anything any more; its rows go after a \
                 time of grace.",
            )
            .gives::<DeletedBody>(200, "Until when it can be had back.")
            .refuses(409, "It is deleted already."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/undelete",
            "Take the deletion of a workspace back",
        )
        .note("For keys of operators.")
        .gives::<Workspace>(200, "The workspace.")
        .refuses(409, "It is not deleted."),
        Operation::new("GET", SEATS, "Show how the seats stand").gives::<Seats>(200, "The seats."),
        Operation::new("PUT", SEATS, "Set how many seats there are")
            .note(
                "For keys of operators. What is left out beside the limit stays as it is. \
                 Nobody is put out by it, however many are in. Where members \
                 are to keep their seats from now on (`on_remove`), those who are suspended already \
                 keep none; where they are to keep them no longer, those seats are free at once.",
            )
            .takes::<Wanted>()
            .gives::<Seats>(200, "How they stand now."),
        Operation::new(
            "GET",
            "/workspaces/{workspace}/directories",
            "List the directories",
        )
        .gives_page::<Directory>(),
    ]
}
