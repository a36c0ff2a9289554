//! Verifications: a digest of a version's rows, a replay that has to give the same, and a fault on its own.

use kinora_types::Digest;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::limits::Sandbox;
use crate::problems::Problem;

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReadDigest {
    /// The event after which to take it; one that is still to come, or the last one
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub position: Option<u64>,
}

/// A digest of all rows of a version, as they were after an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RowsDigest {
    pub projection: String,
    pub version: u32,
    /// What the version is made of: module, upcasters, skipped events, contract and engine settings. Versions with the
    /// same identity have the same rows at the same position, on any host.
    #[schema(value_type = String)]
    pub identity: Digest,
    /// The last event that these rows stand for.
    #[schema(required)]
    pub position: Option<u64>,
    #[schema(value_type = String)]
    pub rows_digest: Digest,
}

/// How far a verification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplayProgress {
    pub replayed: u64,
    /// Events that the version has applied.
    pub events: u64,
}

/// What a replay of all events of a version has shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verified {
    pub projection: String,
    pub version: u32,
    #[schema(value_type = String)]
    pub identity: Digest,
    #[schema(required)]
    pub position: Option<u64>,
    #[schema(value_type = String)]
    pub rows_digest: Digest,
    /// Whether the replay gave the same rows.
    pub agrees: bool,
    /// Events that were replayed.
    pub events: u64,
    /// Where the replay differs, if it does.
    #[schema(required)]
    pub difference: Option<Divergence>,
    pub took_ms: u64,
}

/// What is said to whoever follows a verification. The last is `verified` or `problem`.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "event", content = "data", rename_all = "kebab-case")]
pub enum VerificationMessage {
    Progress(ReplayProgress),
    Verified(Box<Verified>),
    Problem(Problem),
}

/// The first event after which the rows depend on how events were handed over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Divergence {
    /// None if two replays agree.
    #[schema(required)]
    pub position: Option<u64>,
    #[schema(required)]
    pub event_type: Option<String>,
    #[schema(required)]
    pub schema: Option<u32>,
    /// The first row that differs, in the order of tables and keys.
    #[schema(required)]
    pub row: Option<RowDifference>,
    /// How events were handed over for the one and for the other.
    pub ways: [String; 2],
    /// What was said, if an event could be applied in one of the ways only.
    #[schema(required)]
    pub fault: Option<String>,
}

/// A row that is not the same, as JSON text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RowDifference {
    pub table: String,
    pub key: String,
    #[schema(required)]
    pub one: Option<String>,
    #[schema(required)]
    pub other: Option<String>,
}

/// Everything that one fault depends on, for `kinora repro`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Bundle {
    pub format: u32,
    pub projection: String,
    pub version: u32,
    #[schema(value_type = String)]
    pub identity: Digest,
    pub fault: Reported,
    /// Whether the event fails again when it is run alone, on the rows below, with fresh instances.
    pub reproduced: bool,
    pub event: BundledEvent,
    /// What the guest read, as it was before the event.
    pub rows: Vec<BundledRow>,
    /// Keys that the guest looked for where there was no row.
    pub absent: Vec<BundledKey>,
    /// All other rows of the version, which a mended guest may read; null if they are too many, or if the version never
    /// came to the event.
    #[schema(required)]
    pub other_rows: Option<Vec<BundledRow>>,
    pub limits: Sandbox,
    pub module: Wasm,
    pub upcasters: Vec<Wasm>,
}

/// A fault, as it was reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reported {
    pub category: String,
    pub message: String,
    pub backtrace: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BundledEvent {
    pub position: u64,
    pub stream: String,
    pub revision: u64,
    /// Microseconds since the Unix epoch.
    pub time: u64,
    pub id: Uuid,
    #[serde(rename = "type")]
    pub kind: String,
    pub schema: u32,
    #[schema(value_type = serde_json::Value)]
    pub data: Box<RawValue>,
    #[schema(value_type = Option<Object>, required)]
    pub metadata: Option<Box<RawValue>>,
    pub tags: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BundledRow {
    pub table: String,
    pub key: String,
    #[schema(value_type = serde_json::Value)]
    pub row: Box<RawValue>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BundledKey {
    pub table: String,
    pub key: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Wasm {
    #[schema(value_type = String)]
    pub digest: Digest,
    pub base64: String,
}

/// Everything that one decision depends on, for `kinora repro`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DecisionBundle {
    pub format: u32,
    pub decider: String,
    pub version: u32,
    pub command: BundledCommand,
    /// What it came to when the bundle was made, on the events below.
    pub outcome: BundledDecision,
    /// What it is decided on, its aggregate first: `{"stream": NAME}` or `{"tags": [TAG]}`.
    #[schema(value_type = Vec<Object>)]
    pub scopes: Vec<Box<RawValue>>,
    /// How many it may be decided on.
    pub most_scopes: usize,
    /// All events of these, in the order of the log.
    pub events: Vec<BundledEvent>,
    pub limits: Sandbox,
    pub module: Wasm,
    pub upcasters: Vec<Wasm>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BundledCommand {
    pub id: Uuid,
    pub aggregate: String,
    pub name: String,
    #[schema(value_type = serde_json::Value)]
    pub data: Box<RawValue>,
    /// Microseconds since the Unix epoch.
    pub time: u64,
}

/// What a command came to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BundledDecision {
    Accepted {
        events: Vec<MadeEvent>,
    },
    Unchanged,
    Rejected {
        code: String,
        message: String,
    },
    /// It has to see what the bundle does not have.
    Wants {
        #[schema(value_type = Vec<Object>)]
        scopes: Vec<Box<RawValue>>,
    },
    Failed {
        category: String,
        message: String,
        backtrace: Vec<String>,
    },
}

/// An event that came of a command.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MadeEvent {
    #[serde(rename = "type")]
    pub kind: String,
    pub schema: u32,
    /// Null: that of the aggregate.
    #[schema(required)]
    pub stream: Option<String>,
    #[schema(value_type = serde_json::Value)]
    pub data: Box<RawValue>,
    pub tags: Vec<String>,
}
