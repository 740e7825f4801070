//! The request log of directories.

use std::time::Duration;

use serde::Deserialize;

/// The request log of directories.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestLog {
    /// Whether it is kept; switching it off deletes what is there.
    pub enabled: bool,
    /// How many days a request is kept.
    pub keep_days: u32,
    /// How many requests may wait to be written; more are dropped and counted.
    pub queue: usize,
    /// How much is kept of a body, in bytes.
    pub body_bytes: usize,
}

impl Default for RequestLog {
    fn default() -> Self {
        Self {
            enabled: true,
            keep_days: 14,
            queue: 4_096,
            body_bytes: 16 * 1024,
        }
    }
}

impl RequestLog {
    /// How long a request is kept.
    pub fn life(&self) -> Duration {
        Duration::from_hours(24) * self.keep_days
    }
}
