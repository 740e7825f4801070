//! `/{type}` for writing, and `/{type}/{id}`.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use uuid::Uuid;

use super::act::{self, Act, Verb};
use super::body;
use super::caller::ScimCaller;
use super::respond::{ScimError, done};
use crate::http::Shared;
use crate::scim::schema::Purpose;

type Answer = Result<Response, ScimError>;

/// `POST /{type}`
pub(super) async fn create(
    State(shared): State<Shared>,
    caller: ScimCaller,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let act = act(&shared, &caller, Verb::Create)?;
    let body = body::read(&shared, &headers, body, act.kind.purpose).await?;
    done(act.create(Uuid::now_v7(), body).await?)
}

/// `GET /{type}/{id}`
pub(super) async fn read(State(shared): State<Shared>, caller: ScimCaller) -> Answer {
    done(act(&shared, &caller, Verb::Read)?.read(&caller.id).await?)
}

/// `PUT /{type}/{id}`
pub(super) async fn replace(
    State(shared): State<Shared>,
    caller: ScimCaller,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let act = act(&shared, &caller, Verb::Replace)?;
    let body = body::read(&shared, &headers, body, act.kind.purpose).await?;
    done(act.replace(&caller.id, body).await?)
}

/// `PATCH /{type}/{id}`
pub(super) async fn patch(
    State(shared): State<Shared>,
    caller: ScimCaller,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let act = act(&shared, &caller, Verb::Patch)?;
    let body = body::read(&shared, &headers, body, act.kind.purpose).await?;
    done(act.patch(&caller.id, body).await?)
}

/// `DELETE /{type}/{id}`
pub(super) async fn delete(State(shared): State<Shared>, caller: ScimCaller) -> Answer {
    let act = act(&shared, &caller, Verb::Delete)?;
    done(act.delete(&caller.id).await?)
}

/// Any other method on `/{type}`.
pub(super) async fn other_of_type(caller: ScimCaller) -> Answer {
    not_offered(&caller, "GET,HEAD,POST")
}

/// Any other method on `/{type}/{id}`.
pub(super) async fn other_of_resource(caller: ScimCaller) -> Answer {
    not_offered(&caller, "GET,HEAD,PUT,PATCH,DELETE")
}

/// What a type offers depends on it: roles are only read (RFC 9110 section 15.5.6).
fn not_offered(caller: &ScimCaller, methods: &'static str) -> Answer {
    Err(ScimError::not_offered(match caller.kind()?.purpose {
        Purpose::Role => act::READ_ONLY,
        _ => methods,
    }))
}

fn act<'a>(shared: &'a Shared, caller: &'a ScimCaller, verb: Verb) -> Result<Act<'a>, ScimError> {
    let kind = caller.kind()?;
    let act = Act {
        app: &shared.app,
        caller: &caller.caller,
        kind,
        view: caller.view(kind)?,
        precondition: caller.precondition.clone(),
    };
    act::check(act.caller, kind, verb)?;
    Ok(act)
}
