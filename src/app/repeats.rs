//! Requests that a client may send again under a key of its own: the first one is carried out, the
//! others get its answer.
//!
//! That something of a request is done is said in the very transaction that does it, so that a
//! process that dies at any moment leaves no request that could be carried out twice. The answer is
//! kept after it, sealed: it may hold what is shown once, or personal values. The alternative, to
//! make the answer within the transaction, would have each use case render it.

use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::App;
use crate::error::{Error, Result};
use crate::ids::{ApiKeyId, RequestId, WorkspaceId};
use crate::secrets;
use crate::store::idempotency as rows;
use crate::store::tx::Tx;

pub use rows::{OPERATORS, Place};

/// How long a request is remembered.
pub const LIFE: Duration = Duration::from_hours(24);
/// After what time a request that has done nothing is taken for dead.
const LEASE: Duration = Duration::from_mins(1);
/// How many requests of one API key are remembered at a time.
pub const MOST: i64 = 10_000;
/// The largest answer that is kept, in bytes.
const ANSWER: usize = 256 * 1024;
/// How many are forgotten in a transaction.
const BATCH: i64 = 500;

tokio::task_local! {
    static CURRENT: Mark;
}

/// The key that a request holds.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    place: Place,
    request: RequestId,
}

/// An answer that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// The headers that belong to what is answered, by name.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

/// What becomes of a request that carries a key.
#[derive(Debug)]
pub enum Begun {
    /// It is the first, and is to be carried out.
    First(Mark),
    /// It was carried out, and this is the answer.
    Again(Answer),
    /// It is being carried out.
    InFlight,
    /// The key was used for another request.
    Other,
    /// It was carried out, in part at least, and its answer is not known.
    Unknown,
}

/// The place of a client's key.
pub fn place(workspace: Option<WorkspaceId>, credential: ApiKeyId, key: &str) -> Place {
    Place {
        workspace: workspace.unwrap_or(OPERATORS),
        credential,
        key_hash: secrets::sha256(key.as_bytes()),
    }
}

/// Begins a request; above [`MOST`] keys in use that is [`Error::TooManyRequests`].
pub async fn begin(
    app: &App,
    place: Place,
    fingerprint: [u8; 32],
    request: RequestId,
) -> Result<Begun> {
    let now = app.clock.now();
    let app_ = app.clone();
    app.write(move |tx| {
        let app = app_.clone();
        Box::pin(async move {
            let first = Begun::First(Mark { place, request });
            let Some(kept) = rows::find(tx, place).await? else {
                if rows::count(tx, place, MOST).await? >= MOST {
                    let retry_after = Duration::from_mins(10);
                    return Err(Error::TooManyRequests { retry_after });
                }
                let is_first = rows::insert(tx, place, fingerprint, request, now).await?;
                return Ok(if is_first { first } else { Begun::InFlight });
            };
            let is_old = kept.begun_at.after(LIFE) <= now;
            let is_dead = !kept.is_done && kept.begun_at.after(LEASE) <= now;
            if !is_old && kept.fingerprint != fingerprint {
                return Ok(Begun::Other);
            }
            if is_old || is_dead {
                let new = (fingerprint, request);
                let is_taken = rows::update_request(tx, place, &kept, new, now).await?;
                return Ok(if is_taken { first } else { Begun::InFlight });
            }
            match kept.answer {
                Some(sealed) => opened(&app, place, &sealed).map(Begun::Again),
                // Its answer is about to be kept.
                None if kept.begun_at.after(LEASE) > now => Ok(Begun::InFlight),
                None => Ok(Begun::Unknown),
            }
        })
    })
    .await
}

/// Runs a request so that what it writes says that it is done.
pub async fn marked<T>(mark: Mark, work: impl Future<Output = T>) -> T {
    CURRENT.scope(mark, work).await
}

/// Keeps the answer of a request; one that is too large is not kept, and then not known.
pub async fn keep(app: &App, mark: Mark, answer: &Answer) -> Result<()> {
    let Mark { place, request } = mark;
    let sealed = sealed(app, place, answer)?;
    if sealed.len() > ANSWER {
        return Ok(());
    }
    app.write(move |tx| {
        let sealed = sealed.clone();
        Box::pin(async move {
            rows::update_answer(tx, place, request, sealed).await?;
            Ok(())
        })
    })
    .await
}

/// Gives up the key of a request that was refused, as far as it did nothing.
pub async fn give_up(app: &App, Mark { place, request }: Mark) -> Result<()> {
    app.write(move |tx| {
        Box::pin(async move {
            rows::delete(tx, place, request).await?;
            Ok(())
        })
    })
    .await
}

/// Forgets what is older than [`LIFE`], a batch of it; tells how many.
pub async fn forget(app: &App) -> Result<usize> {
    let until = app.clock.now().before(LIFE);
    let forgotten = app
        .write(move |tx| Box::pin(async move { Ok(rows::delete_old(tx, until, BATCH).await?) }))
        .await?;
    usize::try_from(forgotten).map_err(Error::internal)
}

/// The key that the request that runs now holds.
pub(super) fn current() -> Option<Mark> {
    CURRENT.try_with(|mark| *mark).ok()
}

impl Mark {
    /// Says that something is done, as the last statement of what does it.
    pub(super) async fn set(self, tx: &mut Tx) -> Result<()> {
        if rows::update_done(tx, self.place, self.request).await? {
            return Ok(());
        }
        Err(Error::Conflict(
            "another request under this Idempotency-Key took over".to_owned(),
        ))
    }
}

fn sealed(app: &App, place: Place, answer: &Answer) -> Result<Vec<u8>> {
    let plain = zeroize::Zeroizing::new(serde_json::to_vec(answer).map_err(Error::internal)?);
    let key = app.keys.of_workspace(place.workspace, PURPOSE)?;
    key.seal(&binding(place), &plain)
}

fn opened(app: &App, place: Place, sealed: &[u8]) -> Result<Answer> {
    let key = app.keys.of_workspace(place.workspace, PURPOSE)?;
    let plain = key.open(&binding(place), sealed)?;
    serde_json::from_slice(&plain).map_err(Error::internal)
}

const PURPOSE: &str = "idempotency";

fn binding(place: Place) -> Vec<u8> {
    let mut aad = b"idempotency_keys.answer".to_vec();
    aad.extend_from_slice(place.credential.0.as_bytes());
    aad.extend_from_slice(&place.key_hash);
    aad
}
