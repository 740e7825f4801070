//! What `serve` has to do with the program that runs it: sockets that systemd opened, what it is
//! told, and SIGHUP.

use std::future::pending;
use std::net::TcpListener;
use std::time::Duration;

use anyhow::Context;
use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::http::tls::{Certificate, Renewal};

/// How often the files of the certificate are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Sockets that systemd opened and hands over, in the order of the socket unit.
pub(super) struct Inherited(ListenFd);

impl Inherited {
    pub(super) fn new() -> Self {
        Self(ListenFd::from_env())
    }

    /// Takes a socket; none if there is none at that place.
    pub(super) fn take(&mut self, at: usize) -> anyhow::Result<Option<TcpListener>> {
        let taken = self.0.take_tcp_listener(at);
        let listener = taken.context("the socket that systemd opened")?;
        if let Some(listener) = &listener {
            listener.set_nonblocking(true)?;
        }
        Ok(listener)
    }
}

/// Tells systemd that requests are answered from here on.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Renews the certificate when its files change and on SIGHUP, and tells systemd how it stands,
/// until `end`; that is after `stop`, when requests in flight have ended.
pub(super) async fn tend(
    mut certificate: Option<Certificate>,
    mut hangup: Hangup,
    stop: CancellationToken,
    end: CancellationToken,
) {
    let mut look = every(LOOK);
    let mut alive = sd_notify::watchdog_enabled().map(|limit| every(limit / 2));
    let mut is_stopping = false;
    loop {
        tokio::select! {
            // In this order: a stop with nothing in flight is followed by the end at once.
            biased;
            () = stop.cancelled(), if !is_stopping => {
                is_stopping = true;
                tell(&[NotifyState::Stopping]);
            }
            () = end.cancelled() => return,
            () = hangup.next() => reload(certificate.as_mut()).await,
            _ = look.tick() => {
                if let Some(certificate) = &mut certificate {
                    certificate.renew().await;
                }
            }
            () = tick(&mut alive) => tell(&[NotifyState::Watchdog]),
        }
    }
}

/// What SIGHUP asks for.
async fn reload(certificate: Option<&mut Certificate>) {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
    match certificate {
        Some(certificate) => {
            if certificate.renew().await == Renewal::Same {
                tracing::info!("the TLS certificate is the one that is in use");
            }
        }
        None => tracing::info!("there is no TLS certificate to reload"),
    }
    tell(&[NotifyState::Ready]);
}

/// Says nothing where nobody listens.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd could not be told how it stands");
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

async fn tick(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => pending().await,
    }
}

/// SIGHUP, which would end the process before this is made.
pub(super) struct Hangup(Option<Signal>);

impl Hangup {
    pub(super) fn new() -> Self {
        Self(signal(SignalKind::hangup()).ok())
    }

    async fn next(&mut self) {
        let heard = match &mut self.0 {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if heard.is_none() {
            pending::<()>().await;
        }
    }
}
