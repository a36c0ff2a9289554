//! Where a version stands, for people and programs that watch it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use kinora_log::Log;
use kinora_sandbox::{Category, Failure, Usage};
use kinora_types::Digest;
use kinora_types::{EventType, Position, Progress};

use crate::registry::catalog::{ProjectionRecord, Promote, Review, Settings, Skipped, VersionRecord};
use crate::replay::gauges::Phase;
use crate::supervisor::version::Version;
use crate::trial::continuation::Continued;
use crate::trial::proof::Proof;

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
    /// It was ended before it was ever live, and its read model is gone.
    Aborted,
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
            Self::Aborted => "aborted",
        }
    }

    /// Whether its read model is gone for good.
    pub fn is_gone(self) -> bool {
        matches!(self, Self::Retired | Self::Aborted)
    }

    /// Whether it can answer queries as the live version.
    pub fn can_be_live(self) -> bool {
        matches!(self, Self::Ready | Self::Standby | Self::Live)
    }
}

/// Why a version stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Stable, such as `panic` or `unknown-event`.
    pub category: String,
    /// The event that could not be handled, where one is to blame.
    pub position: Option<u64>,
    pub event_type: Option<String>,
    pub schema: Option<u32>,
    #[serde(default)]
    pub stream: Option<String>,
    pub message: String,
    /// Where in the guest it happened, innermost first.
    #[serde(default)]
    pub backtrace: Vec<String>,
    /// The limit that was in the way, if one was.
    #[serde(default)]
    pub limit: Option<LimitHit>,
    /// What to do about it.
    #[serde(default)]
    pub hint: String,
}

/// A limit of the sandbox that a guest hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitHit {
    /// Its name within `sandbox`.
    pub name: String,
    pub value: u64,
}

impl Fault {
    pub fn new(failure: &Failure, event: Option<EventType>) -> Self {
        let (event_type, schema) = event.map(|event| (event.name, event.schema)).unzip();
        Self {
            category: failure.category.as_str().to_owned(),
            position: failure.position.map(|position| position.0),
            event_type,
            schema,
            message: failure.message.clone(),
            backtrace: failure.backtrace.to_vec(),
            limit: failure.limit.as_ref().map(|limit| LimitHit { name: limit.name.to_owned(), value: limit.value }),
            hint: hint(failure),
            stream: None,
        }
    }

    /// Whether it would happen again in the same place. The host's own trouble, such as a full disk, may have passed.
    pub fn is_lasting(&self) -> bool {
        self.category != Category::Storage.as_str()
    }

    /// Whether one event is to blame, whatever comes before and after it.
    pub fn is_of_one_event(&self) -> bool {
        let others = [Category::Storage, Category::Nondeterministic, Category::Partition];
        self.position.is_some() && others.iter().all(|other| self.category != other.as_str())
    }

    /// With what the log says about the event.
    pub fn located(mut self, log: &Log) -> Self {
        let event = self.position.and_then(|position| log.event(Position(position)).ok().flatten());
        if let Some(event) = event {
            self.event_type = Some(event.kind);
            self.schema = Some(event.schema);
            self.stream = Some(event.stream);
        }
        self
    }
}

/// What can be done about a failure.
fn hint(failure: &Failure) -> String {
    if let Some(limit) = &failure.limit {
        return format!("mend the guest and deploy it again; {}, and resume this version", limit.hint());
    }
    let hint = match failure.category {
        Category::Storage => "look at the host's output and its disk, then resume this version",
        Category::UnknownEvent => "handle or ignore the type, or add an upcaster, and deploy again",
        Category::Nondeterministic => "mend the projector and deploy it again; nothing else is affected",
        _ if failure.position.is_some() => {
            "`kinora repro` runs the event alone: mend the guest and deploy it again, or skip the event for a reason"
        }
        _ => "mend the guest and deploy it again; nothing else is affected",
    };
    hint.to_owned()
}

#[derive(Clone, Debug, Serialize)]
pub struct ProjectionStatus {
    pub name: String,
    /// The version that answers queries.
    pub live: Option<u32>,
    /// The version that a rollback goes to.
    pub previous: Option<u32>,
    #[serde(flatten)]
    pub settings: Settings,
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
    /// How long it has had events to apply without progress, once that is longer than the limit `projections.stall_seconds`.
    pub stalled_seconds: Option<u64>,
    pub events_per_second: f64,
    pub eta_seconds: Option<f64>,
    /// How long the replay took, once it is done.
    pub replayed_in_ms: Option<u64>,
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

/// Where a version stands, from what is remembered of it and from what its thread shows.
pub fn describe(
    version: &Version,
    record: &VersionRecord,
    projection: &ProjectionRecord,
    head: Progress,
    identity: Digest,
) -> VersionStatus {
    let gauges = version.gauges();
    let (checkpoint, fault) = (version.checkpoint(), version.fault());
    let applied = gauges.applied().max(checkpoint);
    let rate = gauges.rate();
    let remaining = head.0.saturating_sub(applied.0);
    VersionStatus {
        projection: version.projection.clone(),
        version: version.number,
        state: state_of(version, record, projection),
        module: record.module,
        upcasters: record.upcasters.clone(),
        checkpoint: last(checkpoint),
        head: last(head),
        lag: head.0.saturating_sub(checkpoint.0),
        applied: applied.0,
        stalled_seconds: version.stall.stalled_for().map(|stalled| stalled.as_secs()),
        events_per_second: rate.round(),
        eta_seconds: (rate > 0.0 && remaining > 0).then(|| (remaining as f64 / rate * 10.0).round() / 10.0),
        replayed_in_ms: record.replayed_in_ms,
        fault,
        promote: record.promote,
        start: record.start,
        reviewed: record.reviewed.clone(),
        determinism: record.proof.clone(),
        continued: record.continued.clone(),
        skipped: record.skipped.clone(),
        identity,
        created_at: record.created_at,
        ready_at: record.ready_at,
        memory_bytes: gauges.memory(),
        usage: gauges.usage(),
    }
}

/// The state of a version, from what is remembered of it and from what its thread shows.
pub fn state_of(version: &Version, record: &VersionRecord, projection: &ProjectionRecord) -> State {
    match version.gauges().phase() {
        _ if record.aborted => State::Aborted,
        _ if record.retired => State::Retired,
        _ if version.fault().is_some() => State::Faulted,
        _ if record.paused => State::Paused,
        _ if !version.is_open() => State::Validating,
        // A version that serves goes on serving after a restart, while it catches up.
        Phase::CatchingUp | Phase::Ready if projection.live == Some(version.number) => State::Live,
        Phase::Validating => State::Validating,
        Phase::Replaying => State::Replaying,
        Phase::CatchingUp => State::CatchingUp,
        Phase::Ready if record.was_live => State::Standby,
        Phase::Ready => State::Ready,
    }
}
