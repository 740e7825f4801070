//! Time: the only place that reads the machine's clock.
//!
//! Instants are microseconds since 1970 UTC, stored as BIGINT, always bound and never the
//! database's `now()` in a statement, so that both engines agree on meaning and order. What is bound
//! is the database's time all the same: every node's clock is held against it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, civil};
use serde::{Deserialize, Serialize};

/// An instant in microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct Timestamp(pub i64);

const EPOCH: civil::DateTime = civil::date(1970, 1, 1).at(0, 0, 0, 0);

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
        let since = day.to_datetime(time).duration_since(EPOCH);
        let seconds = since.as_secs() - offset + if is_end { 24 * 60 * 60 } else { 0 };
        let micros = format!("{fraction:0<6}");
        let at = Self(seconds * 1_000_000 + micros[..6].parse::<i64>().ok()?);
        // An offset may lead out of the years that can be written.
        (at.utc().is_some_and(|it| it.year() >= 0)).then_some(at)
    }

    /// The date and time in UTC; none beyond the year 9999.
    fn utc(self) -> Option<civil::DateTime> {
        let since = SignedDuration::from_micros(self.0);
        EPOCH.checked_add(since).ok()
    }

    /// This instant plus a span of time.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }

    /// This instant less a span of time.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(micros(span)))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with all six fraction digits, so that what is read back compares equal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.utc() {
            Some(utc) => write!(f, "{utc:.6}Z"),
            None => write!(f, "{}", self.0),
        }
    }
}

impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "date-time"})
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

/// From which difference on somebody should look at a machine's clock.
pub const ALARM: Duration = Duration::from_secs(30);
/// Up to which difference the database's time is followed at once.
const NEAR: Duration = Duration::from_mins(1);
/// Below this it may be the way to the database and back.
const NOISE: Duration = Duration::from_millis(100);
/// How long a larger difference must stay the same before it is taken for the truth.
const PATIENCE: Duration = Duration::from_mins(2);

/// Tells the time: the database's, counted on by this process; or in tests one that stands still
/// until it is advanced.
///
/// The machine's clock is read once, at the start, and after that only compared: whoever sets it
/// moves nothing here. [`Clock::hold`] keeps the time at the database's, which all nodes share. A
/// difference that no clock comes by honestly is not followed: until it is gone, or has stayed the
/// same for two minutes, this clock is not [true](Clock::is_true), and nothing is done by it.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Source>);

#[derive(Debug)]
enum Source {
    Fixed(AtomicI64),
    Machine(Machine),
}

#[derive(Debug)]
struct Machine {
    started: Instant,
    /// The time at `started`, as it is known now.
    base: AtomicI64,
    /// The latest instant given out, so that time never runs backwards within a process.
    last: AtomicI64,
    /// By how much a test has set this machine's clock.
    shift: AtomicI64,
    held: Mutex<Holding>,
    is_true: AtomicBool,
}

#[derive(Debug, Default)]
struct Holding {
    is_held: bool,
    /// Since when the difference is too large to follow, and how large it was then.
    apart: Option<(Instant, i64)>,
}

/// How far clocks were from the database's, in microseconds; ahead of it is positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew {
    /// The time that this process goes by.
    pub own: i64,
    /// The machine's clock.
    pub machine: i64,
}

