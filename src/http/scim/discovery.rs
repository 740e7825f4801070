//! `/ServiceProviderConfig`, `/ResourceTypes` and `/Schemas` (RFC 7644 section 4).

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::caller::ScimCaller;
use super::respond::{ScimError, render_error, text};
use crate::error::Error;
use crate::http::Shared;
use crate::scim::messages;

type Answer = Result<Response, ScimError>;

/// `GET /ServiceProviderConfig`
pub(super) async fn service_provider_config(
    State(shared): State<Shared>,
    caller: ScimCaller,
) -> Answer {
    let limits = &shared.app.config.limits;
    let document = messages::service_provider_config(&caller.base_url, limits.page_size);
    Ok(text(StatusCode::OK, document.to_string()))
}

/// `GET /ResourceTypes`
pub(super) async fn resource_types(caller: ScimCaller) -> Answer {
    list(&caller, &messages::resource_types(&caller.base_url))
}

/// `GET /ResourceTypes/{id}`
pub(super) async fn resource_type(caller: ScimCaller) -> Answer {
    one(&caller, messages::resource_types(&caller.base_url), "resource type")
}

/// `GET /Schemas`
pub(super) async fn schemas(caller: ScimCaller) -> Answer {
    list(&caller, &messages::schemas(&caller.base_url))
}

/// `GET /Schemas/{id}`
pub(super) async fn schema(caller: ScimCaller) -> Answer {
    one(&caller, messages::schemas(&caller.base_url), "schema")
}

/// A filter on these is refused, since it could only mislead (RFC 7644 section 4).
fn list(caller: &ScimCaller, documents: &[Value]) -> Answer {
    if caller.query.filter.is_some() {
        let detail = "discovery documents cannot be filtered";
        return Ok(render_error(StatusCode::FORBIDDEN, None, detail).into_response());
    }
    let total = i64::try_from(documents.len()).unwrap_or(i64::MAX);
    let documents = documents.iter().map(Value::to_string).collect();
    Ok(text(StatusCode::OK, messages::list(total, 1, documents)))
}

fn one(caller: &ScimCaller, documents: Vec<Value>, what: &'static str) -> Answer {
    let found = documents.into_iter().find(|document| {
        document["id"]
            .as_str()
            .is_some_and(|id| id.eq_ignore_ascii_case(&caller.id))
    });
    let document = found.ok_or(Error::NotFound(what))?;
    Ok(text(StatusCode::OK, document.to_string()))
}
