use ipnet::IpNet;
use serde::Deserialize;

use super::server::networks;

/// Calls to hosts that customers name.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outbound {
    /// Networks inside that may be called as well, and without TLS; none if not set.
    #[serde(deserialize_with = "networks")]
    pub open_networks: Vec<IpNet>,
    /// How long a call may take, in milliseconds.
    pub call_milliseconds: u64,
    /// The largest answer, in bytes.
    pub answer_bytes: u64,
}

impl Default for Outbound {
    fn default() -> Self {
        Self {
            open_networks: Vec::new(),
            call_milliseconds: 10_000,
            answer_bytes: 1024 * 1024,
        }
    }
}

impl Outbound {
    /// The floor and the ceiling of each setting.
    pub(super) fn ranges(&self) -> [(&'static str, u64, u64, u64); 2] {
        [
            (
                "outbound.call_milliseconds",
                self.call_milliseconds,
                100,
                60_000,
            ),
            (
                "outbound.answer_bytes",
                self.answer_bytes,
                16 << 10,
                16 << 20,
            ),
        ]
    }
}
