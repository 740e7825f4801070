//! SCIM 2.0 (RFC 7643, 7644) as data and pure functions.
//!
//! This folder reads and computes; it does no input or output, knows no HTTP server, no SQL and no
//! workspace. Whoever uses it takes these steps:
//!
//! * [`registry::Registry`] tells which resource types there are, built in and registered;
//! * [`json::parse`] turns the bytes of a body into a value;
//! * [`resource::normalise`] turns a POST or PUT body into a document to store, [`patch::parse`] and
//!   [`patch::apply`] change one, and members come out apart because they are rows, not text;
//! * [`resource::to_stored`] and [`resource::render`] turn documents into stored and answered text;
//! * [`filter::parse`] reads a filter, [`evaluate::matches`] decides it, `store` compiles it to SQL;
//! * [`projection::Projection`] narrows an answer, [`sort`] and [`cursor`] order and page them,
//!   [`messages`] wrap it;
//! * [`bulk`] reads many requests in one, [`etag`] what a client demands of a version;
//! * [`fold::key`] is the one function by which names are compared.
//!
//! It promises that no input makes it panic, recurse without bound or echo a secret: every limit of
//! a filter, path, body or list is checked while it is read.
//!
//! Attributes are `&'static`: schemas are embedded and live as long as the process. Those that a
//! workspace registers are leaked once for each distinct set; the alternative, an `Arc` in every
//! resolved path, costs each filter and each comparison for something that hardly changes.

pub mod bulk;
pub mod cursor;
pub mod discovery;
pub mod etag;
pub mod evaluate;
pub mod filter;
pub mod fold;
pub mod grounds;
pub mod json;
pub mod messages;
pub mod patch;
pub mod path;
pub mod projection;
#[cfg(test)]
mod properties;
pub mod redact;
pub mod register;
pub mod registry;
pub mod resource;
pub mod schema;
pub mod sort;
