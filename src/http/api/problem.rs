//! Errors of the API as problem details (RFC 9457), by the table "Answers".

use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::error::{Error, Invalid};
use crate::http::limits::RequestIdent;
use crate::http::measure::refused;
use crate::workspace::keys::Permission;

/// An error on its way to a client of the API.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    /// Whole seconds after which to come back.
    retry_after: Option<u64>,
    /// What to authenticate with.
    challenge: Option<String>,
    /// What this problem tells beside.
    more: Option<Box<serde_json::Map<String, serde_json::Value>>>,
    /// The permission that was missing.
    needed: Option<Permission>,
}

/// What is wrong (RFC 9457).
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct Told {
    /// Names the code as a URN.
    r#type: String,
    /// The status in words.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What is wrong in this very request, for people.
    detail: String,
    /// What is wrong, in one word for programs.
    code: &'static str,
    /// The request, as the log names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(flatten)]
    /// What this problem tells beside.
    more: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Every status that a problem can have, with the codes under it and what they mean.
pub(super) const CODES: &[(u16, &[(&str, &str)])] = &[
    (
        400,
        &[
            ("invalid_syntax", "the body is no JSON object, or broke off"),
            (
                "invalid_value",
                "a field or parameter is missing, unknown or of another form",
            ),
            (
                "invalid_filter",
                "the filter cannot be read, or names what a member does not have",
            ),
            ("invalid_cursor", "the cursor is none of this list"),
            ("too_many", "the request would cost more than one may"),
        ],
    ),
    (
        401,
        &[(
            "unauthenticated",
            "there is no key, or one that opens nothing",
        )],
    ),
    (403, &[("insufficient_scope", "the key may not do this")]),
    (
        404,
        &[(
            "not_found",
            "there is no such thing, or the key does not open it",
        )],
    ),
    (
        409,
        &[
            ("taken", "a name or value that is there once is in use"),
            ("conflict", "as things stand, this cannot be"),
            (
                "plan_stale",
                "the plan would do something else by now; `difference` tells what",
            ),
            (
                "request_in_flight",
                "the first request under this Idempotency-Key is not done yet",
            ),
            (
                "outcome_unknown",
                "the answer under this Idempotency-Key is not kept",
            ),
        ],
    ),
    (412, &[("version_mismatch", "it is at another version")]),
    (413, &[("too_large", "the body is too large")]),
    (414, &[("address_too_long", "the address is too long")]),
    (
        415,
        &[(
            "unsupported_media_type",
            "the body is not JSON in UTF-8 without content encoding",
        )],
    ),
    (421, &[("wrong_host", "this host is not served here")]),
    (
        422,
        &[(
            "idempotency_key_reused",
            "the Idempotency-Key is that of another request",
        )],
    ),
    (
        429,
        &[("too_many_requests", "the workspace is above its quota")],
    ),
    (
        431,
        &[(
            "headers_too_large",
            "there are too many headers, or one is too long",
        )],
    ),
    (
        500,
        &[(
            "internal",
            "a fault of ours; the log has it under the request's id",
        )],
    ),
    (
        503,
        &[(
            "unavailable",
            "overloaded, or the database is away for the moment",
        )],
    ),
];

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            retry_after: None,
            challenge: None,
            more: None,
            needed: None,
        }
    }

    /// The permission that was missing, where it was one.
    pub(super) fn permission(&self) -> Option<&'static str> {
        self.needed.map(Permission::name)
    }

    /// A plan would do something else by now; tells what.
    pub(super) fn plan_stale(difference: &impl Serialize) -> Self {
        let detail =
            "the plan would do something else by now; look at the difference and plan anew";
        let mut problem = Self::new(StatusCode::CONFLICT, "plan_stale", detail);
        let told = serde_json::to_value(difference).unwrap_or_default();
        let more = [("difference".to_owned(), told)].into_iter().collect();
        problem.more = Some(Box::new(more));
        problem
    }

    /// The body's media type is not taken here.
    pub(super) fn media_type() -> Self {
        Self::other_media_type("the body must be application/json in UTF-8")
    }

    /// The same where other ones are taken.
    pub(super) fn other_media_type(detail: &str) -> Self {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Self::new(status, "unsupported_media_type", detail)
    }

    /// The request under this `Idempotency-Key` is being carried out.
    pub(super) fn in_flight() -> Self {
        let detail = "a request under this Idempotency-Key is being carried out";
        let mut problem = Self::new(StatusCode::CONFLICT, "request_in_flight", detail);
        problem.retry_after = Some(1);
        problem
    }

    /// The request under this `Idempotency-Key` did something, and its answer is not kept.
    pub(super) fn outcome_unknown() -> Self {
        let detail = "the request under this Idempotency-Key was carried out, at least in part, and \
                      its answer is not kept; see what is there";
        Self::new(StatusCode::CONFLICT, "outcome_unknown", detail)
    }

    /// The `Idempotency-Key` is that of another request.
    pub(super) fn key_reused() -> Self {
        let detail = "this Idempotency-Key was used for another request";
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self::new(status, "idempotency_key_reused", detail)
    }

    /// The key does not have a permission that the route needs (RFC 6750 section 3.1).
    pub(super) fn insufficient_scope(needed: Permission) -> Self {
        let detail = format!("the key does not have the scope {needed}");
        let mut problem = Self::from(Error::Forbidden);
        problem.detail = detail;
        problem.needed = Some(needed);
        problem.challenge = Some(format!(
            "Bearer error=\"insufficient_scope\", scope=\"{needed}\""
        ));
        problem
    }

    /// A token was sent that opens nothing.
    pub(super) fn bad_token(error: Error) -> Self {
        let is_refused = matches!(error, Error::Unauthenticated);
        let mut problem = Self::from(error);
        if is_refused {
            problem.challenge = Some("Bearer error=\"invalid_token\"".to_owned());
        }
        problem
    }

    /// What it tells, where it is no answer by itself.
    pub(super) fn told(self) -> Told {
        Told {
            r#type: format!("urn:gatehouse:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: self.detail,
            code: self.code,
            request_id: None,
            more: self.more.map(|more| *more),
        }
    }

    fn response(self, request: Option<RequestIdent>) -> Response {
        let mut told = self.clone().told();
        told.request_id = request.map(|request| request.0.to_string());
        let text = serde_json::to_string(&told).unwrap_or_default();
        let media_type = HeaderValue::from_static("application/problem+json");
        let mut response = (self.status, [(CONTENT_TYPE, media_type)], text).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        let challenge = self.challenge.and_then(|text| text.parse().ok());
        if let Some(challenge) = challenge {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl Told {
    /// The status that it tells.
    pub(super) fn status(&self) -> u16 {
        self.status
    }
}

impl Problem {
    /// What is wrong, in one word for programs.
    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    /// Whether it is a fault of ours, and says nothing of the caller.
    pub(super) fn is_ours(&self) -> bool {
        self.status.is_server_error()
    }
}

impl<E: Into<Error>> From<E> for Problem {
    /// A fault of ours is logged here, once.
    fn from(error: E) -> Self {
        let error = error.into();
        let (status, code) = named(&error);
        let mut problem = Self::new(status, code, error.to_string());
        match error {
            Error::Internal(cause) => {
                metrics::counter!("gatehouse_internal_errors_total").increment(1);
                tracing::error!(error = ?cause, "a request failed");
            }
            Error::Unauthenticated => {
                refused("auth");
                problem.challenge = Some("Bearer".to_owned());
            }
            Error::Forbidden => refused("rights"),
            Error::TooManyRequests { retry_after } => {
                refused("quota");
                problem.retry_after = Some(retry_after.as_secs().max(1));
            }
            Error::TooLarge(_) => refused("size"),
            Error::Unavailable | Error::Retry(_) => problem.retry_after = Some(1),
            _ => {}
        }
        problem
    }
}

impl IntoResponse for Problem {
    /// Waits in the answer's extensions for [`identify`], which knows the request.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The layer around the routes: renders problems with the id of their request.
pub(super) async fn identify(request: Request, next: Next) -> Response {
    let ident = request.extensions().get::<RequestIdent>().copied();
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem.response(ident),
        None => response,
    }
}

/// A problem of a layer that knows no more than its status.
pub fn render_error(ident: RequestIdent, status: StatusCode, detail: &str) -> Response {
    let code = match status {
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
        StatusCode::URI_TOO_LONG => "address_too_long",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "headers_too_large",
        StatusCode::MISDIRECTED_REQUEST => "wrong_host",
        status if status.is_client_error() => "invalid",
        _ => "internal",
    };
    Problem::new(status, code, detail).response(Some(ident))
}

fn named(error: &Error) -> (StatusCode, &'static str) {
    match error {
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
        Error::Taken(_) => (StatusCode::CONFLICT, "taken"),
        Error::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
        Error::Invalid { kind, .. } => {
            let code = match kind {
                Invalid::Filter => "invalid_filter",
                Invalid::Syntax => "invalid_syntax",
                Invalid::Cursor | Invalid::ExpiredCursor => "invalid_cursor",
                Invalid::TooMany => "too_many",
                _ => "invalid_value",
            };
            (StatusCode::BAD_REQUEST, code)
        }
        Error::VersionMismatch => (StatusCode::PRECONDITION_FAILED, "version_mismatch"),
        Error::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
        Error::Forbidden => (StatusCode::FORBIDDEN, "insufficient_scope"),
        Error::TooManyRequests { .. } => (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"),
        Error::TooLarge(_) | Error::TooManyOperations(_) => {
            (StatusCode::PAYLOAD_TOO_LARGE, "too_large")
        }
        Error::Unsupported(_) => (StatusCode::NOT_IMPLEMENTED, "not_supported"),
        Error::Unavailable | Error::Retry(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}
