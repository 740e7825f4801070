//! How often a key was refused of late: what is told of each by itself has a bound, so that nobody
//! fills a log by asking for what it may not do.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::ids::{CredentialId, WorkspaceId};

/// How many refusals of a key are told by themselves in a [`SPAN`], by each node; of those beyond it
/// is told how many they were.
pub const MOST: u64 = 30;
/// What the bound is over, from a key's first refusal on.
pub const SPAN: Duration = Duration::from_mins(1);

/// Whose refusals are counted together.
pub type Who = (WorkspaceId, CredentialId);

/// Refusals of the current span of each key that was refused.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<HashMap<Who, Span>>);

/// Refusals of one key.
#[derive(Debug, Clone, Copy)]
struct Span {
    begun_at: Timestamp,
    refused: u64,
}

/// What was not told by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct More {
    /// How many refusals.
    pub times: u64,
    /// When their span began.
    pub since: Timestamp,
}

impl Refusals {
    /// Counts a refusal: whether it is told by itself, and what is left to tell of a span before.
    pub fn count(&self, who: Who, now: Timestamp) -> (bool, Option<More>) {
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = Span {
            begun_at: now,
            refused: 0,
        };
        let span = spans.entry(who).or_insert(new);
        let mut left = None;
        if span.begun_at.after(SPAN) <= now {
            left = span.more();
            *span = new;
        }
        span.refused += 1;
        (span.refused <= MOST, left)
    }

    /// Forgets the spans that are over; gives what is left to tell of them.
    pub fn take_over(&self, now: Timestamp) -> Vec<(Who, More)> {
        self.take(|span| span.begun_at.after(SPAN) <= now)
    }

    /// The same of all.
    pub fn take_all(&self) -> Vec<(Who, More)> {
        self.take(|_| true)
    }

    fn take(&self, is_over: impl Fn(&Span) -> bool) -> Vec<(Who, More)> {
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = spans.extract_if(|_, span| is_over(span));
        over.filter_map(|(who, span)| Some((who, span.more()?)))
            .collect()
    }
}

impl Span {
    fn more(&self) -> Option<More> {
        let times = self.refused.saturating_sub(MOST);
        (times > 0).then_some(More {
            times,
            since: self.begun_at,
        })
    }
}
