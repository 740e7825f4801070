//! How far members are in, and which way they came.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far a member is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Status {
    /// Made, not told yet.
    Draft,
    /// Told, not come yet.
    Invited,
    /// In.
    Active,
    /// Out for now; rights come back with re-activation.
    Suspended,
    /// Out; id and history stay.
    Removed,
}

/// Which way a member came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Source {
    /// A directory.
    Directory,
    /// A first login.
    Login,
    /// An invite.
    Invite,
    /// An import.
    Import,
    /// The API.
    Api,
}
