//! The one door for writes: a use case is a closure that may run again.
//!
//! PostgreSQL: one transaction a call, tried again on a serialization failure or deadlock.
//! SQLite: a writer task runs the closures that wait, each in a savepoint of one transaction, and
//! commits them together; answers leave after that commit. A closure that fails or panics undoes
//! its own savepoint and nobody else's. A caller that goes away does not stop a closure that has
//! begun there: it is applied as a whole.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::error::{DbError, Result};
use super::faults::Faults;
use super::measure::Measures;
use super::postgres::Server;
use super::stats::Stats;
use super::tx::{Conn, Notice, Tx};
use crate::error::Error;

/// A future that borrows the transaction.
pub type BoxFuture<'t, T> = Pin<Box<dyn Future<Output = T> + Send + 't>>;

/// How often PostgreSQL may ask for another try.
const RETRIES: u32 = 3;
/// How long the first retry waits at most, and each further one longer by.
const RETRY_WAIT: Duration = Duration::from_millis(10);
/// How many writes may wait for the SQLite writer.
const QUEUE: usize = 1024;
/// How long a busy database file is waited for.
const BEGIN_TIME: Duration = Duration::from_secs(10);
/// How long one try waits, in milliseconds.
pub(super) const BEGIN_TRY: &str = "3";

/// Where writes go.
#[derive(Clone)]
pub struct Writer {
    kind: Kind,
    faults: Arc<Faults>,
    measures: Arc<Measures>,
}

#[derive(Clone)]
enum Kind {
    Sqlite(mpsc::Sender<Message>),
    Postgres(Server),
}

enum Message {
    Work(Box<dyn Work>),
    Close(oneshot::Sender<()>),
}

impl Writer {
    pub(super) fn sqlite(
        file: SqliteConnectOptions,
        conn: SqliteConnection,
        shared: usize,
        faults: Arc<Faults>,
        measures: Arc<Measures>,
    ) -> Self {
        let (send, receive) = mpsc::channel(QUEUE);
        let tx = Tx::new(
            Conn::Shared(conn),
            Some(Arc::clone(&faults)),
            Arc::new(Stats::default()),
        );
        tokio::spawn(run(file, tx, receive, shared.max(1), Arc::clone(&measures)));
        Self {
            kind: Kind::Sqlite(send),
            faults,
            measures,
        }
    }

    pub(super) fn postgres(server: Server, faults: Arc<Faults>, measures: Arc<Measures>) -> Self {
        Self {
            kind: Kind::Postgres(server),
            faults,
            measures,
        }
    }

    /// Runs `work` in a write transaction and answers once its effects are durable. `work` may run
    /// more than once; only its last run counts.
    pub async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, Error>> + Send + Sync + 'static,
    {
        let span = tracing::debug_span!(target: "otel", "write", db.statements = Empty);
        self.write_within(work, &span)
            .instrument(span.clone())
            .await
    }

    async fn write_within<T, F>(&self, work: F, span: &Span) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, Error>> + Send + Sync + 'static,
    {
        let stats = Stats::current();
        let queued = Instant::now();
        match &self.kind {
            Kind::Sqlite(queue) => {
                let (tell, told) = oneshot::channel();
                let pending = Pending {
                    work,
                    outcome: None,
                    notices: Vec::new(),
                    tell,
                    stats,
                    queued,
                    span: span.clone(),
                    part: tracing::debug_span!(target: "otel", parent: span, "wait"),
                };
                queue
                    .send(Message::Work(Box::new(pending)))
                    .await
                    .map_err(|_| DbError::Closed)?;
                told.await.map_err(|_| DbError::Closed)?
            }
            Kind::Postgres(server) => {
                let before = stats.statements();
                let mut retries = 0;
                loop {
                    let wait = tracing::debug_span!(target: "otel", "wait");
                    let begin = self.measures.acquired(server.begin()).instrument(wait);
                    let conn = begin.await?;
                    if retries == 0 {
                        self.measures.begun(queued);
                    }
                    stats.round_trip();
                    let faults = Some(Arc::clone(&self.faults));
                    let mut tx = Tx::new(conn, faults, Arc::clone(&stats));
                    let outcome = match work(&mut tx).await {
                        Ok(value) => self.commit(tx).await.map(|()| value).map_err(Error::from),
                        Err(error) => Err(error),
                    };
                    span.record("db.statements", stats.statements() - before);
                    let reason = match &outcome {
                        Err(Error::Retry(cause)) if retries < RETRIES => cause
                            .downcast_ref()
                            .map_or("serialization", DbError::retry_reason),
                        _ => return outcome,
                    };
                    retries += 1;
                    metrics::counter!("gatehouse_write_retries_total", "reason" => reason)
                        .increment(1);
                    wait_before(retries).await;
                }
            }
        }
    }

    async fn commit(&self, mut tx: Tx) -> Result<()> {
        let notices = tx.take_notices();
        let started = Instant::now();
        let span = tracing::debug_span!(target: "otel", "commit");
        let outcome = tx.commit().instrument(span).await;
        self.measures.committed(started, 1);
        outcome?;
        for notice in notices {
            notice();
        }
        Ok(())
    }

    /// How many writes wait for the `SQLite` writer.
    pub(super) fn waiting(&self) -> i64 {
        match &self.kind {
            Kind::Sqlite(queue) => {
                let waiting = queue.max_capacity() - queue.capacity();
                i64::try_from(waiting).unwrap_or(i64::MAX)
            }
            Kind::Postgres(_) => 0,
        }
    }

