//! Limits: what a host asks of all its projections, and of queries.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Seconds without progress after which a version that has events to apply counts as stalled. Above what the
    /// slowest event may take (`sandbox.event_fuel`) and what a busy disk may.
    pub stall_seconds: u64,
    /// Cores that replays leave alone while events are appended or queries answered. One they take in any case.
    pub reserved_cores: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { stall_seconds: 30, reserved_cores: 1 }
    }
}

/// Named queries that run at once; each has an instance of its own, and up to a core.
const NAMED_AT_ONCE: NonZeroUsize = NonZeroUsize::new(4).unwrap();

/// Named queries that wait for their turn. Beyond it one is refused at once rather than kept waiting.
const NAMED_WAITING: usize = 64;

/// Scans, counts and statistics that run at once; each has up to a core, for seconds at worst.
const SCANS_AT_ONCE: NonZeroUsize = NonZeroUsize::new(2).unwrap();

/// Scans, counts and statistics that wait for their turn.
const SCANS_WAITING: usize = 64;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueryLimits {
    pub named_at_once: NonZeroUsize,
    pub named_waiting: usize,
    pub scans_at_once: NonZeroUsize,
    pub scans_waiting: usize,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self {
            named_at_once: NAMED_AT_ONCE,
            named_waiting: NAMED_WAITING,
            scans_at_once: SCANS_AT_ONCE,
            scans_waiting: SCANS_WAITING,
        }
    }
}
