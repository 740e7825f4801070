//! `POST /Bulk` (RFC 7644 section 3.7): each operation is what it would be as a request of its own:
//! its own transaction, checks and quota.

use std::collections::HashMap;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::Value;
use uuid::Uuid;

use super::act::{self, Act, Done, Verb};
use super::body;
use super::caller::ScimCaller;
use super::query::Query;
use super::respond::{ScimError, serialize, text};
use crate::error::Error;
use crate::http::Shared;
use crate::scim::bulk::{self, Fault, Method, Outcome, Step, Task};
use crate::scim::etag::Precondition;
use crate::scim::schema::{Purpose, ResourceType};

/// `POST /Bulk`
pub(super) async fn bulk(
    State(shared): State<Shared>,
    caller: ScimCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ScimError> {
    let body = body::read(&shared, &headers, body, Purpose::Group).await?;
    body::check_schemas(&caller.caller, &body, bulk::REQUEST)?;
    let most = shared.app.config.scim.bulk_operations;
    let request = bulk::parse(body, most, caller.caller.registry)?;
    let plan = request.plan();
    let mut job = Job {
        shared: &shared,
        caller: &caller,
        ids: HashMap::new(),
    };
    let mut operations: Vec<_> = request.operations.into_iter().map(Some).collect();
    job.give_ids(&plan, &operations);
    let mut outcomes: Vec<Option<Outcome>> = operations.iter().map(|_| None).collect();
    let mut errors = 0;
    for step in plan {
        let Some(operation) = operations[step.index].take() else {
            continue;
        };
        let outcome = job.operation(operation, step).await;
        errors += usize::from(outcome.response.is_some());
        outcomes[step.index] = Some(outcome);
        if request
            .fail_on_errors
            .is_some_and(|most| errors >= most.max(1))
            && errors > 0
        {
            break;
        }
    }
    // What was not begun after too many errors is not among the results.
    let response = bulk::Response::new(outcomes.into_iter().flatten().collect());
    Ok(text(StatusCode::OK, serialize(&response)?))
}

/// A Bulk request at work.
struct Job<'a> {
    shared: &'a Shared,
    caller: &'a ScimCaller,
    /// The ids of resources by their `bulkId`.
    ids: HashMap<String, String>,
}

impl Job<'_> {
    /// Gives ids out to resources that refer to each other in a circle.
    fn give_ids(&mut self, plan: &[Step], operations: &[Option<bulk::Operation>]) {
        for step in plan.iter().filter(|step| step.is_circular) {
            let bulk_id = operations[step.index]
                .as_ref()
                .and_then(|it| it.bulk_id.clone());
            if let Some(bulk_id) = bulk_id {
                self.ids.insert(bulk_id, Uuid::now_v7().to_string());
            }
        }
    }

    async fn operation(&mut self, operation: bulk::Operation, step: Step) -> Outcome {
        let bulk::Operation {
            method,
            bulk_id,
            task,
        } = operation;
        let mut location = None;
        let done = match task {
            Ok(task) => {
                let id = bulk_id.as_ref().and_then(|id| self.ids.get(id));
                let id = id.and_then(|id| id.parse().ok());
                let is_made = task.method == Method::Post;
                let done = self.perform(task, id, step, &mut location).await;
                if let (true, Some(bulk_id)) = (is_made, &bulk_id) {
                    self.note(bulk_id, done.as_ref().ok());
                }
                done
            }
            Err(fault) => Err(refused(fault)),
        };
        match done {
            Ok(done) => Outcome {
                method,
                bulk_id,
                version: done.version.map(|version| format!("W/\"{version}\"")),
                location: done.location,
                status: done.status.as_u16().to_string(),
                response: None,
            },
            Err(error) => {
                let (status, body) = error.parts();
                Outcome {
                    method,
                    bulk_id,
                    version: None,
                    location,
                    status: status.as_u16().to_string(),
                    response: Some(serde_json::to_value(body).unwrap_or(Value::Null)),
                }
            }
        }
    }

    /// Remembers what a `bulkId` made, or that it made nothing.
    fn note(&mut self, bulk_id: &str, done: Option<&Done>) {
        let id = done
            .and_then(|done| done.location.as_deref())
            .and_then(|location| location.rsplit('/').next());
        match id {
            Some(id) => self.ids.insert(bulk_id.to_owned(), id.to_owned()),
            None => self.ids.remove(bulk_id),
        };
    }

    async fn perform(
        &self,
        mut task: Task,
        id: Option<Uuid>,
        step: Step,
        location: &mut Option<String>,
    ) -> Result<Done, ScimError> {
        let shared = self.shared;
        let kind = self.caller.caller.kind_at(&task.endpoint);
        let expected = Fault("path: expected the endpoint of a resource type");
        let kind: &'static ResourceType = kind.ok_or_else(|| refused(expected))?;
        let verb = match task.method {
            Method::Post => Verb::Create,
            Method::Put => Verb::Replace,
            Method::Patch => Verb::Patch,
            Method::Delete => Verb::Delete,
        };
        act::check(&self.caller.caller, kind, verb)?;
        if step.is_circular && kind.has_members() {
            let detail = "groups would hold each other in a circle".to_owned();
            return Err(Error::Conflict(detail).into());
        }
        self.caller.check_again(&shared.app).await?;
        task.resolve(&self.ids).map_err(refused)?;
        let size = task.data.to_string().len();
        body::check_size(shared, kind.purpose, size)?;
        shared
            .quota
            .check(&shared.app, self.caller.caller.directory.workspace)
            .await?;
        let mut caller = self.caller.caller.clone();
        caller.origin.method = Some(format!("{:?}", task.method).to_uppercase());
        let path = [Some(task.endpoint.as_str()), task.id.as_deref()];
        let path: Vec<&str> = path.into_iter().flatten().collect();
        caller.origin.path = Some(format!("/{}", path.join("/")));
        let view = Query::default().view(kind, &self.caller.base_url)?;
        *location = task.id.as_deref().map(|id| view.location(kind, id));
        let act = Act {
            app: &shared.app,
            caller: &caller,
            kind,
            view,
            precondition: Precondition::parse(task.version.as_deref(), None)?,
        };
        let named = task.id.unwrap_or_default();
        match task.method {
            Method::Post => act.create(id.unwrap_or_else(Uuid::now_v7), task.data).await,
            Method::Put => act.replace(&named, task.data).await,
            Method::Patch => act.patch(&named, task.data).await,
            Method::Delete => act.delete(&named).await,
        }
    }
}

fn refused(fault: Fault) -> ScimError {
    Error::value(fault.0).into()
}
