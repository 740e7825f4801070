//! The API keys of a workspace.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::caller::ApiCaller;
use super::operation::Operation;
use super::problem::Problem;
use super::{body, id, json};
use crate::http::Shared;
use crate::workspace::keys::{self, ApiKey, NewKey, OperatorAct, Permission, Scopes};

/// What a key is made with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    rename = "NewApiKey",
    extend("examples" = [{"name": "CI", "scopes": ["members.read"], "expires_in_days": 30}])
)]
struct Wanted {
    /// Its name, for people.
    name: String,
    /// What it may do.
    scopes: Scopes,
    /// How many days it is good, 90 if nobody says.
    #[schemars(range(min = 1, max = 365))]
    expires_in_days: Option<u32>,
}

/// A key that was just made.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MadeApiKey")]
struct Made<'a> {
    #[serde(flatten)]
    key: &'a ApiKey,
    /// What the client sends; it is not to be had again.
    #[serde(rename = "key")]
    text: &'a str,
}

/// The keys, oldest first and without their text, those that ended included.
pub(super) async fn list(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::KeysManage).await?;
    let page = caller.page(&format!("api-keys {}", workspace.id))?;
    let all = keys::list(&shared.app, Some(workspace.id)).await?;
    json(StatusCode::OK, &page.cut(all, |it| it.id.to_string())?)
}

/// What was done to the operators' keys, newest first and the latest thousand at most.
pub(super) async fn acts(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    caller.operator()?;
    let page = caller.page("acts on operators' keys")?;
    let all = keys::acts(&shared.app).await?;
    json(StatusCode::OK, &page.newest(all, |it| it.id.to_string())?)
}

/// Makes a key that may do no more than the caller's own.
pub(super) async fn create(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::KeysManage).await?;
    let wanted: Wanted = body::read(&shared, &headers, body).await?;
    let new = NewKey {
        name: wanted.name,
        scopes: wanted.scopes,
        member: None,
        life: wanted
            .expires_in_days
            .map(|days| Duration::from_hours(24) * days),
    };
    let (origin, scopes) = (&caller.origin, caller.scopes());
    let issued = keys::issue(&shared.app, origin, Some(workspace.id), scopes, new).await?;
    let made = Made {
        key: &issued.key,
        text: issued.text.expose_secret(),
    };
    json(StatusCode::CREATED, &made)
}

/// Ends a key at once; a key may end itself.
pub(super) async fn revoke(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::KeysManage).await?;
    let key = id(caller.param("id"), "API key")?;
    keys::revoke(&shared.app, &caller.origin, Some(workspace.id), key).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    const KEYS: &str = "/workspaces/{workspace}/api-keys";
    vec![
        Operation::new("GET", KEYS, "List the API keys, without their text").gives_page::<ApiKey>(),
        Operation::new("POST", KEYS, "Make an API key")
            .note(
                "It may do no more than the key that makes it. Its text is in this answer alone. \
                 A workspace has at most 20 live keys.",
            )
            .takes::<Wanted>()
            .gives::<Made<'static>>(201, "The key, with its text.")
            .refuses(409, "There are as many live keys as there may be."),
        Operation::new(
            "DELETE",
            "/workspaces/{workspace}/api-keys/{id}",
            "Revoke an API key at once",
        )
        .gives_nothing("It opens nothing any more."),
        Operation::new(
            "GET",
            "/api-keys/acts",
            "List what was done to the operators' keys",
        )
        .note("What is done to a workspace's keys is in its log.")
        .gives_page::<OperatorAct>(),
    ]
}
