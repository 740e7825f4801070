//! One connection: its place, what is known of its client, and the limits that the HTTP library
//! does not hold by itself.
//!
//! Over HTTP/2 a client could hold its place for ever without asking for anything, or by leaving
//! an answer unread while TCP goes on; [`Stream`] ends such a connection.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header::CONTENT_LENGTH;
use axum::http::{self, HeaderValue, Version};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use tower::Service;

use super::frames::Frames;
use super::quotes::Requests;

/// How a client begins who speaks HTTP/2; no method of HTTP/1.1 has these bytes.
const PREFACE: &[u8] = b"PRI ";

/// What is known of a connection; every request on it has this as an extension.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    /// Who connected: the client, or a proxy before it.
    pub(crate) peer: SocketAddr,
    work: Arc<Work>,
}

/// What goes on on a connection.
#[derive(Debug, Default)]
struct Work {
    /// Requests whose answer is not made yet.
    open: AtomicUsize,
    /// Answers that were not read to their end yet.
    unread: AtomicUsize,
    /// Requests that began or ended.
    steps: AtomicU64,
}

/// Counts one of something for as long as it lives.
struct Counted(Arc<Work>, fn(&Work) -> &AtomicUsize);

impl Counted {
    fn new(work: &Arc<Work>, of: fn(&Work) -> &AtomicUsize) -> Self {
        of(work).fetch_add(1, Ordering::Relaxed);
        work.steps.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(work), of)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.1)(&self.0).fetch_sub(1, Ordering::Relaxed);
        self.0.steps.fetch_add(1, Ordering::Relaxed);
    }
}

/// The layer that counts the requests of a connection.
pub(super) async fn count(request: Request, next: Next) -> Response {
    let connection = request.extensions().get::<Connection>().cloned();
    let Some(Connection { work, .. }) = connection else {
        return next.run(request).await;
    };
    let is_multiplexed = request.version() == Version::HTTP_2;
    let _open = Counted::new(&work, |work| &work.open);
    let mut response = next.run(request).await;
    if !is_multiplexed {
        return response;
    }
    // A body that is wrapped does not tell its length any more.
    if let Some(length) = response.body().size_hint().exact() {
        let length = HeaderValue::from(length);
        response
            .headers_mut()
            .entry(CONTENT_LENGTH)
            .or_insert(length);
    }
    let unread = Counted::new(&work, |work| &work.unread);
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _ = &unread;
            frame
        }))
    })
}

/// A service whose requests know their connection.
#[derive(Clone)]
pub(super) struct Connected<S> {
    service: S,
    connection: Connection,
}

impl<S, B> Service<http::Request<B>> for Connected<S>
where
    S: Service<http::Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        request.extensions_mut().insert(self.connection.clone());
        self.service.call(request)
    }
}

/// How long a connection may be silent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Until the first bytes, and without a request over HTTP/2.
    pub(super) idle: Duration,
    /// While an answer is left unread over HTTP/2.
    pub(super) unread: Duration,
}

/// What the client speaks.
enum Spoken {
    /// Not known before more bytes of the preface came, or others.
    Open(usize),
    One,
    Two(Frames),
}

/// The bytes of a connection that has a place.
pub(super) struct Stream<T> {
    inner: T,
    spoken: Spoken,
    requests: Requests,
    work: Arc<Work>,
    written: u64,
    patience: Patience,
    deadline: Pin<Box<Sleep>>,
    /// What the deadline was last moved for.
    seen: (u64, u64),
    _place: OwnedSemaphorePermit,
}

impl<T> Stream<T> {
    /// A connection and the service for its requests. It may speak HTTP/2 only if that was agreed.
    pub(super) fn new<S>(
        inner: T,
        peer: SocketAddr,
        agreed_on_two: bool,
        patience: Patience,
        place: OwnedSemaphorePermit,
        service: S,
    ) -> (Self, Connected<S>) {
        let work = Arc::new(Work::default());
        let connection = Connection {
            peer,
            work: Arc::clone(&work),
        };
        let stream = Self {
            inner,
            spoken: if agreed_on_two {
                Spoken::Two(Frames::new(Instant::now()))
            } else {
                Spoken::Open(0)
            },
            requests: Requests::new(),
            work,
            written: 0,
            patience,
            deadline: Box::pin(tokio::time::sleep_until(
                tokio::time::Instant::now() + patience.idle,
            )),
            seen: (0, 0),
            _place: place,
        };
        let service = Connected {
            service,
            connection,
        };
        (stream, service)
    }

    /// Looks at bytes that were read, before anybody else does.
    fn passed(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        if let Spoken::Open(matched) = &mut self.spoken {
            let rest = &PREFACE[*matched..];
            let same = rest.iter().zip(&*bytes).take_while(|(a, b)| a == b).count();
            if same == rest.len() {
                return Err(cut("HTTP/2 was not agreed on"));
            }
            if same < bytes.len() {
                self.spoken = Spoken::One;
            } else {
                *matched += same;
            }
        }
        match &mut self.spoken {
            Spoken::Two(frames) => {
                if frames.is_flood(bytes, self.written, Instant::now()) {
                    return Err(cut("flood of frames"));
                }
            }
            _ => self.requests.rewrite(bytes),
        }
        Ok(())
    }

    /// Whether the client kept its place for too long without need.
    fn is_overdue(&mut self, context: &mut Context<'_>) -> bool {
        if matches!(self.spoken, Spoken::One) {
            // The library has time limits of its own for HTTP/1.1.
            return false;
        }
        let is_unread = self.work.unread.load(Ordering::Relaxed) > 0;
        let is_open = self.work.open.load(Ordering::Relaxed) > 0;
        // What is written without an answer under way answers frames that carry nothing.
        let written = if is_unread { self.written } else { 0 };
        let seen = (self.work.steps.load(Ordering::Relaxed), written);
        if is_open || seen != self.seen {
            self.seen = seen;
            let patience = if is_unread {
                self.patience.unread
            } else {
                self.patience.idle
            };
            let until = tokio::time::Instant::now() + patience;
            self.deadline.as_mut().reset(until);
        }
        self.deadline.as_mut().poll(context).is_ready()
    }

    fn wrote(&mut self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = &polled {
            self.written += *count as u64;
        }
        polled
    }
}

/// Ends a connection.
fn cut(reason: &'static str) -> io::Error {
    metrics::counter!("gatehouse_connections_cut_total", "reason" => reason).increment(1);
    io::Error::other(reason)
}

impl<T: AsyncRead + Unpin> AsyncRead for Stream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_overdue(context) {
            let error = cut("silent");
            // Without an answer under way it is an end as any other, and is told as one.
            return Poll::Ready(match self.work.unread.load(Ordering::Relaxed) {
                0 => Ok(()),
                _ => Err(error),
            });
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        if let Poll::Ready(Ok(())) = polled {
            self.passed(&mut buffer.filled_mut()[before..])?;
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Stream<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.wrote(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(context, buffers);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
