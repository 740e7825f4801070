//! Bodies of API requests: media type, size and time, then strict JSON, then the fields that the
//! route knows.

use axum::body::Body;
use axum::http::HeaderMap;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::problem::Problem;
use crate::config::Limits;
use crate::error::{Error, Invalid, Result};
use crate::http::Shared;
use crate::http::limits::read_body;
use crate::http::media::is_json;
use crate::scim::json;

/// How large the body of a request to that path may be.
pub(super) fn largest(limits: &Limits, path: &str) -> usize {
    let is_of_many = path.ends_with("/bulk") || path.ends_with("/imports");
    if is_of_many {
        limits.body_group_bytes
    } else {
        limits.body_user_bytes
    }
}

/// Reads a JSON body. A field that the type does not know is refused by its name, where the type
/// says `deny_unknown_fields`.
pub(super) async fn read<T: DeserializeOwned>(
    shared: &Shared,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    let limit = shared.app.config.limits.body_user_bytes;
    read_within(shared, headers, body, limit).await
}

/// The same of a body of at most `limit` bytes.
pub(super) async fn read_within<T: DeserializeOwned>(
    shared: &Shared,
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<T, Problem> {
    if !is_json(headers, &["application/json"]) {
        return Err(Problem::media_type());
    }
    let bytes = bytes(shared, headers, body, limit).await?;
    if bytes.is_empty() {
        return Err(Error::invalid(Invalid::Syntax, "a JSON body is expected").into());
    }
    let value = json::parse(&bytes)?;
    // A list would be read as the fields in their order.
    if !value.is_object() {
        return Err(Error::invalid(Invalid::Syntax, "a JSON object is expected").into());
    }
    Ok(typed(value)?)
}

/// A value as a type. What does not fit is refused with its place, such as `members[3]`.
pub(super) fn typed<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let place = error.path().to_string();
        let problem = error.into_inner();
        if place == "." {
            Error::value(problem.to_string())
        } else {
            Error::value(format!("{place}: {problem}"))
        }
    })
}

/// A body as it came, within size and time.
pub(super) async fn bytes(
    shared: &Shared,
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<Bytes> {
    let timeout = shared.app.config.server.body_timeout();
    read_body(headers, body, limit, timeout).await
}
