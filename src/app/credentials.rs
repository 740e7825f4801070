//! What tokens of directories and API keys have in common: when one is good, and when its use is
//! to be noted.

use std::time::Duration;

use subtle::ConstantTimeEq;

use super::App;
use crate::clock::Timestamp;
use crate::error::{Error, Result};

/// How exactly it is known when a token was last used.
const USE: Duration = Duration::from_mins(1);

/// What is stored of a token that was found.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// The hash of its text.
    pub hash: &'a [u8],
    /// From when it is no longer valid.
    pub expires_at: Option<Timestamp>,
    /// When its use was last noted.
    pub last_used_at: Option<Timestamp>,
}

impl Stored<'_> {
    /// Refuses another token, and one whose time is over.
    pub fn check(&self, app: &App, hash: &[u8; 32]) -> Result<()> {
        let is_same = bool::from(self.hash.ct_eq(hash));
        if is_same && !self.is_over(app.clock.now()) {
            Ok(())
        } else {
            Err(Error::Unauthenticated)
        }
    }

    /// Since when a use at this time would have to have been noted; none where nothing is to be
    /// noted.
    pub fn use_since(&self, now: Timestamp) -> Option<Timestamp> {
        let since = now.before(USE);
        let is_noted = self.last_used_at.is_some_and(|at| at >= since);
        (!is_noted && !self.is_over(now)).then_some(since)
    }

    /// Whether its time is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// Refuses to look at tokens while it cannot be told whether their time is over.
pub fn check_clock(app: &App) -> Result<()> {
    if app.clock.is_true() {
        Ok(())
    } else {
        Err(Error::Unavailable)
    }
}
