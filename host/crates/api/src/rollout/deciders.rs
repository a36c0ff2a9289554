//! Deciders and their versions.

use kinora_types::Digest;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::object::from_objects;
use crate::rollouts::Gate;

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Deciders {
    pub deciders: Vec<Decider>,
}

/// A decider, with all of its versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Decider {
    pub name: String,
    /// The version that decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub live: Option<u32>,
    /// Whether it takes commands now: its module may still be compiled.
    pub decides: bool,
    /// The category whose streams nobody else appends to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub owns: Option<String>,
    pub versions: Vec<DeciderVersion>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeciderVersion {
    pub version: u32,
    pub state: DeciderState,
    #[schema(value_type = String)]
    pub module: Digest,
    #[schema(value_type = Vec<String>)]
    pub upcasters: Vec<Digest>,
    /// Why it is faulted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
    /// What came of folding history, and of deciding recorded commands again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub report: Option<DecisionReport>,
    /// What it would have decided of all that was decided since, while it waits to go live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub shadow: Option<DecisionReport>,
    /// Types of events that it may emit and that the live version does not fold: once there are some, there is no way
    /// back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub one_way: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeciderState {
    /// History is folded, and recorded commands are decided again.
    Proving,
    Ready,
    Live,
    /// It was live, and can be again at once.
    Standby,
    Faulted,
    Retired,
}

/// Recorded commands, decided again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DecisionReport {
    /// That were folded.
    pub events: u64,
    pub aggregates: u64,
    /// Recorded commands.
    pub commands: u64,
    pub same: u64,
    /// Accepted, with other events.
    pub different: u64,
    pub rejected: u64,
    pub unchanged: u64,
    /// Nobody takes them.
    pub unknown: u64,
    /// Commands that were rejected lately.
    #[serde(default)]
    pub rejections: RejectionReport,
    pub samples: Vec<DecisionDifference>,
}

/// Commands that were rejected lately, decided again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RejectionReport {
    pub commands: u64,
    /// With the same code.
    pub same: u64,
    /// Rejected with another code.
    pub otherwise: u64,
    /// Accepted, or found to change nothing.
    pub accepted: u64,
    /// Nobody takes them.
    pub unknown: u64,
}

/// A command that comes to something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DecisionDifference {
    pub command: Uuid,
    pub name: String,
    pub aggregate: String,
    /// Of its first event; of one that was rejected, where that would have been.
    pub position: u64,
    /// The code with which it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub was_rejected: Option<String>,
    /// What it comes to.
    pub now: String,
}

/// All gates of a version, as they are now: what its promotion asks. One that is closed is passed over by whoever says
/// so, with `accept_` and its name; `ready` is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeciderChecklist {
    pub decider: String,
    pub version: u32,
    /// The version that was live when the gates were looked at.
    #[schema(required)]
    pub live: Option<u32>,
    pub passed: bool,
    pub gates: Vec<Gate>,
}

/// Commands that the rules have said no to, the last one first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Rejections {
    pub rejections: Vec<RejectedCommand>,
}

/// A command that was rejected. Nothing of it is in the log; it is kept for a while.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RejectedCommand {
    pub command: Uuid,
    pub name: String,
    pub aggregate: String,
    #[schema(value_type = Object)]
    pub data: Box<RawValue>,
    /// The version that has decided it.
    pub version: u32,
    pub code: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<Object>)]
    pub details: Option<Box<RawValue>>,
    /// Events that the log had.
    pub events: u64,
    pub at: String,
}

/// A version to deploy.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
#[schema(example = json!({"module": "0".repeat(64), "owns": true}))]
pub struct DeployDecider {
    #[schema(value_type = String)]
    pub module: Digest,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub upcasters: Vec<Digest>,
    /// Nobody else appends to streams of its category then.
    #[serde(default)]
    pub owns: bool,
}

/// Which version is to decide.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct PromoteDecider {
    #[schema(minimum = 1)]
    pub version: u32,
    /// The version that has to be live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_live: Option<u32>,
    /// That it decides otherwise than was decided is right.
    #[serde(default)]
    pub accept_differences: bool,
    /// That live projections stop at what it emits is right.
    #[serde(default)]
    pub accept_stops: bool,
    /// That it does not fold all that was decided is right: commands of such aggregates fail.
    #[serde(default)]
    pub accept_one_way: bool,
}

/// Which version is to go.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct RetireDecider {
    #[schema(minimum = 1)]
    pub version: u32,
}

from_objects!(DeployDecider, PromoteDecider, RetireDecider);
