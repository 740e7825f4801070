//! Forgetting a person: the lines that are about somebody, or name somebody.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{BATCH, PURPOSE, binding, place, read, writer};
use crate::app::App;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ids::{DirectoryId, RequestId, WorkspaceId};
use crate::secrets::WorkspaceKey;
use crate::store::request_log::{self as rows, Logged, Selection};
use crate::workspace::erasure::Traces;

/// Deletes every line of a workspace that is about one of these Users or names one of these values;
/// tells how many. All lines are opened for it, a page at a time.
pub async fn forget(app: &App, workspace: WorkspaceId, traces: &Traces) -> Result<u64> {
    writer::flush(app).await;
    let key = app.keys.of_workspace(workspace, PURPOSE)?;
    let values: BTreeSet<String> = traces.values.iter().flat_map(|text| quoted(text)).collect();
    let mut deleted = 0;
    for directory in read::directories(app).await? {
        if directory.0 == workspace {
            deleted += of_directory(app, directory, &key, (&traces.users, &values)).await?;
        }
    }
    Ok(deleted)
}

async fn of_directory(
    app: &App,
    directory: (WorkspaceId, DirectoryId),
    key: &WorkspaceKey,
    traces: (&BTreeSet<Uuid>, &BTreeSet<String>),
) -> Result<u64> {
    let all = Selection {
        status: (0, i64::MAX),
        method: None,
        resource: None,
        since: Timestamp(i64::MIN),
    };
    let mut before = (Timestamp(i64::MAX), RequestId(Uuid::max()));
    let most = i64::try_from(BATCH).unwrap_or(i64::MAX);
    let mut deleted = 0;
    loop {
        let mut tx = app.db.read_log().await?;
        let listed = rows::list(&mut tx, directory, &all, before, most).await?;
        drop(tx);
        let Some(last) = listed.last() else {
            return Ok(deleted);
        };
        before = (last.at, last.id);
        let mut found = Vec::new();
        for logged in &listed {
            if names(key, logged, traces)? {
                found.push(logged.id);
            }
        }
        if !found.is_empty() {
            let mut tx = app.db.write_log().await?;
            deleted += rows::delete(&mut tx, directory, &found).await?;
            tx.commit().await?;
        }
    }
}

/// Whether a line is about one of the Users, or says an id or a value of one.
fn names(
    key: &WorkspaceKey,
    logged: &Logged,
    (users, values): (&BTreeSet<Uuid>, &BTreeSet<String>),
) -> Result<bool> {
    if logged.resource.is_some_and(|id| users.contains(&id)) {
        return Ok(true);
    }
    let (workspace, directory) = place(logged);
    let opened = key.open(&binding(workspace, directory, logged.id), &logged.sealed)?;
    let text = String::from_utf8_lossy(&opened).to_lowercase();
    let mut ids = users.iter();
    let names_id = ids.any(|id| text.contains(&id.to_string()));
    Ok(names_id || values.iter().any(|value| stands_alone(&text, value)))
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
