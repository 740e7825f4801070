//! A directory is made, and what opens it.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::caller::ApiCaller;
use super::directories::which;
use super::operation::Operation;
use super::problem::Problem;
use super::{body, id, json};
use crate::directory::credentials::{self, Credential};
use crate::directory::{self, Access, Directory, DirectoryKind, Mode, NewDirectory, scim_base_url};
use crate::error::Error;
use crate::http::Shared;
use crate::workspace::keys::Permission;

/// What a directory is made with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    rename = "NewDirectory",
    extend("examples" = [{"name": "okta", "kind": "okta", "mode": "collect"}])
)]
struct New {
    /// Its name, unique in the workspace.
    name: String,
    /// Whose dialect it speaks.
    kind: DirectoryKind,
    /// What becomes of its facts; `live` if it is left out.
    mode: Option<Mode>,
    /// Whether unknown attributes and members are refused instead of skipped.
    #[serde(default)]
    strict: bool,
    /// Whether a create for an inactive user brings that user back.
    #[serde(default)]
    restore_inactive: bool,
}

/// A directory that was just made.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MadeDirectory")]
struct Made {
    #[serde(flatten)]
    directory: Directory,
    /// Where its SCIM API is.
    scim_base_url: String,
}

/// Makes a directory, which has no token yet.
pub(super) async fn create(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::DirectoriesManage).await?;
    let new: New = body::read(&shared, &headers, body).await?;
    let new = NewDirectory {
        name: new.name,
        kind: new.kind,
        mode: new.mode.unwrap_or(Mode::Live),
        strict: new.strict,
        restore_inactive: new.restore_inactive,
    };
    let directory = directory::create(&shared.app, &caller.origin, &workspace, new).await?;
    let public_url = shared.app.public_url().await?;
    let scim_base_url = scim_base_url(&public_url, directory.id);
    let made = Made {
        directory,
        scim_base_url,
    };
    json(StatusCode::CREATED, &made)
}

/// Its tokens, oldest first and without their text, those that ended included.
pub(super) async fn list(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let (_, directory) = which(&shared, &caller).await?;
    let page = caller.page(&format!("tokens {}", directory.id))?;
    let all = credentials::list(&shared.app, &directory).await?;
    json(StatusCode::OK, &page.cut(all, |it| it.id.to_string())?)
}

/// What a token is made with.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(
    rename = "NewToken",
    extend("examples" = [{"expires_in_days": 180, "overlap_hours": 24}])
)]
struct NewToken {
    /// How many days it is good; without an end if it is left out.
    #[schemars(range(min = 1, max = 3_650))]
    expires_in_days: Option<u32>,
    /// Whether it reads and does nothing else.
    read_only: bool,
    /// The one resource type that it reaches, by its endpoint, such as `Users`.
    only_endpoint: Option<String>,
    /// After how many hours the tokens end that are live now; they stay as they are if it is left out.
    #[schemars(range(max = 8_760))]
    overlap_hours: Option<u32>,
}

/// A token that was just made.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MadeToken")]
struct MadeToken<'a> {
    #[serde(flatten)]
    credential: &'a Credential,
    /// What the client sends; it is not to be had again.
    token: &'a str,
}

/// Makes a token. One that writes says who is in which groups, and rules give rights by it: to make it
/// takes every right in the workspace.
pub(super) async fn issue(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (_, directory) = which(&shared, &caller).await?;
    let new: NewToken = body::read(&shared, &headers, body).await?;
    if !new.read_only && !caller.scopes().are_all() {
        return Err(Error::Forbidden.into());
    }
    if new
        .expires_in_days
        .is_some_and(|days| !(1..=3_650).contains(&days))
    {
        return Err(Error::value("expires_in_days must be 1 to 3650").into());
    }
    if new.overlap_hours.is_some_and(|hours| hours > 8_760) {
        return Err(Error::value("overlap_hours must be at most 8760").into());
    }
    let access = Access {
        read_only: new.read_only,
        only_endpoint: new.only_endpoint,
    };
    let day = Duration::from_hours(24);
    let life = new.expires_in_days.map(|days| day * days);
    let (app, origin) = (&shared.app, &caller.origin);
    let issued = credentials::issue_for(app, origin, &directory, access, life).await?;
    if let Some(hours) = new.overlap_hours {
        let overlap = Duration::from_hours(hours.into());
        let kept = issued.credential.id;
        credentials::limit_others(app, origin, &directory, kept, overlap).await?;
    }
    let made = MadeToken {
        credential: &issued.credential,
        token: issued.token.expose_secret(),
    };
    json(StatusCode::CREATED, &made)
}

/// Ends a token at once.
pub(super) async fn revoke(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let (_, directory) = which(&shared, &caller).await?;
    let token = id(caller.param("id"), "token")?;
    credentials::revoke(&shared.app, &caller.origin, &directory, token).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    const TOKENS: &str = "/workspaces/{workspace}/directories/{directory}/tokens";
    vec![
        Operation::new(
            "POST",
            "/workspaces/{workspace}/directories",
            "Make a directory",
        )
        .note("It has no token yet.")
        .takes::<New>()
        .gives::<Made>(201, "The directory, and where its SCIM API is.")
        .refuses(409, "The workspace has a directory of that name."),
        Operation::new(
            "GET",
            TOKENS,
            "List the tokens of a directory, without their text",
        )
        .gives_page::<Credential>(),
        Operation::new("POST", TOKENS, "Make a token of a directory")
            .note(
                "Its text is in this answer alone. One that writes takes every right in the \
                 workspace to be made, for rules give rights by what a directory says.",
            )
            .takes::<NewToken>()
            .gives::<MadeToken<'static>>(201, "The token, with its text.")
            .refuses(409, "There are as many live tokens as there may be."),
        Operation::new(
            "DELETE",
            "/workspaces/{workspace}/directories/{directory}/tokens/{id}",
            "Revoke a token of a directory at once",
        )
        .gives_nothing("It opens nothing any more."),
    ]
}