    /// Ends the writer after the writes that wait.
    pub(super) async fn close(&self) {
        if let Kind::Sqlite(queue) = &self.kind {
            let (tell, told) = oneshot::channel();
            if queue.send(Message::Close(tell)).await.is_ok() {
                let _ = told.await;
            }
        }
    }
}

/// A write on the SQLite queue, its types erased.
trait Work: Send {
    /// Runs it; false asks for the savepoint to be undone.
    fn run<'t>(&'t mut self, tx: &'t mut Tx, measures: &Measures) -> BoxFuture<'t, bool>;
    /// Tells the caller, after the shared commit.
    fn answer(self: Box<Self>, committed: Result<(), Arc<DbError>>);
}

struct Pending<F, T> {
    work: F,
    outcome: Option<Result<T, Error>>,
    notices: Vec<Notice>,
    tell: oneshot::Sender<Result<T, Error>>,
    stats: Arc<Stats>,
    queued: Instant,
    /// The span of the write, and of the part that it is in: its wait, then its commit.
    span: Span,
    part: Span,
}

impl<F, T> Work for Pending<F, T>
where
    T: Send + 'static,
    F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, Error>> + Send + Sync + 'static,
{
    fn run<'t>(&'t mut self, tx: &'t mut Tx, measures: &Measures) -> BoxFuture<'t, bool> {
        measures.begun(self.queued);
        self.part = Span::none();
        Box::pin(async move {
            let before = self.stats.statements();
            tx.begin_work(Arc::clone(&self.stats));
            let ran = AssertUnwindSafe(async { (self.work)(tx).await })
                .catch_unwind()
                .instrument(self.span.clone())
                .await;
            let statements = self.stats.statements() - before;
            self.span.record("db.statements", statements);
            self.part = tracing::debug_span!(target: "otel", parent: &self.span, "commit");
            let outcome = ran.unwrap_or_else(|_| Err(DbError::Panicked.into()));
            let keep = outcome.is_ok();
            self.notices = tx.take_notices();
            self.outcome = Some(outcome);
            keep
        })
    }

    fn answer(self: Box<Self>, committed: Result<(), Arc<DbError>>) {
        let outcome = match (self.outcome, committed) {
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(value)), Ok(())) => {
                self.notices.into_iter().for_each(|notice| notice());
                Ok(value)
            }
            (_, Err(error)) => Err(DbError::Commit(error).into()),
            (None, Ok(())) => Err(DbError::Closed.into()),
        };
        // The caller may have gone away.
        let _ = self.tell.send(outcome);
    }
}

/// Two transactions that were in each other's way would be so again if both came back at once.
async fn wait_before(retry: u32) {
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    let most = RETRY_WAIT * retry;
    let wait = most.mul_f64(f64::from((random & 0xff) as u8) / 255.0);
    #[expect(
        clippy::disallowed_methods,
        reason = "a use case that waits for its next try"
    )]
    tokio::time::sleep(wait).await;
}

async fn run(
    file: SqliteConnectOptions,
    mut tx: Tx,
    mut queue: mpsc::Receiver<Message>,
    shared: usize,
    measures: Arc<Measures>,
) {
    let mut closing = None;
    // A write or flush to the disk failed: what the connection remembers is no longer believed, and
    // the next one begins from what the disk holds.
    let mut broken = false;
    while closing.is_none() {
        let Some(first) = queue.recv().await else {
            break;
        };
        let mut batch = Vec::new();
        let mut next = Some(first);
        while let Some(message) = next.take() {
            match message {
                Message::Work(work) => batch.push(work),
                Message::Close(tell) => closing = Some(tell),
            }
            if batch.len() < shared && closing.is_none() {
                next = queue.try_recv().ok();
            }
        }
        let committed = async {
            if broken {
                tx.reopen(&file).await?;
                broken = false;
            }
            together(&mut tx, &mut batch, &measures).await
        };
        let committed = committed.await;
        broken |= committed.as_ref().is_err_and(|error| !error.is_busy());
        if let Err(error) = &committed {
            tracing::error!(%error, "a shared commit failed");
            let _ = tx.command("ROLLBACK").await;
        }
        let committed = committed.map_err(Arc::new);
        for work in batch {
            work.answer(committed.clone());
        }
    }
    let _ = tx.close().await;
    if let Some(tell) = closing {
        let _ = tell.send(());
    }
}

async fn together(tx: &mut Tx, batch: &mut [Box<dyn Work>], measures: &Measures) -> Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    begin(tx).await?;
    let writes = batch.len();
    let mut is_kept = true;
    for (at, work) in batch.iter_mut().enumerate() {
        if at > 0 {
            // One way to the database instead of two. A savepoint outlives what was undone to it.
            let next = if is_kept {
                "RELEASE one; SAVEPOINT one"
            } else {
                "ROLLBACK TO one"
            };
            tx.command(next).await?;
        }
        is_kept = work.run(tx, measures).await;
    }
    let commit = if is_kept {
        "COMMIT"
    } else {
        "ROLLBACK TO one; COMMIT"
    };
    let started = Instant::now();
    let outcome = tx.commit_shared(commit).await;
    measures.committed(started, writes);
    outcome
}

/// Another process may hold the file, such as the CLI beside a server. A busy writer leaves it for
/// moments only, so it is asked for often rather than with `SQLite`'s growing pauses.
async fn begin(tx: &mut Tx) -> Result<()> {
    let deadline = Instant::now() + BEGIN_TIME;
    loop {
        match tx.command("BEGIN IMMEDIATE; SAVEPOINT one").await {
            Err(error) if error.is_busy() && Instant::now() < deadline => {}
            outcome => return outcome,
        }
    }
}
