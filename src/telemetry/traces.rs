//! Traces, handed to a collector by OTLP over HTTP; off, and without a cost, unless
//! `telemetry.otlp_endpoint` is set.
//!
//! What is traced are the spans whose target is `otel`, and nothing else: they are made for it and
//! hold templates, numbers and ids of requests, never a path, a query, a name or a text of an
//! error. The log does not see them, nor the collector a line of the log.
//!
//! Spans wait in a bounded queue for a thread of their own. Where the collector is away or slow they
//! are dropped and counted, and no request notices.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanExporter,
};
use tracing::{Level, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::{FilterFn, LevelFilter};
use tracing_subscriber::{Layer, Registry};
use uuid::Uuid;

use super::logs;
use crate::config::{Config, Telemetry};

/// What spans must be of.
const TARGET: &str = "otel";
/// How many spans may wait, and how many are sent at once.
const QUEUE: usize = 8_192;
const BATCH: usize = 512;
/// How long they wait for others.
const DELAY: Duration = Duration::from_secs(2);
/// How long the collector may take for an answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A layer that makes spans into traces.
pub(super) type TraceLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// The way to the collector, to be closed at the end.
#[derive(Debug)]
#[must_use = "spans that wait are lost unless it is stopped"]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Sends what waits, for some seconds at most.
    pub async fn stop(self) {
        let Some(provider) = self.0 else {
            return;
        };
        // The exporter's client blocks. What it could not send it has told of.
        let _ = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(TIMEOUT)).await;
    }
}

/// Starts the log on standard error, and traces where they are wanted.
pub async fn start(config: &Config) -> Result<Traces> {
    let settings = config.telemetry.clone();
    let Some(url) = settings.spans_url() else {
        logs::start_log(&config.log, None)?;
        return Ok(Traces(None));
    };
    // The exporter's client blocks, and cannot be made where others must not.
    let provider = tokio::task::spawn_blocking(move || provider(&settings, url)).await??;
    let tracer = provider.tracer("gatehouse");
    let layer = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
        .with_target(false)
        .with_filter(
            FilterFn::new(|metadata| metadata.is_span() && metadata.target() == TARGET)
                .with_max_level_hint(LevelFilter::from_level(Level::DEBUG)),
        );
    logs::start_log(&config.log, Some(layer.boxed()))?;
    Ok(Traces(Some(provider)))
}

/// Makes a span a part of its caller's trace, as the headers of W3C Trace Context say.
pub fn follow(span: &Span, parent: Option<&str>, state: Option<&str>) {
    let Some(parent) = parent else {
        return;
    };
    let mut headers = HashMap::from([("traceparent".to_owned(), parent.to_owned())]);
    if let Some(state) = state {
        headers.insert("tracestate".to_owned(), state.to_owned());
    }
    // Headers that are no context leave the span a root.
    let _ = span.set_parent(TraceContextPropagator::new().extract(&headers));
}

fn provider(settings: &Telemetry, url: String) -> Result<SdkTracerProvider> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_endpoint(url)
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(TIMEOUT)
        .build()
        .context("telemetry.otlp_endpoint")?;
    let exporter = Watched {
        exporter,
        is_failing: AtomicBool::new(false),
    };
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(DELAY)
        .build();
    let processor = BatchSpanProcessor::builder(exporter)
        .with_batch_config(batches)
        .build();
    let sampler = Sampler::TraceIdRatioBased(settings.sample_ratio);
    Ok(SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_sampler(Sampler::ParentBased(Box::new(sampler)))
        .with_resource(
            Resource::builder_empty()
                .with_attributes([
                    KeyValue::new("service.name", settings.service_name.clone()),
                    KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                    KeyValue::new("service.instance.id", Uuid::now_v7().to_string()),
                ])
                .build(),
        )
        .build())
}

/// Tells once that the collector does not take spans, and once that it does again.
#[derive(Debug)]
struct Watched<E> {
    exporter: E,
    is_failing: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Watched<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len() as u64;
        let outcome = self.exporter.export(batch).await;
        let is_failing = outcome.is_err();
        if is_failing {
            metrics::counter!("gatehouse_spans_dropped_total").increment(count);
        }
        if self.is_failing.swap(is_failing, Ordering::Relaxed) != is_failing {
            match &outcome {
                Ok(()) => tracing::info!("the collector takes traces again"),
                Err(error) => tracing::warn!(%error, "the collector takes no traces"),
            }
        }
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use opentelemetry_sdk::error::OTelSdkError;

    use super::*;
    use crate::config::LogFormat;
    use crate::telemetry::logs::tests::logged;

    /// A collector that may be away.
    #[derive(Debug, Default)]
    struct Collector {
        is_away: AtomicBool,
    }

    impl SpanExporter for Collector {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            if self.is_away.load(Ordering::Relaxed) {
                return Err(OTelSdkError::InternalFailure("refused".to_owned()));
            }
            Ok(())
        }
    }

    #[test]
    fn a_collector_that_is_away_is_told_of_once() {
        let watched = Watched {
            exporter: Collector::default(),
            is_failing: AtomicBool::new(false),
        };
        let lines = logged(LogFormat::Text, "info", || {
            for is_away in [false, true, true, true, false, false] {
                watched.exporter.is_away.store(is_away, Ordering::Relaxed);
                let sent = watched.export(Vec::new()).now_or_never();
                assert_eq!(sent.map(|sent| sent.is_err()), Some(is_away));
            }
        });
        assert_eq!(lines.matches("takes no traces").count(), 1, "{lines}");
        assert_eq!(lines.matches("takes traces again").count(), 1, "{lines}");
    }
}
