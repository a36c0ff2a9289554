//! Commands: what deciders are asked, and what they answer.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::object::from_objects;

/// Commands that are decided together: all of them stand, or none.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
#[schema(example = json!({
    "decider": "accounts",
    "commands": [
        {"id": "1", "command": "Deposit", "data": {"cents": 500}},
        {"id": "2", "command": "Deposit", "data": {"cents": 700}},
    ],
}))]
pub struct Commands {
    /// That decides all of them.
    pub decider: String,
    #[schema(min_items = 1)]
    pub commands: Vec<Command>,
    /// Only decide, and append nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// One of several commands.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Command {
    /// The id of the aggregate.
    pub id: String,
    /// Its name.
    pub command: String,
    /// What the decider says that it has to be.
    #[schema(value_type = serde_json::Value)]
    pub data: Box<RawValue>,
    /// For the events that come of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

from_objects!(Commands, Command);

/// What became of commands that were decided together, in their order.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DecidedTogether {
    pub decided: Vec<Decided>,
}

/// What became of a command.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Decided {
    /// Of the command; the ids of its events follow from it.
    pub command: Uuid,
    /// The version of the decider that decided it.
    pub version: u32,
    pub outcome: Outcome,
    /// Whether it was sent before, and accepted then.
    pub duplicate: bool,
    pub events: Vec<DecidedEvent>,
    /// Of the stream of the aggregate, as it is then; of an aggregate by tag, the position of its last event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub revision: Option<u64>,
    /// Of the last event: a query with `min_position` sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub position: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CommandOutcome)]
pub enum Outcome {
    Accepted,
    /// All was as the command wants it.
    Unchanged,
}

/// An event that came of a command.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DecidedEvent {
    pub id: Uuid,
    pub stream: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub schema: u32,
    #[schema(value_type = serde_json::Value)]
    pub data: Box<RawValue>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Only of one that was appended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub position: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub revision: Option<u64>,
}

/// The state of an aggregate.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AggregateState {
    /// As the decider keeps it: JSON, where it saves that.
    #[schema(value_type = serde_json::Value)]
    pub state: Box<RawValue>,
    /// The last revision of its stream, or the position of the last event with its tag; none, if it has no events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub revision: Option<u64>,
    /// How many events of the log it stands for.
    pub events: u64,
}
