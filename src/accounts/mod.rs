//! How people are in: links that open a session once, and sessions.

pub mod links;
pub mod sessions;
