//! Rules: who is in which groups, or has which attributes, gets what.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::caller::ApiCaller;
use super::history::NowOrThen;
use super::operation::Operation;
use super::problem::Problem;
use super::{body, id, json, versioned};
use crate::admission::former_rules::{self, EndedRule};
use crate::admission::rules::{self as written, Added, Ended, Missing, RuleEdit};
use crate::error::{Error, Result};
use crate::http::Shared;
use crate::ids::RuleId;
use crate::mapping::rules::{self, Listed};
use crate::workspace::keys::Permission;

/// The rules, oldest first.
pub(super) async fn list(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RulesManage).await?;
    let page = caller.page(&format!("rules {}", workspace.id))?;
    let all = rules::list(&shared.app, workspace.id).await?;
    json(StatusCode::OK, &page.cut(all, |it| it.id.to_string())?)
}

/// A rule; 304 for a version that the reader has. Of one that ended it is told what it was.
pub(super) async fn show(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RulesManage).await?;
    let id = rule(&caller)?;
    match rules::show(&shared.app, workspace.id, id).await {
        Err(Error::NotFound(_)) => {
            let ended = former_rules::show(&shared.app, workspace.id, id).await?;
            json(StatusCode::OK, &ended)
        }
        found => {
            let found = found?;
            versioned::read(&caller, found.version, &found)
        }
    }
}

/// Adds a rule.
pub(super) async fn create(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RulesManage).await?;
    let new: RuleEdit = body::read(&shared, &headers, body).await?;
    let (by, missing) = (caller.by(), Missing::Refuse);
    let added = written::create(&shared.app, by, workspace.id, new, missing).await?;
    json(StatusCode::CREATED, &added)
}

/// Changes a rule: a further version. What is left out stays, null clears (RFC 7396).
pub(super) async fn patch(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RulesManage).await?;
    let which = (workspace.id, rule(&caller)?);
    let edit: RuleEdit = body::read(&shared, &headers, body).await?;
    let (at, what) = (caller.precondition.clone(), (edit, Missing::Refuse));
    let changed = written::change(&shared.app, caller.by(), which, at, what).await?;
    versioned::answer(StatusCode::OK, changed.version, &changed)
}

/// Ends a rule, and with it what it gave.
pub(super) async fn end(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RulesManage).await?;
    let which = (workspace.id, rule(&caller)?);
    let at = caller.precondition.clone();
    let ended = written::end(&shared.app, caller.by(), which, at).await?;
    json(StatusCode::OK, &ended)
}

fn rule(caller: &ApiCaller) -> Result<RuleId> {
    id(caller.param("id"), "rule")
}

/// Whom the workspace keeps as an admin, whatever ends.
const LAST_ADMIN: &str = "Where nobody would be an admin any more, whoever has been one longest keeps \
                          that role, and of several who became admins at once whoever was a member \
                          first, until there is another one.";

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "GET",
            "/workspaces/{workspace}/rules",
            "The rules, oldest first",
        )
        .gives_page::<Listed>(),
        Operation::new("POST", "/workspaces/{workspace}/rules", "Adds a rule")
            .takes::<RuleEdit>()
            .gives::<Added>(201, "What was written.")
            .refuses(409, "As things stand, this cannot be."),
        Operation::new(
            "GET",
            "/workspaces/{workspace}/rules/{id}",
            "A rule; 304 for a version that the reader has",
        )
        .note("One that ended is told with `ended_at`, and what it said last as `was`.")
        .gives::<NowOrThen<Listed, EndedRule>>(200, "The rule.")
        .read_by_version(),
        Operation::new(
            "PATCH",
            "/workspaces/{workspace}/rules/{id}",
            "Changes a rule: a further version",
        )
        .note(LAST_ADMIN)
        .takes::<RuleEdit>()
        .gives::<Added>(200, "What was written.")
        .tagged()
        .changed_by_version()
        .refuses(409, "As things stand, this cannot be."),
        Operation::new(
            "DELETE",
            "/workspaces/{workspace}/rules/{id}",
            "Ends a rule, and with it what it gave",
        )
        .note(LAST_ADMIN)
        .gives::<Ended>(200, "It has no effect any more.")
        .changed_by_version()
        .refuses(409, "As things stand, this cannot be."),
    ]
}
