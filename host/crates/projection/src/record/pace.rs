//! A pace that stays the same: how events are handed over to a guest, and when its rows are committed.

use std::fmt;

/// How events are handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedPace {
    /// Events that cross into the guest at once.
    pub batch: usize,
    /// Events between two commits.
    pub commit: usize,
    /// Whether each commit is followed by a fresh instance.
    pub fresh: bool,
    /// Instances that the events are dealt out to, where the projector declares partitions.
    pub shares: usize,
}

/// One event at a time, each with an instance of its own: nothing but rows can be handed on.
pub const REFERENCE: FixedPace = FixedPace { batch: 1, commit: 1, fresh: true, shares: 1 };

impl fmt::Display for FixedPace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in batches of {} with a commit every {} events and ", self.batch, self.commit)?;
        match (self.fresh, self.shares) {
            (true, _) => f.write_str("a fresh instance after each commit"),
            (false, 1) => f.write_str("one instance"),
            (false, shares) => write!(f, "{shares} instances, by partition"),
        }
    }
}
