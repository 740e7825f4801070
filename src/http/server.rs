//! The listeners: limits of time and number on connections, and a stop that lets requests end.
//!
//! Without TLS HTTP/1.1 alone is spoken: no client of SCIM needs cleartext HTTP/2, and its abuse
//! (rapid reset, floods of frames) then has no door. With TLS the client chooses, and HTTP/2 has
//! the limits of this file and of `frames`.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware;
use axum_server::Handle;
use axum_server::accept::Accept;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::connection::{self, Connected, Patience, Stream};
use crate::config::Server;

/// The longest header of a request, in bytes; above it there is a 431.
const HEADER_BYTES: u32 = 64 * 1024;
/// How many requests a client of HTTP/2 may have under way on a connection.
const STREAMS: u32 = 100;
/// How many requests may be taken back before they were looked at (rapid reset).
const TAKEN_BACK: usize = 20;
/// How many streams may end by the client's own faults, more than [`STREAMS`] among them, before the
/// connection does.
const FAULTS: usize = 1_000;
/// How much of a body, and of all bodies of a connection, may lie here unread.
const BODY_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// How much of an answer is held for a client of HTTP/2 that does not read on.
const SEND_BUFFER: usize = 256 * 1024;

/// Limits of a listener.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// How long a client may take to send a header.
    pub header_timeout: Duration,
    /// How long a client may leave an answer unread.
    pub write_timeout: Duration,
    /// How long requests in flight may go on after a stop.
    pub drain: Duration,
    /// How many connections are served at once; more wait as long as a client may take to send a
    /// header, and are closed then.
    pub max_connections: usize,
}

impl From<&Server> for ServeOptions {
    fn from(server: &Server) -> Self {
        Self {
            header_timeout: Duration::from_secs(server.header_seconds),
            write_timeout: Duration::from_secs(server.write_seconds),
            drain: Duration::from_secs(server.drain_seconds),
            max_connections: server.max_connections,
        }
    }
}

/// Serves without TLS until told to stop: then nothing new is accepted, and what is in flight may
/// end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: ServeOptions,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    serve_with(listener, router, options, None, stop).await
}

/// Serves as [`serve`] does, with TLS where there is a certificate.
pub async fn serve_with(
    listener: TcpListener,
    router: Router,
    options: ServeOptions,
    certificate: Option<RustlsConfig>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let handle = Handle::new();
    let places = Places {
        free: Arc::new(Semaphore::new(options.max_connections)),
        patience: options.header_timeout,
        write_timeout: options.write_timeout,
    };
    let patience = Patience {
        idle: options.header_timeout,
        unread: options.write_timeout,
    };
    let service = router
        .layer(middleware::from_fn(connection::count))
        .into_make_service();
    let server = axum_server::from_tcp(listener)?.handle(handle.clone());
    let serving: Pin<Box<dyn Future<Output = io::Result<()>> + Send>> = match certificate {
        None => {
            let mut server = server.acceptor(Plain { places, patience }).http1_only();
            limit(server.http_builder(), &options);
            Box::pin(server.serve(service))
        }
        Some(certificate) => {
            let tls = RustlsAcceptor::new(certificate)
                .handshake_timeout(options.header_timeout)
                .acceptor(places);
            let mut server = server.acceptor(Tls { tls, patience });
            limit(server.http_builder(), &options);
            Box::pin(server.serve(service))
        }
    };
    tokio::pin!(serving);
    tokio::select! {
        outcome = &mut serving => outcome?,
        () = stop.cancelled() => {
            handle.graceful_shutdown(Some(options.drain));
            serving.await?;
        }
    }
    Ok(())
}

/// Sets what the HTTP library limits, all of it by name.
fn limit(builder: &mut Builder<TokioExecutor>, options: &ServeOptions) {
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_buf_size(HEADER_BYTES as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEADER_BYTES)
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(TAKEN_BACK)
        .max_local_error_reset_streams(FAULTS)
        .initial_stream_window_size(BODY_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER);
}

/// Gives each connection a place, and its socket the time limit for unread answers.
#[derive(Clone)]
struct Places {
    free: Arc<Semaphore>,
    patience: Duration,
    write_timeout: Duration,
}

type Accepting<T, S> = Pin<Box<dyn Future<Output = io::Result<(T, S)>> + Send>>;

impl<S: Send + 'static> Accept<TcpStream, S> for Places {
    type Stream = TcpStream;
    /// The service, who connected, and the place.
    type Service = (S, SocketAddr, OwnedSemaphorePermit);
    type Future = Accepting<Self::Stream, Self::Service>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let free = Arc::clone(&self.free).acquire_owned();
        let free = tokio::time::timeout(self.patience, free);
        let write_timeout = self.write_timeout;
        Box::pin(async move {
            let place = free.await?.map_err(io::Error::other)?;
            stream.set_nodelay(true)?;
            #[cfg(target_os = "linux")]
            SockRef::from(&stream).set_tcp_user_timeout(Some(write_timeout))?;
            let peer = stream.peer_addr()?;
            Ok((stream, (service, peer, place)))
        })
    }
}

/// Connections without TLS.
#[derive(Clone)]
struct Plain {
    places: Places,
    patience: Patience,
}

impl<S: Send + 'static> Accept<TcpStream, S> for Plain {
    type Stream = Stream<TcpStream>;
    type Service = Connected<S>;
    type Future = Accepting<Self::Stream, Self::Service>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let accepting = self.places.accept(stream, service);
        let patience = self.patience;
        Box::pin(async move {
            let (stream, (service, peer, place)) = accepting.await?;
            Ok(Stream::new(stream, peer, false, patience, place, service))
        })
    }
}

/// Connections with TLS: the place comes before the handshake, so that those are limited too.
#[derive(Clone)]
struct Tls {
    tls: RustlsAcceptor<Places>,
    patience: Patience,
}

impl<S: Send + 'static> Accept<TcpStream, S> for Tls {
    type Stream = Stream<<RustlsAcceptor<Places> as Accept<TcpStream, S>>::Stream>;
    type Service = Connected<S>;
    type Future = Accepting<Self::Stream, Self::Service>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let accepting = self.tls.accept(stream, service);
        let patience = self.patience;
        Box::pin(async move {
            let (stream, (service, peer, place)) = accepting.await?;
            let agreed_on_two = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let stream = Stream::new(stream, peer, agreed_on_two, patience, place, service);
            Ok(stream)
        })
    }
}
