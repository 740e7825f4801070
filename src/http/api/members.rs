//! Members, with what they have and why.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::caller::ApiCaller;
use super::history::NowOrThen;
use super::operation::Operation;
use super::problem::Problem;
use super::{body, history, id, json, page, versioned};
use crate::admission::editing;
use crate::admission::entry::{self, Entrant, Outcome};
use crate::error::{Error, Result};
use crate::http::Shared;
use crate::ids::MemberId;
use crate::mapping::explain as explained;
use crate::workspace::history::Then;
use crate::workspace::keys::Permission;
use crate::workspace::manual::{self, Right};
use crate::workspace::members::{self, GrantKind, Source};
use crate::workspace::profile::Edit;
use crate::workspace::search::{self, BY, Order, Search, Spot};
use crate::workspace::{Workspace, status};

/// A page of members in the order of their making, those that a filter selects.
pub(super) async fn list(
    State(shared): State<Shared>,
    mut caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    if let Some(at) = caller.instant("as_of")? {
        return history::list(&shared, &caller, workspace.id, at).await;
    }
    let filter = caller.asked("filter")?;
    let counts = match caller.asked("count")? {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Error::value("count must be true or false").into()),
    };
    let order = order(&caller)?;
    let list = format!("members {} {filter:?} {order:?}", workspace.id);
    let page = caller.page_by(&list, &["filter", "count", "sortBy", "sortOrder"])?;
    let after = page.after.as_deref().map(spot);
    let wanted = Search {
        filter: filter.map(str::to_owned),
        order,
        after: after.transpose()?,
        most: page.limit(),
        counts,
    };
    let found = search::search(&shared.app, workspace.id, wanted).await?;
    let next = found.next.map(|spot| format!("{} {}", spot.id, spot.key));
    json(
        StatusCode::OK,
        &page.with(found.members, next, found.total)?,
    )
}

/// The order that the query asks for, in the words of RFC 7644 section 3.4.2.3.
fn order(caller: &ApiCaller) -> Result<Order> {
    let by = caller.asked("sortBy")?.map(str::parse).transpose()?;
    let is_descending = match caller.asked("sortOrder")? {
        None | Some("ascending") => false,
        Some("descending") => true,
        Some(_) => {
            let detail = "sortOrder must be ascending or descending";
            return Err(Error::value(detail));
        }
    };
    Ok(Order {
        by: by.unwrap_or_default(),
        is_descending,
    })
}

/// A place in the list, as a cursor has it.
fn spot(after: &str) -> Result<Spot> {
    let (id, key) = after.split_once(' ').ok_or_else(page::invalid)?;
    Ok(Spot {
        id: id.parse().map_err(|_| page::invalid())?,
        key: key.to_owned(),
    })
}

/// A member. Its version says nothing of the teams, settings and other members that it shows as well:
/// nobody is told that all of it is as it was.
pub(super) async fn show(
    State(shared): State<Shared>,
    mut caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    if let Some(at) = caller.instant("as_of")? {
        return history::show(&shared, (workspace.id, member(&caller)?), at).await;
    }
    let found = members::show(&shared.app, workspace.id, member(&caller)?).await?;
    versioned::answer(StatusCode::OK, found.version, &found)
}

/// A member as it is now, after a change.
async fn shown(
    shared: &Shared,
    (workspace, member): (&Workspace, MemberId),
) -> Result<Response, Problem> {
    let found = members::show(&shared.app, workspace.id, member).await?;
    versioned::answer(StatusCode::OK, found.version, &found)
}

/// Who is to be brought in.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("examples" = [
    {"profile": {"email": "ada@acme.example", "given_name": "Ada"}, "roles": ["user"]},
]))]
pub(super) struct NewMember {
    /// What the member shows.
    profile: Edit,
    /// Teams, by name or id.
    teams: Vec<String>,
    /// Roles, by name or id.
    roles: Vec<String>,
    /// Permissions.
    permissions: Vec<String>,
}

