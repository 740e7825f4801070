//! Exchanges with clients of directories on their way to the request log.
//!
//! A request hands over what it has and goes on: it neither waits for a place nor for the database.
//! What does not fit is dropped and counted. Redaction, sealing and writing are for whoever takes
//! exchanges out, `directory::request_log`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::{Mutex, OwnedMutexGuard, mpsc};

use crate::clock::Timestamp;
use crate::config::RequestLog;
use crate::ids::{CredentialId, DirectoryId, RequestId, WorkspaceId};
use crate::scim::registry::Registry;

/// The longest body that waits to be looked at, in bytes; of a longer one the size is kept alone.
pub const BODY: usize = 1 << 20;
/// How many bytes of bodies may wait together; without their bodies, exchanges may fill as much again.
const BODIES: usize = 16 << 20;

/// One request of a directory's client with its answer, as it came: not yet fit to be stored.
pub struct Exchange {
    /// The request's id.
    pub id: RequestId,
    /// When it was answered.
    pub at: Timestamp,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The directory of the credential.
    pub directory: DirectoryId,
    /// The credential.
    pub credential: CredentialId,
    /// What the workspace's schemas know; none where the request was refused before they were
    /// looked up.
    pub registry: Option<&'static Registry>,
    /// The method.
    pub method: String,
    /// The template of the path.
    pub route: String,
    /// The path as it came.
    pub path: String,
    /// The query as it came.
    pub query: Option<String>,
    /// Where the answer says that the resource is.
    pub location: Option<String>,
    /// The status of the answer.
    pub status: u16,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// The size of the request's body, as far as it was read or announced.
    pub bytes_in: u64,
    /// The size of the answer's body.
    pub bytes_out: u64,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// The request's body; none where there was none or it is too long.
    pub body: Option<Vec<u8>>,
    /// The answer's body where it is a refusal, or tells what became of many operations.
    pub answer: Option<Vec<u8>>,
    /// What was skipped: a list of notes.
    pub notes: Vec<serde_json::Value>,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exchange({})", self.id)
    }
}

/// The bounded queue of exchanges.
pub struct Exchanges {
    is_on: bool,
    send: mpsc::Sender<Exchange>,
    receive: Arc<Mutex<mpsc::Receiver<Exchange>>>,
    bodies: AtomicUsize,
    dropped: AtomicU64,
}

impl Exchanges {
    /// An empty queue.
    pub fn new(settings: &RequestLog) -> Self {
        let (send, receive) = mpsc::channel(settings.queue.max(1));
        Self {
            is_on: settings.enabled,
            send,
            receive: Arc::new(Mutex::new(receive)),
            bodies: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    /// Whether exchanges are kept at all.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Puts an exchange into the queue if there is room, and without its body if bodies have none.
    pub fn push(&self, mut exchange: Exchange) {
        if !self.is_on {
            return;
        }
        if !self.has_room(length(&exchange), BODIES) {
            (exchange.body, exchange.answer) = (None, None);
            if !self.has_room(length(&exchange), 2 * BODIES) {
                return self.lost(1);
            }
        }
        if let Err(error) = self.send.try_send(exchange) {
            let (mpsc::error::TrySendError::Full(exchange)
            | mpsc::error::TrySendError::Closed(exchange)) = error;
            self.taken(&exchange);
            self.lost(1);
        }
    }

    /// Takes room for so many bytes, if there is as much.
    fn has_room(&self, length: usize, most: usize) -> bool {
        let fits = self.bodies.fetch_add(length, Ordering::Relaxed) + length <= most;
        if !fits {
            self.bodies.fetch_sub(length, Ordering::Relaxed);
        }
        fits
    }

    /// Takes exchanges out, one taker at a time.
    pub(crate) async fn taker(&self) -> OwnedMutexGuard<mpsc::Receiver<Exchange>> {
        Arc::clone(&self.receive).lock_owned().await
    }

    /// Gives back the room of an exchange that was taken out.
    pub(crate) fn taken(&self, exchange: &Exchange) {
        self.bodies.fetch_sub(length(exchange), Ordering::Relaxed);
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> i64 {
        let waiting = self.send.max_capacity() - self.send.capacity();
        i64::try_from(waiting).unwrap_or(i64::MAX)
    }

    /// Counts exchanges that will be in no log.
    pub(crate) fn lost(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
        metrics::counter!("gatehouse_request_log_dropped_total").increment(count);
    }

    /// How many exchanges are in no log.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// What an exchange holds of its client's text.
fn length(exchange: &Exchange) -> usize {
    let query = exchange.query.as_ref().map_or(0, String::len);
    let agent = exchange.user_agent.as_ref().map_or(0, String::len);
    let answer = exchange.answer.as_ref().map_or(0, Vec::len);
    let body = exchange.body.as_ref().map_or(0, Vec::len);
    exchange.path.len() + query + agent + answer + body
}
