//! Requests that may be sent again under a key of the client's own.

use uuid::Uuid;

use super::error::Result;
use super::tx::Tx;
use crate::clock::Timestamp;
use crate::ids::{ApiKeyId, RequestId, WorkspaceId};

/// Whose key it is, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The workspace of the API key; nil for one of the operators.
    pub workspace: WorkspaceId,
    /// The API key.
    pub credential: ApiKeyId,
    /// The hash of the client's key.
    pub key_hash: [u8; 32],
}

/// A request that was sent under a key.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Kept {
    /// What of it must be the same when it comes again.
    pub fingerprint: Vec<u8>,
    /// The request.
    pub request: RequestId,
    /// When it came.
    pub begun_at: Timestamp,
    /// Whether something that it did is committed.
    pub is_done: bool,
    /// Its answer, sealed.
    pub answer: Option<Vec<u8>>,
}

/// Takes a key that nobody has; false when it is in use.
pub async fn insert(
    tx: &mut Tx,
    place: Place,
    fingerprint: [u8; 32],
    request: RequestId,
    at: Timestamp,
) -> Result<bool> {
    let rows = tx
        .query(
            "INSERT INTO idempotency_keys (workspace, credential, key_hash, fingerprint, request, \
             begun_at) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (workspace, credential, key_hash) DO NOTHING",
        )
        .bind(place.workspace)
        .bind(place.credential)
        .bind(place.key_hash.to_vec())
        .bind(fingerprint.to_vec())
        .bind(request)
        .bind(at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// The request under a key.
pub async fn find(tx: &mut Tx, place: Place) -> Result<Option<Kept>> {
    tx.query(
        "SELECT fingerprint, request, begun_at, is_done, answer FROM idempotency_keys \
         WHERE workspace = $1 AND credential = $2 AND key_hash = $3",
    )
    .bind(place.workspace)
    .bind(place.credential)
    .bind(place.key_hash.to_vec())
    .fetch_optional()
    .await
}

/// How many keys an API key has in use, as far as `most`.
pub async fn count(tx: &mut Tx, place: Place, most: i64) -> Result<i64> {
    let row: (i64,) = tx
        .query(
            "SELECT COUNT(*) AS used FROM (SELECT k.key_hash FROM idempotency_keys k \
             WHERE k.workspace = $1 AND k.credential = $2 LIMIT $3) few",
        )
        .bind(place.workspace)
        .bind(place.credential)
        .bind(most)
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// Gives a key that another request left to a new one, if it is still that one's and, where it did
/// something, its day is over; false when it is not.
pub async fn update_request(
    tx: &mut Tx,
    place: Place,
    before: &Kept,
    (fingerprint, request): ([u8; 32], RequestId),
    at: Timestamp,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE idempotency_keys SET fingerprint = $5, request = $6, begun_at = $7, \
             is_done = FALSE, answer = NULL WHERE workspace = $1 AND credential = $2 \
             AND key_hash = $3 AND request = $4 AND is_done = $8",
        )
        .bind(place.workspace)
        .bind(place.credential)
        .bind(place.key_hash.to_vec())
        .bind(before.request)
        .bind(fingerprint.to_vec())
        .bind(request)
        .bind(at)
        .bind(before.is_done)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Says that something is done, in the transaction that does it; false when the key is no longer
/// this request's.
pub async fn update_done(tx: &mut Tx, place: Place, request: RequestId) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE idempotency_keys SET is_done = TRUE WHERE workspace = $1 AND credential = $2 \
             AND key_hash = $3 AND request = $4",
        )
        .bind(place.workspace)
        .bind(place.credential)
        .bind(place.key_hash.to_vec())
        .bind(request)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Keeps the answer of a request.
pub async fn update_answer(
    tx: &mut Tx,
    place: Place,
    request: RequestId,
    answer: Vec<u8>,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE idempotency_keys SET is_done = TRUE, answer = $5 WHERE workspace = $1 \
             AND credential = $2 AND key_hash = $3 AND request = $4",
        )
        .bind(place.workspace)
        .bind(place.credential)
        .bind(place.key_hash.to_vec())
        .bind(request)
        .bind(answer)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Gives up the key of a request that did nothing.
pub async fn delete(tx: &mut Tx, place: Place, request: RequestId) -> Result<bool> {
    let rows = tx
        .query(
            "DELETE FROM idempotency_keys WHERE workspace = $1 AND credential = $2 \
             AND key_hash = $3 AND request = $4 AND is_done = FALSE",
        )
        .bind(place.workspace)
        .bind(place.credential)
        .bind(place.key_hash.to_vec())
        .bind(request)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Forgets some of the requests that came before `until`; tells how many.
pub async fn delete_old(tx: &mut Tx, until: Timestamp, most: i64) -> Result<u64> {
    let rows: Vec<(WorkspaceId, ApiKeyId, Vec<u8>)> = tx
        .query(
            "SELECT workspace, credential, key_hash FROM idempotency_keys WHERE begun_at < $1 \
             ORDER BY begun_at LIMIT $2",
        )
        .bind(until)
        .bind(most)
        .fetch_all()
        .await?;
    let mut forgotten = 0;
    for (workspace, credential, key_hash) in rows {
        forgotten += tx
            .query(
                "DELETE FROM idempotency_keys WHERE workspace = $1 AND credential = $2 \
                 AND key_hash = $3 AND begun_at < $4",
            )
            .bind(workspace)
            .bind(credential)
            .bind(key_hash)
            .bind(until)
            .execute()
            .await?;
    }
    Ok(forgotten)
}

/// The workspace under which keys of operators are kept.
pub const OPERATORS: WorkspaceId = WorkspaceId(Uuid::nil());
