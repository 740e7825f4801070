//! The requests of a directory in one document, for whoever is asked for help: written as it is read,
//! never whole in memory.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::read::{Entry, Spot, Wanted, page};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{DirectoryId, WorkspaceId};
use crate::store::directories::{Directory, DirectoryKind, Mode};

/// How many requests a part has at most; each may have two bodies.
const PART: usize = 50;

/// The requests of a directory in one document.
#[derive(JsonSchema)]
#[schemars(rename = "RequestBundle")]
#[expect(dead_code, reason = "the shape of what is written in parts")]
pub struct Document {
    #[serde(flatten)]
    head: Head,
    /// The requests with their bodies, newest first.
    requests: Vec<Entry>,
}

/// What stands before the requests.
#[derive(Serialize, JsonSchema)]
struct Head {
    /// The version of what wrote it.
    gatehouse: &'static str,
    /// When it was begun.
    written_at: Timestamp,
    /// The directory.
    directory: Whose,
}

/// The directory whose requests they are.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BundledDirectory")]
struct Whose {
    /// Its id.
    id: DirectoryId,
    /// Its name.
    name: String,
    /// Whose dialect it speaks.
    kind: DirectoryKind,
    /// What becomes of its facts.
    mode: Mode,
    /// Whether unknown attributes and members are refused instead of skipped.
    strict: bool,
    /// Whether a create for an inactive user restores that user instead of a 409.
    restore_inactive: bool,
    /// When it was made.
    created_at: Timestamp,
    /// Since when it is switched off.
    ended_at: Option<Timestamp>,
}

/// A bundle that is being written.
pub struct Bundle {
    app: App,
    directory: (WorkspaceId, DirectoryId),
    wanted: Wanted,
    head: Option<String>,
    next: Option<Spot>,
    count: usize,
}

/// Begins a bundle of the requests that are asked for, and writes down who took it out: bodies hold
/// what people are called. Secrets are in none of it.
pub async fn begin(
    app: &App,
    origin: &Origin,
    directory: &Directory,
    wanted: Wanted,
) -> Result<Bundle> {
    let act = Act {
        directory: Some(directory.id),
        ..Act::of(app, origin, directory.workspace)
    };
    let subject = directory.id.0;
    app.write(move |tx| {
        let act = act.clone();
        Box::pin(async move {
            let change = act.change(
                "requests.exported",
                ("directory", subject),
                None,
                &json!({}),
            );
            changes::record(tx, act.workspace, &[change]).await
        })
    })
    .await?;
    let head = Head {
        gatehouse: env!("CARGO_PKG_VERSION"),
        written_at: app.clock.now(),
        directory: Whose {
            id: directory.id,
            name: directory.name.clone(),
            kind: directory.kind,
            mode: directory.mode,
            strict: directory.strict,
            restore_inactive: directory.restore_inactive,
            created_at: directory.created_at,
            ended_at: directory.ended_at,
        },
    };
    let mut head = serde_json::to_string(&head).map_err(Error::internal)?;
    // Left open: the requests follow.
    head.pop();
    Ok(Bundle {
        app: app.clone(),
        directory: (directory.workspace, directory.id),
        wanted,
        head: Some(head + ",\"requests\":["),
        next: Some(Spot::newest()),
        count: 0,
    })
}

impl Bundle {
    /// How many requests the parts have so far.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The next part of its text; none after the last one. The requests are there newest first, with
    /// their bodies.
    pub async fn next(&mut self) -> Result<Option<String>> {
        let Some(from) = self.next else {
            return Ok(None);
        };
        let found = page(&self.app, self.directory, &self.wanted, from, PART).await?;
        let mut text = self.head.take().unwrap_or_default();
        for entry in &found.entries {
            if self.count > 0 {
                text.push(',');
            }
            text.push('\n');
            text += &serde_json::to_string(entry).map_err(Error::internal)?;
            self.count += 1;
        }
        self.next = found.next;
        if self.next.is_none() {
            text += "\n]}\n";
        }
        Ok(Some(text))
    }
}
