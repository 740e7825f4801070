//! Bodies of SCIM requests: media type, size and time, then strict JSON.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use serde_json::Value;

use super::respond::ScimError;
use crate::error::{Error, Invalid, Result};
use crate::http::Shared;
use crate::http::limits::read_body;
use crate::scim::json;

/// Which limit a body has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Size {
    User,
    Group,
}

/// Reads a JSON body. Any parameters of the media type are fine; a type that is not JSON is 415.
pub(super) async fn read(
    shared: &Shared,
    headers: &HeaderMap,
    body: Body,
    size: Size,
) -> Result<Value, ScimError> {
    if !is_json(headers) {
        return Err(ScimError::media_type());
    }
    let limits = &shared.app.config.limits;
    let limit = match size {
        Size::User => limits.body_user_bytes,
        Size::Group => limits.body_group_bytes,
    };
    let bytes = read_body(
        headers,
        body,
        limit,
        shared.app.config.server.body_timeout(),
    )
    .await?;
    if bytes.is_empty() {
        return Err(Error::invalid(Invalid::Syntax, "a JSON body is expected").into());
    }
    Ok(json::parse(&bytes)?)
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(given) = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let media_type = given.split(';').next().unwrap_or_default().trim();
    let charset_fits = given
        .split(';')
        .skip(1)
        .filter_map(|parameter| parameter.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .all(|(_, charset)| {
            charset
                .trim()
                .trim_matches('"')
                .eq_ignore_ascii_case("utf-8")
        });
    charset_fits
        && ["application/scim+json", "application/json"]
            .iter()
            .any(|known| media_type.eq_ignore_ascii_case(known))
}