impl Skew {
    /// The larger of both.
    pub fn largest(self) -> Duration {
        Duration::from_micros(self.own.unsigned_abs().max(self.machine.unsigned_abs()))
    }
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        let machine = Machine {
            started: Instant::now(),
            base: AtomicI64::new(0),
            last: AtomicI64::new(0),
            shift: AtomicI64::new(0),
            held: Mutex::default(),
            is_true: AtomicBool::new(true),
        };
        machine.base.store(machine.wall(), Ordering::Relaxed);
        Self(Arc::new(Source::Machine(machine)))
    }

    /// A clock that stands at `start`.
    pub fn fixed(start: Timestamp) -> Self {
        Self(Arc::new(Source::Fixed(AtomicI64::new(start.0))))
    }

    /// The present instant; never earlier than one told before, unless what was told before was
    /// given up as false.
    pub fn now(&self) -> Timestamp {
        match &*self.0 {
            Source::Fixed(at) => Timestamp(at.load(Ordering::Relaxed)),
            Source::Machine(machine) => {
                let read = machine.read();
                Timestamp(machine.last.fetch_max(read, Ordering::Relaxed).max(read))
            }
        }
    }

    /// Moves a fixed clock forward; the machine's clock moves by itself.
    pub fn advance(&self, span: Duration) {
        if let Source::Fixed(at) = &*self.0 {
            at.fetch_add(micros(span), Ordering::Relaxed);
        }
    }

    /// Sets this machine's clock ahead, or back: what a test does to it.
    pub fn shift(&self, by: i64) {
        if let Source::Machine(machine) = &*self.0 {
            machine.shift.fetch_add(by, Ordering::Relaxed);
            machine.base.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// Whether this clock is near the database's as far as is known.
    pub fn is_true(&self) -> bool {
        match &*self.0 {
            Source::Fixed(_) => true,
            Source::Machine(machine) => machine.is_true.load(Ordering::Relaxed),
        }
    }

    /// Compares with the time that the database told just now, and follows it; none for a fixed
    /// clock.
    pub fn hold(&self, database: Timestamp) -> Option<Skew> {
        match &*self.0 {
            Source::Fixed(_) => None,
            Source::Machine(machine) => Some(machine.hold(database, Instant::now())),
        }
    }
}

impl Machine {
    fn wall(&self) -> i64 {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the clock"
        )]
        let read = jiff::Timestamp::now().as_microsecond();
        read.saturating_add(self.shift.load(Ordering::Relaxed))
    }

    fn read(&self) -> i64 {
        let elapsed = micros(self.started.elapsed());
        self.base.load(Ordering::Relaxed).saturating_add(elapsed)
    }

    fn hold(&self, database: Timestamp, at: Instant) -> Skew {
        let skew = Skew {
            own: self.read().saturating_sub(database.0),
            machine: self.wall().saturating_sub(database.0),
        };
        let size = Duration::from_micros(skew.own.unsigned_abs());
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if !held.is_held || size <= NEAR {
            if !held.is_held || held.apart.is_some() {
                // What was told before is nothing that anybody should go on from.
                self.last.store(0, Ordering::Relaxed);
            }
            if !held.is_held || size > NOISE {
                self.base.fetch_sub(skew.own, Ordering::Relaxed);
            }
            *held = Holding {
                is_held: true,
                apart: None,
            };
            self.is_true.store(true, Ordering::Relaxed);
            return skew;
        }
        self.is_true.store(false, Ordering::Relaxed);
        let same = held
            .apart
            .filter(|(_, was)| was.abs_diff(skew.own) <= NEAR.as_micros().try_into().unwrap_or(0));
        let (since, was) = same.unwrap_or((at, skew.own));
        held.apart = Some((since, was));
        if at.duration_since(since) >= PATIENCE {
            self.base.fetch_sub(skew.own, Ordering::Relaxed);
            self.last.store(0, Ordering::Relaxed);
            held.apart = None;
            self.is_true.store(true, Ordering::Relaxed);
        }
        skew
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Clock, PATIENCE, Skew, Source, Timestamp};

    const SECOND: i64 = 1_000_000;
    const YEAR: i64 = 365 * 24 * 3_600 * SECOND;

    /// Holds a clock against a database, so much time after its start.
    fn hold(clock: &Clock, database: i64, after: Duration) -> Skew {
        let Source::Machine(machine) = &*clock.0 else {
            panic!("a machine's clock");
        };
        machine.hold(Timestamp(database), machine.started + after)
    }

    fn is_near(at: Timestamp, other: i64) -> bool {
        at.0.abs_diff(other) < 5_000_000
    }

    // C235
    #[test]
    fn a_clock_goes_by_the_databases_time_whatever_its_machine_says() {
        for apart in [300 * SECOND, -300 * SECOND, YEAR] {
            let clock = Clock::system();
            let told = clock.now().0;
            clock.shift(apart);
            let skew = hold(&clock, told, Duration::ZERO);
            assert!(is_near(Timestamp(skew.machine), apart));
            assert!(is_near(clock.now(), told) && clock.is_true());
        }
    }

    // C236
    #[test]
    fn a_clock_that_jumps_is_not_true_until_it_is_back_or_stays_there() {
        let minute = Duration::from_mins(1);
        let clock = Clock::system();
        let told = clock.now().0;
        hold(&clock, told, Duration::ZERO);
        clock.shift(YEAR);
        hold(&clock, told, minute);
        assert!(!clock.is_true());
        clock.shift(-YEAR);
        hold(&clock, told, minute * 2);
        assert!(clock.is_true());
        // The database's clock is set right by its operator: nothing is done for a while.
        for at in 3..5 {
            hold(&clock, told - YEAR, minute * at);
            assert!(!clock.is_true());
        }
        hold(&clock, told - YEAR, minute * 3 + PATIENCE);
        assert!(clock.is_true() && is_near(clock.now(), told - YEAR));
    }

    #[test]
    fn a_small_difference_makes_time_stand_and_not_run_backwards() {
        let clock = Clock::system();
        let told = clock.now().0;
        hold(&clock, told, Duration::ZERO);
        let before = clock.now();
        hold(&clock, told - 20 * SECOND, Duration::from_secs(10));
        assert!(clock.is_true());
        assert!(clock.now() >= before && is_near(clock.now(), told));
    }

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
        // Found by fuzzing: a cursor of that time did not read back what it had written.
        for text in ["9999-12-31T23:59:59.999999Z", "0000-01-01T00:00:00.000000Z"] {
            assert_eq!(read(text).to_string(), text);
        }
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
            "9999-12-31T23:59:59-00:01",
            "9999-12-31T24:00:00Z",
            "0000-01-01T00:00:00+00:01",
            "2026-01-01T00:00:0\u{661}Z",
            "T00:00:00Z",
            "",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
