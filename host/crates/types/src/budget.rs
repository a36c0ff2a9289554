//! A budget: what one piece of work may use, in time and in bytes, and whether anybody still waits for it.
//!
//! Whoever admits work makes its budget and hands it down; whoever works asks it as it goes, at each row, event or
//! block. So one mechanism ends all work that nobody waits for, whatever it does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What one piece of work may use. Its clones are the same budget.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    begun: Instant,
    time: Option<Duration>,
    bytes: u64,
    /// Of `bytes`, those that are taken.
    taken: AtomicU64,
    cancelled: AtomicBool,
}

/// Why a piece of work has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exhausted {
    #[error("it took longer than the {} seconds that it may take", .0.as_secs_f64())]
    Time(Duration),
    #[error("it needs more than the {0} bytes of memory that it may have")]
    Bytes(u64),
    #[error("nobody waits for it any more")]
    Cancelled,
}

impl Budget {
    /// `time` counts from now; `bytes` are those in memory at once.
    pub fn new(time: Duration, bytes: u64) -> Self {
        Self::of(Some(time), bytes)
    }

    /// For work of the host's own, which nobody waits for.
    pub fn unlimited() -> Self {
        Self::of(None, u64::MAX)
    }

    fn of(time: Option<Duration>, bytes: u64) -> Self {
        let (begun, taken, cancelled) = (Instant::now(), AtomicU64::new(0), AtomicBool::new(false));
        Self(Arc::new(Parts { begun, time, bytes, taken, cancelled }))
    }

    /// Whether work may go on. Costs about as much as to look at the clock.
    pub fn check(&self) -> Result<(), Exhausted> {
        if self.0.cancelled.load(Ordering::Relaxed) {
            return Err(Exhausted::Cancelled);
        }
        match self.0.time {
            Some(time) if self.0.begun.elapsed() > time => Err(Exhausted::Time(time)),
            _ => Ok(()),
        }
    }

    /// Takes this many bytes, for as long as the budget is there or until they are given back.
    pub fn take(&self, bytes: usize) -> Result<(), Exhausted> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let more = |taken: u64| taken.checked_add(bytes).filter(|taken| *taken <= self.0.bytes);
        let taken = self.0.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.map(drop).map_err(|_| Exhausted::Bytes(self.0.bytes))
    }

    /// Gives bytes back that were taken.
    pub fn give_back(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let less = |taken: u64| Some(taken.saturating_sub(bytes));
        let _ = self.0.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Time that is left; `None`: any.
    pub fn time_left(&self) -> Option<Duration> {
        self.0.time.map(|time| time.saturating_sub(self.0.begun.elapsed()))
    }

    /// Ends the work, the next time that it asks.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }

    /// Cancels when it is dropped: whoever waits holds it, so work ends when they leave.
    pub fn cancelled_on_drop(&self) -> CancelOnDrop {
        CancelOnDrop(self.clone())
    }
}

/// Cancels a budget when it is dropped.
#[must_use]
#[derive(Debug)]
pub struct CancelOnDrop(Budget);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_taken_and_given_back_and_never_too_many() {
        let budget = Budget::new(Duration::from_secs(60), 10);
        assert_eq!((budget.take(6), budget.take(5)), (Ok(()), Err(Exhausted::Bytes(10))));
        budget.give_back(1);
        assert_eq!((budget.take(5), budget.take(1)), (Ok(()), Err(Exhausted::Bytes(10))));
        budget.give_back(usize::MAX);
        assert_eq!(budget.take(10), Ok(()));
    }

    #[test]
    fn work_ends_when_its_time_is_up_or_nobody_waits() {
        assert_eq!(Budget::new(Duration::ZERO, 1).check(), Err(Exhausted::Time(Duration::ZERO)));
        let budget = Budget::unlimited();
        let waiting = budget.clone().cancelled_on_drop();
        assert_eq!((budget.check(), budget.time_left()), (Ok(()), None));
        drop(waiting);
        assert_eq!(budget.check(), Err(Exhausted::Cancelled));
    }
}
