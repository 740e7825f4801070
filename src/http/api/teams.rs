//! Teams and roles.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;

use super::caller::ApiCaller;
use super::history::NowOrThen;
use super::operation::Operation;
use super::problem::Problem;
use super::{body, history, id, json, versioned};
use crate::admission::outlook::{self, Outlook};
use crate::http::Shared;
use crate::workspace::keys::Permission;
use crate::workspace::past_names::{RoleThen, TeamThen};
use crate::workspace::roles::{self, RoleEdit};
use crate::workspace::teams::{self, Team, TeamEdit};

/// What a team is made with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{"name": "Support"}]))]
struct NewTeam {
    /// Its name, unique in the workspace whatever its case.
    name: String,
}

/// The teams of a workspace, oldest first.
pub(super) async fn list(
    State(shared): State<Shared>,
    mut caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    if let Some(at) = caller.instant("as_of")? {
        return history::teams(&shared, &caller, workspace.id, at).await;
    }
    let page = caller.page(&format!("teams {}", workspace.id))?;
    let all = teams::list(&shared.app, workspace.id).await?;
    json(StatusCode::OK, &page.cut(all, |it| it.id.to_string())?)
}

/// A team; 304 for a version that the reader has.
pub(super) async fn show(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    let team = id(caller.param("id"), "team")?;
    let team = teams::show(&shared.app, workspace.id, team).await?;
    versioned::read(&caller, team.version, &team)
}

/// Makes a team.
pub(super) async fn create(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::TeamsManage).await?;
    let new: NewTeam = body::read(&shared, &headers, body).await?;
    let made = teams::create(&shared.app, &caller.origin, workspace.id, &new.name).await?;
    versioned::answer(StatusCode::CREATED, made.version, &made)
}

/// Renames, enables, disables or archives a team.
pub(super) async fn patch(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::TeamsManage).await?;
    let team = id(caller.param("id"), "team")?;
    let which = (workspace.id, team, caller.precondition.clone());
    let edit: TeamEdit = body::read(&shared, &headers, body).await?;
    let team = teams::edit(&shared.app, &caller.origin, which, edit).await?;
    versioned::answer(StatusCode::OK, team.version, &team)
}

/// What it would come to if a team was edited so.
pub(super) async fn plan(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::TeamsManage).await?;
    let team = id(caller.param("id"), "team")?;
    let edit: TeamEdit = body::read(&shared, &headers, body).await?;
    let outlook = outlook::of_team(&shared.app, workspace.id, (team, edit)).await?;
    json(StatusCode::OK, &outlook)
}

/// What it would come to if a role was edited so.
pub(super) async fn plan_role(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RolesManage).await?;
    let role = id(caller.param("id"), "role")?;
    let edit: RoleEdit = body::read(&shared, &headers, body).await?;
    let outlook = outlook::of_role(&shared.app, workspace.id, (role, edit)).await?;
    json(StatusCode::OK, &outlook)
}

/// The roles of a workspace with their permissions, oldest first.
pub(super) async fn list_roles(
    State(shared): State<Shared>,
    mut caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    if let Some(at) = caller.instant("as_of")? {
        return history::roles(&shared, &caller, workspace.id, at).await;
    }
    let page = caller.page(&format!("roles {}", workspace.id))?;
    let all = roles::list_full(&shared.app, workspace.id).await?;
    json(StatusCode::OK, &page.cut(all, |it| it.role.id.to_string())?)
}

/// A role; 304 for a version that the reader has.
pub(super) async fn show_role(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    let role = id(caller.param("id"), "role")?;
    let found = roles::show(&shared.app, workspace.id, role).await?;
    versioned::read(&caller, found.role.version, &found)
}

/// Makes a role, of permissions that the key has itself.
pub(super) async fn create_role(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RolesManage).await?;
    let new: RoleEdit = body::read(&shared, &headers, body).await?;
    let made = roles::create(&shared.app, caller.by(), workspace.id, new).await?;
    versioned::answer(StatusCode::CREATED, made.role.version, &made)
}

