//! Upcasters: what they would do with all of history, and the projections that should follow one.

use std::collections::BTreeMap;

use kinora_types::Digest;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::problems::Problem;
use crate::versions::Promote;
use crate::versions::Version;

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DryRunRequest)]
pub struct AskDryRun {
    #[schema(value_type = Vec<String>)]
    pub upcasters: Vec<Digest>,
    /// Events of each type that are shown before and after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 100, default = 3)]
    pub samples: Option<usize>,
}

/// What upcasters make of the events in the log, by what comes in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DryRun {
    /// The last position that was looked at.
    #[schema(required)]
    pub position: Option<u64>,
    pub types: Vec<Outcome>,
}

/// What becomes of the events of one type and schema.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Outcome {
    #[serde(rename = "type")]
    pub kind: String,
    pub schema: u32,
    pub events: u64,
    /// What came out, by type and schema.
    pub outputs: BTreeMap<String, u64>,
    /// Events of which nothing came out, on purpose.
    pub dropped: u64,
    pub failed: u64,
    pub failures: Vec<FailedEvent>,
    pub samples: Vec<Upcast>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FailedEvent {
    pub position: u64,
    pub category: String,
    pub message: String,
}

/// An event before and after.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Upcast {
    pub position: u64,
    pub stream: String,
    #[schema(value_type = serde_json::Value, required)]
    pub before: Option<Box<RawValue>>,
    pub after: Vec<After>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct After {
    #[serde(rename = "type")]
    pub kind: String,
    pub schema: u32,
    #[schema(value_type = serde_json::Value, required)]
    pub data: Option<Box<RawValue>>,
}

/// An upcaster that takes the place of another.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Follow {
    #[schema(value_type = String)]
    pub upcaster: Digest,
    #[schema(value_type = String)]
    pub replaces: Digest,
    #[serde(default)]
    pub promote: Promote,
}

/// What became of the projections that should follow.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FollowOutcomes {
    pub projections: Vec<FollowOutcome>,
}

/// The version that was deployed, or why none was.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FollowOutcome {
    #[schema(required)]
    pub problem: Option<Problem>,
    pub projection: String,
    #[schema(required)]
    pub version: Option<Version>,
}

/// What becomes of one event on its way to the projector of a version.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Upcasting {
    pub projection: String,
    pub version: u32,
    pub position: u64,
    /// The calls of upcasters, in their order.
    pub calls: Vec<UpcasterCall>,
    pub outcome: Arrival,
    /// What the projector gets, where the event is handled; nothing, if an upcaster has dropped it.
    pub arrives: Vec<After>,
    /// Why the version stops at it, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
}

/// One call of an upcaster.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UpcasterCall {
    #[schema(value_type = String)]
    pub upcaster: Digest,
    pub name: String,
    pub takes: Vec<After>,
    /// Nothing, if it has dropped what it took.
    pub makes: Vec<After>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arrival {
    Handled,
    /// The projector says that events of this type do not concern it.
    PassedOver,
    /// Somebody has told the version to pass over this very event.
    Skipped,
    /// Neither the projector nor an upcaster takes its type.
    NoRoute,
    /// An upcaster fails.
    Failed,
}
