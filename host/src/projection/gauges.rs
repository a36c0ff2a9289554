//! What a runner shows of itself while it runs.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::event::Progress;

/// How far a runner has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Goes through history, without a write-ahead log.
    Replaying = 0,
    CatchingUp = 1,
    /// Has been at the head.
    Ready = 2,
}

/// Each figure stands for itself, so no order between them is needed.
#[derive(Default)]
pub struct Gauges {
    phase: AtomicU8,
    applied: AtomicU64,
    rate: AtomicU64,
    memory: AtomicU64,
}

impl Gauges {
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Replaying,
            1 => Phase::CatchingUp,
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

    /// Bytes of guest memory.
    pub fn memory(&self) -> u64 {
        self.memory.load(Ordering::Relaxed)
    }

    pub fn set_memory(&self, bytes: u64) {
        self.memory.store(bytes, Ordering::Relaxed);
    }
}
