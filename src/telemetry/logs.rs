//! The log.
//!
//! Promises that neither a panic nor a library brings a request's headers or bodies into the log,
//! at any level (C211). Spans and lines of our own hold ids, never names, addresses or secrets; the one
//! network address is that of a client whose credential was refused.

use std::panic;

use anyhow::{Context, Result};
use tracing_subscriber::fmt::{MakeWriter, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, registry};

use super::traces::TraceLayer;
use crate::config::{Log, LogFormat};

/// Libraries that print what goes over the wire, or values of statements, below this level; and
/// spans that are made for traces alone.
const WIRE: &str = "h2=warn,hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn,sqlx=warn,\
                    tower=warn,tower_http=warn,axum=warn,axum_server=warn,otel=off,opentelemetry=off";

/// Starts the log of warnings alone, for commands whose output scripts read.
pub fn start_quiet() {
    let log = Log {
        format: LogFormat::Text,
        filter: "warn".to_owned(),
    };
    // A process that opens two databases starts this twice.
    let _ = start_log(&log, None);
}

/// Starts the log on standard error, beside the traces, and logs panics by their place.
pub(super) fn start_log(log: &Log, traces: Option<TraceLayer>) -> Result<()> {
    subscriber(log, std::io::stderr, traces)?
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

fn subscriber<W>(
    log: &Log,
    writer: W,
    traces: Option<TraceLayer>,
) -> Result<Box<dyn tracing::Subscriber + Send + Sync>>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(format!("{},{WIRE}", log.filter)).context("log.filter")?;
    let lines = layer().with_ansi(false).with_writer(writer);
    let lines: TraceLayer = match log.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    Ok(match traces {
        // One filter for all costs less than one for each of two.
        None => Box::new(registry().with(lines).with(filter)),
        Some(traces) => Box::new(registry().with(vec![lines.with_filter(filter).boxed(), traces])),
    })
}

#[cfg(test)]
pub(super) mod tests {
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

    /// What is logged meanwhile.
    pub(in crate::telemetry) fn logged(
        format: LogFormat,
        level: &str,
        act: impl FnOnce(),
    ) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = Log {
            format,
            filter: level.to_owned(),
        };
        let subscriber = subscriber(&log, move || writer.clone(), None).unwrap();
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

    #[test]
    fn spans_that_are_made_for_traces_are_in_no_line() {
        let act = || {
            let span = tracing::debug_span!(target: "otel", "write", db.statements = 7);
            span.in_scope(|| tracing::info!("done"));
        };
        for format in [LogFormat::Text, LogFormat::Json] {
            let line = logged(format, "trace", act);
            assert!(
                line.contains("done") && !line.contains("statements"),
                "{line}"
            );
        }
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
