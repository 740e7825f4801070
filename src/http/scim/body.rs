//! Bodies of SCIM requests: media type, size and time, then strict JSON.

use axum::body::Body;
use axum::http::HeaderMap;
use serde_json::Value;

use super::respond::ScimError;
use crate::directory::Caller;
use crate::error::{Error, Invalid, Result};
use crate::http::Shared;
use crate::http::limits::read_body;
use crate::http::media::is_json;
use crate::scim::json;
use crate::scim::resource::{self, Strictness};
use crate::scim::schema::Purpose;

/// Reads a JSON body, as large as one about such a resource may be. Any parameters of the media type
/// are fine; a type that is not JSON is 415.
pub(super) async fn read(
    shared: &Shared,
    headers: &HeaderMap,
    body: Body,
    purpose: Purpose,
) -> Result<Value, ScimError> {
    if !is_json(headers, &["application/scim+json", "application/json"]) {
        return Err(ScimError::media_type());
    }
    let limit = limit(shared, purpose);
    let timeout = shared.app.config.server.body_timeout();
    let bytes = read_body(headers, body, limit, timeout).await?;
    if bytes.is_empty() {
        return Err(Error::invalid(Invalid::Syntax, "a JSON body is expected").into());
    }
    Ok(json::parse(&bytes)?)
}

/// Refuses what would be too large as a body of its own.
pub(super) fn check_size(shared: &Shared, purpose: Purpose, size: usize) -> Result<()> {
    let limit = limit(shared, purpose);
    if size > limit {
        return Err(Error::TooLarge(limit));
    }
    Ok(())
}

/// Holds a strict directory's message to its schema.
pub(super) fn check_schemas(caller: &Caller, body: &Value, urn: &str) -> Result<()> {
    match caller.strictness() {
        Strictness::Lenient => Ok(()),
        Strictness::Strict => resource::check_message(body, urn),
    }
}

fn limit(shared: &Shared, purpose: Purpose) -> usize {
    let limits = &shared.app.config.limits;
    match purpose {
        Purpose::Group => limits.body_group_bytes,
        Purpose::User | Purpose::Role | Purpose::Custom => limits.body_user_bytes,
    }
}
