//! Who has a team, a role or a permission, and why.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::caller::ApiCaller;
use super::operation::Operation;
use super::problem::Problem;
use super::{json, page};
use crate::admission::reasons::Explanation;
use crate::directory::explanation;
use crate::error::Error;
use crate::http::Shared;
use crate::mapping::holders::{GrantKind, Holder, holders};
use crate::workspace::keys::Permission;

/// Who has a team.
pub(super) async fn team(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    explain(&shared, &caller, (GrantKind::Team, "id")).await
}

/// Who has a role.
pub(super) async fn role(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    explain(&shared, &caller, (GrantKind::Role, "id")).await
}

/// Who has a permission.
pub(super) async fn permission(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    explain(&shared, &caller, (GrantKind::Permission, "name")).await
}

/// Why somebody is in, or is not.
pub(super) async fn admission(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let [person] = caller.parameters(["person"])?;
    let person = person.ok_or_else(|| Error::value("person is missing"))?;
    let explanation =
        explanation::explain(&shared.app, caller.scopes(), workspace.id, person).await?;
    json(StatusCode::OK, &explanation)
}

async fn explain(
    shared: &Shared,
    caller: &ApiCaller,
    (kind, param): (GrantKind, &str),
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    let named = caller.param(param);
    let page = caller.page(&format!("holders {} {kind:?} {named}", workspace.id))?;
    let after = page.after.as_ref().map(|after| after.parse());
    let after = after.transpose().map_err(|_| page::invalid())?;
    let what = (kind, named);
    let found = holders(&shared.app, workspace.id, what, after, page.most()).await?;
    json(StatusCode::OK, &page.of(found, |it| it.member.to_string())?)
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "GET",
            "/workspaces/{workspace}/admission/explanation",
            "Why somebody is in, or is not",
        )
        .note(
            "From what is kept. Of whoever is not in, the last refused request is looked for as well, \
             among the newest of each directory, for those who may read these.",
        )
        .query(
            "person",
            "An address, userName, UserID, externalId or member's id.",
            serde_json::json!({"type": "string", "minLength": 1, "maxLength": 1024}),
        )
        .gives::<Explanation>(200, "What is so of the person."),
        Operation::new(
            "GET",
            "/workspaces/{workspace}/teams/{id}/explanation",
            "Who has a team",
        )
        .gives_page::<Holder>(),
        Operation::new(
            "GET",
            "/workspaces/{workspace}/roles/{id}/explanation",
            "Who has a role",
        )
        .gives_page::<Holder>(),
        Operation::new(
            "GET",
            "/workspaces/{workspace}/permissions/{name}/explanation",
            "Who has a permission",
        )
        .gives_page::<Holder>(),
    ]
}
