//! Frames of HTTP/2 that carry nothing.
//!
//! A client may send frames without end that begin no request and bring no body: PING, SETTINGS,
//! PRIORITY, resets of what it just asked for. Each is cheap, and a flood of them keeps a core
//! busy. The HTTP library bounds what they hold in memory, not how many come; so the frames of a
//! connection are counted here, and one that sends far more of them than its requests and answers
//! explain is cut.

use std::time::{Duration, Instant};

/// The bytes of a frame's header.
const HEADER: usize = 9;
/// The preface with which a client begins.
const PREFACE: u32 = 24;
/// How many empty frames within [`WINDOW`] nothing explains.
const MOST: u32 = 1_000;
/// After how long the count begins anew.
const WINDOW: Duration = Duration::from_secs(10);
/// How much of an answer explains one frame: clients tell as they read that there is room again.
const ANSWERED: u64 = 1_024;

/// Follows the frames that a client sends.
#[derive(Debug)]
pub(super) struct Frames {
    header: [u8; HEADER],
    held: usize,
    /// Bytes to pass before the next header.
    left: u32,
    empty: u32,
    since: Instant,
    answered: u64,
}

impl Frames {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            header: [0; HEADER],
            held: 0,
            left: PREFACE,
            empty: 0,
            since: now,
            answered: 0,
        }
    }

    /// Passes bytes that were read, when so many were written in all; whether there are too many
    /// empty frames now.
    pub(super) fn is_flood(&mut self, mut bytes: &[u8], written: u64, now: Instant) -> bool {
        if now.duration_since(self.since) > WINDOW {
            (self.since, self.empty) = (now, 0);
        }
        let explained = (written - self.answered) / ANSWERED;
        self.answered += explained * ANSWERED;
        let explained = u32::try_from(explained).unwrap_or(u32::MAX);
        self.empty = self.empty.saturating_sub(explained);
        while !bytes.is_empty() {
            let passed = if self.left > 0 {
                let left = usize::try_from(self.left).unwrap_or(usize::MAX);
                let passed = left.min(bytes.len());
                self.left -= u32::try_from(passed).unwrap_or(self.left);
                passed
            } else {
                let passed = (HEADER - self.held).min(bytes.len());
                self.header[self.held..self.held + passed].copy_from_slice(&bytes[..passed]);
                self.held += passed;
                if self.held == HEADER {
                    self.held = 0;
                    self.count();
                }
                passed
            };
            bytes = &bytes[passed..];
        }
        self.empty > MOST
    }

    /// Counts the frame whose header is whole.
    fn count(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.header;
        self.left = u32::from_be_bytes([0, high, middle, low]);
        let ends_stream = flags & 1 == 1;
        match kind {
            // DATA: the library has a limit for what is small; the end of a body may be empty.
            0 if self.left > 0 || ends_stream => {}
            // HEADERS: a request, which explains one frame more.
            1 => self.empty = self.empty.saturating_sub(1),
            // RST_STREAM takes back what its request explained.
            3 => self.empty += 2,
            _ => self.empty += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: u8 = 1;
    const RESET: u8 = 3;
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;

    fn frame(kind: u8, payload: usize) -> Vec<u8> {
        let size = u8::try_from(payload).unwrap();
        let mut frame = vec![0, 0, size, kind, 0, 0, 0, 0, 1];
        frame.resize(HEADER + payload, 0xff);
        frame
    }

    /// After how many rounds of these frames a connection is cut, in pieces of any size.
    fn rounds(frames: &[(u8, usize)], answered: u64) -> Option<u64> {
        let round: Vec<u8> = frames.iter().flat_map(|it| frame(it.0, it.1)).collect();
        let now = Instant::now();
        let outcomes = [1, 7, 4_096].map(|size| {
            let mut frames = Frames::new(now);
            assert!(!frames.is_flood(&[b'x'; 24], 0, now));
            (1..5_000).find(|at| {
                round
                    .chunks(size)
                    .any(|piece| frames.is_flood(piece, at * answered, now))
            })
        });
        assert!(outcomes.windows(2).all(|it| it[0] == it[1]), "{outcomes:?}");
        outcomes[0]
    }

    // C051
    #[test]
    fn frames_that_carry_nothing_are_a_flood_and_requests_are_none() {
        assert_eq!(rounds(&[(PING, 8)], 0), Some(1_001));
        assert_eq!(rounds(&[(SETTINGS, 0)], 0), Some(1_001));
        assert_eq!(rounds(&[(0, 0)], 0), Some(1_001));
        assert_eq!(rounds(&[(GET, 30), (RESET, 4)], 0), Some(1_000));
        assert_eq!(rounds(&[(GET, 30)], 0), None);
        assert_eq!(rounds(&[(GET, 30), (PING, 8)], 0), None);
        assert_eq!(rounds(&[(GET, 30), (0, 200)], 0), None);
        // Two for a part of an answer, as clients do that read a long one.
        assert_eq!(rounds(&[(8, 4), (8, 4)], 4_096), None);
    }

    #[test]
    fn the_count_begins_anew_after_a_while() {
        let start = Instant::now();
        let mut frames = Frames::new(start);
        frames.is_flood(&[b'x'; 24], 0, start);
        for at in 0..10_u32 {
            let now = start + (WINDOW + Duration::from_secs(1)) * at;
            for _ in 0..900 {
                assert!(!frames.is_flood(&frame(PING, 8), 0, now));
            }
        }
    }
}