impl NewMember {
    /// Who that is, with the rights of each kind together.
    pub(super) fn entrant(self) -> Entrant {
        let rights =
            |kind, names: Vec<String>| names.into_iter().map(move |name| Right { kind, name });
        Entrant {
            edit: self.profile,
            rights: rights(GrantKind::Team, self.teams)
                .chain(rights(GrantKind::Role, self.roles))
                .chain(rights(GrantKind::Permission, self.permissions))
                .collect(),
        }
    }
}

/// What became of it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Entered")]
struct EnteredBody {
    /// What became of it.
    outcome: Outcome,
    /// The member.
    member: members::Full,
}

/// Brings somebody in as a draft: 201 for a new member, 200 for one who was expected or had left.
pub(super) async fn create(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let new: NewMember = body::read(&shared, &headers, body).await?;
    let (by, entrant) = (caller.by(), new.entrant());
    let entered = entry::enter(&shared.app, by, workspace.id, Source::Api, entrant).await?;
    let status = match entered.outcome {
        Outcome::Created => StatusCode::CREATED,
        Outcome::Merged | Outcome::Revived => StatusCode::OK,
    };
    let body = EnteredBody {
        outcome: entered.outcome,
        member: members::show(&shared.app, workspace.id, entered.member).await?,
    };
    json(status, &body)
}

/// Writes fields of a member: what is left out stays, null clears (RFC 7396).
pub(super) async fn patch(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let which = (workspace.id, member(&caller)?);
    let written: Edit = body::read(&shared, &headers, body).await?;
    editing::edit(
        &shared.app,
        caller.by(),
        which,
        caller.precondition.clone(),
        written,
    )
    .await?;
    shown(&shared, (&workspace, which.1)).await
}

