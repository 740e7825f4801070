//! Time: the only place that reads the machine's clock.
//!
//! Instants are microseconds since 1970 UTC, stored as BIGINT, always bound and never the
//! database's `now()`, so that both engines agree on meaning and order.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::civil;
use serde::{Deserialize, Serialize};

/// An instant in microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Reads an RFC 3339 date-time with any number of fraction digits and any offset, as it is also
    /// a valid `xsd:dateTime` (RFC 7643 section 2.3.5): from the year 0 to the last second of 9999,
    /// midnight also as `24:00:00` of the day before.
    pub fn parse(text: &str) -> Option<Self> {
        let (day, rest) = text.split_once('T')?;
        let at = rest.find(['Z', '+', '-'])?;
        let (time, offset) = rest.split_at(at);
        let is_like = |text: &str, form: &[u8]| {
            let fits = |(byte, form): (u8, &u8)| match form {
                b'0' => byte.is_ascii_digit(),
                form => byte == *form,
            };
            text.len() == form.len() && text.bytes().zip(form).all(fits)
        };
        let (time, fraction) = match time.split_once('.') {
            Some((time, fraction)) => (time, fraction),
            None => (time, "0"),
        };
        let is_number = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
        if !is_like(day, b"0000-00-00") || !is_like(time, b"00:00:00") || !is_number {
            return None;
        }
        let offset = match offset.split_at(1) {
            ("Z", "") => 0,
            (sign, offset) if is_like(offset, b"00:00") => {
                let (hours, minutes): (i64, i64) =
                    (offset[..2].parse().ok()?, offset[3..].parse().ok()?);
                if hours > 23 || minutes > 59 {
                    return None;
                }
                (hours * 60 + minutes) * if sign == "-" { -60 } else { 60 }
            }
            _ => return None,
        };
        let day: civil::Date = day.parse().ok()?;
        let is_end = time == "24:00:00" && fraction.bytes().all(|digit| digit == b'0');
        let time: civil::Time = if is_end { "00:00:00" } else { time }.parse().ok()?;
        let since = day
            .to_datetime(time)
            .duration_since(civil::date(1970, 1, 1).at(0, 0, 0, 0));
        let seconds = since.as_secs() - offset + if is_end { 24 * 60 * 60 } else { 0 };
        let micros = format!("{fraction:0<6}");
        Some(Self(seconds * 1_000_000 + micros[..6].parse::<i64>().ok()?))
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
        check(
            "2026-01-01T00:00:00.123456789123Z",
            "2026-01-01T00:00:00.123456Z",
        );
        check("2026-01-01T24:00:00Z", "2026-01-02T00:00:00.000000Z");
        check("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500000Z");
        check("2026-01-01T00:30:00+05:45", "2025-12-31T18:45:00.000000Z");
    }

    #[test]
    fn the_last_second_is_after_all_others() {
        let read = |text: &str| Timestamp::parse(text).unwrap();
        let last = read("9999-12-31T23:59:59Z");
        assert!(last > read("9999-12-30T22:00:00Z"));
        assert_eq!(last.0, 253_402_300_799_000_000);
    }

    #[test]
    fn what_is_no_date_time_of_xml_schema_is_refused() {
        for text in [
            "yesterday",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00Z",
            "2026-01-01 00:00:00Z",
            "20260101T000000Z",
            "2026-01-01T00:00:00Z[UTC]",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00+0100",
            "2026-01-01T24:00:01Z",
            "2026-02-30T00:00:00Z",
            "2026-01-01T00:00:0\u{661}Z",
            "T00:00:00Z",
            "",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
