//! The SCIM surface: `/scim/v2`, where the credential names the directory, and
//! `/d/{directory}/scim/v2`, where the URL does and the credential must match.
//!
//! Handlers parse, call a use case and respond. What a caller may reach is decided by its
//! credential alone, in [`caller::ScimCaller`], which every handler but none other takes.

mod body;
pub mod caller;
mod discovery;
mod groups;
mod query;
mod respond;
mod users;

use axum::Router;
use axum::routing::{MethodRouter, get, post};

use super::Shared;
use crate::error::Error;
use respond::ScimError;

pub use respond::render_error;

/// Every route below a SCIM base URL: its path and the methods that it offers. The guard tests go
/// through this table, and so does [`router`].
pub const ROUTES: &[(&str, &[&str])] = &[
    ("/Users", &["GET", "POST"]),
    ("/Users/{id}", &["GET", "PUT", "PATCH", "DELETE"]),
    ("/Groups", &["GET", "POST"]),
    ("/Groups/{id}", &["GET", "PUT", "PATCH", "DELETE"]),
    ("/Me", &["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ("/ServiceProviderConfig", &["GET"]),
    ("/ResourceTypes", &["GET"]),
    ("/ResourceTypes/{id}", &["GET"]),
    ("/Schemas", &["GET"]),
    ("/Schemas/{id}", &["GET"]),
    ("/Bulk", &["POST"]),
    ("/.search", &["POST"]),
    ("/Users/.search", &["POST"]),
    ("/Groups/.search", &["POST"]),
];

/// The SCIM routes under both base URLs.
pub fn router() -> Router<Shared> {
    Router::new()
        .nest("/scim/v2", routes())
        .nest("/d/{directory}/scim/v2", routes())
}

fn routes() -> Router<Shared> {
    ROUTES.iter().fold(Router::new(), |router, (path, _)| {
        // Some clients put a slash before the query.
        router
            .route(path, handlers(path))
            .route(&format!("{path}/"), handlers(path))
    })
}

fn handlers(path: &str) -> MethodRouter<Shared> {
    match path {
        "/Users" => get(users::list).post(users::create),
        "/Users/{id}" => get(users::read)
            .put(users::replace)
            .patch(users::patch)
            .delete(users::delete),
        "/Groups" => get(groups::list).post(groups::create),
        "/Groups/{id}" => get(groups::read)
            .put(groups::replace)
            .patch(groups::patch)
            .delete(groups::delete),
        "/ServiceProviderConfig" => get(discovery::service_provider_config),
        "/ResourceTypes" => get(discovery::resource_types),
        "/ResourceTypes/{id}" => get(discovery::resource_type),
        "/Schemas" => get(discovery::schemas),
        "/Schemas/{id}" => get(discovery::schema),
        "/Me" => get(unsupported)
            .post(unsupported)
            .put(unsupported)
            .patch(unsupported)
            .delete(unsupported),
        _ => post(unsupported),
    }
}

/// What ServiceProviderConfig says is not supported.
async fn unsupported(_: caller::ScimCaller) -> Result<(), ScimError> {
    Err(ScimError::from(Error::Unsupported("this operation")))
}
