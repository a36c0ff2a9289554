//! Rollouts: deploying a version, its gates, and its way to live.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kinora_types::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::versions::{Fault, Promote};

/// A version that somebody wants.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "module": "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c",
    "promote": "when_ready", "gates": {"max_lag": 10000, "reviewed": true},
}))]
pub struct Deploy {
    /// The digest of a projector.
    #[schema(value_type = String)]
    pub module: Digest,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, required = false)]
    pub upcasters: Vec<Digest>,
    #[serde(default)]
    pub promote: Promote,
    #[serde(default)]
    pub gates: Gates,
    #[serde(default)]
    pub start: Start,
    /// Go on with the rows of this version where it stands, if that is sound, instead of replaying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continue_from: Option<u32>,
    /// Pass over the events that this version was told to pass over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skips_of: Option<u32>,
    /// Only if this version is live now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_live: Option<u32>,
    /// Only say what it would come to.
    #[serde(default)]
    pub dry_run: bool,
}

impl Deploy {
    /// A version of a projector, with everything else as it is unless it is said.
    pub fn new(module: Digest) -> Self {
        Self {
            module,
            upcasters: Vec::new(),
            promote: Promote::default(),
            gates: Gates::default(),
            start: Start::default(),
            continue_from: None,
            skips_of: None,
            expected_live: None,
            dry_run: false,
        }
    }
}

/// How Wasm is deployed that is itself the body.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeployWasm {
    /// With Wasm as the body: who decides that it goes live
    #[serde(default)]
    #[param(inline, required = false)]
    pub promote: Promote,
    /// With Wasm as the body: go on with the rows of this version where it stands, if that is sound
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub continue_from: Option<u32>,
    /// With Wasm as the body: pass over the events that this version was told to pass over
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub skips_of: Option<u32>,
    /// With Wasm as the body: only if this version is live now
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub expected_live: Option<u32>,
}

/// The first event that a version applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    #[default]
    Beginning,
    Position(u64),
    /// The first event that was appended then or later.
    Time(Timestamp),
}

impl PartialSchema for Start {
    fn schema() -> RefOr<Schema> {
        let formatted = |kind: Type, format: KnownFormat| {
            ObjectBuilder::new().schema_type(kind).format(Some(SchemaFormat::KnownFormat(format)))
        };
        let beginning = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["beginning"]));
        let position = formatted(Type::Integer, KnownFormat::Int64).minimum(Some(0));
        let time = formatted(Type::String, KnownFormat::DateTime);
        OneOfBuilder::new()
            .description(Some(
                "The first event that a version applies; of a time, the first one that was appended then or later.",
            ))
            .default(Some(json!("beginning")))
            .item(beginning)
            .item(ObjectBuilder::new().property("position", position).required("position"))
            .item(ObjectBuilder::new().property("time", time).required("time"))
            .into()
    }
}

impl ToSchema for Start {}

/// Events that a version may be behind, unless the rollout says otherwise.
const MAX_LAG: u64 = 10_000;

/// What has to hold before a version goes live. That it is ready and has no fault is always asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({
    "max_lag": 10000, "reviewed": true, "ready_for_seconds": 60,
    "difference": {"carriers": {"removed": 0, "changed": 10}, "*": {"added": 0, "removed": 0, "changed": 0}},
    "check": {"query": "is-sound", "arguments": {}},
}))]
pub struct Gates {
    /// Events that it may be behind.
    #[schema(default = 10000)]
    pub max_lag: u64,
    /// Whether somebody has to have looked at what differs from the live version.
    pub reviewed: bool,
    /// How much may differ from the live version, by table; `*` stands for the others.
    pub difference: BTreeMap<String, Bounds>,
    /// How long it has to have been ready.
    pub ready_for_seconds: u64,
    /// A named query that has to answer `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
}

impl Default for Gates {
    fn default() -> Self {
        Self { max_lag: MAX_LAG, reviewed: false, difference: BTreeMap::new(), ready_for_seconds: 0, check: None }
    }
}

/// Rows that may differ at most. What is not named may differ as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Bounds {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    pub query: String,
    #[serde(default)]
    #[schema(value_type = Object, required = false)]
    pub arguments: Map<String, Value>,
}

/// A gate, whether it is open, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gate {
    pub gate: String,
    pub passed: bool,
    pub reason: String,
}

/// All gates of a version, as they are now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Checklist {
    pub projection: String,
    pub version: u32,
    /// The version that was live when the gates were looked at: a promotion takes the place of this one only.
    #[schema(required)]
    pub live: Option<u32>,
    pub passed: bool,
    pub gates: Vec<Gate>,
}

/// A change that needs no more than a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ChangeRequest)]
pub struct Change {
    /// Only if this version is live now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_live: Option<u32>,
}

/// How a version goes live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Promotion {
    /// Only if this version is live now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_live: Option<u32>,
    /// Pass over the gates; the history says so.
    pub force: bool,
}

/// Somebody says that what differs is right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ReviewRequest)]
pub struct Review {
    /// The version that it was compared with; the live one unless it is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<u32>,
    /// Only if this version is live now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_live: Option<u32>,
}

/// An event to pass over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Skip {
    /// Where the version stopped.
    pub position: u64,
    /// Why this event may be passed over.
    pub reason: String,
    /// Only if this version is live now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_live: Option<u32>,
}

/// What a deployment would come to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Preflight {
    pub projection: String,
    /// Each type and schema of the log.
    pub events: Vec<Fate>,
    pub forecast: Forecast,
}

/// What would become of the events of a type and schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fate {
    #[serde(rename = "type")]
    pub kind: String,
    pub schema: u32,
    pub count: u64,
    pub becomes: String,
}

/// What a replay would take, from a sample of it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Forecast {
    /// Events that the version would go through.
    pub events: u64,
    /// Those that it handles, itself or through upcasters.
    pub concerned: u64,
    pub sampled_events: u64,
    pub sampled_ms: u64,
    pub events_per_second: f64,
    pub seconds: f64,
    /// Bytes of the read model.
    pub disk_bytes: u64,
    /// Bytes that are free on the disk now.
    #[schema(required)]
    pub disk_free_bytes: Option<u64>,
    /// Memory of the guest in the sample, and at most.
    pub memory_bytes: u64,
    pub memory_limit_bytes: u64,
    /// The version would stop within the sample already.
    #[schema(required)]
    pub fault: Option<Fault>,
}

/// Events of a type and schema that nobody would handle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gap {
    #[serde(rename = "type")]
    pub kind: String,
    pub schema: u32,
    /// In the whole log.
    pub count: u64,
    /// The first one that the version would come to.
    pub first_position: u64,
    /// What is missing, and how to mend it.
    pub why: String,
}
