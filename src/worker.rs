//! Work that no request waits for: runs, the sweeper, the sequencer and imports. One process at a time does
//! it, under a lease; every step is a transaction of its own and can be resumed by another process.
//!
//! A task that dies is begun again ([`keep`]).

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::accounts::sessions;
use crate::admission::reports::Waited;
use crate::admission::{brake, exit, import, join_requests, phases, runs, sweep};
use crate::app::{App, repeats};
use crate::changes::{refusals, sequencer};
use crate::clock::Timestamp;
use crate::directory::retention::Retaining;
use crate::error::{Error, Result};
use crate::login::flow;
use crate::store::deployment;
use crate::telemetry;
use crate::workspace::{domains, makers, seats};

/// The lease under which the work is done.
const LEASE: &str = "worker";
/// The lease under which domains are proved again, and how often it is seen whether one is due.
const DOMAINS: &str = "domains";
const PROVE: Duration = Duration::from_mins(1);
/// How long a lease holds; it is prolonged before each round.
const LEASE_LIFE: Duration = Duration::from_secs(15);
/// How often it is seen whether the planner's statistics are out of date, and for how long after the
/// last change: a database is late in counting its own rows.
const STATISTICS: Duration = Duration::from_secs(2);
const STATISTICS_FOR: Duration = Duration::from_mins(1);
/// How often the clock is held against the database's.
const HOLD: Duration = Duration::from_secs(10);
/// How long to wait when there is nothing to do.
const IDLE: Duration = Duration::from_millis(200);
/// How long to wait when another process holds the lease, or the database is away.
const AWAY: Duration = Duration::from_secs(1);
/// How often it is looked for what is not kept any longer.
const RETENTION: Duration = Duration::from_mins(1);
/// How often requests are looked for that are to be forgotten.
const FORGET: Duration = Duration::from_mins(1);
/// How often the figures of the database are read.
const FIGURES: Duration = Duration::from_secs(15);
/// How long to wait before a task that died is begun again: first, and at most.
const AGAIN_FIRST: Duration = Duration::from_millis(250);
const AGAIN_MOST: Duration = Duration::from_secs(30);

/// Keeps a task at work until told to stop: one that panics is begun again, after a pause that
/// doubles while it goes on to die soon.
pub fn keep<W, F>(
    name: &'static str,
    app: &App,
    stop: &CancellationToken,
    work: W,
) -> impl Future<Output = ()> + Send + use<W, F>
where
    W: Fn(App, CancellationToken) -> F + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let (app, stop) = (app.clone(), stop.clone());
    async move {
        let mut pause = AGAIN_FIRST;
        loop {
            let begun = Instant::now();
            let working = work(app.clone(), stop.clone());
            let ended = AssertUnwindSafe(working).catch_unwind().await;
            if ended.is_ok() || stop.is_cancelled() {
                return;
            }
            metrics::counter!("gatehouse_task_restarts_total", "task" => name).increment(1);
            tracing::error!(task = name, "the task {name} died; it is begun again");
            if begun.elapsed() > AGAIN_MOST {
                pause = AGAIN_FIRST;
            }
            wait(pause, &stop).await;
            pause = (pause * 2).min(AGAIN_MOST);
        }
    }
}

/// Reads the figures of the database now and then, until told to stop.
pub async fn measure(app: App, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = telemetry::measure(&app).await {
            tracing::warn!(error = ?error, "the figures of the database could not be read");
        }
        wait(FIGURES, &stop).await;
    }
}

/// Proves domains again that were proved, until told to stop: apart from all other work, which must not
/// wait for a name server of somebody else. One process at a time does it.
pub async fn prove(app: App, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let pause = match prove_one(&app).await {
            Ok(0) => PROVE,
            Ok(_) => Duration::ZERO,
            Err(error) => {
                tracing::warn!(error = ?error, "domains could not be proved again");
                PROVE
            }
        };
        wait(pause, &stop).await;
    }
}

async fn prove_one(app: &App) -> Result<usize> {
    let (node, now) = (app.node, app.clock.now());
    let is_ours = app.write(move |tx| {
        Box::pin(async move {
            let until = now.after(PROVE);
            Ok(deployment::take_lease(tx, DOMAINS, node, now, until).await?)
        })
    });
    if is_ours.await? {
        domains::recheck(app).await
    } else {
        Ok(0)
    }
}

async fn wait(pause: Duration, stop: &CancellationToken) {
    #[expect(clippy::disallowed_methods, reason = "the place that waits")]
    let pause = tokio::time::sleep(pause);
    let _ = stop.run_until_cancelled(pause).await;
}

/// Works until told to stop; and holds this node's clock against the database's, whoever has the
/// lease.
pub async fn work(app: App, stop: CancellationToken) {
    let mut worker = Worker::new(app.clone());
    let mut held = Instant::now();
    while !stop.is_cancelled() {
        if held.elapsed() >= HOLD {
            if let Err(error) = app.hold_clock().await {
                tracing::warn!(error = ?error, "the database did not tell its time");
            }
            held = Instant::now();
        }
        // Each node counts what it refuses by itself.
        refusals::tell_left(&app).await;
        let pause = match worker.round().await {
            // By a clock that may be wrong nothing is done.
            Err(Error::Unavailable) if !app.clock.is_true() => AWAY,
            Ok(Round::Worked) => Duration::ZERO,
            Ok(Round::Idle) => IDLE,
            Ok(Round::Elsewhere) => AWAY,
            Err(error) => {
                metrics::counter!("gatehouse_worker_errors_total").increment(1);
                tracing::error!(error = ?error, "a round of background work failed");
                AWAY
            }
        };
        wait(pause, &stop).await;
    }
    refusals::tell_all_left(&app).await;
    let _ = release(&app).await;
    metrics::gauge!("gatehouse_worker_lease_held").set(0.0);
}

