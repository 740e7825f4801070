//! SCIM 2.0 as data and pure functions: schemas, filters, paths, PATCH, projection, messages.

pub mod evaluate;
pub mod filter;
pub mod fold;
pub mod json;
pub mod patch;
pub mod path;
#[cfg(test)]
mod properties;
pub mod resource;
pub mod schema;
