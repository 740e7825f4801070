//! Answers of the SCIM surface: resources, lists and errors (RFC 7644 section 3.12).

use axum::http::header::{ALLOW, CONTENT_TYPE, ETAG, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::act::Done;
use crate::directory::search::Next;
use crate::error::{Error, Invalid};
use crate::http::measure::refused;
use crate::scim::messages::{ErrorBody, ListResponse, Start};

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/scim+json");

/// An error on its way to a SCIM client.
#[derive(Debug)]
pub struct ScimError {
    error: Error,
    status: Option<StatusCode>,
    /// The methods that are offered, where another one was asked for.
    allow: Option<&'static str>,
}

impl ScimError {
    /// The body's media type is not taken here.
    pub(super) fn media_type() -> Self {
        let detail = "the body must be application/scim+json or application/json in UTF-8";
        Self {
            error: Error::invalid(Invalid::Syntax, detail),
            status: Some(StatusCode::UNSUPPORTED_MEDIA_TYPE),
            allow: None,
        }
    }

    /// The resource type does not offer the method.
    pub(super) fn not_offered(allow: &'static str) -> Self {
        Self {
            error: Error::Unsupported("this method"),
            status: Some(StatusCode::METHOD_NOT_ALLOWED),
            allow: Some(allow),
        }
    }

    /// Its status and body. A fault of ours is logged here, once.
    pub(super) fn parts(&self) -> (StatusCode, ErrorBody) {
        let status = self.status.unwrap_or_else(|| status(&self.error));
        match &self.error {
            Error::Internal(cause) => {
                metrics::counter!("gatehouse_internal_errors_total").increment(1);
                tracing::error!(error = ?cause, "a request failed");
            }
            Error::Unauthenticated => refused("auth"),
            Error::Forbidden => refused("rights"),
            Error::TooManyRequests { .. } => refused("quota"),
            Error::TooLarge(_) | Error::TooManyOperations(_) => refused("size"),
            _ => {}
        }
        let scim_type = scim_type(status, &self.error);
        let body = ErrorBody::new(status.as_u16(), scim_type, self.error.to_string());
        (status, body)
    }
}

impl<E: Into<Error>> From<E> for ScimError {
    fn from(error: E) -> Self {
        Self {
            error: error.into(),
            status: None,
            allow: None,
        }
    }
}

impl IntoResponse for ScimError {
    fn into_response(self) -> Response {
        let (status, body) = self.parts();
        let mut response = text(status, serialize(&body).unwrap_or_default());
        let headers = response.headers_mut();
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        match &self.error {
            Error::Unauthenticated => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Error::TooManyRequests { retry_after } => {
                headers.insert(RETRY_AFTER, retry_after.as_secs().max(1).into());
            }
            Error::Unavailable | Error::Retry(_) => {
                headers.insert(RETRY_AFTER, 1.into());
            }
            _ => {}
        }
        response
    }
}

/// An error body with its status.
pub fn render_error(status: StatusCode, scim_type: Option<&'static str>, detail: &str) -> Response {
    let body = ErrorBody::new(status.as_u16(), scim_type, detail);
    text(status, serialize(&body).unwrap_or_default())
}

/// What became of a request about one resource.
pub(super) fn done(done: Done) -> Result<Response, ScimError> {
    let mut response = match done.body {
        Some(body) => text(done.status, body),
        None => done.status.into_response(),
    };
    let headers = response.headers_mut();
    if let Some(version) = done.version {
        let tag = HeaderValue::from_str(&format!("W/\"{version}\"")).map_err(Error::internal)?;
        headers.insert(ETAG, tag);
    }
    let is_shown = matches!(
        done.status,
        StatusCode::OK | StatusCode::CREATED | StatusCode::NOT_MODIFIED
    );
    if let Some(location) = done.location.filter(|_| is_shown)
        && let Ok(location) = HeaderValue::from_str(&location)
    {
        let name = if done.status == StatusCode::CREATED {
            LOCATION
        } else {
            HeaderName::from_static("content-location")
        };
        headers.insert(name, location);
    }
    Ok(response)
}

/// A page of resources.
pub(super) fn list_of(
    total: Option<i64>,
    next: Next,
    resources: Vec<String>,
) -> Result<Response, ScimError> {
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    let start = match next {
        Next::Index(index) => Start::Index(count(index)),
        Next::Cursor(cursor) => Start::Cursor(cursor),
    };
    let list = ListResponse::new(total.map(count), start, resources)?;
    Ok(text(StatusCode::OK, serialize(&list)?))
}

/// References to other resources, as JSON text: id, name, address and kind of each.
pub(super) fn references<'a>(
    references: impl Iterator<Item = (String, Option<&'a str>, String, &'a str)>,
) -> String {
    #[derive(serde::Serialize)]
    struct Reference<'r> {
        value: &'r str,
        #[serde(rename = "$ref")]
        address: &'r str,
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<&'r str>,
        r#type: &'r str,
    }
    let mut text = String::from("[");
    for (value, display, address, kind) in references {
        if text.len() > 1 {
            text.push(',');
        }
        let reference = Reference {
            value: &value,
            address: &address,
            display,
            r#type: kind,
        };
        text.push_str(&serde_json::to_string(&reference).unwrap_or_default());
    }
    text.push(']');
    text
}

/// A document as JSON text.
pub(super) fn serialize(document: &impl serde::Serialize) -> Result<String, Error> {
    serde_json::to_string(document).map_err(Error::internal)
}

/// Any other document.
pub(super) fn text(status: StatusCode, body: String) -> Response {
    (status, [(CONTENT_TYPE, MEDIA_TYPE)], body).into_response()
}

/// The table "Answers": which status an error has. A refusal for a reason of business is never 401
/// or 403: IdPs read those as a broken credential.
fn status(error: &Error) -> StatusCode {
    match error {
        Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::Taken(_) | Error::Conflict(_) => StatusCode::CONFLICT,
        Error::Invalid { .. } => StatusCode::BAD_REQUEST,
        Error::VersionMismatch => StatusCode::PRECONDITION_FAILED,
        Error::Unauthenticated => StatusCode::UNAUTHORIZED,
        Error::Forbidden => StatusCode::FORBIDDEN,
        Error::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::TooLarge(_) | Error::TooManyOperations(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Error::Unsupported(_) => StatusCode::NOT_IMPLEMENTED,
        Error::Unavailable | Error::Retry(_) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// RFC 7644 table 9; a type goes with 400, and `uniqueness` with 409.
fn scim_type(status: StatusCode, error: &Error) -> Option<&'static str> {
    match error {
        Error::Taken(_) => Some("uniqueness"),
        Error::Invalid { kind, .. } if status == StatusCode::BAD_REQUEST => Some(match kind {
            Invalid::Filter => "invalidFilter",
            Invalid::Path => "invalidPath",
            Invalid::Value => "invalidValue",
            Invalid::Syntax => "invalidSyntax",
            Invalid::Mutability => "mutability",
            Invalid::NoTarget => "noTarget",
            Invalid::TooMany => "tooMany",
            Invalid::Cursor => "invalidCursor",
            Invalid::ExpiredCursor => "expiredCursor",
            Invalid::Count => "invalidCount",
        }),
        _ => None,
    }
}
