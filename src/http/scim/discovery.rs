//! `/ServiceProviderConfig`, `/ResourceTypes` and `/Schemas` (RFC 7644 section 4).

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::caller::ScimCaller;
use super::respond::{ScimError, render_error, serialize, text};
use crate::error::Error;
use crate::http::Shared;
use crate::scim::discovery::{self as scim, Limits, ServiceProviderConfig};
use crate::scim::messages::ListResponse;

type Answer = Result<Response, ScimError>;

/// `GET /ServiceProviderConfig`
pub(super) async fn service_provider_config(
    State(shared): State<Shared>,
    caller: ScimCaller,
) -> Answer {
    if caller.query.filter.is_some() {
        return Ok(no_filter());
    }
    let config = &shared.app.config;
    let limit = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
    let limits = Limits {
        page_size: limit(config.limits.page_size),
        bulk_operations: limit(config.scim.bulk_operations),
        bulk_bytes: limit(config.limits.body_group_bytes),
    };
    let document = ServiceProviderConfig::new(&caller.base_url, limits);
    Ok(text(StatusCode::OK, serialize(&document)?))
}

/// `GET /ResourceTypes`
pub(super) async fn resource_types(caller: ScimCaller) -> Answer {
    list(&caller, &all_types(&caller))
}

/// `GET /ResourceTypes/{id}`
pub(super) async fn resource_type(caller: ScimCaller) -> Answer {
    one(&caller, all_types(&caller), "resource type")
}

/// `GET /Schemas`
pub(super) async fn schemas(caller: ScimCaller) -> Answer {
    list(&caller, &all_schemas(&caller))
}

/// `GET /Schemas/{id}`
pub(super) async fn schema(caller: ScimCaller) -> Answer {
    one(&caller, all_schemas(&caller), "schema")
}

/// A filter on these is refused, since it could only mislead (RFC 7644 section 4).
fn list(caller: &ScimCaller, documents: &[Value]) -> Answer {
    if caller.query.filter.is_some() {
        return Ok(no_filter());
    }
    Ok(text(
        StatusCode::OK,
        serialize(&ListResponse::whole(documents)?)?,
    ))
}

fn no_filter() -> Response {
    let detail = "discovery documents cannot be filtered";
    render_error(StatusCode::FORBIDDEN, None, detail).into_response()
}

fn all_types(caller: &ScimCaller) -> Vec<Value> {
    let (registry, with_roles) = (caller.caller.registry, caller.caller.sees_roles());
    scim::resource_types(registry, with_roles, &caller.base_url)
}

fn all_schemas(caller: &ScimCaller) -> Vec<Value> {
    let (registry, with_roles) = (caller.caller.registry, caller.caller.sees_roles());
    scim::schemas(registry, with_roles, &caller.base_url)
}

fn one(caller: &ScimCaller, documents: Vec<Value>, what: &'static str) -> Answer {
    if caller.query.filter.is_some() {
        return Ok(no_filter());
    }
    let found = documents.into_iter().find(|document| {
        document["id"]
            .as_str()
            .is_some_and(|id| id.eq_ignore_ascii_case(&caller.id))
    });
    let document = found.ok_or(Error::NotFound(what))?;
    Ok(text(StatusCode::OK, document.to_string()))
}
