//! A budget: what one piece of work may use, in time and in bytes, and whether anybody still waits for it.
//!
//! Whoever admits work makes its budget and hands it down; whoever works asks it as it goes, at each row, event or
//! block. So one mechanism ends all work that nobody waits for, whatever it does.
//!
//! A budget can be a part of another one: that of a request is a part of what the host has for all of them. It ends
//! with the whole, and what it takes is taken from both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What one piece of work may use. Its clones are the same budget.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    whole: Option<Budget>,
    begun: Instant,
    allowed: Allowance,
    /// Of its bytes, those that are taken.
    taken: AtomicU64,
    looked_at: AtomicU64,
    cancelled: AtomicBool,
}

/// How much a budget is, and by which limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// `None`: any.
    pub time: Option<Duration>,
    /// Bytes in memory at once.
    pub bytes: u64,
    /// The name of the limit that gives the time, and of the one that gives the bytes; empty where none does.
    pub names: [&'static str; 2],
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
        Self::of(Allowance { time: Some(time), bytes, names: ["", ""] })
    }

    /// For work of the host's own, which nobody waits for.
    pub fn unlimited() -> Self {
        Self::of(Allowance { time: None, bytes: u64::MAX, names: ["", ""] })
    }

    /// The time counts from now.
    pub fn of(allowed: Allowance) -> Self {
        Self::within(None, allowed)
    }

    /// A part of this one, which ends with it. Its time counts from now.
    pub fn part(&self, allowed: Allowance) -> Self {
        Self::within(Some(self.clone()), allowed)
    }

    fn within(whole: Option<Self>, allowed: Allowance) -> Self {
        let (taken, looked_at, cancelled) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        Self(Arc::new(Parts { whole, begun: Instant::now(), allowed, taken, looked_at, cancelled }))
    }

    /// Whether work may go on. Costs about as much as to look at the clock.
    pub fn check(&self) -> Result<(), Exhausted> {
        if self.0.cancelled.load(Ordering::Relaxed) {
            return Err(Exhausted::Cancelled);
        }
        match self.0.allowed.time {
            Some(time) if self.0.begun.elapsed() > time => Err(Exhausted::Time(time)),
            _ => self.0.whole.as_ref().map_or(Ok(()), Self::check),
        }
    }

    /// The same, after so many rows, entries or events more were looked at.
    pub fn look(&self, more: u64) -> Result<(), Exhausted> {
        self.note(more);
        self.check()
    }

    /// Notes that so many rows, entries or events more were looked at.
    pub fn note(&self, more: u64) {
        self.0.looked_at.fetch_add(more, Ordering::Relaxed);
    }

    /// Rows, entries and events that were looked at.
    pub fn looked_at(&self) -> u64 {
        self.0.looked_at.load(Ordering::Relaxed)
    }

    /// Takes this many bytes, for as long as the budget is there or until they are given back.
    pub fn take(&self, bytes: usize) -> Result<(), Exhausted> {
        let (most, wanted) = (self.0.allowed.bytes, u64::try_from(bytes).unwrap_or(u64::MAX));
        let more = |taken: u64| taken.checked_add(wanted).filter(|taken| *taken <= most);
        let taken = self.0.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.map_err(|_| Exhausted::Bytes(most))?;
        let of_whole = self.0.whole.as_ref().map_or(Ok(()), |whole| whole.take(bytes));
        if of_whole.is_err() {
            self.0.taken.fetch_sub(wanted, Ordering::Relaxed);
        }
        of_whole
    }

    /// Gives bytes back that were taken.
    pub fn give_back(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let less = |taken: u64| Some(taken.saturating_sub(bytes));
        let before = self.0.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        if let (Some(whole), Ok(before)) = (&self.0.whole, before) {
            whole.give_back(usize::try_from(before.min(bytes)).unwrap_or(usize::MAX));
        }
    }

    /// Time that is left; `None`: any.
    pub fn time_left(&self) -> Option<Duration> {
        let own = self.0.allowed.time.map(|time| time.saturating_sub(self.0.begun.elapsed()));
        let of_whole = self.0.whole.as_ref().and_then(Self::time_left);
        own.into_iter().chain(of_whole).min()
    }

    /// The name of the limit that ended it, if it has one.
    pub fn limit(&self, why: Exhausted) -> Option<&'static str> {
        let Allowance { time, bytes, names: [of_time, of_bytes] } = self.0.allowed;
        let own = match why {
            Exhausted::Time(most) if time == Some(most) => of_time,
            Exhausted::Bytes(most) if bytes == most => of_bytes,
            _ => "",
        };
        let of_whole = || self.0.whole.as_ref().and_then(|whole| whole.limit(why));
        Some(own).filter(|name| !name.is_empty()).or_else(of_whole)
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

impl Drop for Parts {
    fn drop(&mut self) {
        if let Some(whole) = &self.whole {
            whole.give_back(usize::try_from(*self.taken.get_mut()).unwrap_or(usize::MAX));
        }
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

    fn allowing(bytes: u64, names: [&'static str; 2]) -> Allowance {
        Allowance { time: Some(Duration::from_secs(60)), bytes, names }
    }

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

    #[test]
    fn what_a_part_takes_is_taken_from_the_whole_and_given_back_with_it() {
        let whole = Budget::of(allowing(10, ["", "whole.bytes"]));
        let (one, other) = (whole.part(allowing(8, ["", "part.bytes"])), whole.part(allowing(8, ["", "part.bytes"])));
        assert_eq!((one.take(8), one.take(1)), (Ok(()), Err(Exhausted::Bytes(8))));
        assert_eq!((other.take(3), other.take(2)), (Err(Exhausted::Bytes(10)), Ok(())));
        assert_eq!(other.limit(Exhausted::Bytes(8)), Some("part.bytes"));
        assert_eq!(other.limit(Exhausted::Bytes(10)), Some("whole.bytes"));
        one.give_back(5);
        assert_eq!((other.take(5), other.take(1)), (Ok(()), Err(Exhausted::Bytes(10))));
        drop(one);
        assert_eq!((other.take(1), whole.take(2)), (Ok(()), Ok(())), "a part that is gone has nothing");
    }

    #[test]
    fn a_part_ends_with_the_whole_and_not_the_whole_with_a_part() {
        let whole = Budget::unlimited();
        let (one, other) = (whole.part(allowing(1, ["seconds", ""])), whole.part(allowing(1, ["", ""])));
        one.cancel();
        assert_eq!((one.check(), other.check(), whole.check()), (Err(Exhausted::Cancelled), Ok(()), Ok(())));
        whole.cancel();
        assert_eq!(other.check(), Err(Exhausted::Cancelled));
        assert!(other.time_left().is_some_and(|left| left <= Duration::from_secs(60)));
        assert_eq!(one.limit(Exhausted::Time(Duration::from_secs(60))), Some("seconds"));
        assert_eq!((one.look(3), one.looked_at()), (Err(Exhausted::Cancelled), 3));
    }
}
