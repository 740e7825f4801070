//! The management API, `/api/v1`: JSON, problems as RFC 9457 has them, pages by cursor.
//!
//! A handler parses, asks [`caller::ApiCaller`] for the workspace of the path with the permission
//! that the route needs, calls one use case and answers JSON. What a caller may reach is decided by
//! its key alone: no header, query or body names a workspace.

mod body;
mod brake;
mod bulk;
pub mod caller;
mod configuration;
mod connections;
mod directories;
mod directory_runs;
mod docs;
mod domains;
mod explanations;
mod exports;
mod group_restores;
mod handlers;
mod history;
mod idempotency;
mod imports;
mod join_requests;
mod keys;
mod logins;
mod members;
mod openapi;
mod operation;
mod page;
mod people;
mod plans;
mod problem;
mod protection;
mod refusals;
mod requests;
mod routes;
mod rules;
mod runs;
mod sessions;
mod sign_in_policy;
mod streamed;
mod taking;
mod teams;
mod tokens;
mod versioned;
mod workspaces;

use axum::Router;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Shared;
use crate::error::Error;
use problem::Problem;

pub use problem::render_error;
pub use routes::{Offered, ROUTES};

/// Where the API begins; whatever is not there is told as a problem too.
pub const BASE: &str = "/api";
/// Where its routes begin.
const V1: &str = "/api/v1";

/// The routes under their base.
pub fn router(shared: &Shared) -> Router<Shared> {
    let once = middleware::from_fn_with_state(shared.clone(), idempotency::once);
    let routes = ROUTES
        .iter()
        .fold(Router::new(), |router, (path, offered)| {
            let handlers = handlers::of(path);
            let is_posted = offered.iter().any(|(method, _)| *method == "POST");
            let handlers = if is_posted {
                handlers.layer(once.clone())
            } else {
                handlers
            };
            router.route(path, refusals::around(handlers, shared, path))
        });
    let routes = routes
        .route("/openapi.json", get(openapi::show))
        .route("/docs", get(docs::show))
        .route("/docs/style.css", get(docs::style));
    Router::new()
        .nest(V1, routes)
        .layer(middleware::from_fn(problem::identify))
}

/// A document as an answer.
fn json(status: StatusCode, document: &impl serde::Serialize) -> Result<Response, Problem> {
    let text = serde_json::to_string(document).map_err(Error::internal)?;
    let media_type = HeaderValue::from_static("application/json");
    Ok((status, [(CONTENT_TYPE, media_type)], text).into_response())
}

/// An id out of a path; one of another form names nothing.
fn id<I: std::str::FromStr>(text: &str, what: &'static str) -> Result<I, Error> {
    text.parse().map_err(|_| Error::NotFound(what))
}
