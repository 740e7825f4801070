//! Closed-loop load: a number of clients that each send the next request when the last is answered.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::process::Watch;

/// Work behind the answers (numbers of changes, the request log) is counted to the requests: the
/// servers are at rest when they use no more of the CPU than a tick in each of so many moments.
const MOMENT: Duration = Duration::from_millis(300);
const MOMENTS: usize = 2;
const TICK_MS: f64 = 10.0;
/// For no longer than this.
const REST: Duration = Duration::from_mins(2);
/// How long [`at_rest`] looks on.
const SECONDS: usize = 5;

/// What one scenario cost.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Which database.
    pub engine: String,
    /// `gatehouse` or `reference`.
    pub subject: String,
    /// What was done.
    pub scenario: String,
    /// Requests in flight.
    pub clients: usize,
    /// Requests answered.
    pub requests: u32,
    /// From the first request to the last answer.
    pub seconds: f64,
    /// Requests a second.
    pub per_second: f64,
    /// The latency half of the requests stay below, in milliseconds; unknown for a whole sync.
    pub p50_ms: Option<f64>,
    /// The same for 95 of 100.
    pub p95_ms: Option<f64>,
    /// The same for 99 of 100.
    pub p99_ms: Option<f64>,
    /// CPU of the server process for one request, in milliseconds.
    pub server_cpu_ms: f64,
    /// CPU of the database for one request; none where it is inside the server.
    pub database_cpu_ms: Option<f64>,
    /// Resident memory of the server after the scenario.
    pub rss_mib: f64,
    /// The most that it was while the scenario ran.
    pub peak_rss_mib: f64,
}

impl Figures {
    /// CPU of server and database together for one request, in milliseconds.
    pub(crate) fn cpu_ms(&self) -> f64 {
        self.server_cpu_ms + self.database_cpu_ms.unwrap_or_default()
    }
}

/// What a scenario took and brought.
#[derive(Debug)]
pub(crate) struct Taken<T> {
    /// Requests answered.
    pub requests: usize,
    /// One for each request, where they were measured one by one.
    pub latencies: Vec<Duration>,
    /// Wall time.
    pub elapsed: Duration,
    /// What came of it.
    pub result: T,
}

/// Sends requests `0..total` with `clients` in flight; the first failure ends it.
pub(crate) async fn drive<T, F>(
    clients: usize,
    total: usize,
    request: impl Fn(usize) -> F + Send + Sync + Clone + 'static,
) -> Result<Taken<Vec<T>>>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send,
{
    let next = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..clients {
        let (next, request) = (Arc::clone(&next), request.clone());
        tasks.spawn(async move {
            let mut answers = Vec::with_capacity(total / clients + 1);
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= total {
                    return Ok::<_, anyhow::Error>(answers);
                }
                let sent = Instant::now();
                let answer = request(index).await?;
                answers.push((index, sent.elapsed(), answer));
            }
        });
    }
    let mut answers = Vec::with_capacity(total);
    while let Some(task) = tasks.join_next().await {
        answers.extend(task??);
    }
    let elapsed = started.elapsed();
    answers.sort_unstable_by_key(|(index, ..)| *index);
    let latencies = answers.iter().map(|(_, latency, _)| *latency).collect();
    let result = answers.into_iter().map(|(.., answer)| answer).collect();
    Ok(Taken {
        requests: total,
        latencies,
        elapsed,
        result,
    })
}

/// Runs a scenario and says what it cost.
pub(crate) async fn measure<T>(
    watch: &Watch,
    scenario: &str,
    clients: usize,
    work: impl Future<Output = Result<Taken<T>>>,
) -> Result<(Figures, T)> {
    eprintln!("  {} {}: {scenario}", watch.engine, watch.subject);
    watch.forget_peak()?;
    let before = watch.cpu()?;
    let mut taken = work.await?;
    rest(watch).await?;
    let spent = watch.cpu()? - before;
    taken.latencies.sort_unstable();
    let requests = u32::try_from(taken.requests)?;
    let each = |total_ms: f64| total_ms / f64::from(requests.max(1));
    let seconds = taken.elapsed.as_secs_f64();
    let figures = Figures {
        engine: watch.engine.clone(),
        subject: watch.subject.clone(),
        scenario: scenario.to_owned(),
        clients,
        requests,
        seconds,
        per_second: f64::from(requests) / seconds,
        p50_ms: percentile(&taken.latencies, 50),
        p95_ms: percentile(&taken.latencies, 95),
        p99_ms: percentile(&taken.latencies, 99),
        server_cpu_ms: each(spent.server_ms),
        database_cpu_ms: spent.database_ms.map(each),
        rss_mib: watch.rss_mib()?,
        peak_rss_mib: watch.peak_rss_mib()?,
    };
    Ok((figures, taken.result))
}

