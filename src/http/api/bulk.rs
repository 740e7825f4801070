//! Many members in one request: each operation by itself and in order, with an outcome of its own.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::caller::ApiCaller;
use super::members::NewMember;
use super::operation::Operation;
use super::problem::{Problem, Told};
use super::{body, json};
use crate::admission::editing;
use crate::admission::entry::{self, Outcome};
use crate::error::{Error, Result};
use crate::http::Shared;
use crate::ids::{MemberId, WorkspaceId};
use crate::scim::etag::{Precondition, Tags};
use crate::workspace::keys::Permission;
use crate::workspace::manual::{self, Right};
use crate::workspace::members::Source;
use crate::workspace::profile::Edit;
use crate::workspace::{At, status};

/// How many operations a request has at most.
const MOST: usize = 1_000;

/// What is to be done.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    rename = "Bulk",
    extend("examples" = [{"operations": [
        {"op": "add", "profile": {"email": "bob@acme.example"}, "roles": ["user"]},
    ]}])
)]
struct Wanted {
    /// One after the other; 1,000 at most.
    #[schemars(with = "Vec<Act>", length(min = 1, max = 1000))]
    operations: Vec<Value>,
}

/// One thing to do.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "BulkOperation")]
enum Act {
    /// Bring somebody in as a draft.
    Add(NewMember),
    /// Write fields of a member.
    Edit {
        /// The member.
        member: MemberId,
        /// The version that it must be at.
        version: Option<i64>,
        /// What is written; what is left out stays, null clears.
        profile: Edit,
    },
    /// Shut a member out.
    Suspend {
        /// The member.
        member: MemberId,
        /// The version that it must be at.
        version: Option<i64>,
    },
    /// Let a member in again.
    Activate {
        /// The member.
        member: MemberId,
        /// The version that it must be at.
        version: Option<i64>,
    },
    /// Take a member out of the workspace.
    Remove {
        /// The member.
        member: MemberId,
        /// The version that it must be at.
        version: Option<i64>,
    },
    /// Give rights by hand, all or none.
    Give {
        /// The member.
        member: MemberId,
        /// The version that it must be at.
        version: Option<i64>,
        /// The rights.
        rights: Vec<Right>,
    },
    /// Take rights away that were given by hand, all or none.
    Take {
        /// The member.
        member: MemberId,
        /// The version that it must be at.
        version: Option<i64>,
        /// The rights.
        rights: Vec<Right>,
    },
}

/// What became of the operations, in their order.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BulkResults")]
struct Results {
    /// One for each operation.
    results: Vec<Done>,
}

/// What became of one.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BulkResult")]
struct Done {
    /// The status that a request of its own would have got.
    status: u16,
    /// The member that it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<MemberId>,
    /// What became of somebody who was brought in.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Told>,
}

/// Does one operation after the other, each in a transaction of its own: what one is refused for
/// keeps no other back.
pub(super) async fn members(
    State(shared): State<Shared>,
    caller: ApiCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let workspace = caller.workspace(Permission::MembersManage).await?;
    let limit = shared.app.config.limits.body_group_bytes;
    let wanted: Wanted = body::read_within(&shared, &headers, body, limit).await?;
    if wanted.operations.is_empty() {
        return Err(Error::value("operations must name at least one").into());
    }
    if wanted.operations.len() > MOST {
        return Err(Error::TooManyOperations(MOST).into());
    }
    let mut results = Vec::with_capacity(wanted.operations.len());
    let mut is_away = false;
    for operation in wanted.operations {
        // Where the database is away, each would wait for it in vain.
        let done = if is_away {
            Done::refused(None, Error::Unavailable)
        } else {
            one(&shared, &caller, workspace.id, operation).await
        };
        caller.answered(done.member, done.status);
        is_away = done.status == StatusCode::SERVICE_UNAVAILABLE.as_u16();
        results.push(done);
    }
    json(StatusCode::OK, &Results { results })
}

async fn one(
    shared: &Shared,
    caller: &ApiCaller,
    workspace: WorkspaceId,
    operation: Value,
) -> Done {
    let act: Act = match body::typed(operation) {
        Ok(act) => act,
        Err(error) => return Done::refused(None, error),
    };
    let member = act.member();
    match act.done(shared, caller, workspace).await {
        Ok(done) => done,
        Err(error) => Done::refused(member, error),
    }
}

impl Act {
    fn member(&self) -> Option<MemberId> {
        match self {
            Self::Add(_) => None,
            Self::Edit { member, .. }
            | Self::Suspend { member, .. }
            | Self::Activate { member, .. }
            | Self::Remove { member, .. }
            | Self::Give { member, .. }
            | Self::Take { member, .. } => Some(*member),
        }
    }

    async fn done(
        self,
        shared: &Shared,
        caller: &ApiCaller,
        workspace: WorkspaceId,
    ) -> Result<Done> {
        let (app, by) = (&shared.app, caller.by());
        let at = |member, version| At::from((workspace, member, only(version)));
        match self {
            Self::Add(new) => {
                let entrant = new.entrant();
                let entered = entry::enter(app, by, workspace, Source::Api, entrant).await?;
                Ok(Done {
                    status: match entered.outcome {
                        Outcome::Created => 201,
                        Outcome::Merged | Outcome::Revived => 200,
                    },
                    member: Some(entered.member),
                    outcome: Some(entered.outcome),
                    problem: None,
                })
            }
            Self::Edit {
                member,
                version,
                profile,
            } => {
                let which = (workspace, member);
                editing::edit(app, by, which, only(version), profile).await?;
                Ok(Done::of(200, member))
            }
            Self::Suspend { member, version } => {
                status::suspend(app, by, at(member, version)).await?;
                Ok(Done::of(200, member))
            }
            Self::Activate { member, version } => {
                status::activate(app, by, at(member, version)).await?;
                Ok(Done::of(200, member))
            }
            Self::Remove { member, version } => {
                let which = (workspace, member);
                status::remove(app, by, which, only(version)).await?;
                Ok(Done::of(204, member))
            }
            Self::Give {
                member,
                version,
                rights,
            } => {
                manual::give(app, by, at(member, version), rights).await?;
                Ok(Done::of(204, member))
            }
            Self::Take {
                member,
                version,
                rights,
            } => {
                manual::take(app, by, at(member, version), rights).await?;
                Ok(Done::of(204, member))
            }
        }
    }
}

impl Done {
    fn of(status: u16, member: MemberId) -> Self {
        Self {
            status,
            member: Some(member),
            outcome: None,
            problem: None,
        }
    }

    fn refused(member: Option<MemberId>, error: Error) -> Self {
        let told = Problem::from(error).told();
        Self {
            status: told.status(),
            member,
            outcome: None,
            problem: Some(told),
        }
    }
}

/// That version and no other, where one is named.
fn only(version: Option<i64>) -> Precondition {
    Precondition {
        matches: version.map(|version| Tags::Listed(vec![version.to_string()])),
        none_match: None,
    }
}

/// What the routes of this file do.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "POST",
            "/workspaces/{workspace}/members/bulk",
            "Do many things to members",
        )
        .note(
            "Each operation stands for itself: it is done in order and in a transaction of its own, \
             may do what a request of its own may, and tells what became of it.",
        )
        .takes::<Wanted>()
        .gives::<Results>(200, "What became of each operation."),
    ]
}
