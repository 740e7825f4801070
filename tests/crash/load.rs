//! Writers at work, all at once: until the server is gone, or through whatever befalls it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::bed::pause;
use crate::client::{Client, Lost};
use crate::writer::{Step, Writer};

/// How long anything may take; far more than it needs.
const DEADLINE: Duration = Duration::from_mins(1);

/// A writer at work; it ends with the first call that gets no answer.
pub(crate) type Stream = JoinHandle<(Lost, Writer)>;

/// Starts the writers.
pub(crate) fn streaming(client: &Client, writers: Vec<Writer>) -> Vec<Stream> {
    let start = |mut writer: Writer| {
        let client = client.clone();
        tokio::spawn(async move { (writer.until_lost(&client).await, writer) })
    };
    writers.into_iter().map(start).collect()
}

/// Waits for their ends; tells how many calls were on their way.
pub(crate) async fn finished(streams: Vec<Stream>) -> (usize, Vec<Writer>) {
    let (mut unanswered, mut writers) = (0, Vec::new());
    for stream in streams {
        let (lost, writer) = stream.await.expect("the writer has no complaint");
        unanswered += usize::from(lost == Lost::Unanswered);
        writers.push(writer);
    }
    (unanswered, writers)
}

/// Each writer repeats what got no answer, and then finds what it wrote.
pub(crate) async fn repeated(client: &Client, writers: Vec<Writer>) -> Vec<Writer> {
    let mut checks = Vec::new();
    for mut writer in writers {
        let client = client.clone();
        checks.push(tokio::spawn(async move {
            if writer.has_pending() {
                assert_eq!(writer.step(&client).await, Step::Done);
            }
            writer.check(&client).await;
            writer
        }));
    }
    let mut writers = Vec::new();
    for check in checks {
        writers.push(check.await.expect("everything is there"));
    }
    writers
}

/// What the writers of a load have seen.
#[derive(Default)]
struct Seen {
    done: AtomicUsize,
    unavailable: AtomicUsize,
    is_over: AtomicBool,
}

/// Writers that repeat whatever is refused for the moment or gets no answer.
pub(crate) struct Load {
    seen: Arc<Seen>,
    writers: Vec<JoinHandle<Writer>>,
}

impl Load {
    pub(crate) fn start(client: &Client, writers: Vec<Writer>) -> Self {
        let seen = Arc::new(Seen::default());
        let start = |mut writer: Writer| {
            let (client, seen) = (client.clone(), Arc::clone(&seen));
            tokio::spawn(async move {
                while writer.has_pending() || !seen.is_over.load(Ordering::Relaxed) {
                    if writer.step(&client).await == Step::Done {
                        seen.done.fetch_add(1, Ordering::Relaxed);
                    } else {
                        seen.unavailable.fetch_add(1, Ordering::Relaxed);
                        pause(20).await;
                    }
                }
                writer
            })
        };
        let writers = writers.into_iter().map(start).collect();
        Self { seen, writers }
    }

    /// Waits until so many further writes were acknowledged.
    pub(crate) async fn until_done(&self, more: usize) {
        Self::until(&self.seen.done, more, "acknowledged").await;
    }

    /// Waits until so many further writes were refused for the moment.
    pub(crate) async fn until_unavailable(&self, more: usize) {
        Self::until(&self.seen.unavailable, more, "refused").await;
    }

    async fn until(counter: &AtomicUsize, more: usize, what: &str) {
        let (from, deadline) = (counter.load(Ordering::Relaxed), Instant::now() + DEADLINE);
        while counter.load(Ordering::Relaxed) < from + more {
            assert!(Instant::now() < deadline, "in time: {more} writes {what}");
            pause(20).await;
        }
    }

    /// How many writes were acknowledged, and how many refused.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let read = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        (read(&self.seen.done), read(&self.seen.unavailable))
    }

    /// Lets each writer end with an answer, and looks whether everything is there.
    pub(crate) async fn end(self, client: &Client) -> Vec<Writer> {
        self.seen.is_over.store(true, Ordering::Relaxed);
        let mut writers = Vec::new();
        for writer in self.writers {
            let mut writer = writer.await.expect("the writer has no complaint");
            writer.check(client).await;
            writers.push(writer);
        }
        writers
    }
}
