//! The status of projections and versions, for people and programs that watch them.

use jiff::Timestamp;

use kinora_sandbox::Usage;
use kinora_types::{Digest, Progress};

use crate::record::continuation::Continued;
use crate::record::fault::Fault;
use crate::record::proof::{Proof, Validation};
use crate::record::settings::Settings;
use crate::record::state::State;
use crate::record::version::{Promote, Review, Skipped};

#[derive(Clone, Debug)]
pub struct ProjectionStatus {
    pub name: String,
    /// The version that answers queries.
    pub live: Option<u32>,
    /// The version that a rollback goes to.
    pub previous: Option<u32>,
    pub settings: Settings,
    pub versions: Vec<VersionStatus>,
}

#[derive(Clone, Debug)]
pub struct VersionStatus {
    pub projection: String,
    pub version: u32,
    pub state: State,
    pub module: Digest,
    pub upcasters: Vec<Digest>,
    /// The last position that queries see.
    pub checkpoint: Option<u64>,
    /// The last position of the log.
    pub head: Option<u64>,
    /// Events between the two.
    pub lag: u64,
    /// Events of the log that it has gone through from its start on, committed or not, those that it passes over among
    /// them.
    pub applied: u64,
    /// How long it has had events to apply without progress, once that is longer than the limit
    /// `projections.stall_seconds`.
    pub stalled_seconds: Option<u64>,
    pub events_per_second: f64,
    pub eta_seconds: Option<f64>,
    /// How long the replay took, in all of its runs, once it is done.
    pub replayed_in_ms: Option<u64>,
    /// Where the check of its determinism is, while it is validated.
    pub validation: Option<Validation>,
    pub fault: Option<Fault>,
    /// What the check of its determinism at the deployment has found, once it has passed.
    pub determinism: Option<Proof>,
    /// Whether it went on with the rows of another version, if that was wished for.
    pub continued: Option<Continued>,
    /// Events that it passes over because somebody said so.
    pub skipped: Vec<Skipped>,
    /// What it is made of: module, upcasters, skipped events, contract and engine settings.
    pub identity: Digest,
    /// Who decides that it goes live.
    pub promote: Promote,
    /// The position of the first event that it applies.
    pub start: u64,
    pub reviewed: Option<Review>,
    pub created_at: Timestamp,
    pub ready_at: Option<Timestamp>,
    /// Memory of the running guest.
    pub memory_bytes: u64,
    /// The most that its guest has used of the limits of the sandbox since the host started.
    pub usage: Usage,
}

/// The last position of some progress, as a number.
pub fn last(progress: Progress) -> Option<u64> {
    progress.last().map(|position| position.0)
}
