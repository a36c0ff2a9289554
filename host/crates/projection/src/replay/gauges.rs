//! Gauges of a runner: what it shows of itself while it runs.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use kinora_sandbox::Usage;
use kinora_types::Progress;

/// How far a runner has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Goes through history, without a write-ahead log.
    Replaying = 0,
    CatchingUp = 1,
    /// Has been at the head.
    Ready = 2,
    /// Is checked against itself on a sample of history, before the replay.
    Validating = 3,
}

/// Each figure stands for itself, so no order between them is needed.
#[derive(Default)]
pub struct Gauges {
    phase: AtomicU8,
    applied: AtomicU64,
    rate: AtomicU64,
    memory: AtomicU64,
    usage: Mutex<Usage>,
}

impl Gauges {
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Replaying,
            1 => Phase::CatchingUp,
            3 => Phase::Validating,
            _ => Phase::Ready,
        }
    }

    pub fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Applied, and maybe not committed yet.
    pub fn applied(&self) -> Progress {
        Progress(self.applied.load(Ordering::Relaxed))
    }

    pub fn set_applied(&self, progress: Progress) {
        self.applied.store(progress.0, Ordering::Relaxed);
    }

    /// Events a second.
    pub fn rate(&self) -> f64 {
        f64::from_bits(self.rate.load(Ordering::Relaxed))
    }

    pub fn set_rate(&self, rate: f64) {
        self.rate.store(rate.to_bits(), Ordering::Relaxed);
    }

    /// The most that its guest has used of its limits since the host started.
    pub fn usage(&self) -> Usage {
        *self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn note_usage(&self, usage: Usage) {
        let mut most = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        *most = most.max(usage);
    }

    /// Bytes of guest memory.
    pub fn memory(&self) -> u64 {
        self.memory.load(Ordering::Relaxed)
    }

    pub fn set_memory(&self, bytes: u64) {
        self.memory.store(bytes, Ordering::Relaxed);
    }
}
