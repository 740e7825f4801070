//! What operators say of members: who is taken away by nobody, and who has its rights again after a
//! restore.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::caller::ApiCaller;
use super::members::member;
use super::operation::Operation;
use super::problem::Problem;
use super::{body, json};
use crate::admission::holds;
use crate::http::Shared;
use crate::ids::MemberId;
use crate::workspace::keys::Permission;
use crate::workspace::status;

/// Says that nobody takes a member away.
pub(super) async fn protect(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::Everything).await?;
    let which = (workspace.id, member(&caller)?);
    status::protect(&shared.app, &caller.origin, which, true).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Takes that back.
pub(super) async fn unprotect(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::Everything).await?;
    let which = (workspace.id, member(&caller)?);
    status::protect(&shared.app, &caller.origin, which, false).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Who is released.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Release")]
struct Wanted {
    /// One member; everybody if it is left out.
    member: Option<MemberId>,
}

/// How many were released.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Released")]
struct Released {
    /// How many members have their rights again.
    released: usize,
}

/// Gives members their rights again whom a restore holds.
pub(super) async fn release(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::Everything).await?;
    let wanted: Wanted = body::read(&shared, &headers, body).await?;
    let (app, origin) = (&shared.app, &caller.origin);
    let released = if let Some(member) = wanted.member {
        holds::release(app, origin, workspace.id, member).await?;
        1
    } else {
        holds::release_all(app, origin, workspace.id).await?
    };
    json(StatusCode::OK, &Released { released })
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    const PROTECTION: &str = "/workspaces/{workspace}/members/{id}/protection";
    vec![
        Operation::new("PUT", PROTECTION, "Protect an admin")
            .note(
                "For keys of operators. No directory and no other admin shuts the member out, \
                 removes it or takes its role of an admin.",
            )
            .gives_nothing("It is protected."),
        Operation::new("DELETE", PROTECTION, "Protect an admin no longer")
            .note("For keys of operators.")
            .gives_nothing("It is protected no longer."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/members/release",
            "Give members their rights again whom a restore holds",
        )
        .note(
            "For keys of operators. They have the rights of the groups that they were in at the time \
             of the backup: let their directory send everything again first.",
        )
        .takes::<Wanted>()
        .gives::<Released>(200, "How many have their rights again."),
    ]
}
