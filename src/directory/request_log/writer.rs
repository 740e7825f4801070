//! Writes exchanges behind the requests, in batches, and deletes the old ones.

use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{BATCH, record};
use crate::app::App;
use crate::app::exchanges::Exchange;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{DirectoryId, WorkspaceId};
use crate::store::request_log as rows;

/// How long a line may wait for others to be written with.
const TICK: Duration = Duration::from_millis(200);
/// How often old ones are looked for.
const PRUNE: Duration = Duration::from_mins(10);
/// How many are deleted at once.
const DELETED: i64 = 1_000;

/// Writes until told to stop, and then what still waits. A log that is off is emptied.
pub async fn work(app: App, stop: CancellationToken) {
    if !app.config.request_log.enabled {
        told(delete_all(&app).await);
        return;
    }
    let mut prune_at = Timestamp(0);
    while !stop.is_cancelled() {
        let mut batch = Vec::with_capacity(BATCH);
        {
            // Held until the batch is written, so that `flush` sees it.
            let mut queue = app.exchanges.taker().await;
            stop.run_until_cancelled(gather(&mut queue, &mut batch))
                .await;
            write(&app, batch).await;
        }
        let now = app.clock.now();
        if now >= prune_at {
            told(delete_old(&app).await);
            prune_at = now.after(PRUNE);
        }
    }
    flush(&app).await;
}

/// Writes what waits now.
pub async fn flush(app: &App) {
    let mut queue = app.exchanges.taker().await;
    loop {
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Ok(exchange) = queue.try_recv()
        {
            batch.push(exchange);
        }
        if batch.is_empty() {
            return;
        }
        write(app, batch).await;
    }
}

/// A whole batch, or what has come within a tick.
async fn gather(queue: &mut Receiver<Exchange>, batch: &mut Vec<Exchange>) {
    let until = Instant::now() + TICK;
    while batch.len() < BATCH {
        let room = BATCH - batch.len();
        match timeout_at(until, queue.recv_many(batch, room)).await {
            Ok(count) if count > 0 => {}
            _ => return,
        }
    }
}

async fn write(app: &App, batch: Vec<Exchange>) {
    if batch.is_empty() {
        return;
    }
    let count = batch.len();
    for exchange in &batch {
        app.exchanges.taken(exchange);
    }
    let span = tracing::debug_span!(target: "otel", "write request log");
    if let Err(error) = store(app, batch).instrument(span).await {
        app.exchanges.lost(count as u64);
        tracing::warn!(error = ?error, "{count} lines of the request log are lost");
    }
}

async fn store(app: &App, batch: Vec<Exchange>) -> Result<()> {
    let (keys, most) = (app.keys.clone(), app.config.request_log.body_bytes);
    // Bodies are read and sealed where no request waits for the thread.
    let made = tokio::task::spawn_blocking(move || {
        let mut rows = record::Rows::new(&keys, most);
        let made = batch.into_iter().map(|exchange| rows.row(exchange));
        made.collect::<Result<Vec<_>>>()
    })
    .await
    .map_err(Error::internal)??;
    let mut tx = app.db.write_log().await?;
    rows::insert(&mut tx, made).await?;
    Ok(tx.commit().await?)
}

/// Deletes what is older than the log is kept; tells how many. Nothing while the clock may be wrong:
/// one that is a year ahead would take all of it.
pub async fn delete_old(app: &App) -> Result<u64> {
    if !app.clock.is_true() {
        return Ok(0);
    }
    let life = app.config.request_log.life();
    delete_before(app, app.clock.now().before(life)).await
}

/// Deletes everything; tells how many.
pub async fn delete_all(app: &App) -> Result<u64> {
    delete_before(app, Timestamp(i64::MAX)).await
}

/// Deletes everything of a workspace; tells how many.
pub async fn delete_of(app: &App, workspace: WorkspaceId) -> Result<u64> {
    let mut all = super::directories(app).await?;
    all.retain(|directory| directory.0 == workspace);
    delete_from(app, all, Timestamp(i64::MAX)).await
}

async fn delete_before(app: &App, before: Timestamp) -> Result<u64> {
    let all = super::directories(app).await?;
    delete_from(app, all, before).await
}

/// Directory by directory, in small transactions that nobody waits long for.
async fn delete_from(
    app: &App,
    directories: Vec<(WorkspaceId, DirectoryId)>,
    before: Timestamp,
) -> Result<u64> {
    let mut deleted = 0;
    for directory in directories {
        loop {
            let mut tx = app.db.write_log().await?;
            let count = rows::delete_before(&mut tx, directory, before, DELETED).await?;
            tx.commit().await?;
            deleted += count;
            if i64::try_from(count).unwrap_or(0) < DELETED {
                break;
            }
        }
    }
    Ok(deleted)
}

fn told(outcome: Result<u64>) {
    match outcome {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "deleted {count} lines of the request log"),
        Err(error) => tracing::warn!(error = ?error, "the request log could not be cleared"),
    }
}
