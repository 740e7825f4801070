//! What a request of the log must be to be sent again, and that it is so once.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::Entry;
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::directory::Opened;
use crate::error::{Error, Result};
use crate::ids::RequestId;
use crate::scim::redact::REDACTED;
use crate::store::tx::Tx;
use crate::store::{changes as told, opened, workspaces};

/// The kinds of the changes that say how often a request was sent again.
const SENT: &str = "request.replayed";
const FAILED: &str = "request.replay_failed";

/// A request of the log that is sent again.
#[derive(Clone, Copy)]
pub struct Again<'e> {
    /// What the log has of it.
    pub entry: &'e Entry,
    /// Its id now.
    pub request: RequestId,
}

/// The body to be sent again, where the log has it whole and with nothing removed.
pub fn body(entry: &Entry) -> Result<Vec<u8>> {
    let refused = |why: &str| Err(Error::Conflict(why.to_owned()));
    if entry.cut {
        return refused("the log has not kept this request whole");
    }
    let text = match entry.request.clone() {
        None if entry.bytes_in > 0 => return refused("the log has not kept this request's body"),
        None => String::new(),
        Some(Value::String(text)) => text,
        Some(mut body) => {
            drop_passwords(&mut body);
            body.to_string()
        }
    };
    if text.contains(REDACTED) || entry.path.contains(REDACTED) {
        return refused("secrets were removed from this request");
    }
    Ok(text.into_bytes())
}

/// The parameters of a query that the log keeps.
const KNOWN: [&str; 8] = [
    "filter",
    "attributes",
    "excludedattributes",
    "sortby",
    "sortorder",
    "startindex",
    "count",
    "cursor",
];

/// What must not stand in a path as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/')
    .remove(b':');

/// Path and query to be sent again, which the log keeps decoded.
pub fn uri(entry: &Entry) -> String {
    let (path, query) = entry.path.split_once('?').unwrap_or((&entry.path, ""));
    let mut pairs: Vec<(&str, String)> = Vec::new();
    for piece in query.split('&') {
        match (piece.split_once('='), pairs.last_mut()) {
            (Some((name, value)), _) if KNOWN.contains(&name.to_lowercase().as_str()) => {
                pairs.push((name, value.to_owned()));
            }
            // A value has it in the middle.
            (_, Some((_, value))) => {
                value.push('&');
                value.push_str(piece);
            }
            _ => {}
        }
    }
    let path = utf8_percent_encode(path, ENCODED);
    if pairs.is_empty() {
        return path.to_string();
    }
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    format!("{path}?{query}")
}

/// Takes passwords out that the log does not keep: they would be dropped anyway.
fn drop_passwords(body: &mut Value) {
    let is_redacted = |value: &Value| value == REDACTED;
    match body {
        Value::Object(map) => {
            map.retain(|key, value| !(key.eq_ignore_ascii_case("password") && is_redacted(value)));
            map.values_mut().for_each(drop_passwords);
        }
        Value::Array(list) => {
            list.retain(|item| {
                let path = item["path"].as_str().unwrap_or_default();
                !(path.eq_ignore_ascii_case("password") && is_redacted(&item["value"]))
            });
            list.iter_mut().for_each(drop_passwords);
        }
        _ => {}
    }
}

/// The directory of a request, opened with an admin's right.
pub async fn open(app: &App, entry: &Entry) -> Result<Opened> {
    let mut tx = app.db.one().await?;
    let place = (entry.workspace, entry.directory);
    let found = opened::find(&mut tx, place, entry.credential).await?;
    found.ok_or(Error::NotFound("directory"))
}

/// Says that a request is sent again for real. What it did before, or did when it was sent again, it does
/// not do twice: [`Error::Conflict`].
pub async fn begin(app: &App, origin: &Origin, again: &Again<'_>) -> Result<()> {
    let entry = again.entry;
    let is_done = if entry.route.ends_with("/Bulk") {
        has_made(entry)
    } else {
        entry.method == "POST" && (200..300).contains(&entry.status)
    };
    if is_done {
        return Err(Error::Conflict(
            "this request was done; sent again it would do the same twice".to_owned(),
        ));
    }
    let (act, subject) = (Act::of(app, origin, entry.workspace), entry.id);
    let detail = json!({"request": again.request, "directory": entry.directory});
    app.write(move |tx| {
        let (act, detail) = (act.clone(), detail.clone());
        Box::pin(async move {
            // Two who send it again at once come one after the other.
            workspaces::lock(tx, act.workspace).await?;
            if count(tx, &act, subject, SENT).await? > count(tx, &act, subject, FAILED).await? {
                return Err(Error::Conflict(
                    "this request was sent again already".to_owned(),
                ));
            }
            let change = act.change(SENT, ("request", subject.0), None, &detail);
            changes::record(tx, act.workspace, &[change]).await
        })
    })
    .await
}

/// Whether a Bulk request made something, as far as its answer is kept.
fn has_made(entry: &Entry) -> bool {
    let made = |operation: &Value| {
        let status = operation["status"].as_str().unwrap_or_default();
        operation["method"] == "POST" && status.starts_with('2')
    };
    let operations = entry.response.as_ref().map(|it| &it["Operations"]);
    match operations.and_then(Value::as_array) {
        Some(operations) => operations.iter().any(made),
        None => (200..300).contains(&entry.status),
    }
}

async fn count(tx: &mut Tx, act: &Act, subject: RequestId, kind: &'static str) -> Result<i64> {
    Ok(told::count_about(tx, act.workspace, subject.0, kind).await?)
}

/// Says how it ended: one that was refused may be sent again.
pub async fn finish(app: &App, origin: &Origin, again: &Again<'_>, status: u16) -> Result<()> {
    if status < 400 {
        return Ok(());
    }
    let act = Act::of(app, origin, again.entry.workspace);
    let (subject, detail) = (
        again.entry.id,
        json!({"request": again.request, "status": status}),
    );
    app.write(move |tx| {
        let (act, detail) = (act.clone(), detail.clone());
        Box::pin(async move {
            let change = act.change(FAILED, ("request", subject.0), None, &detail);
            changes::record(tx, act.workspace, &[change]).await
        })
    })
    .await
}
