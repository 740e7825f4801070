//! Time: the only place that reads the machine's clock.
//!
//! Instants are microseconds since 1970 UTC, stored as BIGINT, always bound and never the
//! database's `now()`, so that both engines agree on meaning and order.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An instant in microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Reads an RFC 3339 date-time with any number of fraction digits and any offset.
    pub fn parse(text: &str) -> Option<Self> {
        // RFC 3339 section 5.6: the hour of an offset is one of a day.
        let offset = text.rfind(['+', '-']).filter(|at| *at > "2000-01-01".len());
        if offset.is_some_and(|at| text.get(at + 1..at + 3).is_some_and(|hour| hour > "23")) {
            return None;
        }
        let instant: jiff::Timestamp = text.parse().ok()?;
        Some(Self(instant.as_microsecond()))
    }

    /// This instant plus a span of time.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros))
    }

    /// This instant less a span of time.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(micros))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with all six fraction digits, so that what is read back compares equal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(instant) => write!(f, "{instant:.6}"),
            Err(_) => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("expected an RFC 3339 date-time"))
    }
}

/// Tells the time: the machine's, or in tests one that stands still until it is advanced.
#[derive(Debug, Clone)]
pub struct Clock {
    /// The latest instant given out, so that time never runs backwards within a process.
    last: Arc<AtomicI64>,
    fixed: bool,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self {
            last: Arc::new(AtomicI64::new(0)),
            fixed: false,
        }
    }

    /// A clock that stands at `start`.
    pub fn fixed(start: Timestamp) -> Self {
        Self {
            last: Arc::new(AtomicI64::new(start.0)),
            fixed: true,
        }
    }

    /// The present instant; never earlier than one told before.
    pub fn now(&self) -> Timestamp {
        if self.fixed {
            return Timestamp(self.last.load(Ordering::Relaxed));
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the clock"
        )]
        let read = jiff::Timestamp::now().as_microsecond();
        Timestamp(self.last.fetch_max(read, Ordering::Relaxed).max(read))
    }

    /// Moves a fixed clock forward; the machine's clock moves by itself.
    pub fn advance(&self, span: Duration) {
        if self.fixed {
            let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
            self.last.fetch_add(micros, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Clock, Timestamp};

    #[test]
    fn a_fixed_clock_stands_until_it_is_advanced() {
        let clock = Clock::fixed(Timestamp(1_000));
        assert_eq!(clock.now(), Timestamp(1_000));
        clock.advance(Duration::from_micros(5));
        assert_eq!(clock.now(), Timestamp(1_005));
    }

    #[test]
    fn the_machines_clock_never_runs_backwards() {
        let clock = Clock::system();
        let times: Vec<_> = (0..1_000).map(|_| clock.now()).collect();
        assert!(times.is_sorted());
    }

    #[test]
    fn instants_are_read_with_any_offset_and_fraction_and_shown_in_full() {
        let check = |text: &str, expect: &str| {
            let shown = Timestamp::parse(text).map(|at| at.to_string());
            assert_eq!(shown.as_deref(), Some(expect), "{text}");
        };
        check(
            "2015-10-10T14:38:21.8617979-07:00",
            "2015-10-10T21:38:21.861797Z",
        );
        check("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000Z");
        assert_eq!(Timestamp::parse("yesterday"), None);
    }
}
