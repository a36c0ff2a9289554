//! Limits: what a host asks of all its projections, and of queries.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Seconds without progress after which a version that has events to apply counts as stalled. Above what the
    /// slowest event may take (`sandbox.event_fuel`) and what a busy disk may.
    pub stall_seconds: u64,
    /// Projections of a host. Each has a stream of its history, and at least one read model.
    pub projections: usize,
    /// Versions of a projection that are not retired or aborted: each has a thread, and a read model of its own.
    pub versions: usize,
    /// Cores that replays leave alone while events are appended or queries answered. One they take in any case.
    pub reserved_cores: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { stall_seconds: 30, projections: 256, versions: 32, reserved_cores: 1 }
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

/// Differences, digests and dry runs that run at once; each has up to a core, for minutes at worst.
const COMPARISONS_AT_ONCE: NonZeroUsize = NonZeroUsize::new(2).unwrap();

/// Differences, digests and dry runs that wait for their turn.
const COMPARISONS_WAITING: usize = 16;

/// Pieces of streams that are made at once. Each takes milliseconds, and more of them would only wait for a core.
const STREAMS_AT_ONCE: NonZeroUsize = NonZeroUsize::new(4).unwrap();

/// Subscriptions, followed queries and streams at once. Each keeps some memory, whether anything happens or not.
const FOLLOWERS: usize = 1_000;

/// Seconds for a query: the minute that one may wait for a position, and as much again for the work.
const SECONDS: u64 = 120;

/// Seconds for what goes through all rows or all events.
const LONG_SECONDS: u64 = 3_600;

/// Bytes that one read may have in memory: the values of a percentile over five million rows.
const BYTES: u64 = 256 << 20;

/// Bytes that all reads may have in memory.
const BYTES_AT_ONCE: u64 = 1 << 30;

/// Bytes of a page of rows or events: far more than usual ones have.
const PAGE_BYTES: usize = 8 << 20;

/// Milliseconds after which the host's output names a read: far more than one by an index takes.
const SLOW_MILLISECONDS: u64 = 1_000;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueryLimits {
    pub named_at_once: NonZeroUsize,
    pub named_waiting: usize,
    pub scans_at_once: NonZeroUsize,
    pub scans_waiting: usize,
    pub comparisons_at_once: NonZeroUsize,
    pub comparisons_waiting: usize,
    pub streams_at_once: NonZeroUsize,
    pub followers: usize,
    pub seconds: u64,
    pub long_seconds: u64,
    pub bytes: u64,
    pub bytes_at_once: u64,
    pub page_bytes: usize,
    pub slow_milliseconds: u64,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self {
            named_at_once: NAMED_AT_ONCE,
            named_waiting: NAMED_WAITING,
            scans_at_once: SCANS_AT_ONCE,
            scans_waiting: SCANS_WAITING,
            comparisons_at_once: COMPARISONS_AT_ONCE,
            comparisons_waiting: COMPARISONS_WAITING,
            streams_at_once: STREAMS_AT_ONCE,
            followers: FOLLOWERS,
            seconds: SECONDS,
            long_seconds: LONG_SECONDS,
            bytes: BYTES,
            bytes_at_once: BYTES_AT_ONCE,
            page_bytes: PAGE_BYTES,
            slow_milliseconds: SLOW_MILLISECONDS,
        }
    }
}
