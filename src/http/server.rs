//! The listeners: limits of time and number on connections, and a stop that lets requests end.
//!
//! HTTP/1.1 alone is spoken without TLS: no client of SCIM needs cleartext HTTP/2, and its abuse
//! (rapid reset, floods of frames) then has no door.

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::accept::Accept;
use hyper_util::rt::TokioTimer;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::quotes::Requests;
use crate::config::Server;

/// Limits of a listener.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// How long a client may take to send a header.
    pub header_timeout: Duration,
    /// How long a client may leave an answer unread.
    pub write_timeout: Duration,
    /// How long requests in flight may go on after a stop.
    pub drain: Duration,
    /// How many connections are open at once; more wait to be accepted.
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

/// Serves until told to stop: then nothing new is accepted, and what is in flight may end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: ServeOptions,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let handle = Handle::new();
    let mut server = axum_server::from_tcp(listener)?
        .acceptor(Acceptor {
            places: Arc::new(Semaphore::new(options.max_connections)),
            write_timeout: options.write_timeout,
        })
        .handle(handle.clone())
        .http1_only();
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_buf_size(64 * 1024);
    let serving = server.serve(router.into_make_service());
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

/// Gives each connection a place, and its socket the time limit for unread answers.
#[derive(Clone)]
struct Acceptor {
    places: Arc<Semaphore>,
    write_timeout: Duration,
}

impl<S: Send + 'static> Accept<TcpStream, S> for Acceptor {
    type Stream = Placed;
    type Service = S;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Placed, S)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let places = Arc::clone(&self.places);
        let write_timeout = self.write_timeout;
        Box::pin(async move {
            let place = places.acquire_owned().await.map_err(io::Error::other)?;
            stream.set_nodelay(true)?;
            #[cfg(target_os = "linux")]
            SockRef::from(&stream).set_tcp_user_timeout(Some(write_timeout))?;
            Ok((
                Placed {
                    stream,
                    requests: Requests::new(),
                    _place: place,
                },
                service,
            ))
        })
    }
}

/// A connection that has a place.
struct Placed {
    stream: TcpStream,
    requests: Requests,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for Placed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.requests.rewrite(&mut buffer.filled_mut()[before..]);
        polled
    }
}

impl AsyncWrite for Placed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
