//! What requests come to, in metrics: by surface, template of the route, method and status class,
//! none of which a client can make more of.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use axum::http::{Method, StatusCode};
use metrics::{Gauge, Histogram, gauge, histogram};

/// The methods that are told apart; any other is one more.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const OTHER: usize = METHODS.len();
/// The classes of status.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Handles of one route.
type Route = [[OnceLock<Histogram>; CLASSES.len()]; OTHER + 1];

/// The metrics of a router. Handles are kept: to look one up by its labels would cost an allocation
/// for each of them in every request.
pub(super) struct Measures {
    routes: RwLock<HashMap<Box<str>, Arc<Route>>>,
    in_flight: Gauge,
    /// Statements of a request.
    pub(super) statements: Histogram,
    /// Round trips of a request.
    pub(super) round_trips: Histogram,
}

impl Measures {
    pub(super) fn new() -> Self {
        Self {
            routes: RwLock::default(),
            in_flight: gauge!("gatehouse_requests_in_flight"),
            statements: histogram!("gatehouse_request_statements"),
            round_trips: histogram!("gatehouse_request_round_trips"),
        }
    }

    /// A request is worked on until what is given back is dropped.
    pub(super) fn enter(&self) -> InFlight<'_> {
        self.in_flight.increment(1.0);
        InFlight(&self.in_flight)
    }

    /// A request was answered.
    pub(super) fn answered(&self, template: &str, method: &Method, status: StatusCode, secs: f64) {
        let route = self.route(template);
        let at = METHODS.iter().position(|known| *known == method.as_str());
        let at = at.unwrap_or(OTHER);
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        let handle = route[at][class].get_or_init(|| {
            histogram!(
                "gatehouse_request_seconds",
                "surface" => surface(template),
                "route" => shown(template).to_owned(),
                "method" => name(method),
                "status" => CLASSES[class]
            )
        });
        handle.record(secs);
    }

    fn route(&self, template: &str) -> Arc<Route> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(route) = routes.get(template) {
            return Arc::clone(route);
        }
        drop(routes);
        // The templates are those of the router, so that there are few.
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(routes.entry(template.into()).or_default())
    }
}

/// A request that is worked on.
pub(super) struct InFlight<'a>(&'a Gauge);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// Counts a request, or an operation of a Bulk request, that was refused before any work.
pub(super) fn refused(reason: &'static str) {
    metrics::counter!("gatehouse_refusals_total", "reason" => reason).increment(1);
}

/// The method as a label and an attribute: whatever a client invents is one, under the name that
/// OpenTelemetry has for it.
pub(super) fn name(method: &Method) -> &'static str {
    let known = METHODS.iter().find(|known| **known == method.as_str());
    known.copied().unwrap_or("_OTHER")
}

/// The surface that a route is of.
fn surface(template: &str) -> &'static str {
    if template.contains("/scim/v2") {
        "scim"
    } else if template.starts_with("/api/") {
        "api"
    } else if template.ends_with('z') {
        "probe"
    } else {
        "none"
    }
}

/// A route with a slash at its end is the one without.
fn shown(template: &str) -> &str {
    template.strip_suffix('/').unwrap_or(template)
}
