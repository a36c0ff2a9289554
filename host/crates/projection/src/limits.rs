//! What a host asks of all its projections.

#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Seconds without progress after which a version that has events to apply counts as stalled. Above what the slowest
    /// event may take (`sandbox.event_fuel`) and what a busy disk may.
    pub stall_seconds: u64,
    /// Cores that replays leave alone while events are appended or queries answered. One they take in any case.
    pub reserved_cores: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { stall_seconds: 30, reserved_cores: 1 }
    }
}
