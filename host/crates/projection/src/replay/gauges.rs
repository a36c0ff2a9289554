//! Gauges of a runner: what it shows of itself while it runs.

use std::sync::{Mutex, MutexGuard, PoisonError};

use kinora_sandbox::Usage;
use kinora_types::Progress;

use crate::record::proof::Validation;

/// How far a runner has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Goes through history, without a write-ahead log.
    #[default]
    Replaying,
    CatchingUp,
    /// Has been at the head.
    Ready,
    /// Is checked against itself on a sample of history, before the replay.
    Validating,
}

/// All that is shown, as it was at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub phase: Phase,
    /// Applied, and maybe not committed yet.
    pub applied: Progress,
    /// Events a second.
    pub rate: f64,
    /// Bytes of guest memory.
    pub memory_bytes: u64,
    /// The most that its guest has used of its limits since the host started.
    pub usage: Usage,
    pub validation: Validation,
}

/// What a runner shows, all of it behind one lock, so that nobody sees a state with the figures of another.
#[derive(Default)]
pub struct Gauges(Mutex<Figures>);

impl Gauges {
    fn shown(&self) -> MutexGuard<'_, Figures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn figures(&self) -> Figures {
        *self.shown()
    }

    pub fn phase(&self) -> Phase {
        self.shown().phase
    }

    pub fn set_phase(&self, phase: Phase) {
        self.shown().phase = phase;
    }

    pub fn set_applied(&self, progress: Progress) {
        self.shown().applied = progress;
    }

    pub fn set_rate(&self, rate: f64) {
        self.shown().rate = rate;
    }

    pub fn note_usage(&self, usage: Usage) {
        let mut shown = self.shown();
        shown.usage = shown.usage.max(usage);
    }

    pub fn set_memory(&self, bytes: u64) {
        self.shown().memory_bytes = bytes;
    }

    pub fn set_validation(&self, validation: Validation) {
        self.shown().validation = validation;
    }
}
