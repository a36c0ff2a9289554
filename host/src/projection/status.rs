//! Where a version stands, for people and programs that watch it.

use jiff::Timestamp;
use serde::Serialize;

use crate::event::{EventType, Progress};
use crate::sandbox::{Digest, Failure};

/// The states of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its modules are being compiled, and checked against the log.
    Validating,
    /// It goes through history.
    Replaying,
    /// History is done, and flushed; it closes the gap to the head.
    CatchingUp,
    /// It has been at the head, and can be promoted.
    Ready,
    /// It answers queries.
    Live,
    /// It was live, and keeps projecting.
    Standby,
    Paused,
    /// It stopped at an event that it cannot handle. What came before is committed.
    Faulted,
    /// Its read model is gone.
    Retired,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Validating => "validating",
            Self::Replaying => "replaying",
            Self::CatchingUp => "catching_up",
            Self::Ready => "ready",
            Self::Live => "live",
            Self::Standby => "standby",
            Self::Paused => "paused",
            Self::Faulted => "faulted",
            Self::Retired => "retired",
        }
    }
}

/// Why a version stopped.
#[derive(Clone, Debug, Serialize)]
pub struct Fault {
    /// Stable, such as `panic` or `unknown-event`.
    pub category: &'static str,
    /// The event that could not be handled, where one is to blame.
    pub position: Option<u64>,
    pub event_type: Option<String>,
    pub schema: Option<u32>,
    pub message: String,
}

impl Fault {
    pub fn new(failure: &Failure, event: Option<EventType>) -> Self {
        let (event_type, schema) = event.map(|event| (event.name, event.schema)).unzip();
        Self {
            category: failure.category.as_str(),
            position: failure.position.map(|position| position.0),
            event_type,
            schema,
            message: failure.message.clone(),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct ProjectionStatus {
    pub name: String,
    /// The version that answers queries.
    pub live: Option<u32>,
    /// The version that a rollback goes to.
    pub previous: Option<u32>,
    pub versions: Vec<VersionStatus>,
}

#[derive(Clone, Debug, Serialize)]
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
    /// Events that have been applied, committed or not: for progress bars.
    pub applied: u64,
    pub events_per_second: f64,
    pub eta_seconds: Option<f64>,
    /// How long the replay took, once it is done.
    pub replayed_in_ms: Option<u64>,
    pub fault: Option<Fault>,
    pub created_at: Timestamp,
    /// Memory of the running guest.
    pub memory_bytes: u64,
}

/// The last position of some progress, as a number.
pub fn last(progress: Progress) -> Option<u64> {
    progress.last().map(|position| position.0)
}