/// Renames a role, or gives it other permissions.
pub(super) async fn patch_role(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RolesManage).await?;
    let role = id(caller.param("id"), "role")?;
    let which = (workspace.id, role, caller.precondition.clone());
    let edit: RoleEdit = body::read(&shared, &headers, body).await?;
    let role = roles::edit(&shared.app, caller.by(), which, edit).await?;
    versioned::answer(StatusCode::OK, role.role.version, &role)
}

/// Deletes a role that nobody has and no rule gives.
pub(super) async fn delete_role(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::RolesManage).await?;
    let role = id(caller.param("id"), "role")?;
    let which = (workspace.id, role, caller.precondition.clone());
    roles::delete(&shared.app, caller.by(), which).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    const TEAMS: &str = "/workspaces/{workspace}/teams";
    const TEAM: &str = "/workspaces/{workspace}/teams/{id}";
    const ROLES: &str = "/workspaces/{workspace}/roles";
    const ROLE: &str = "/workspaces/{workspace}/roles/{id}";
    const TAKEN: &str = "The name is taken.";
    const PASSES: &str = "Nothing is done. The brake lets the edit itself pass, since an admin says \
                          just that and can take it back.";
    vec![
        Operation::new("GET", TEAMS, "List the teams")
            .query(
                "as_of",
                "As they were at that instant.",
                serde_json::json!({"type": "string", "format": "date-time"}),
            )
            .gives_page::<NowOrThen<Team, TeamThen>>(),
        Operation::new("POST", TEAMS, "Make a team")
            .takes::<NewTeam>()
            .gives::<Team>(201, "The team.")
            .tagged()
            .refuses(409, TAKEN),
        Operation::new("GET", TEAM, "Show a team")
            .gives::<Team>(200, "The team.")
            .read_by_version(),
        Operation::new("PATCH", TEAM, "Rename, enable, disable or archive a team")
            .takes::<TeamEdit>()
            .gives::<Team>(200, "The team as it is now.")
            .tagged()
            .refuses(409, TAKEN)
            .changed_by_version(),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/teams/{id}/plan",
            "Tell what it would come to if a team was edited so",
        )
        .note(PASSES)
        .takes::<TeamEdit>()
        .gives::<Outlook>(200, "How many would lose and gain what."),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/roles/{id}/plan",
            "Tell what it would come to if a role was edited so",
        )
        .note(PASSES)
        .takes::<RoleEdit>()
        .gives::<Outlook>(200, "How many would lose and gain what."),
        Operation::new("GET", ROLES, "List the roles with their permissions")
            .query(
                "as_of",
                "As they were at that instant.",
                serde_json::json!({"type": "string", "format": "date-time"}),
            )
            .gives_page::<NowOrThen<roles::Full, RoleThen>>(),
        Operation::new("POST", ROLES, "Make a role")
            .note("Of permissions that the key has itself, as far as they are Gatehouse's own.")
            .takes::<RoleEdit>()
            .gives::<roles::Full>(201, "The role.")
            .tagged()
            .refuses(409, TAKEN),
        Operation::new("GET", ROLE, "Show a role with its permissions")
            .gives::<roles::Full>(200, "The role.")
            .read_by_version(),
        Operation::new("PATCH", ROLE, "Rename a role, or give it other permissions")
            .takes::<RoleEdit>()
            .gives::<roles::Full>(200, "The role as it is now.")
            .tagged()
            .refuses(409, "The name is taken, or every workspace has this role.")
            .changed_by_version(),
        Operation::new("DELETE", ROLE, "Delete a role")
            .gives_nothing("It is gone.")
            .refuses(
                409,
                "Somebody has it, a rule gives it, or every workspace has it.",
            )
            .changed_by_version(),
    ]
}