/// What a round came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// There was something to do, and there may be more.
    Worked,
    /// There was nothing to do.
    Idle,
    /// Another process holds the lease.
    Elsewhere,
}

/// Does the work of a process while that process holds the lease.
pub struct Worker {
    app: App,
    /// Until when the lease is prolonged before anything else.
    held_until: Timestamp,
    /// When there was a change last, and when the planner's statistics were looked at.
    changed: Option<Instant>,
    statistics: Option<Instant>,
    /// When requests that were answered long ago are looked for.
    forget_at: Timestamp,
    /// How far the sweeper has come.
    places: sweep::Places,
    /// When it is looked next for what is not kept any longer, and what of that is under way.
    retain_at: Timestamp,
    retaining: Retaining,
    /// How far those who wait for their manager were looked through.
    waited: Waited,
    /// Whether somebody may be out since it was looked whose keys they are that workspaces have.
    is_to_alert: bool,
}

impl Worker {
    /// A worker that holds no lease yet.
    pub fn new(app: App) -> Self {
        Self {
            app,
            held_until: Timestamp(0),
            changed: None,
            statistics: None,
            forget_at: Timestamp(0),
            places: sweep::Places::default(),
            retain_at: Timestamp(0),
            retaining: Retaining::default(),
            waited: Waited::default(),
            is_to_alert: true,
        }
    }

    /// One round: a batch of each kind of work.
    pub async fn round(&mut self) -> Result<Round> {
        let is_ours = self.take().await?;
        metrics::gauge!("gatehouse_worker_lease_held").set(f64::from(u8::from(is_ours)));
        if !is_ours {
            return Ok(Round::Elsewhere);
        }
        // What one kind of work fails at does not keep the others waiting.
        let outcomes = [
            self.number().await,
            phases::turn(&self.app).await,
            runs::step_all(&self.app).await,
            sweep::sweep(&self.app, &mut self.places).await,
            seats::promote(&self.app).await,
            brake::carry_out(&self.app).await,
            self.retain().await,
            exit::step(&self.app).await,
            import::step(&self.app).await,
            self.waited.step(&self.app).await,
            self.alert().await,
            self.forget().await,
        ];
        let mut done = 0;
        for outcome in outcomes {
            done += outcome?;
        }
        Ok(if done == 0 {
            Round::Idle
        } else {
            Round::Worked
        })
    }

    /// Lets go of what is not kept any longer, now and then.
    async fn retain(&mut self) -> Result<usize> {
        let now = self.app.clock.now();
        if now < self.retain_at {
            return Ok(0);
        }
        // What fails is not tried again at once.
        self.retain_at = now.after(RETENTION);
        let done = self.retaining.step(&self.app).await?;
        if done > 0 {
            self.retain_at = now;
        }
        Ok(done)
    }

    /// Tells of keys whose makers are out, after changes.
    async fn alert(&mut self) -> Result<usize> {
        if !std::mem::take(&mut self.is_to_alert) {
            return Ok(0);
        }
        makers::alert(&self.app).await
    }

    /// Forgets requests that nobody sends again any more, and sessions that are over, now and then.
    async fn forget(&mut self) -> Result<usize> {
        let now = self.app.clock.now();
        if now < self.forget_at {
            return Ok(0);
        }
        let forgotten = repeats::forget(&self.app).await?
            + sessions::forget(&self.app).await?
            + flow::forget(&self.app).await?
            + join_requests::forget(&self.app).await?;
        if forgotten == 0 {
            self.forget_at = now.after(FORGET);
        }
        Ok(forgotten)
    }

    /// Numbers changes.
    async fn number(&mut self) -> Result<usize> {
        let numbered = sequencer::number(&self.app).await?;
        if numbered > 0 {
            self.changed = Some(Instant::now());
            self.waited.wake();
            self.is_to_alert = true;
        }
        let is_within = |at: Option<Instant>, time| at.is_some_and(|at| at.elapsed() < time);
        if is_within(self.changed, STATISTICS_FOR) && !is_within(self.statistics, STATISTICS) {
            self.statistics = Some(Instant::now());
            match self.app.db.renew_statistics().await {
                Ok(tables) if tables.is_empty() => {}
                Ok(tables) => tracing::debug!(?tables, "the planner's statistics are renewed"),
                // The database's own housekeeping comes by as well.
                Err(error) => {
                    tracing::warn!(error = ?error, "the planner's statistics are not renewed");
                }
            }
        }
        Ok(numbered)
    }

    /// Takes the lease, or prolongs it once half of its life is over; false when another process
    /// holds it.
    async fn take(&mut self) -> Result<bool> {
        let (node, now) = (self.app.node, self.app.clock.now());
        if now < self.held_until {
            return Ok(true);
        }
        let is_taken = self
            .app
            .write(move |tx| {
                Box::pin(async move {
                    let until = now.after(LEASE_LIFE);
                    Ok(deployment::take_lease(tx, LEASE, node, now, until).await?)
                })
            })
            .await?;
        if is_taken {
            self.held_until = now.after(LEASE_LIFE / 2);
        }
        Ok(is_taken)
    }
}

/// Gives the lease back, for the next process to take at once.
pub async fn release(app: &App) -> Result<()> {
    let node = app.node;
    app.write(move |tx| {
        Box::pin(async move {
            deployment::delete_lease(tx, LEASE, node).await?;
            Ok(())
        })
    })
    .await
}
