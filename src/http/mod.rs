//! axum and nothing else: routes, limits, and the wire format of each surface.
//!
//! Handlers parse, call a use case and respond. `http` never imports `store`.

pub mod api;
mod client;
mod connection;
mod frames;
pub mod health;
pub mod limits;
mod measure;
mod media;
mod pages;
mod quotes;
pub mod scim;
pub mod server;
pub mod tls;

use std::sync::Arc;

use axum::Router;
use axum::extract::{OriginalUri, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::Response;
use tokio::task::JoinError;
use tracing::{Instrument, Span};
use uuid::Uuid;

use crate::app::{App, Stats, counted};
use limits::{FairShare, Guard, Quota, Render, RequestIdent};
use measure::Measures;

/// What every handler gets.
#[derive(Clone)]
pub struct Shared {
    /// The application.
    pub app: App,
    /// Places among the requests in flight.
    pub(crate) fair_share: Arc<FairShare>,
    /// The quota of each workspace.
    pub(crate) quota: Arc<Quota>,
}

impl Shared {
    /// The state of a router.
    pub fn new(app: App) -> Self {
        let limits = &app.config.limits;
        Self {
            fair_share: Arc::new(FairShare::new(limits)),
            quota: Arc::new(Quota::new(limits)),
            app,
        }
    }
}

/// The router of the public listener.
pub fn router(app: App) -> Router {
    let ready = app.clone();
    let measures = Arc::new(Measures::new());
    let guarding = Guard {
        config: Arc::clone(&app.config),
        render: render_of,
        measures: Arc::clone(&measures),
    };
    let shared = Shared::new(app);
    let routes = Router::new()
        .merge(api::router(&shared))
        .merge(scim::router(shared.clone()))
        .merge(pages::router(shared.clone()))
        .merge(health::router(move || {
            let app = ready.clone();
            async move { app.is_ready().await }
        }))
        .fallback(nowhere)
        .method_not_allowed_fallback(other_method)
        .with_state(shared)
        .layer(middleware::from_fn_with_state(measures, count));
    limits::layers(routes, guarding)
}

/// Counts what a request costs at the database; the figures travel with the answer.
async fn count(State(measures): State<Arc<Measures>>, request: Request, next: Next) -> Response {
    let stats = Arc::new(Stats::default());
    let mut response = counted(Arc::clone(&stats), next.run(request)).await;
    measures.statements.record(stats.statements());
    measures.round_trips.record(stats.round_trips());
    response.extensions_mut().insert(stats);
    response
}

/// Carries a request on to its end, even where its client goes away meanwhile.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> std::result::Result<T, JoinError> {
    let work = counted(Stats::current(), work);
    tokio::spawn(work.instrument(Span::current())).await
}

async fn nowhere(State(shared): State<Shared>, request: Request) -> Response {
    let detail = "there is nothing at this path";
    rendered(&shared, &request, StatusCode::NOT_FOUND, detail)
}

async fn other_method(State(shared): State<Shared>, request: Request) -> Response {
    let detail = "this method is not offered here";
    rendered(&shared, &request, StatusCode::METHOD_NOT_ALLOWED, detail)
}

fn rendered(shared: &Shared, request: &Request, status: StatusCode, detail: &str) -> Response {
    let path = request.extensions().get::<OriginalUri>();
    let path = path.map_or(request.uri().path(), |uri| uri.path());
    let ident = request.extensions().get::<RequestIdent>().copied();
    let ident = ident.unwrap_or(RequestIdent(Uuid::nil()));
    render_of(path)(&shared.app.config, ident, status, detail)
}

/// How errors are told to whoever asked for a path.
fn render_of(path: &str) -> Render {
    let below = path.strip_prefix(api::BASE);
    if below.is_some_and(|below| below.is_empty() || below.starts_with('/')) {
        |_, ident, status, detail| api::render_error(ident, status, detail)
    } else if pages::are_at(path) {
        pages::render_error
    } else {
        |_, _, status, detail| scim::render_error(status, None, detail)
    }
}
