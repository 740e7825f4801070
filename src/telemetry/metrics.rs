//! Every metric that an operator can read: its name, what it says, and its labels.
//!
//! Whoever counts names the metric where it happens; a test holds that each such name is one of
//! these, and that no label can hold an id or a name. Counters begin at zero, so that the first of
//! a kind is seen as a rise.

use std::time::Duration;

use anyhow::{Context, Result};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// How often samples are folded.
const UPKEEP: Duration = Duration::from_secs(5);

/// Upper bounds in seconds, around the budgets of requests: 1, 3, 10, 20, 30 and 150 ms; a search
/// may take 5 s.
const REQUEST: &[f64] = &[
    0.000_5, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.3, 0.5, 1.0, 2.0,
    5.0, 10.0, 30.0,
];
/// Upper bounds in seconds for what is a part of a request.
const PART: &[f64] = &[
    0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 3.0,
    10.0,
];
/// Upper bounds of numbers of statements: a create has 10 at most.
const STATEMENTS: &[f64] = &[
    1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 50.0, 100.0, 1_000.0,
];
/// Upper bounds of numbers of writes that share a commit; `database.shared_commits` is the most.
const SHARED: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 1_000.0];

/// A metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name, with its unit.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it says.
    pub help: &'static str,
    /// Its label, where it has one whose values are known beforehand.
    pub label: Option<(&'static str, &'static [&'static str])>,
}

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// How samples are spread over these upper bounds.
    Histogram(&'static [f64]),
}

const fn plain(name: &'static str, kind: Kind, help: &'static str) -> Metric {
    Metric {
        name,
        kind,
        help,
        label: None,
    }
}

const fn counter(name: &'static str, help: &'static str) -> Metric {
    plain(name, Kind::Counter, help)
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    plain(name, Kind::Gauge, help)
}

const fn histogram(name: &'static str, bounds: &'static [f64], help: &'static str) -> Metric {
    plain(name, Kind::Histogram(bounds), help)
}

const fn by(
    label: &'static str,
    values: &'static [&'static str],
    Metric {
        name, kind, help, ..
    }: Metric,
) -> Metric {
    Metric {
        name,
        kind,
        help,
        label: Some((label, values)),
    }
}

