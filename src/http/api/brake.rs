//! The brake: how it stands, who is held, and what becomes of them.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::caller::ApiCaller;
use super::operation::Operation;
use super::problem::Problem;
use super::{body, json, page};
use crate::admission::brake::{self, Mode, Setting, Which};
use crate::error::Error;
use crate::http::Shared;
use crate::ids::MemberId;
use crate::workspace::keys::Permission;

/// The most members that a request may name.
const NAMED: usize = 1000;

/// How the brake stands.
pub(super) async fn show(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    json(
        StatusCode::OK,
        &brake::show(&shared.app, workspace.id).await?,
    )
}

/// What the brake is set to; what is left out stays.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "BrakeWanted")]
struct Wanted {
    mode: Option<Mode>,
    people: Option<i64>,
    percent: Option<i64>,
    hold_minutes: Option<i64>,
}

/// Sets the brake.
pub(super) async fn set(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::WorkspaceManage).await?;
    let wanted: Wanted = body::read(&shared, &headers, body).await?;
    let now = brake::show(&shared.app, workspace.id).await?.setting;
    let setting = Setting {
        mode: wanted.mode.unwrap_or(now.mode),
        people: wanted.people.unwrap_or(now.people),
        percent: wanted.percent.unwrap_or(now.percent),
        hold_minutes: wanted.hold_minutes.unwrap_or(now.hold_minutes),
    };
    brake::set(&shared.app, &caller.origin, workspace.id, setting).await?;
    json(
        StatusCode::OK,
        &brake::show(&shared.app, workspace.id).await?,
    )
}

/// A page of those of whom something waits.
pub(super) async fn held(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    let page = caller.page(&format!("held {}", workspace.id))?;
    let after = page.after.as_ref().map(|after| after.parse());
    let after = after.transpose().map_err(|_| page::invalid())?;
    let found = brake::held(&shared.app, workspace.id, after, page.most()).await?;
    json(StatusCode::OK, &page.of(found, |it| it.member.to_string())?)
}

/// Whom it is about: `all`, or the members named.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "BrakeAbout")]
struct About {
    #[serde(default)]
    all: bool,
    #[serde(default)]
    members: Vec<MemberId>,
}

impl About {
    fn which(self) -> Result<Which, Error> {
        match (self.all, self.members.len()) {
            (true, 0) => Ok(Which::All),
            (false, 1..=NAMED) => Ok(Which::These(self.members)),
            _ => Err(Error::value(format!(
                "either all must be true, or members name 1 to {NAMED}"
            ))),
        }
    }
}

/// Carries out what waits.
pub(super) async fn release(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::DirectoriesManage).await?;
    let about: About = body::read(&shared, &headers, body).await?;
    let which = about.which()?;
    let outcome = brake::release(&shared.app, &caller.origin, workspace.id, which).await?;
    json(StatusCode::OK, &outcome)
}

/// Of how many it was rejected.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "BrakeRejected")]
struct Rejected {
    rejected: usize,
}

/// Rejects what waits.
pub(super) async fn reject(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::DirectoriesManage).await?;
    let about: About = body::read(&shared, &headers, body).await?;
    let which = about.which()?;
    let rejected = brake::reject(&shared.app, caller.by(), workspace.id, which).await?;
    json(StatusCode::OK, &Rejected { rejected })
}

/// Of how many something waits without a deadline now.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "BrakeWaiting")]
struct Waiting {
    /// How many members.
    waiting: usize,
}

/// Lets what waits go on waiting, without a deadline.
pub(super) async fn wait(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::DirectoriesManage).await?;
    let about: About = body::read(&shared, &headers, body).await?;
    let which = about.which()?;
    let waiting = brake::wait(&shared.app, &caller.origin, workspace.id, which).await?;
    json(StatusCode::OK, &Waiting { waiting })
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    const BRAKE: &str = "/workspaces/{workspace}/brake";
    vec![
        Operation::new("GET", BRAKE, "Show how the brake stands")
            .gives::<brake::Shown>(200, "How it stands."),
        Operation::new("PUT", BRAKE, "Set the brake")
            .note("What is left out stays.")
            .takes::<Wanted>()
            .gives::<brake::Shown>(200, "How it stands now."),
        Operation::new(
            "GET",
            "/workspaces/{workspace}/brake/held",
            "List those of whom something waits",
        )
        .gives_page::<brake::Held>(),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/brake/release",
            "Carry out what waits",
        )
        .takes::<About>()
        .gives::<brake::Outcome>(200, "For how many it was carried out."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/brake/reject",
            "Reject what waits",
        )
        .note(
            "Who was to lose something keeps it, as what an admin gave by hand, and stays in: until \
             its directory or the rules say something else, or an admin ends it.",
        )
        .takes::<About>()
        .gives::<Rejected>(200, "Of how many it was rejected."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/brake/wait",
            "Let what waits go on waiting, without a deadline",
        )
        .takes::<About>()
        .gives::<Waiting>(200, "Of how many it waits."),
    ]
}