/// What the servers use in a second in which nobody asks for anything.
pub(crate) async fn at_rest(watch: &Watch) -> Result<Figures> {
    // The last scenario left something to clean up.
    rest(watch).await?;
    let started = Instant::now();
    let work = async {
        #[expect(clippy::disallowed_methods, reason = "nothing happens meanwhile")]
        tokio::time::sleep(Duration::from_secs(SECONDS as u64)).await;
        Ok(Taken {
            requests: SECONDS,
            latencies: Vec::new(),
            elapsed: started.elapsed(),
            result: (),
        })
    };
    let (figures, ()) = measure(watch, "a second at rest", 0, work).await?;
    Ok(figures)
}

/// Waits until the servers have nothing left to do.
pub(crate) async fn rest(watch: &Watch) -> Result<()> {
    let deadline = Instant::now() + REST;
    let mut quiet = 0;
    while quiet < MOMENTS && Instant::now() < deadline {
        let before = watch.cpu()?;
        #[expect(
            clippy::disallowed_methods,
            reason = "the servers are let come to rest"
        )]
        tokio::time::sleep(MOMENT).await;
        let spent = watch.cpu()? - before;
        let is_quiet = spent.server_ms + spent.database_ms.unwrap_or_default() <= TICK_MS;
        quiet = if is_quiet { quiet + 1 } else { 0 };
    }
    Ok(())
}

/// A start of the server as a scenario of one request.
pub(crate) fn start(watch: &Watch, scenario: &str, took: Duration) -> Result<Figures> {
    let milliseconds = took.as_secs_f64() * 1000.0;
    Ok(Figures {
        engine: watch.engine.clone(),
        subject: watch.subject.clone(),
        scenario: scenario.to_owned(),
        clients: 1,
        requests: 1,
        seconds: took.as_secs_f64(),
        per_second: 1.0 / took.as_secs_f64(),
        p50_ms: Some(milliseconds),
        p95_ms: None,
        p99_ms: None,
        server_cpu_ms: watch.cpu()?.server_ms,
        database_cpu_ms: None,
        rss_mib: watch.rss_mib()?,
        peak_rss_mib: watch.peak_rss_mib()?,
    })
}

/// The nearest-rank percentile of sorted latencies, in milliseconds.
fn percentile(sorted: &[Duration], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    Some(sorted.get(rank - 1)?.as_secs_f64() * 1000.0)
}

/// Field by field the median over the runs, in the order of the first run.
pub(crate) fn medians(runs: &[Vec<Figures>]) -> Vec<Figures> {
    let Some(first) = runs.first() else {
        return Vec::new();
    };
    first
        .iter()
        .map(|figures| {
            let same: Vec<&Figures> = runs.iter().flatten().filter(|f| same(f, figures)).collect();
            let of = |field: fn(&Figures) -> f64| median(same.iter().map(|f| field(f)).collect());
            let known = |field: fn(&Figures) -> Option<f64>| {
                field(figures)?;
                Some(median(same.iter().filter_map(|f| field(f)).collect()))
            };
            Figures {
                seconds: of(|f| f.seconds),
                per_second: of(|f| f.per_second),
                p50_ms: known(|f| f.p50_ms),
                p95_ms: known(|f| f.p95_ms),
                p99_ms: known(|f| f.p99_ms),
                server_cpu_ms: of(|f| f.server_cpu_ms),
                database_cpu_ms: known(|f| f.database_cpu_ms),
                rss_mib: of(|f| f.rss_mib),
                peak_rss_mib: of(|f| f.peak_rss_mib),
                ..figures.clone()
            }
        })
        .collect()
}

fn same(one: &Figures, other: &Figures) -> bool {
    (&one.engine, &one.subject, &one.scenario) == (&other.engine, &other.subject, &other.scenario)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}
