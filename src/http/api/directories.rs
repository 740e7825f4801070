//! Directories: who is who in one, how it goes live and how it ends.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::caller::ApiCaller;
use super::operation::Operation;
use super::problem::Problem;
use super::{body, json, page};
use crate::admission::adoption::{self, Adopt, Foreseen, Matched, Told, Unmatched};
use crate::admission::exit::{self, DirectoryRun, End, Leaving};
use crate::admission::going_live::{self, Applied, Plan};
use crate::admission::live_plans::Difference;
use crate::admission::outlook::{self, Outlook};
use crate::directory::{self, Directory};
use crate::error::{Error, Result};
use crate::http::Shared;
use crate::ids::MemberId;
use crate::workspace::Workspace;
use crate::workspace::keys::Permission;

/// One of the lists of a directory's adoption: `conflicts`, `matched` (Users that are linked, or will
/// be once it goes live), `new` (Users that will not, with what becomes of each) and `unmatched` members,
/// each person in one of the last three.
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
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Adopted")]
struct Wanted {
    /// The userName.
    user_name: Option<String>,
    /// The member's id.
    member: Option<MemberId>,
}

/// The member that somebody is.
#[derive(Serialize, schemars::JsonSchema)]
struct AdoptedBody {
    /// Its id.
    member: MemberId,
}

/// An entry of a list of a directory's adoption: of `conflicts`, `matched`, `new` or `unmatched`.
#[derive(schemars::JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
#[expect(dead_code, reason = "the shape of an answer")]
enum Listed {
    /// Of `conflicts`.
    Conflict(Told),
    /// Of `new`.
    New(Foreseen),
    /// Of `matched`.
    Matched(Matched),
    /// Of `unmatched`.
    Unmatched(Unmatched),
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
    json(StatusCode::OK, &AdoptedBody { member })
}

/// A directory, with what it holds and the runs over it.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "DirectoryFull")]
struct Full {
    #[serde(flatten)]
    directory: Directory,
    /// How many Users it holds.
    users: i64,
    /// How many groups it holds.
    groups: i64,
    /// The last runs over it, newest first.
    runs: Vec<DirectoryRun>,
}

/// A directory.
pub(super) async fn show(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let (workspace, directory) = which(&shared, &caller).await?;
    let (users, groups) = directory::totals(&shared.app, &directory).await?;
    let runs = exit::runs(&shared.app, (workspace.id, directory.id)).await?;
    let full = Full {
        directory,
        users,
        groups,
        runs,
    };
    json(StatusCode::OK, &full)
}

/// What it would come to if a directory that collects went live.
pub(super) async fn plan_live(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let (workspace, directory) = which(&shared, &caller).await?;
    let plan = going_live::plan(&shared.app, &caller.origin, (workspace.id, directory.id)).await?;
    json(StatusCode::OK, &plan)
}

/// Which plan.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DirectoriesPlanned")]
struct Planned {
    /// The hash of the plan.
    hash: String,
}

/// How a directory went live.
#[derive(Serialize, schemars::JsonSchema)]
struct WentLive {
    /// What was planned.
    plan: Plan,
    /// The run that does it; for few Users it is done with the answer.
    run: DirectoryRun,
}

/// Lets a directory go live as it was planned.
pub(super) async fn live(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (workspace, directory) = which(&shared, &caller).await?;
    let planned: Planned = body::read(&shared, &headers, body).await?;
    let place = (workspace.id, directory.id);
    let applied = going_live::apply(&shared.app, &caller.origin, place, &planned.hash).await?;
    match applied {
        Applied::Done(plan, run) => {
            let (plan, run) = (*plan, *run);
            json(StatusCode::OK, &WentLive { plan, run })
        }
        Applied::Stale(difference) => Err(Problem::plan_stale(&difference)),
    }
}

/// Switches a directory off. To shut its members out takes every right in the workspace, for they may
/// be admins.
pub(super) async fn end(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (workspace, directory) = which(&shared, &caller).await?;
    let wanted: End = body::read(&shared, &headers, body).await?;
    if wanted.members != Leaving::Keep && !caller.scopes().are_all() {
        return Err(Error::Forbidden.into());
    }
    let place = (workspace.id, directory.id);
    let run = exit::end(&shared.app, &caller.origin, place, wanted).await?;
    json(StatusCode::OK, &run)
}

/// What it would come to if a directory was switched off so.
pub(super) async fn plan_end(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (workspace, directory) = which(&shared, &caller).await?;
    let wanted: End = body::read(&shared, &headers, body).await?;
    let place = (workspace.id, directory.id);
    let outlook = outlook::of_end(&shared.app, place, wanted).await?;
    json(StatusCode::OK, &outlook)
}

/// Takes the end of a directory back.
pub(super) async fn undo_end(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let (workspace, directory) = which(&shared, &caller).await?;
    if !caller.scopes().are_all() {
        return Err(Error::Forbidden.into());
    }
    let place = (workspace.id, directory.id);
    let run = exit::undo(&shared.app, &caller.origin, place).await?;
    json(StatusCode::OK, &run)
}

/// The workspace and the directory of the path, by its id or name.
pub(super) async fn which(
    shared: &Shared,
    caller: &ApiCaller,
) -> Result<(Workspace, Directory), Problem> {
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

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "GET",
            "/workspaces/{workspace}/directories/{directory}",
            "Show a directory, with what it holds and the runs over it",
        )
        .gives::<Full>(200, "The directory."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/directories/{directory}/live/plan",
            "Tell what it would come to if a directory that collects went live",
        )
        .gives::<Plan>(200, "The plan, with its hash.")
        .refuses(409, "It is live, and nobody is left to be let in."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/directories/{directory}/live",
            "Let a directory go live as it was planned",
        )
        .takes::<Planned>()
        .gives::<WentLive>(200, "It is done, or a run does it.")
        .refuses_stale::<Difference>("It would come to something else by now, or cannot be."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/directories/{directory}/end",
            "Switch a directory off",
        )
        .note("To shut its members out takes every right in the workspace.")
        .takes::<End>()
        .gives::<DirectoryRun>(200, "The run that lets go of its members.")
        .refuses(
            409,
            "It is switched off already, or a run over it is not done.",
        ),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/directories/{directory}/end/plan",
            "Tell what it would come to if a directory was switched off so",
        )
        .note(
            "Nothing is done. The brake lets it pass that members are shut out or leave, since an \
             admin says just that and can take it back; what rules gave to those who stay it holds.",
        )
        .takes::<End>()
        .gives::<Outlook>(200, "How many would go out, and lose what.")
        .refuses(409, "The directory is switched off."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/directories/{directory}/undo-end",
            "Take the end of a directory back",
        )
        .gives::<DirectoryRun>(200, "The run that takes it back.")
        .refuses(409, "It is not switched off, or no longer to be undone."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/directories/{directory}/adoption",
            "Say who is who between a directory and the workspace",
        )
        .takes::<Wanted>()
        .gives::<AdoptedBody>(200, "The member.")
        .refuses(409, "The two cannot be one."),
        Operation::new(
            "GET",
            "/workspaces/{workspace}/directories/{directory}/adoption/{list}",
            "List who matches, is new, conflicts or is not there",
        )
        .note(
            "`matched` has the Users that are linked, or will be once the directory goes live; `new` \
             those that will not, with what becomes of each; `unmatched` members whom the directory \
             does not have.",
        )
        .gives_page::<Listed>(),
    ]
}
