//! What holds for every request of every surface: its id, its size, its share of the server, and
//! that a panic ends that request alone.

use std::num::NonZeroU32;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt;
use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, RateLimiter};
use http_body_util::LengthLimitError;
use moka::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::field::Empty;
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::client;
use super::measure::{Measures, name, refused};
use crate::app::{App, Stats};
use crate::config::{Config, Limits};
use crate::error::{Error, Invalid, Result};
use crate::ids::WorkspaceId;
use crate::telemetry;
use crate::workspace::quota;

/// The longest address, in bytes.
const ADDRESS: usize = 16 * 1024;
/// The most headers of a request, and the longest value of one, in bytes.
const HEADERS: usize = 100;
const HEADER: usize = 8 * 1024 - 1;
/// Up to what size a body counts for nothing, in KiB.
const SMALL: usize = 64;
/// How much the larger bodies in flight may have together, in KiB, and those of one workspace: as
/// parsed JSON they take more than ten times as much.
const BODIES: usize = 12 * 1024;
const OWN_BODIES: usize = 8 * 1024;
/// How many workspaces' shares are remembered.
const WORKSPACES: u64 = 10_000;

/// The id of a request, made here and taken from nobody.
#[derive(Debug, Clone, Copy)]
pub struct RequestIdent(pub Uuid);

/// Renders an error of this layer in the wire format of a surface.
pub type Render = fn(&Config, RequestIdent, StatusCode, &str) -> Response;

/// What holds for every request of a router.
#[derive(Clone)]
pub(super) struct Guard {
    /// The settings.
    pub(super) config: Arc<Config>,
    /// How an error of this layer is rendered, by the path of the request.
    pub(super) render: fn(&str) -> Render,
    /// What requests come to.
    pub(super) measures: Arc<Measures>,
}

/// Puts what holds for every request around routes.
pub(super) fn layers(routes: Router, guarding: Guard) -> Router {
    routes.layer(middleware::from_fn_with_state(guarding, guard))
}

async fn guard(State(guarding): State<Guard>, mut request: Request, next: Next) -> Response {
    let Guard {
        config,
        render,
        measures,
    } = guarding;
    let _in_flight = measures.enter();
    let started = Instant::now();
    let ident = Uuid::now_v7();
    let render = render(request.uri().path());
    let render = |status, detail| render(&config, RequestIdent(ident), status, detail);
    request.extensions_mut().insert(RequestIdent(ident));
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("none", MatchedPath::as_str);
    let span = tracing::info_span!("request", id = %ident, %method, %route);
    let trusts_traces = config.telemetry.trust_traceparent;
    let trace = trace(&request, ident, route, trusts_traces);
    let client = client::address(&request, &config.server);
    let refusal = span.in_scope(|| refusal(&request, &config));
    let mut response = if let Some((reason, status, detail)) = refusal {
        refused(reason);
        render(status, detail)
    } else {
        let answered = AssertUnwindSafe(
            next.run(request)
                .instrument(trace.clone())
                .instrument(span.clone()),
        )
        .catch_unwind()
        .await;
        answered.unwrap_or_else(|_| {
            metrics::counter!("gatehouse_panics_total").increment(1);
            span.in_scope(|| tracing::error!("a request panicked"));
            render(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
        })
    };
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&ident.to_string()) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ] {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let seconds = started.elapsed().as_secs_f64();
    measures.answered(route, &method, response.status(), seconds);
    let status = response.status().as_u16();
    trace.record("http.response.status_code", status);
    if response.status().is_server_error() {
        trace.record("otel.status_code", "ERROR");
        trace.record("error.type", status);
    }
    if let Some(stats) = response.extensions().get::<Arc<Stats>>() {
        trace.record("db.statements", stats.statements());
    }
    span.in_scope(|| match client {
        // Where a credential is tried that does not hold, an operator has to know who tries.
        Some(client) if status == StatusCode::UNAUTHORIZED.as_u16() => {
            tracing::info!(status, seconds, %client, "answered {status}");
        }
        _ => tracing::info!(status, seconds, "answered {status}"),
    });
    response
}

/// The span of a request as OpenTelemetry's conventions have it: the template of the path and no
/// value out of it. The caller's own trace goes on only where that is trusted: whoever is outside
/// would else decide what is sampled here.
fn trace(request: &Request, ident: Uuid, route: &str, trusts: bool) -> Span {
    let method = name(request.method());
    let span = tracing::debug_span!(
        target: "otel",
        "request",
        otel.name = %format_args!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        "error.type" = Empty,
        db.statements = Empty,
        gatehouse.request.id = %ident,
    );
    if trusts && !span.is_disabled() {
        let header = |name| request.headers().get(name)?.to_str().ok();
        telemetry::follow(&span, header("traceparent"), header("tracestate"));
    }
    span
}

