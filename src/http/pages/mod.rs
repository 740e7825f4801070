//! Pages for people: the way in, and who one is. Rendered on the server, without script, with
//! nothing from elsewhere. What a page does is done by the same use cases as everything else.

mod browser;
mod door;
mod me;
mod sign_in;
mod texts;

use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, VARY};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use tower_http::csrf::{CsrfLayer, ProtectionError};

use super::Shared;
use super::limits::RequestIdent;
use crate::config::Config;
use crate::error::Error;
use texts::Texts;

/// What a page may load and where its forms may go: this origin alone.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";

/// Whether what goes wrong at a path is told by a page.
pub(super) fn are_at(path: &str) -> bool {
    let below = [
        "/link/",
        "/me/",
        "/assets/",
        "/sign-in/",
        "/w/",
        "/connections/",
    ];
    ["/", "/me", "/sign-out", "/sign-in"].contains(&path)
        || below.iter().any(|it| path.starts_with(it))
}

/// The routes of the pages.
pub(super) fn router(shared: Shared) -> Router<Shared> {
    let texts = Texts::asked_for("", &shared.app.config.brand);
    let from_elsewhere = move |_: ProtectionError| from_elsewhere(&texts);
    Router::new()
        .route("/", get(me::start))
        .route("/link/{link}", get(door::show).post(door::follow))
        .route("/me", get(me::show))
        .route("/me/sessions/{session}/end", post(me::end))
        .route("/me/sessions/end", post(me::end_others))
        .route("/sign-out", post(me::sign_out))
        .route("/sign-in", get(sign_in::ask))
        .route("/sign-in/callback/{connection}", get(sign_in::end))
        .route("/w/{slug}/sign-in", get(sign_in::ways))
        .route("/w/{slug}/sign-in/{connection}", get(sign_in::begin))
        .route(
            "/connections/{workspace}/{connection}/test",
            get(sign_in::test),
        )
        .route("/assets/pages.css", get(style))
        .route("/assets/logo", get(logo))
        .layer(CsrfLayer::new().with_rejection_response(from_elsewhere))
        // What others begin comes from elsewhere by its nature, and does no more than a link.
        .route("/sign-in/logout/{connection}", post(sign_in::by_provider))
        .route("/sign-in/revoke/{connection}", post(sign_in::revoke))
        .route(
            "/sign-in/initiate/{connection}",
            get(sign_in::initiate).post(sign_in::initiate_by_form),
        )
        .layer(middleware::from_fn(harden))
        .with_state(shared)
}

async fn style() -> Response {
    let kind = HeaderValue::from_static("text/css; charset=utf-8");
    let text = include_str!("../../../assets/pages.css");
    ([(CONTENT_TYPE, kind)], text).into_response()
}

async fn logo(State(shared): State<Shared>) -> Response {
    match &shared.app.logo {
        None => StatusCode::NOT_FOUND.into_response(),
        Some(logo) => {
            let kind = HeaderValue::from_static(logo.media);
            ([(CONTENT_TYPE, kind)], logo.bytes.clone()).into_response()
        }
    }
}

/// What every page has around it.
async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (HeaderName::from_static("x-frame-options"), "DENY"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (VARY, "Cookie, Accept-Language"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A form that another site sent here.
fn from_elsewhere(texts: &Texts) -> Response<Body> {
    refused(texts, None, StatusCode::FORBIDDEN, "refused-elsewhere")
}

/// Says what went wrong before a page was reached.
pub(super) fn render_error(
    config: &Config,
    ident: RequestIdent,
    status: StatusCode,
    _: &str,
) -> Response {
    let key = if status.is_server_error() {
        "refused-fault"
    } else {
        "refused-request"
    };
    let texts = Texts::asked_for("", &config.brand);
    refused(&texts, Some(ident), status, key)
}

/// What a page says of an error: the words are those of `locales`, and none of them tells why a
/// credential is refused.
fn told(error: &Error) -> (StatusCode, &'static str) {
    match error {
        Error::Unauthenticated => (StatusCode::UNAUTHORIZED, "refused-session"),
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "refused-missing"),
        Error::Forbidden => (StatusCode::FORBIDDEN, "refused-rights"),
        Error::TooManyRequests { .. } => (StatusCode::TOO_MANY_REQUESTS, "refused-hurry"),
        Error::Unavailable | Error::Retry(_) => (StatusCode::SERVICE_UNAVAILABLE, "refused-away"),
        Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "refused-fault"),
        _ => (StatusCode::BAD_REQUEST, "refused-request"),
    }
}

/// A page of an error, with the reference under which log and admin find it.
#[derive(Template)]
#[template(path = "pages/refused.html")]
struct Refused<'p> {
    texts: &'p Texts,
    /// What is said of it in `locales`.
    key: &'static str,
    /// What somebody else says of it.
    said: &'p str,
    reference: Option<String>,
}

fn refused(
    texts: &Texts,
    ident: Option<RequestIdent>,
    status: StatusCode,
    key: &'static str,
) -> Response {
    let reference = ident.map(|ident| ident.0.to_string());
    page(
        status,
        &Refused {
            texts,
            key,
            said: "",
            reference,
        },
    )
}

fn page(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
