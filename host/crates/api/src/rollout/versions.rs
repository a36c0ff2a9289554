//! Versions: where each stands, and why it stopped if it did.

use std::fmt;

use jiff::Timestamp;
use kinora_types::Digest;
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// The states of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its modules are being compiled, and checked against the log.
    Validating,
    /// It goes through history.
    Replaying,
    /// It closes the gap to the head of the log.
    CatchingUp,
    /// It can be promoted.
    Ready,
    /// It answers queries.
    Live,
    /// It was live, and keeps projecting.
    Standby,
    Paused,
    /// It stopped at an event that it cannot handle.
    Faulted,
    /// Its read model is gone.
    Retired,
    /// It was ended before it was ever live, and its read model is gone.
    Aborted,
    /// A newer host may know more.
    #[serde(untagged)]
    Other(String),
}

impl State {
    /// Those that a host of this version knows.
    const KNOWN: [Self; 10] = [
        Self::Validating,
        Self::Replaying,
        Self::CatchingUp,
        Self::Ready,
        Self::Live,
        Self::Standby,
        Self::Paused,
        Self::Faulted,
        Self::Retired,
        Self::Aborted,
    ];

    pub fn as_str(&self) -> &str {
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
            Self::Aborted => "aborted",
            Self::Other(name) => name,
        }
    }

    /// Whether the version still works its way through the log.
    pub fn is_underway(&self) -> bool {
        matches!(self, Self::Validating | Self::Replaying | Self::CatchingUp)
    }

    /// Whether its rows are gone for good.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Retired | Self::Aborted)
    }
}

/// As people read it.
impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(name) => formatter.pad(name),
            known => formatter.pad(&known.as_str().replace('_', " ")),
        }
    }
}

impl PartialSchema for State {
    fn schema() -> RefOr<Schema> {
        let names = Self::KNOWN.iter().map(Self::as_str).collect::<Vec<_>>();
        let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
        schema.description(Some("The states of a version.")).into()
    }
}

impl ToSchema for State {}

/// Where a version stands.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Version {
    pub projection: String,
    pub version: u32,
    pub state: State,
    #[schema(value_type = String)]
    pub module: Digest,
    #[schema(value_type = Vec<String>)]
    pub upcasters: Vec<Digest>,
    /// The last position that queries see.
    #[schema(required)]
    pub checkpoint: Option<u64>,
    /// The last position of the log.
    #[schema(required)]
    pub head: Option<u64>,
    /// Events between the two.
    pub lag: u64,
    /// Events of the log that it has gone through from its start on, committed or not, those that it passes over among
    /// them: of `head + 1 - start`.
    pub applied: u64,
    /// How long it has had events to apply without progress, once that is longer than `projections.stall_seconds`.
    #[schema(required)]
    pub stalled_seconds: Option<u64>,
    pub events_per_second: f64,
    #[schema(required)]
    pub eta_seconds: Option<f64>,
    /// How long the replay took, in all of its runs, once it is done; with that of the version whose rows it went on
    /// with.
    #[schema(required)]
    pub replayed_in_ms: Option<u64>,
    /// Where the check of its determinism is, while it is validated; none while its modules are compiled.
    #[schema(required)]
    pub validation: Option<Validation>,
    #[schema(required)]
    pub fault: Option<Fault>,
    /// What the check of its determinism at the deployment has found, once it has passed.
    #[schema(required)]
    pub determinism: Option<Proof>,
    /// Whether it went on with the rows of another version, if that was wished for.
    #[schema(required)]
    pub continued: Option<Continued>,
    /// Events that it passes over because somebody said so, for ever.
    pub skipped: Vec<Skipped>,
    /// What it is made of: module, upcasters, skipped events, contract and engine settings.
    #[schema(value_type = String)]
    pub identity: Digest,
    pub promote: Promote,
    /// The position of the first event that it applies.
    pub start: u64,
    #[schema(required)]
    pub reviewed: Option<Review>,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub ready_at: Option<Timestamp>,
    /// Memory of the running guest.
    pub memory_bytes: u64,
    pub usage: Usage,
}

/// Who decides that a version goes live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(default = "manual")]
pub enum Promote {
    /// Somebody does.
    #[default]
    Manual,
    /// It does itself, once it is ready.
    WhenReady,
}

/// Why a version stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// Stable, such as `panic` or `unknown-event`.
    pub category: String,
    /// The event that could not be handled, where one is to blame.
    #[schema(required)]
    pub position: Option<u64>,
    #[schema(required)]
    pub event_type: Option<String>,
    #[schema(required)]
    pub schema: Option<u32>,
    #[schema(required)]
    pub stream: Option<String>,
    pub message: String,
    /// Where in the guest it happened, innermost first.
    pub backtrace: Vec<String>,
    /// The limit of the sandbox that was in the way, if one was.
    #[schema(required)]
    pub limit: Option<LimitHit>,
    /// What to do about it.
    pub hint: String,
}

/// A limit that a guest hit, by its name within `sandbox`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LimitHit {
    pub name: String,
    pub value: u64,
}

/// What the check of a version's determinism has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Proof {
    /// Events of the sample, which were all applied in each way.
    pub events: u64,
    /// Events that could not be applied alone.
    pub left_out: u64,
    /// Ways of batching and restarting that gave the same rows.
    pub ways: u64,
    pub took_ms: u64,
}

/// Where the check of a version's determinism is: a sample of events is applied in several ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Validation {
    /// The way that is tried, from 1.
    pub way: u64,
    pub ways: u64,
    /// Events of the sample that have been applied in this way.
    pub events: u64,
    /// Events of the sample.
    pub of: u64,
}

/// What became of the wish to go on with the rows of another version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Continued {
    /// The other version.
    pub from: u32,
    /// The last event that was taken over; none if it replays.
    #[schema(required)]
    pub position: Option<u64>,
    /// Events for which both gave the same rows.
    pub compared: u64,
    #[schema(required)]
    pub why_not: Option<String>,
}

/// An event that a version was told to pass over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Skipped {
    pub position: u64,
    #[schema(required)]
    pub event_type: Option<String>,
    #[schema(required)]
    pub schema: Option<u32>,
    #[schema(required)]
    pub stream: Option<String>,
    /// Why somebody thought that this was right.
    pub reason: String,
    /// What the fault was.
    pub fault: String,
    #[schema(value_type = String, format = DateTime)]
    pub skipped_at: Timestamp,
}

/// Somebody has looked at what differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Review {
    /// The version that it was compared with.
    pub against: u32,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    #[schema(required)]
    pub who: Option<String>,
}

/// The most that a guest has used of the limits of the sandbox since the host started, by their names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    pub memory_bytes: u64,
    pub table_elements: u64,
    pub event_fuel: u64,
    pub flush_fuel: u64,
    pub call_operations: u64,
    pub commit_bytes: u64,
    pub log_lines: u64,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn states_that_are_not_known_are_kept() {
        let state = |text: &str| serde_json::from_str::<State>(text).unwrap();
        for known in State::KNOWN {
            assert_eq!(state(&format!("\"{}\"", known.as_str())), known);
        }
        assert_eq!(state(r#""catching_up""#).to_string(), "catching up");
        assert_eq!(state(r#""dreaming""#).to_string(), "dreaming");
    }
}
