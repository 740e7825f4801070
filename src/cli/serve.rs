//! `gatehouse serve`

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::Settings;
use super::service::{self, Hangup, Inherited};
use crate::app::App;
use crate::clock::Clock;
use crate::directory::{erasure, request_log};
use crate::http::tls::Certificate;
use crate::http::{self, server};
use crate::telemetry;
use crate::worker::{self, keep};
use crate::workspace::schemas;

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The address to listen on.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

impl Serve {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.settings.load(self.listen)?;
        let traces = telemetry::start(&config).await?;
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        let mut inherited = Inherited::new();
        let listener = inherited.take(0)?;
        let metrics_listener = match config.server.metrics_listen {
            Some(address) => {
                let listener = inherited.take(1)?;
                let listener = listener.map_or_else(|| bind(address), Ok)?;
                Some((listener, telemetry::start_metrics()?))
            }
            None => {
                if inherited.take(1)?.is_some() {
                    tracing::warn!(
                        "a second socket was handed over, and server.metrics_listen is not set: \
                         it is closed"
                    );
                }
                None
            }
        };
        let app = App::open(config, Clock::system()).await?;
        for setting in app.db.forgetful_settings().await? {
            tracing::warn!(
                setting,
                "the database may forget what it acknowledged when it is killed or its machine \
                 loses its power: the setting is off"
            );
        }
        schemas::check_folder(&app).await?;
        let certificate = Certificate::open(&app.config.server).await?;
        let listener = match listener {
            Some(listener) => listener,
            None => bind(app.config.server.listen)?,
        };
        let served = serve(app, listener, certificate, metrics_listener, stopped()).await;
        traces.stop().await;
        served?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Serves until told to stop, then lets what is in flight end.
pub(super) async fn serve(
    app: App,
    listener: TcpListener,
    certificate: Option<Certificate>,
    metrics: Option<(TcpListener, telemetry::Metrics)>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    app.store_public_url(&app.config.public_url()).await?;
    let again = erasure::again(&app).await?;
    if again > 0 {
        tracing::warn!(again, "{again} members were erased before and are so again");
    }
    tracing::info!(%address, "serving on {address}");
    let options = server::ServeOptions::from(&app.config.server);
    let tasks = tokio_util::task::TaskTracker::new();
    // The worker goes on while requests drain, and ends after them.
    let worker_stop = CancellationToken::new();
    tasks.spawn(keep("worker", &app, &worker_stop, worker::work));
    tasks.spawn(keep("domains", &app, &worker_stop, worker::prove));
    tasks.spawn(keep("request_log", &app, &worker_stop, request_log::work));
    if let Some((listener, metrics)) = metrics {
        tasks.spawn(keep("figures", &app, &worker_stop, worker::measure));
        let router = http::health::metrics_router(app.clone(), metrics);
        tasks.spawn(server::serve(
            listener,
            router,
            options.clone(),
            stop.clone(),
        ));
    }
    let router = http::router(app.clone());
    let used = certificate.as_ref().map(Certificate::used);
    tasks.spawn(service::tend(
        certificate,
        Hangup::new(),
        stop.clone(),
        worker_stop.clone(),
    ));
    service::ready();
    let served = server::serve_with(listener, router, options, used, stop.clone()).await;
    stop.cancel();
    worker_stop.cancel();
    tasks.close();
    tasks.wait().await;
    app.db.close().await;
    tracing::info!("stopped");
    served
}

/// Binds an address before anything else is told of it.
pub(super) fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener =
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Is cancelled by SIGTERM or an interrupt.
pub(super) fn stopped() -> CancellationToken {
    let stop = CancellationToken::new();
    let cancel = stop.clone();
    tokio::spawn(async move {
        wait_for_signal().await;
        cancel.cancel();
    });
    stop
}

#[cfg(unix)]
async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(not(unix))]
async fn wait_for_signal() {
    let _ = tokio::signal::ctrl_c().await;
}
