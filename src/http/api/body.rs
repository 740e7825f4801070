//! Bodies of API requests: media type, size and time, then strict JSON, then the fields that the
//! route knows.

use axum::body::Body;
use axum::http::HeaderMap;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::error::{Error, Invalid};
use crate::http::Shared;
use crate::http::limits::read_body;
use crate::http::media::is_json;
use crate::scim::json;

/// Reads a JSON body. A field that the type does not know is refused by its name, where the type
/// says `deny_unknown_fields`.
pub(super) async fn read<T: DeserializeOwned>(
    shared: &Shared,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    if !is_json(headers, &["application/json"]) {
        return Err(Problem::media_type());
    }
    let limit = shared.app.config.limits.body_user_bytes;
    let timeout = shared.app.config.server.body_timeout();
    let bytes = read_body(headers, body, limit, timeout).await?;
    if bytes.is_empty() {
        return Err(Error::invalid(Invalid::Syntax, "a JSON body is expected").into());
    }
    let value = json::parse(&bytes)?;
    // A list would be read as the fields in their order.
    if !value.is_object() {
        return Err(Error::invalid(Invalid::Syntax, "a JSON object is expected").into());
    }
    let read = serde_json::from_value(value);
    Ok(read.map_err(|error| Error::value(error.to_string()))?)
}