/// Every metric.
pub const METRICS: &[Metric] = &[
    // Requests. The first one is also by surface, route, method and status class.
    histogram(
        "gatehouse_request_seconds",
        REQUEST,
        "How long requests took; the count is that of requests",
    ),
    gauge(
        "gatehouse_requests_in_flight",
        "Requests that are worked on now",
    ),
    by(
        "reason",
        &["HTTP/2 was not agreed on", "flood of frames", "silent"],
        counter(
            "gatehouse_connections_cut_total",
            "Connections that were ended for what their client did, by reason",
        ),
    ),
    by(
        "outcome",
        &["renewed", "broken"],
        counter(
            "gatehouse_tls_reloads_total",
            "New TLS certificates that were found while serving",
        ),
    ),
    gauge(
        "gatehouse_tls_certificate_broken",
        "1 while the files of the TLS certificate cannot be used",
    ),
    gauge(
        "gatehouse_tls_certificate_end_timestamp_seconds",
        "When the TLS certificate in use ends, in seconds since 1970",
    ),
    histogram(
        "gatehouse_request_statements",
        STATEMENTS,
        "Statements of a request, without transaction control",
    ),
    histogram(
        "gatehouse_request_round_trips",
        STATEMENTS,
        "Times that a request waited for the database",
    ),
    by(
        "reason",
        &[
            "address", "auth", "encoding", "host", "quota", "rights", "share", "size",
        ],
        counter(
            "gatehouse_refusals_total",
            "Requests and Bulk operations refused before any work, by reason",
        ),
    ),
    counter(
        "gatehouse_internal_errors_total",
        "Requests that failed by a fault of ours",
    ),
    counter(
        "gatehouse_brake_held_total",
        "Members whose loss of access the brake came to hold",
    ),
    counter(
        "gatehouse_last_admin_refusals_total",
        "Times that the last admin of a workspace was to be taken away",
    ),
    counter("gatehouse_panics_total", "Requests that panicked"),
    // The database.
    gauge(
        "gatehouse_write_queue",
        "Writes that wait for the SQLite writer; 1024 at most",
    ),
    histogram(
        "gatehouse_write_wait_seconds",
        PART,
        "How long a write waited before it began",
    ),
    histogram("gatehouse_commit_seconds", PART, "How long commits took"),
    histogram(
        "gatehouse_commit_writes",
        SHARED,
        "Writes that a commit made durable; on PostgreSQL always one",
    ),
    by(
        "reason",
        &["deadlock", "reference", "serialization"],
        counter(
            "gatehouse_write_retries_total",
            "Writes that PostgreSQL had run again, by reason",
        ),
    ),
    gauge(
        "gatehouse_pool_connections_max",
        "Database connections that this process may open",
    ),
    gauge(
        "gatehouse_pool_connections",
        "Database connections that are open",
    ),
    gauge(
        "gatehouse_pool_connections_idle",
        "Open database connections that nobody uses",
    ),
    gauge(
        "gatehouse_pool_waiting",
        "Who waits for a database connection",
    ),
    histogram(
        "gatehouse_pool_acquire_seconds",
        PART,
        "How long a database connection was waited for, the begin of its transaction included",
    ),
    // Background work. What is read from the database is the same for every process on it: take
    // the maximum over them, not the sum.
    gauge(
        "gatehouse_worker_lease_held",
        "1 in the process that does the background work",
    ),
    counter(
        "gatehouse_worker_errors_total",
        "Rounds of background work that failed",
    ),
    by(
        "task",
        &["figures", "request_log", "worker"],
        counter(
            "gatehouse_task_restarts_total",
            "Background tasks that died and were begun again",
        ),
    ),
    counter(
        "gatehouse_changes_numbered_total",
        "Changes that the sequencer numbered",
    ),
    gauge(
        "gatehouse_changes_unnumbered",
        "Changes that wait for the sequencer",
    ),
    gauge(
        "gatehouse_changes_unnumbered_age_seconds",
        "How long the oldest of them has waited",
    ),
    gauge("gatehouse_runs_open", "Runs that are not done"),
    gauge(
        "gatehouse_workspaces_unswept",
        "Workspaces whose members the sweeper has yet to look at",
    ),
    gauge(
        "gatehouse_tokens_ending",
        "Live tokens that end within 14 days, in directories without one that lasts longer",
    ),
    gauge(
        "gatehouse_workspaces_full",
        "Workspaces in which all seats are taken",
    ),
    gauge(
        "gatehouse_members_braked",
        "Members for whom the brake keeps something that they are to lose",
    ),
    gauge(
        "gatehouse_members_waiting",
        "Members who wait for a seat, without rights",
    ),
    gauge("gatehouse_workspaces", "Workspaces"),
    gauge("gatehouse_directories", "Directories"),
    gauge("gatehouse_users", "Users in all directories"),
    gauge("gatehouse_groups", "Groups in all directories"),
    gauge(
        "gatehouse_clock_skew_seconds",
        "How far this machine's clock is from the database's, or has jumped",
    ),
    // The request log and traces.
    gauge(
        "gatehouse_request_log_queue",
        "Requests that wait to be written to the request log",
    ),
    counter(
        "gatehouse_request_log_dropped_total",
        "Requests that are in no request log",
    ),
    counter(
        "gatehouse_spans_dropped_total",
        "Spans that no collector took",
    ),
    // The process, under the names that all programs have.
    gauge(
        "gatehouse_build_info",
        "Always 1; the label says which version this is",
    ),
    counter(
        "process_cpu_seconds_total",
        "Processor time of this process",
    ),
    gauge("process_resident_memory_bytes", "Memory of this process"),
    gauge("process_open_fds", "Open files and sockets"),
    gauge("process_max_fds", "The most of them"),
    gauge(
        "process_start_time_seconds",
        "When this process started, in seconds since 1970",
    ),
];

/// The recorded metrics, to be shown as Prometheus text.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// The metrics now.
    pub fn render(&self) -> String {
        self.0.render()
    }
}

/// Starts recording metrics. Once a process, and before anything is opened that counts: handles
/// are kept where a request passes.
pub fn start_metrics() -> Result<Metrics> {
    let mut builder = PrometheusBuilder::new();
    for metric in METRICS {
        if let Kind::Histogram(bounds) = metric.kind {
            let name = Matcher::Full(metric.name.to_owned());
            builder = builder.set_buckets_for_metric(name, bounds)?;
        }
    }
    let handle = builder
        .install_recorder()
        .context("cannot set up the metrics")?;
    for metric in METRICS {
        describe(metric);
    }
    metrics::gauge!("gatehouse_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    metrics::gauge!("gatehouse_tls_certificate_broken").set(0.0);
    // Where there is none, none ends.
    metrics::gauge!("gatehouse_tls_certificate_end_timestamp_seconds").set(f64::INFINITY);
    let upkeep = handle.clone();
    // Samples pile up until somebody folds them, and nobody may be reading.
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(UPKEEP);
            upkeep.run_upkeep();
        }
    });
    Ok(Metrics(handle))
}

fn describe(metric: &Metric) {
    let Metric { name, help, .. } = *metric;
    match (metric.kind, metric.label) {
        (Kind::Counter, label) => {
            metrics::describe_counter!(name, help);
            match label {
                None => metrics::counter!(name).increment(0),
                Some((label, values)) => {
                    for value in values {
                        metrics::counter!(name, label => *value).increment(0);
                    }
                }
            }
        }
        (Kind::Gauge, _) => metrics::describe_gauge!(name, help),
        (Kind::Histogram(_), _) => metrics::describe_histogram!(name, help),
    }
}
