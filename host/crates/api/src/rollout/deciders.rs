//! Deciders and their versions.

use kinora_types::Digest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::object::from_objects;

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
    pub samples: Vec<DecisionDifference>,
}

/// A command that comes to something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DecisionDifference {
    pub command: Uuid,
    pub name: String,
    pub aggregate: String,
    /// Of its first event.
    pub position: u64,
    /// What it comes to.
    pub now: String,
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
