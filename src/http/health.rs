//! Probes on the public listener, and metrics on a listener of their own.
//!
//! A background task that died does not make a process unready: it is begun again and counted, and
//! what made it die would make it die in every process, of which then none would serve.

use std::future::Future;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;

use super::Shared;
use crate::app::App;
use crate::telemetry::{self, Metrics};

/// `/healthz`: the process answers. `/readyz`: it can do its work. Neither says more.
pub fn router<F, R>(is_ready: F) -> Router<Shared>
where
    F: Fn() -> R + Clone + Send + Sync + 'static,
    R: Future<Output = bool> + Send,
{
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route(
            "/readyz",
            get(move || async move {
                if is_ready().await {
                    (StatusCode::OK, "ready")
                } else {
                    (StatusCode::SERVICE_UNAVAILABLE, "not ready")
                }
            }),
        )
}

/// `/metrics` in the Prometheus text format.
pub fn metrics_router(app: App, metrics: Metrics) -> Router {
    let show = move || {
        telemetry::observe(&app);
        let text = metrics.render();
        async move { ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response() }
    };
    Router::new().route("/metrics", get(show))
}
