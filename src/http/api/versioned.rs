//! Things with a version, which is their `ETag`.

use axum::http::header::ETAG;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::caller::ApiCaller;
use super::json;
use super::problem::Problem;
use crate::error::Error;

/// A thing as it is; 304 for a reader that has that version.
pub(super) fn read(
    caller: &ApiCaller,
    version: i64,
    thing: &impl Serialize,
) -> Result<Response, Problem> {
    if caller.precondition.is_unmodified(version) {
        return tagged(StatusCode::NOT_MODIFIED.into_response(), version);
    }
    answer(StatusCode::OK, version, thing)
}

/// A thing as it is now.
pub(super) fn answer(
    status: StatusCode,
    version: i64,
    thing: &impl Serialize,
) -> Result<Response, Problem> {
    tagged(json(status, thing)?, version)
}

fn tagged(mut response: Response, version: i64) -> Result<Response, Problem> {
    let tag = HeaderValue::from_str(&format!("\"{version}\"")).map_err(Error::internal)?;
    response.headers_mut().insert(ETAG, tag);
    Ok(response)
}
