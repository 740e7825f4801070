//! Fail points: every statement of a write is two, before it and after it, and its commit is one.
//! Tests arm a fault, production never does.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::error::{DbError, Result};

/// What happens at the statement that a fault was armed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The statement fails as if the database had refused it.
    Error,
    /// The statement never answers.
    Hang,
    /// The code panics.
    Panic,
}

/// Where in a write a fault strikes; statements count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The statement is not run.
    Before(u32),
    /// The statement was run.
    After(u32),
    /// All statements were run, and nothing is committed.
    Commit,
}

/// The armed fault of a database, if any.
#[derive(Debug, Default)]
pub struct Faults {
    armed: AtomicBool,
    next: Mutex<Option<(Point, Fault)>>,
}

impl Faults {
    /// Arms one fault: it strikes before statement number `statement` (from 1) of a write
    /// transaction, once.
    pub fn arm(&self, statement: u32, fault: Fault) {
        self.arm_at(Point::Before(statement), fault);
    }

    /// Arms one fault at any point.
    pub fn arm_at(&self, point: Point, fault: Fault) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some((point, fault));
        self.armed.store(true, Ordering::SeqCst);
    }

    /// Disarms, and tells whether a fault was still waiting, that is: never struck.
    pub fn disarm(&self) -> bool {
        self.armed.store(false, Ordering::SeqCst);
        self.next
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .is_some()
    }

    /// Takes the fault of one of those points, if one is armed for it.
    fn take(&self, points: &[Point]) -> Option<(Point, Fault)> {
        if !self.armed.load(Ordering::Relaxed) {
            return None;
        }
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = next.take_if(|(point, _)| points.contains(point));
        if taken.is_some() {
            self.armed.store(false, Ordering::SeqCst);
        }
        taken
    }

    /// What goes around a statement.
    pub(super) fn around(&self, statement: u32) -> Option<(Point, Fault)> {
        self.take(&[Point::Before(statement), Point::After(statement)])
    }

    /// Strikes if a fault is armed for the commit.
    pub(super) async fn at_commit(&self) -> Result<()> {
        match self.take(&[Point::Commit]) {
            Some((_, fault)) => strike(fault).await,
            None => Ok(()),
        }
    }
}

/// What goes around a statement: a fault, how long its answer is waited for, and where to note
/// whether the connection can go on being used.
pub(super) struct Around<'c> {
    pub(super) fault: Option<(Point, Fault)>,
    pub(super) limit: Option<Duration>,
    pub(super) is_sound: Option<&'c mut bool>,
}

impl Around<'_> {
    /// Runs the statement.
    pub(super) async fn run<T, F>(mut self, statement: Pin<&mut F>) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        self.note(false);
        let value = self.struck(statement).await?;
        self.note(true);
        Ok(value)
    }

    /// Notes whether the connection can go on being used.
    pub(super) fn note(&mut self, sound: bool) {
        if let Some(is_sound) = &mut self.is_sound {
            **is_sound = sound;
        }
    }

    async fn struck<T, F>(&self, statement: Pin<&mut F>) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        if let Some((Point::Before(_), fault)) = self.fault {
            strike(fault).await?;
        }
        let value = within(self.limit, statement).await?;
        if let Some((Point::After(_), fault)) = self.fault {
            strike(fault).await?;
        }
        Ok(value)
    }
}

/// Waits so long for a server that may have fallen silent.
pub(super) async fn within<T, F>(limit: Option<Duration>, answer: Pin<&mut F>) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    match limit {
        None => answer.await,
        Some(limit) => match tokio::time::timeout(limit, answer).await {
            Ok(answered) => answered,
            Err(_) => Err(DbError::Silent),
        },
    }
}

async fn strike(fault: Fault) -> Result<()> {
    match fault {
        Fault::Error => Err(DbError::Fault),
        Fault::Hang => std::future::pending().await,
        Fault::Panic => panic!("a fail point struck"),
    }
}
