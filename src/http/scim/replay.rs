//! A request of the log is sent once more: for rehearsal, with nothing kept, or for real. It goes through
//! the same routes, checks and use cases as it did, as they are now; but for the credential, in whose
//! place an admin's right stands, and for `If-Match`, which the log does not keep.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::http::header::{CONTENT_TYPE, USER_AGENT};
use serde::Serialize;
use serde_json::Value;
use tower::ServiceExt;
use uuid::Uuid;

use super::{router, unrecorded};
use crate::app::App;
use crate::app::rehearsal::rehearse;
use crate::changes::{Noted, Origin};
use crate::directory::Opened;
use crate::directory::request_log::Entry;
use crate::directory::request_log::replay::{self, Again};
use crate::error::{Error, Result};
use crate::http::Shared;
use crate::http::limits::RequestIdent;
use crate::ids::RequestId;

/// The longest answer that is given back.
const ANSWER: usize = 8 * 1024 * 1024;

/// In the place of a credential.
#[derive(Clone)]
pub(super) struct Replaying {
    /// What it opens.
    pub(super) found: Arc<Opened>,
    /// The request that sends it again.
    pub(super) origin: Origin,
}

/// What a request of the log came to when it was sent again.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Replayed {
    /// The request as it was sent now; its id is in the log, unless this was a rehearsal.
    pub request: RequestId,
    /// Whether nothing of it was kept.
    pub rehearsal: bool,
    /// The status of the answer.
    pub status: u16,
    /// The status that it had before.
    pub before: i64,
    /// The answer.
    pub answer: Value,
    /// What a rehearsal would have told the change log, without personal values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

/// A change that a rehearsal would have brought.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "ReplayedChange")]
pub struct Change {
    /// What, such as `user.created`.
    pub kind: String,
    /// What it would have happened to, such as `member`.
    pub subject_kind: String,
    /// The id of that.
    pub subject: Uuid,
    /// What would have changed, without personal values.
    pub detail: Value,
}

/// Sends a request of the log again. One that is not whole there, whose secrets were removed, or whose
/// effect is there already is [`Error::Conflict`].
pub async fn replay(
    app: &App,
    origin: &Origin,
    entry: &Entry,
    is_rehearsal: bool,
) -> Result<Replayed> {
    let body = replay::body(entry)?;
    let found = replay::open(app, entry).await?;
    let request = RequestId::new();
    let origin = Origin {
        request,
        credential: origin.credential,
        actor: Some(format!(
            "replay by {}",
            origin.actor.as_deref().unwrap_or("an API key")
        )),
        method: Some(entry.method.clone()),
        path: Some(entry.path.chars().take(200).collect()),
        noted: Noted::default(),
    };
    let sent = Request::builder()
        .method(entry.method.as_str())
        .uri(replay::uri(entry))
        .header(CONTENT_TYPE, "application/scim+json")
        .header(USER_AGENT, format!("gatehouse (replay of {})", entry.id))
        .extension(RequestIdent(request.0))
        .extension(Replaying {
            found: Arc::new(found),
            origin: origin.clone(),
        })
        .body(Body::from(body));
    let sent = sent.map_err(|_| Error::Conflict("the log keeps no whole path".to_owned()))?;
    // A state of its own: whoever asks for this has a place among the requests already.
    let shared = Shared::new(app.clone());
    let place = (entry.workspace, entry.directory);
    let (answer, told) = if is_rehearsal {
        let routes = unrecorded().with_state(shared);
        rehearse((place.0, request), routes.oneshot(sent)).await
    } else {
        let again = Again { entry, request };
        replay::begin(app, &origin, &again).await?;
        let routes = router(shared.clone()).with_state(shared);
        let answer = routes.oneshot(sent).await;
        let status = answer
            .as_ref()
            .map_or(500, |answer| answer.status().as_u16());
        replay::finish(app, &origin, &again, status).await?;
        (answer, Vec::new())
    };
    let Ok(answer) = answer;
    let status = answer.status().as_u16();
    let bytes = to_bytes(answer.into_body(), ANSWER).await;
    let text = String::from_utf8_lossy(&bytes.map_err(Error::internal)?).into_owned();
    let changes = told.into_iter().map(|told| Change {
        kind: told.kind,
        subject_kind: told.subject_kind,
        subject: told.subject,
        detail: serde_json::from_str(&told.detail).unwrap_or_default(),
    });
    Ok(Replayed {
        request,
        rehearsal: is_rehearsal,
        status,
        before: entry.status,
        answer: serde_json::from_str(&text).unwrap_or(Value::Null),
        changes: changes.collect(),
    })
}
