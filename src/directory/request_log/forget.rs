//! Forgetting a person: the lines that are about somebody, or name somebody.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{BATCH, PURPOSE, binding, place, writer};
use crate::app::App;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ids::{DirectoryId, RequestId, WorkspaceId};
use crate::secrets::WorkspaceKey;
use crate::store::request_log::{self as rows, Logged, Selection};
use crate::workspace::erasure::Traces;

/// How many pages of lines are looked through in a step.
const PAGES: usize = 8;

/// Deletes every line of a workspace that is about one of these Users or names one of these values;
/// tells how many. All lines are opened for it, a page at a time.
pub async fn forget(app: &App, workspace: WorkspaceId, traces: &Traces) -> Result<u64> {
    let mut search = Search::new(app, workspace, traces).await?;
    while !search.step(app).await? {}
    Ok(search.deleted)
}

/// A way through the lines of a workspace that looks for several people at once, a few pages at a
/// time, so that whoever goes it can do something else in between.
pub struct Search {
    workspace: WorkspaceId,
    users: BTreeSet<Uuid>,
    /// In the forms in which lines have them.
    values: BTreeSet<String>,
    key: WorkspaceKey,
    /// The directory that is looked through, and the last line that was looked at.
    directory: DirectoryId,
    before: (Timestamp, RequestId),
    deleted: u64,
    /// Lines that cannot be opened.
    sealed: u64,
}

/// Before a directory's newest line.
fn newest() -> (Timestamp, RequestId) {
    (Timestamp(i64::MAX), RequestId(Uuid::max()))
}

impl Search {
    /// Begins to look for people of a workspace, with every line that this process has in hand.
    pub async fn new(app: &App, workspace: WorkspaceId, traces: &Traces) -> Result<Self> {
        writer::flush(app).await;
        Ok(Self {
            workspace,
            users: traces.users.clone(),
            values: traces.values.iter().flat_map(|text| quoted(text)).collect(),
            key: app.keys.of_workspace(workspace, PURPOSE)?,
            directory: DirectoryId(Uuid::nil()),
            before: newest(),
            deleted: 0,
            sealed: 0,
        })
    }

    /// Looks through the next few pages; true once every line was looked at.
    pub async fn step(&mut self, app: &App) -> Result<bool> {
        if !app.db.has_request_log() || (self.users.is_empty() && self.values.is_empty()) {
            return Ok(true);
        }
        for _ in 0..PAGES {
            if self.directory.0.is_nil() && !self.next(app).await? {
                return Ok(true);
            }
            if self.page(app).await? {
                continue;
            }
            if !self.next(app).await? {
                if self.sealed > 0 {
                    tracing::warn!(
                        workspace.id = %self.workspace, lines = self.sealed,
                        "lines of the request log cannot be opened, nor looked through for who was \
                         erased; they go with their time"
                    );
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Goes on to the next directory of the workspace that has lines; false after the last one.
    async fn next(&mut self, app: &App) -> Result<bool> {
        let after = Some((self.workspace, self.directory));
        let mut tx = app.db.read_log().await?;
        let found = rows::find_directory_after(&mut tx, after).await?;
        let Some((_, directory)) = found.filter(|found| found.0 == self.workspace) else {
            return Ok(false);
        };
        (self.directory, self.before) = (directory, newest());
        Ok(true)
    }

    /// Looks through the next page of the directory; false when there is none.
    async fn page(&mut self, app: &App) -> Result<bool> {
        let directory = (self.workspace, self.directory);
        let all = Selection {
            status: (0, i64::MAX),
            method: None,
            resource: None,
            since: Timestamp(i64::MIN),
        };
        let most = i64::try_from(BATCH).unwrap_or(i64::MAX);
        let mut tx = app.db.read_log().await?;
        let listed = rows::list(&mut tx, directory, &all, self.before, most).await?;
        drop(tx);
        let Some(last) = listed.last() else {
            return Ok(false);
        };
        self.before = (last.at, last.id);
        let mut found = Vec::new();
        for logged in &listed {
            match self.names(logged) {
                Some(true) => found.push(logged.id),
                Some(false) => {}
                None => self.sealed += 1,
            }
        }
        if !found.is_empty() {
            let mut tx = app.db.write_log().await?;
            self.deleted += rows::delete(&mut tx, directory, &found).await?;
            tx.commit().await?;
        }
        Ok(true)
    }

    /// Whether a line is about one of the Users, or says an id or a value of one. None if it cannot
    /// be opened: nobody reads it either.
    fn names(&self, logged: &Logged) -> Option<bool> {
        if logged.resource.is_some_and(|id| self.users.contains(&id)) {
            return Some(true);
        }
        let (workspace, directory) = place(logged);
        let aad = binding(workspace, directory, logged.id);
        let opened = self.key.open(&aad, &logged.sealed).ok()?;
        let text = String::from_utf8_lossy(&opened).to_lowercase();
        let mut ids = self.users.iter();
        let names_id = ids.any(|id| text.contains(&id.to_string()));
        Some(names_id || self.values.iter().any(|value| stands_alone(&text, value)))
    }
}

/// Whether a value stands in a text as itself, and not as a part of another word.
fn stands_alone(text: &str, value: &str) -> bool {
    text.match_indices(value).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + value.len()..]);
        let is_edge = |next: Option<char>| next.is_none_or(|next| !next.is_alphanumeric());
        is_edge(before.chars().next_back()) && is_edge(after.chars().next())
    })
}

/// A value in lower case as it stands in a path within the log's own JSON, and as in a body, which
/// is JSON within it.
fn quoted(text: &str) -> [String; 2] {
    let once = |text: &str| {
        let quoted = serde_json::Value::from(text).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    };
    let in_path = once(&text.to_lowercase());
    let in_body = once(&in_path);
    [in_path, in_body]
}

#[cfg(test)]
mod tests {
    use super::{quoted, stands_alone};

    #[test]
    fn a_value_within_another_word_is_not_it() {
        assert!(stands_alone("\"ada@acme.example\"", "ada@acme.example"));
        assert!(!stands_alone(
            "\"grenada@acme.example\"",
            "ada@acme.example"
        ));
        assert!(!stands_alone("\"2011\"", "201"));
        assert!(stands_alone("2011 and 201", "201"));
    }

    #[test]
    fn a_value_is_looked_for_as_a_body_within_json_has_it() {
        let text = serde_json::json!({"name": "Ada \"The\" Löve"}).to_string();
        let kept = serde_json::json!({"text": text}).to_string().to_lowercase();
        let [_, wanted] = quoted("Ada \"The\" LÖVE");
        assert!(kept.contains(&wanted), "{wanted} in {kept}");
    }
}
