//! Logs and metrics: set up once, by `main`.
//!
//! Promises that neither a panic nor a library brings a request's headers or bodies into the log,
//! at any level (C211). Spans and lines of our own hold ids, never names, addresses or secrets; the one
//! network address is that of a client whose credential was refused.

use std::panic;
use std::time::Duration;

use anyhow::{Context, Result};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};

/// Libraries that print what goes over the wire, or values of statements, below this level.
const WIRE: &str = "h2=warn,hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn,sqlx=warn,\
                    tower=warn,tower_http=warn,axum=warn,axum_server=warn";

/// How often samples are folded.
const UPKEEP: Duration = Duration::from_secs(5);

/// Upper bounds of the histograms, in seconds: around the budgets of a request.
const BUCKETS: [f64; 14] = [
    0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0,
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

/// Starts the log of warnings alone, for commands whose output scripts read.
pub fn start_quiet() {
    let log = Log {
        format: LogFormat::Text,
        filter: "warn".to_owned(),
    };
    // A process that opens two databases starts this twice.
    let _ = start_log(&log);
}

/// Starts the log on standard error, and logs panics by their place.
pub fn start_log(log: &Log) -> Result<()> {
    subscriber(log, std::io::stderr)?
        .try_init()
        .context("the log was already set up")?;
    panic::set_hook(Box::new(|panic| {
        // The payload may quote what it was given.
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::error!(panic.place = place, "panicked at {place}");
    }));
    Ok(())
}

/// Starts recording metrics. Once a process.
pub fn start_metrics() -> Result<Metrics> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)
        .and_then(PrometheusBuilder::install_recorder)
        .context("cannot set up the metrics")?;
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

fn subscriber<W>(log: &Log, writer: W) -> Result<Box<dyn tracing::Subscriber + Send + Sync>>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(format!("{},{WIRE}", log.filter)).context("log.filter")?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(writer);
    Ok(match log.format {
        LogFormat::Text => Box::new(builder.finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).finish()),
    })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: &str, act: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = Log {
            format,
            filter: level.to_owned(),
        };
        let subscriber = subscriber(&log, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, act);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_carries_the_request_it_belongs_to() {
        let act = || {
            let span = tracing::info_span!("request", request.id = "abc");
            span.in_scope(|| tracing::info!(count = 3, "done"));
        };
        let line: serde_json::Value =
            serde_json::from_str(&logged(LogFormat::Json, "info", act)).unwrap();
        assert_eq!(line["message"], "done");
        assert_eq!(line["span"]["request.id"], "abc");
        let line = logged(LogFormat::Text, "info", act);
        assert!(line.contains("done") && line.contains("abc"), "{line}");
        assert_eq!(logged(LogFormat::Text, "warn", act), "");
    }

    // C211
    #[test]
    fn what_goes_over_the_wire_is_not_logged_at_any_level() {
        let act = || {
            tracing::trace!(target: "h2::hpack", "authorization: marked");
            tracing::debug!(target: "sqlx", "values: marked");
            tracing::trace!(target: "gatehouse", "ours");
        };
        for level in ["trace", "h2=trace,sqlx=debug,gatehouse=trace"] {
            let lines = logged(LogFormat::Text, level, act);
            assert!(
                lines.contains("ours") && !lines.contains("marked"),
                "{lines}"
            );
        }
    }
}
