//! Between a gateway and its database: cut, silent or slow when told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::bed::pause;

/// What becomes of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    Open,
    /// Every connection is closed, and so is a new one.
    Cut,
    /// Nothing gets through, and nobody is told.
    Silent,
    /// Each answer comes later by so much.
    Slow(Duration),
}

/// The proxy; it ends with the test.
pub(crate) struct Proxy {
    /// The database by way of it.
    pub(crate) url: String,
    line: watch::Sender<Line>,
    lost: watch::Sender<()>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// A proxy before a database whose server is reached by a socket.
    pub(crate) async fn before(url: &str) -> Self {
        let (named, folder) = url.split_once("?host=").expect("…/NAME?host=…");
        let name = named.rsplit('/').next().expect("a name");
        let socket = format!("{folder}/.s.PGSQL.5432");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (line, watched) = watch::channel(Line::Open);
        let (lost, losing) = watch::channel(());
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let (socket, line, mut lost) = (socket.clone(), watched.clone(), losing.clone());
                lost.mark_unchanged();
                tokio::spawn(connection(client, socket, line, lost));
            }
        });
        Self {
            url: format!("postgres://postgres@127.0.0.1:{port}/{name}?sslmode=disable"),
            line,
            lost,
            connections,
            task,
        }
    }

    /// Every connection that there is stays silent for ever, and its client is not told: the server
    /// is gone, and another one answers who asks anew.
    pub(crate) fn lose(&self) {
        self.lost.send_replace(());
    }

    /// How many connections were asked for so far.
    pub(crate) fn count(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connection(
    mut client: TcpStream,
    socket: String,
    mut line: watch::Receiver<Line>,
    mut lost: watch::Receiver<()>,
) {
    if *line.borrow() == Line::Cut {
        return;
    }
    let Ok(mut server) = UnixStream::connect(socket).await else {
        return;
    };
    let (client_in, client_out) = client.split();
    let (server_in, server_out) = server.split();
    let ends = line.clone();
    tokio::select! {
        () = pump(client_in, server_out, line.clone(), false) => return,
        () = pump(server_in, client_out, ends, true) => return,
        _ = line.wait_for(|line| *line == Line::Cut) => return,
        Ok(()) = lost.changed() => {}
    }
    // The server lets go of what it held; the client keeps its end and hears nothing.
    drop(server);
    std::future::pending::<()>().await;
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut line: watch::Receiver<Line>,
    is_answer: bool,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if line.wait_for(|line| *line != Line::Silent).await.is_err() {
            return;
        }
        let now = *line.borrow();
        if let Line::Slow(delay) = now
            && is_answer
        {
            pause(u64::try_from(delay.as_millis()).expect("it fits")).await;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
