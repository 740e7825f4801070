//! `/ServiceProviderConfig`, `/ResourceTypes` and `/Schemas` (RFC 7644 section 4).

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::caller::ScimCaller;
use super::respond::{ScimError, render_error, serialize, text};
use crate::error::Error;
use crate::http::Shared;
use crate::scim::messages::{self, ListResponse, ServiceProviderConfig};

type Answer = Result<Response, ScimError>;

/// `GET /ServiceProviderConfig`
pub(super) async fn service_provider_config(
    State(shared): State<Shared>,
    caller: ScimCaller,
) -> Answer {
    let page_size = u32::try_from(shared.app.config.limits.page_size).unwrap_or(u32::MAX);
    let document = ServiceProviderConfig::new(&caller.base_url, page_size);
    Ok(text(StatusCode::OK, serialize(&document)?))
}

/// `GET /ResourceTypes`
pub(super) async fn resource_types(caller: ScimCaller) -> Answer {
    list(&caller, &messages::resource_types(&caller.base_url))
}

/// `GET /ResourceTypes/{id}`
pub(super) async fn resource_type(caller: ScimCaller) -> Answer {
    one(
        &caller,
        messages::resource_types(&caller.base_url),
        "resource type",
    )
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
    Ok(text(
        StatusCode::OK,
        serialize(&ListResponse::whole(documents)?)?,
    ))
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
