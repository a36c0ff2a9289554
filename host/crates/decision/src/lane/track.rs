//! A track: all that the lanes of one version have in common.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kinora_log::Log;
use kinora_types::{Revision, StreamName};

use crate::limits::Limits;
use crate::rules::Rules;

/// What all lanes of a version have in common.
pub struct Track {
    pub decider: String,
    pub version: u32,
    pub rules: Rules,
    pub log: Log,
    /// The stream that every append of this version is checked against.
    pub control: StreamName,
    /// The revision of that stream by which this version is live.
    pub control_revision: AtomicU64,
    /// Nothing is decided any more.
    pub is_closed: AtomicBool,
    pub limits: Limits,
    /// What one instance may have.
    pub memory_bytes: usize,
}

impl Track {
    pub fn control_revision(&self) -> Revision {
        Revision(self.control_revision.load(Ordering::Acquire))
    }
}
