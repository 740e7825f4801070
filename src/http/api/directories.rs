//! Directories: who is who in one.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::caller::ApiCaller;
use super::problem::Problem;
use super::{body, json, page};
use crate::admission::adoption::{self, Adopt};
use crate::directory::{self, Directory};
use crate::error::{Error, Result};
use crate::http::Shared;
use crate::ids::MemberId;
use crate::workspace::Workspace;
use crate::workspace::keys::Permission;

/// One of the lists of a directory's adoption: `conflicts`, `matched`, `new` (of Users that are linked
/// to nobody yet, with what becomes of each when the directory goes live) and `unmatched` members.
pub(super) async fn adoption(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let (workspace, directory) = which(&shared, &caller).await?;
    let (place, list) = ((workspace.id, directory.id), caller.param("list"));
    let page = caller.page(&format!("adoption {} {list}", directory.id))?;
    let (app, after, most) = (&shared.app, page.after.clone(), page.most());
    let after = after.as_deref();
    match list {
        "conflicts" => {
            let found = adoption::conflicts(app, place, after, most).await?;
            let page = page.of(found, |it| it.conflict.user_name.clone())?;
            json(StatusCode::OK, &page)
        }
        "matched" => {
            let found = adoption::matched(app, place, parsed(after)?, most).await?;
            json(StatusCode::OK, &page.of(found, |it| it.user.to_string())?)
        }
        "new" => {
            let found = adoption::foreseen(app, place, parsed(after)?, most).await?;
            json(StatusCode::OK, &page.of(found, |it| it.user.to_string())?)
        }
        "unmatched" => {
            let found = adoption::unmatched(app, place, parsed(after)?, most).await?;
            json(StatusCode::OK, &page.of(found, |it| it.member.to_string())?)
        }
        _ => Err(Error::NotFound("list").into()),
    }
}

/// Who is who: a conflict's userName, a member that waits for adoption, or a userName and which of
/// several members it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    user_name: Option<String>,
    member: Option<MemberId>,
}

/// Says who is who.
pub(super) async fn adopt(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (workspace, directory) = which(&shared, &caller).await?;
    let wanted: Wanted = body::read(&shared, &headers, body).await?;
    let adopt = match (wanted.user_name, wanted.member) {
        (Some(user_name), member) => Adopt::User { user_name, member },
        (None, Some(member)) => Adopt::Member(member),
        (None, None) => return Err(Error::value("user_name or member is missing").into()),
    };
    let place = (workspace.id, directory.id);
    let member = adoption::adopt(&shared.app, caller.by(), place, adopt).await?;
    json(StatusCode::OK, &json!({"member": member}))
}

/// The workspace and the directory of the path, by its id or name.
async fn which(shared: &Shared, caller: &ApiCaller) -> Result<(Workspace, Directory), Problem> {
    let workspace = caller.workspace(Permission::DirectoriesManage).await?;
    let named = caller.param("directory");
    let directory = match named.parse() {
        Ok(id) => {
            let all = directory::list(&shared.app, workspace.id).await?;
            let mut all = all.into_iter();
            all.find(|it| it.id == id)
                .ok_or(Error::NotFound("directory"))?
        }
        Err(_) => directory::find(&shared.app, workspace.id, named).await?,
    };
    Ok((workspace, directory))
}

fn parsed<I: std::str::FromStr>(after: Option<&str>) -> Result<Option<I>> {
    let parsed = after.map(str::parse).transpose();
    parsed.map_err(|_| page::invalid())
}
