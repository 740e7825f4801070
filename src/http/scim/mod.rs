//! The SCIM surface: `/scim/v2`, where the credential names the directory, and
//! `/d/{directory}/scim/v2`, where the URL does and the credential must match.
//!
//! Handlers parse, call a use case and respond. What a caller may reach is decided by its
//! credential alone, in [`caller::ScimCaller`], which every handler but none other takes. Resource
//! types are data: one set of handlers serves them all, and `act` does for a Bulk operation what it
//! does for a request of its own.

mod act;
mod body;
mod bulk;
pub mod caller;
mod discovery;
mod lists;
mod query;
mod record;
pub mod replay;
mod resources;
mod respond;
mod show;

use axum::Router;
use axum::middleware;
use axum::routing::{MethodRouter, get, post};

use super::Shared;
use crate::error::Error;
use respond::ScimError;

pub use respond::render_error;

/// Every route below a SCIM base URL: its path and the methods that it offers. The guard tests go
/// through this table, and so does [`router`]. `{type}` is the endpoint of a resource type.
pub const ROUTES: &[(&str, &[&str])] = &[
    ("/", &["GET"]),
    ("/{type}", &["GET", "POST"]),
    ("/{type}/{id}", &["GET", "PUT", "PATCH", "DELETE"]),
    ("/Me", &["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ("/ServiceProviderConfig", &["GET"]),
    ("/ResourceTypes", &["GET"]),
    ("/ResourceTypes/{id}", &["GET"]),
    ("/Schemas", &["GET"]),
    ("/Schemas/{id}", &["GET"]),
    ("/Bulk", &["POST"]),
    ("/.search", &["POST"]),
    ("/{type}/.search", &["POST"]),
];

/// The SCIM routes under both base URLs, with what is asked and answered kept in the log.
pub fn router(shared: Shared) -> Router<Shared> {
    unrecorded().layer(middleware::from_fn_with_state(shared, record::record))
}

fn unrecorded() -> Router<Shared> {
    let bases = ["/scim/v2", "/d/{directory}/scim/v2"];
    bases.into_iter().fold(Router::new(), |router, base| {
        // The base itself with a slash is no route of the nested ones.
        let root = format!("{base}/");
        router.nest(base, routes()).route(&root, handlers("/"))
    })
}

fn routes() -> Router<Shared> {
    ROUTES.iter().fold(Router::new(), |router, (path, _)| {
        let router = router.route(path, handlers(path));
        if *path == "/" {
            return router;
        }
        // Some clients put a slash before the query.
        router.route(&format!("{path}/"), handlers(path))
    })
}

fn handlers(path: &str) -> MethodRouter<Shared> {
    match path {
        "/" => get(lists::root),
        "/{type}" => get(lists::list)
            .post(resources::create)
            .fallback(resources::other_of_type),
        "/{type}/{id}" => get(resources::read)
            .put(resources::replace)
            .patch(resources::patch)
            .delete(resources::delete)
            .fallback(resources::other_of_resource),
        "/ServiceProviderConfig" => get(discovery::service_provider_config),
        "/ResourceTypes" => get(discovery::resource_types),
        "/ResourceTypes/{id}" => get(discovery::resource_type),
        "/Schemas" => get(discovery::schemas),
        "/Schemas/{id}" => get(discovery::schema),
        "/Bulk" => post(bulk::bulk),
        "/.search" => post(lists::search_root),
        "/{type}/.search" => post(lists::search),
        _ => get(unsupported)
            .post(unsupported)
            .put(unsupported)
            .patch(unsupported)
            .delete(unsupported),
    }
}

/// `/Me`: a directory's credential is nobody's own (RFC 7644 section 3.11).
async fn unsupported(_: caller::ScimCaller) -> Result<(), ScimError> {
    Err(ScimError::from(Error::Unsupported(
        "/Me with a directory's credential",
    )))
}
