//! Hands exchanges over to the request log: around every SCIM route, and never in its way.
//!
//! What belongs to a directory is decided by [`super::caller::ScimCaller`] alone, which notes in
//! [`Seen`] who calls. A request without a credential that is known belongs to nobody and is not
//! kept.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CONTENT_LENGTH, LOCATION, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt;

use crate::app::App;
use crate::app::exchanges::{BODY, Exchange};
use crate::changes::{Noted, Origin};
use crate::directory::Directory;
use crate::http::{Shared, quotes};
use crate::ids::{CredentialId, DirectoryId, RequestId, WorkspaceId};
use crate::scim::registry::Registry;

/// The longest body of an answer that is kept; refusals are far shorter.
const ANSWER: usize = 64 * 1024;
/// The status of a request whose client went away, as nginx logs it; nobody was answered.
const GONE: u16 = 499;

/// What is learned of a request while it is worked on.
#[derive(Default)]
pub(super) struct Seen {
    caller: OnceLock<Known>,
    registry: OnceLock<&'static Registry>,
    body: Mutex<Passed>,
}

struct Known {
    request: RequestId,
    workspace: WorkspaceId,
    directory: DirectoryId,
    credential: CredentialId,
    noted: Noted,
}

/// What passed of a body.
#[derive(Default)]
struct Passed {
    bytes: Vec<u8>,
    count: u64,
}

impl Seen {
    /// Who calls, as soon as that is known.
    pub(super) fn caller(&self, directory: &Directory, credential: CredentialId, origin: &Origin) {
        let _ = self.caller.set(Known {
            request: origin.request,
            workspace: directory.workspace,
            directory: directory.id,
            credential,
            noted: origin.noted.clone(),
        });
    }

    /// What the workspace's schemas know.
    pub(super) fn registry(&self, registry: &'static Registry) {
        let _ = self.registry.set(registry);
    }
}

/// The layer around the routes.
pub(super) async fn record(
    State(shared): State<Shared>,
    mut request: Request,
    next: Next,
) -> Response {
    if !shared.app.exchanges.is_on() {
        return next.run(request).await;
    }
    let seen = Arc::new(Seen::default());
    let mut recording = Recording {
        app: shared.app,
        seen: Arc::clone(&seen),
        started: Instant::now(),
        method: request.method().clone(),
        uri: request.uri().clone(),
        route: request.extensions().get::<MatchedPath>().cloned(),
        user_agent: request.headers().get(USER_AGENT).cloned(),
        announced: announced(request.headers()),
        is_answered: false,
    };
    request.extensions_mut().insert(Arc::clone(&seen));
    if !request.body().is_end_stream() {
        request = request.map(|body| tee(body, seen));
    }
    let response = next.run(request).await;
    recording.answered(response).await
}

/// A request that is on its way. Dropped before it is answered, its client went away or it
/// panicked; that is kept too.
struct Recording {
    app: App,
    seen: Arc<Seen>,
    started: Instant,
    method: Method,
    uri: Uri,
    route: Option<MatchedPath>,
    user_agent: Option<HeaderValue>,
    announced: u64,
    is_answered: bool,
}

impl Recording {
    async fn answered(&mut self, response: Response) -> Response {
        let status = response.status();
        let size = response.body().size_hint().exact();
        let location = response.headers().get(LOCATION).cloned();
        // A Bulk answer is 200 whatever became of its operations.
        let is_telling = status.is_client_error()
            || status.is_server_error()
            || self
                .route
                .as_ref()
                .is_some_and(|route| route.as_str().ends_with("/Bulk"));
        let is_short = size.is_some_and(|size| size <= ANSWER as u64);
        let (response, answer) = if is_telling && is_short && self.seen.caller.get().is_some() {
            let (parts, body) = response.into_parts();
            // It is there already: nothing is waited for.
            let bytes = to_bytes(body, ANSWER).await.unwrap_or_default();
            let answer = bytes.to_vec();
            (Response::from_parts(parts, Body::from(bytes)), Some(answer))
        } else {
            (response, None)
        };
        self.is_answered = true;
        self.hand_over(
            status.as_u16(),
            size.unwrap_or(0),
            location.as_ref(),
            answer,
        );
        response
    }

    fn hand_over(
        &self,
        status: u16,
        bytes_out: u64,
        location: Option<&HeaderValue>,
        answer: Option<Vec<u8>>,
    ) {
        let Some(known) = self.seen.caller.get() else {
            return;
        };
        let passed = {
            let body = self.seen.body.lock();
            std::mem::take(&mut *body.unwrap_or_else(PoisonError::into_inner))
        };
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        self.app.exchanges.push(Exchange {
            id: known.request,
            at: self.app.clock.now(),
            workspace: known.workspace,
            directory: known.directory,
            credential: known.credential,
            registry: self.seen.registry.get().copied(),
            method: self.method.to_string(),
            route: self
                .route
                .as_ref()
                .map_or("", MatchedPath::as_str)
                .to_owned(),
            path: self.uri.path().to_owned(),
            query: self.uri.query().map(quotes::restore),
            location: location.map(text),
            status,
            micros: u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            bytes_in: passed.count.max(self.announced),
            bytes_out,
            user_agent: self.user_agent.as_ref().map(text),
            body: (!passed.bytes.is_empty()).then_some(passed.bytes),
            answer,
            notes: if status < 400 {
                known.noted.take()
            } else {
                Vec::new()
            },
        });
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if !self.is_answered {
            let status = if std::thread::panicking() {
                StatusCode::INTERNAL_SERVER_ERROR.as_u16()
            } else {
                GONE
            };
            self.hand_over(status, 0, None, None);
        }
    }
}

fn announced(headers: &HeaderMap) -> u64 {
    let length = headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// A body of which a copy is kept while it is read, up to a length; the read buffers of the
/// connection are not held on to.
fn tee(body: Body, seen: Arc<Seen>) -> Body {
    Body::new(body.map_frame(move |frame| {
        if let Some(data) = frame.data_ref() {
            let mut passed = seen.body.lock().unwrap_or_else(PoisonError::into_inner);
            passed.count += data.len() as u64;
            if passed.count <= BODY as u64 {
                passed.bytes.extend_from_slice(data);
            } else {
                passed.bytes = Vec::new();
            }
        }
        frame
    }))
}
