//! A sink: what becomes of the events that guests are given. Guests leave work pending in it (rows today), and a commit
//! makes that work and the progress that it stands for visible in one step. So whatever else a guest may leave there,
//! such as effects, is committed with the checkpoint or not at all.
//!
//! The seam between a [`Stepper`](crate::replay::stepper::Stepper), which knows events and failures, and what is kept.

use std::time::Duration;

use kinora_readmodel::Snapshot;
use kinora_sandbox::{Batch, Failure, Usage};
use kinora_types::Progress;

use crate::throttle::Throttle;

/// An instance at work. After a failure it is dropped: its memory may be in any state.
pub trait Guest: Send + 'static {
    fn apply(&mut self, events: &Batch) -> Result<(), Failure>;

    /// Hands over to the sink what it holds back.
    fn flush(&mut self) -> Result<(), Failure>;

    /// The most that it has used of its limits.
    fn usage(&self) -> Usage;

    /// Linear memory that it holds.
    fn memory_bytes(&self) -> usize;
}

/// How a commit is made.
pub enum Commit<'a> {
    /// On a thread beside, in order; whoever reads what is pending sees it at once. What is not flushed is lost with
    /// the process, whole commits from the end: for replays, which start again from the checkpoint that is left.
    Beside { throttle: Option<&'a Throttle> },
    /// Before the call returns; what is not flushed is lost with the process, too.
    UntilFlushed,
    /// Before the call returns, and a killed process loses nothing.
    Logged,
}

/// What becomes of events.
pub trait Sink: Send + Sized + 'static {
    type Guest: Guest;
    /// What instances side by side leave, on its way from their threads.
    type Pending: Send + 'static;

    /// A new instance, which reaches what has been committed, with what is pending on top of it.
    fn instance(&self) -> Result<Self::Guest, Failure>;

    /// The same for one of `count` instances side by side: with pending work of its own, and its share of the space.
    fn beside(&self, count: usize) -> Self;

    /// Takes out what is pending.
    fn take(&mut self) -> Self::Pending;

    /// Makes pending what several instances left side by side.
    ///
    /// # Errors
    /// [`Partition`](kinora_sandbox::Category::Partition), if two of them wrote the same.
    fn join(&mut self, parts: Vec<Self::Pending>) -> Result<(), Failure>;

    fn pending_bytes(&self) -> usize;

    /// Rows that guests have read since this was asked last, and their bytes.
    fn reads_since(&self) -> (u64, u64);

    /// Whether each event has to be committed alone.
    fn is_stepwise(&self) -> bool;

    /// Makes what is pending, and `progress` as the checkpoint, visible in one step. If it fails, all of it is pending
    /// still, or nothing of it will ever be visible.
    fn commit(&mut self, progress: Progress, how: Commit<'_>) -> Result<(), Failure>;

    /// Waits for the commits that are made beside.
    fn settle(&self) -> Result<(), Failure>;

    /// Drops what is pending.
    fn rewind(&mut self);

    /// What has been committed.
    fn checkpoint(&self) -> Result<Progress, Failure>;

    /// Settles, and brings everything that has been committed to the disk.
    fn flush(&mut self) -> Result<(), Failure>;

    /// From here on, until [`Self::pause_replay`] or [`Self::end_replay`], the time counts as that of a replay.
    fn begin_replay(&self);

    fn pause_replay(&self);

    /// How long all runs of the replay took, those of other processes among them.
    fn end_replay(&self) -> Result<Duration, Failure>;

    /// All as it was committed last.
    fn snapshot(&self) -> Result<Snapshot, Failure>;
}