/// Takes a member out of the workspace; id and history stay.
pub(super) async fn remove(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let which = (workspace.id, member(&caller)?);
    status::remove(&shared.app, caller.by(), which, caller.precondition.clone()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Shuts a member out until an admin lets it in again.
pub(super) async fn suspend(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let member = member(&caller)?;
    let which = (workspace.id, member, caller.precondition.clone());
    status::suspend(&shared.app, caller.by(), which).await?;
    shown(&shared, (&workspace, member)).await
}

/// Lets a member in again.
pub(super) async fn activate(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let member = member(&caller)?;
    let which = (workspace.id, member, caller.precondition.clone());
    status::activate(&shared.app, caller.by(), which).await?;
    shown(&shared, (&workspace, member)).await
}

/// Gives a right by hand; one that the member has by hand already is no fault.
pub(super) async fn give(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let which = (workspace.id, member(&caller)?, caller.precondition.clone());
    manual::give(&shared.app, caller.by(), which, vec![right(&caller)?]).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Takes a right away that was given by hand.
pub(super) async fn take(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let which = (workspace.id, member(&caller)?, caller.precondition.clone());
    manual::take(&shared.app, caller.by(), which, vec![right(&caller)?]).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The right that a path names.
fn right(caller: &ApiCaller) -> Result<Right> {
    let kind = match caller.param("kind") {
        "teams" => GrantKind::Team,
        "roles" => GrantKind::Role,
        "permissions" => GrantKind::Permission,
        _ => return Err(Error::NotFound("kind of right")),
    };
    let name = caller.param("name").to_owned();
    Ok(Right { kind, name })
}

/// What a member has, and why.
pub(super) async fn explain(
    State(shared): State<Shared>,
    caller: ApiCaller,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersRead).await?;
    let member = member(&caller)?.to_string();
    let member = members::find(&shared.app, workspace.id, &member).await?;
    let explanation = explained::explain(&shared.app, workspace.id, &member).await?;
    json(StatusCode::OK, &explanation)
}

pub(super) fn member(caller: &ApiCaller) -> Result<MemberId> {
    id(caller.param("id"), "member")
}

const FILTER: &str = "A filter as SCIM has them (RFC 7644 section 3.4.2.2), over the fields that a \
    member shows: `teams eq \"Support\" and not (language pr)`. `id`, `user_name`, `email`, \
    `user_id`, `manager`, `teams`, `roles`, `permissions`, `directories`, `status` and times are \
    found by an index.";

const AS_OF: &str = "As it was at that instant, as far as changes tell; other fields are left out.";

fn instant() -> serde_json::Value {
    serde_json::json!({"type": "string", "format": "date-time"})
}

/// An operation that lists in an order that the query names.
fn in_order(method: &'static str, path: &'static str, summary: &'static str) -> Operation {
    Operation::new(method, path, summary)
        .query(
            "sortBy",
            "What they are put in order by. Whoever has none comes first.",
            serde_json::json!({
                "type": "string", "enum": BY.map(|(name, _)| name), "default": "created_at",
            }),
        )
        .query(
            "sortOrder",
            "Whether the first or the last comes first.",
            serde_json::json!({
                "type": "string", "enum": ["ascending", "descending"], "default": "ascending",
            }),
        )
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    const MEMBERS: &str = "/workspaces/{workspace}/members";
    const MEMBER: &str = "/workspaces/{workspace}/members/{id}";
    const RIGHT: &str = "/workspaces/{workspace}/members/{id}/{kind}/{name}";
    vec![
        in_order(
            "GET",
            MEMBERS,
            "List the members, in the order of their making or another",
        )
        .note(
            "Those who are removed are left out, unless the filter speaks of `status`. With a \
                 filter that no index answers a page may be short, or empty, before the last one.",
        )
        .query(
            "filter",
            FILTER,
            serde_json::json!({"type": "string", "minLength": 1}),
        )
        .query(
            "count",
            "Whether `total` tells how many there are on all pages.",
            serde_json::json!({"type": "boolean", "default": false}),
        )
        .query("as_of", AS_OF, instant())
        .gives_page::<NowOrThen<members::Listed, Then>>(),
        Operation::new("POST", MEMBERS, "Bring somebody in as a draft")
            .note(
                "Somebody is found again by the address alone: one who is expected already gets \
                 the fields and rights too, one who had left comes back with id and history.",
            )
            .takes::<NewMember>()
            .gives::<EnteredBody>(201, "A new member.")
            .gives::<EnteredBody>(200, "One who was expected, or had left.")
            .refuses(
                409,
                "The person is in already, or a value of theirs is another member's.",
            ),
        Operation::new("GET", MEMBER, "Show a member with everything that it shows")
            .gives::<NowOrThen<members::Full, Then>>(200, "The member.")
            .tagged()
            .query("as_of", AS_OF, instant()),
        Operation::new("PATCH", MEMBER, "Write fields of a member")
            .note("What is left out stays, null clears (RFC 7396).")
            .takes::<Edit>()
            .gives::<members::Full>(200, "The member as it is now.")
            .tagged()
            .refuses(
                409,
                "A directory keeps the field, or the value is another member's.",
            )
            .changed_by_version(),
        Operation::new("DELETE", MEMBER, "Take a member out of the workspace")
            .note("Id and history stay; grants end for good.")
            .gives_nothing("It is out.")
            .refuses(
                409,
                "A directory has the person, or it is the last admin or protected.",
            )
            .changed_by_version(),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/members/{id}/suspend",
            "Shut a member out until an admin lets it in again",
        )
        .gives::<members::Full>(200, "The member as it is now.")
        .tagged()
        .changed_by_version()
        .refuses(
            409,
            "The member has not come in, or is the last admin or protected.",
        ),
        Operation::new(
            "POST",
            "/workspaces/{workspace}/members/{id}/activate",
            "Let a member in again",
        )
        .gives::<members::Full>(200, "The member as it is now.")
        .tagged()
        .changed_by_version()
        .refuses(
            409,
            "The member has not come in, there is no seat, or its directory says no.",
        ),
        Operation::new("PUT", RIGHT, "Give a team, role or permission by hand")
            .gives_nothing("The member has it by hand.")
            .changed_by_version(),
        Operation::new("DELETE", RIGHT, "Take away what was given by hand")
            .gives_nothing("The member does not have it by hand any more.")
            .refuses(409, "A rule gives it, or it makes the last admin one.")
            .changed_by_version(),
        Operation::new(
            "GET",
            "/workspaces/{workspace}/members/{id}/explanation",
            "Tell what a member has, and why",
        )
        .gives::<explained::Explanation>(200, "Each grant with its cause."),
    ]
}