/// What is refused before anything else is done, each with its reason.
fn refusal(request: &Request, config: &Config) -> Option<(&'static str, StatusCode, &'static str)> {
    let address = request.uri().path_and_query();
    let headers = request.headers();
    if address.is_some_and(|it| it.as_str().len() > ADDRESS) {
        let detail = "the address is too long";
        return Some(("address", StatusCode::URI_TOO_LONG, detail));
    }
    if headers.len() > HEADERS || headers.values().any(|value| value.len() > HEADER) {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        let detail = "there are too many headers, or one is too long";
        return Some(("size", status, detail));
    }
    if let Some((status, detail)) = client::refused_host(request, &config.server) {
        return Some(("host", status, detail));
    }
    if is_encoded(headers) {
        let detail = "bodies must come without content encoding";
        return Some(("encoding", StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    None
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Reads a body of at most `limit` bytes within `timeout`; nothing beyond the limit is kept.
pub async fn read_body(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    timeout: Duration,
) -> Result<Bytes> {
    if announced(headers).is_some_and(|length| length > limit) {
        return Err(Error::TooLarge(limit));
    }
    match tokio::time::timeout(timeout, to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => {
            if error.into_inner().is::<LengthLimitError>() {
                Err(Error::TooLarge(limit))
            } else {
                Err(Error::invalid(Invalid::Syntax, "the body broke off"))
            }
        }
        Err(_) => {
            let detail = "the body did not arrive whole in time";
            Err(Error::invalid(Invalid::Syntax, detail))
        }
    }
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    let length = headers.get(CONTENT_LENGTH)?.to_str().ok()?;
    length.parse().ok()
}

/// How large a request's body may turn out to be, of at most `limit` bytes. One that is not
/// announced, in chunks or in frames of HTTP/2, may be as large as that.
pub fn expected(method: &Method, headers: &HeaderMap, limit: usize) -> usize {
    match announced(headers) {
        Some(length) => length.min(limit),
        None if [Method::POST, Method::PUT, Method::PATCH].contains(method) => limit,
        None => 0,
    }
}

/// A place among the requests in flight, and room for a large body; given back when it is dropped.
pub struct Permit(#[expect(dead_code, reason = "held, not read")] Vec<OwnedSemaphorePermit>);

/// Shares the server among workspaces: one that floods waits for its own requests, not others for
/// it.
pub struct FairShare {
    all: Places,
    own: Cache<WorkspaceId, Places>,
    share: usize,
    wait: Duration,
}

/// How many requests may be worked on, and how much their large bodies may have together.
#[derive(Clone)]
struct Places {
    requests: Arc<Semaphore>,
    kibibytes: Arc<Semaphore>,
}

impl Places {
    fn new(requests: usize, kibibytes: usize) -> Self {
        Self {
            requests: Arc::new(Semaphore::new(requests)),
            kibibytes: Arc::new(Semaphore::new(kibibytes)),
        }
    }

    async fn enter(self, kibibytes: u32, permits: &mut Vec<OwnedSemaphorePermit>) -> Result<()> {
        let request = self.requests.acquire_owned().await;
        permits.push(request.map_err(Error::internal)?);
        if kibibytes > 0 {
            let body = self.kibibytes.acquire_many_owned(kibibytes).await;
            permits.push(body.map_err(Error::internal)?);
        }
        Ok(())
    }
}

impl FairShare {
    /// Shares by those limits.
    pub fn new(limits: &Limits) -> Self {
        Self {
            all: Places::new(limits.requests_in_flight, BODIES),
            own: Cache::new(WORKSPACES),
            share: limits.workspace_in_flight.min(limits.requests_in_flight),
            wait: Duration::from_millis(limits.queue_milliseconds),
        }
    }

    /// Waits for a place, and for room for a body of that size; [`Error::Unavailable`] when there
    /// is none in time.
    pub async fn enter(&self, workspace: WorkspaceId, bytes: usize) -> Result<Permit> {
        let share = self.share;
        let own = self
            .own
            .get_with(workspace, || Places::new(share, OWN_BODIES));
        let kibibytes = match bytes / 1024 {
            ..SMALL => 0,
            // One that is larger than all of the room waits until it has that to itself.
            large => u32::try_from(large.min(OWN_BODIES)).map_err(Error::internal)?,
        };
        let mut permits = Vec::with_capacity(4);
        let places = async {
            own.enter(kibibytes, &mut permits).await?;
            self.all.clone().enter(kibibytes, &mut permits).await
        };
        let entered = tokio::time::timeout(self.wait, places).await;
        match entered {
            Ok(entered) => entered.map(|()| Permit(permits)),
            Err(_) => {
                refused("share");
                Err(Error::Unavailable)
            }
        }
    }
}

/// How many requests a second each workspace may make; off unless it is set.
pub struct Quota(Option<(u32, DefaultKeyedRateLimiter<WorkspaceId>)>);

impl Quota {
    /// The quota of those limits.
    pub fn new(limits: &Limits) -> Self {
        let rate = limits
            .workspace_requests_per_second
            .and_then(NonZeroU32::new);
        Self(rate.map(|rate| {
            let limiter = RateLimiter::keyed(governor::Quota::per_second(rate));
            (rate.get(), limiter)
        }))
    }

    /// Counts a request; [`Error::TooManyRequests`] above the quota, with whole seconds to wait.
    /// What one node refuses by itself costs the database nothing; what it lets through is counted
    /// there where several nodes share it.
    pub async fn check(&self, app: &App, workspace: WorkspaceId) -> Result<()> {
        let Some((rate, limiter)) = &self.0 else {
            return Ok(());
        };
        Self::check_here(limiter, workspace)?;
        if app.db.is_shared() {
            quota::take(app, workspace, *rate).await?;
        }
        Ok(())
    }

    fn check_here(
        limiter: &DefaultKeyedRateLimiter<WorkspaceId>,
        workspace: WorkspaceId,
    ) -> Result<()> {
        limiter.check_key(&workspace).map_err(|refused| {
            // Forgets workspaces that are back at their full quota, at a time when it is cheap.
            if limiter.len() > 10_000 {
                limiter.retain_recent();
            }
            let wait = refused.wait_time_from(governor::clock::DefaultClock::default().now());
            Error::TooManyRequests {
                retry_after: Duration::from_secs(wait.as_secs() + 1),
            }
        })
    }
}
