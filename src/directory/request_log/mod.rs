//! The request log: what the client of a directory sent and what it was answered, for whoever asks
//! why a sync did what it did.
//!
//! * It is never on the way of a request: that puts the exchange into a bounded queue
//!   (`app.exchanges`), and what does not fit is dropped and counted.
//! * No secret reaches it: a body goes through `scim::redact` before anything is stored, and the
//!   Authorization header is never looked at.
//! * Its columns hold ids, names of the protocol and numbers. Everything else, the path, the query
//!   and the bodies, is sealed with a key of the workspace and bound to its row.
//! * A request is kept for `request_log.keep_days`. `request_log.enabled = false` deletes them all.
//!
//! A key of the person, as changes have it, was left out: a request is about many people or about
//! nobody yet, and nothing of it is left after some days. Whoever is erased before is looked for in
//! every line, and the lines that name the person go.

pub mod bundle;
mod forget;
mod read;
mod record;
pub(super) mod refused;
pub mod replay;
mod writer;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{DirectoryId, RequestId, WorkspaceId};
use crate::store::request_log::Logged;

pub use forget::{Search, forget};
pub use read::{
    Entry, Follower, Page, Spot, Wanted, directories, find, list, note_read, page, statuses,
};
pub use writer::{delete_all, delete_of, delete_old, flush, work};

/// The most rows of one statement.
const BATCH: usize = 256;
/// What keys of workspaces are derived for.
const PURPOSE: &str = "request log";

/// What is sealed of an exchange.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Private {
    /// The path and the query.
    path: String,
    /// The request's body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request: Option<Kept>,
    /// The answer's body, of a refusal or of Bulk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response: Option<Kept>,
    /// What the refusal says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// What was skipped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notes: Vec<Value>,
}

/// A body as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    text: String,
    /// Whether it was longer.
    #[serde(default)]
    cut: bool,
}

/// Binds a sealed value to its row, so that it cannot be moved to another.
fn binding(workspace: WorkspaceId, directory: DirectoryId, request: RequestId) -> Vec<u8> {
    let mut aad = b"request_log.sealed".to_vec();
    for id in [workspace.0, directory.0, request.0] {
        aad.extend_from_slice(id.as_bytes());
    }
    aad
}

/// Where an exchange was.
fn place(logged: &Logged) -> (WorkspaceId, DirectoryId) {
    (logged.workspace, logged.directory)
}
