//! Appending: events, what has to hold for them, and the answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use crate::claims::Claims;
use crate::object::from_objects;

/// An event to append.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
#[schema(example = json!({
    "type": "FlightDeparted", "data": {"carrier": "UA", "delay": 12}, "tags": ["aircraft:N14228"],
}))]
pub struct NewEvent {
    /// An append that is repeated with the same ids is not done twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    #[serde(rename = "type")]
    pub kind: String,
    /// The version of the schema of its data, from 1.
    #[serde(default = "first_schema")]
    #[schema(minimum = 1, default = 1)]
    pub schema: u32,
    /// Any JSON.
    #[schema(value_type = serde_json::Value)]
    pub data: Box<RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

from_objects!(NewEvent, Transaction, StreamAppend, Condition, Item);

fn first_schema() -> u32 {
    1
}

/// One event, or an array of them. Which of them a body has, its first character tells.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum NewEvents {
    One(NewEvent),
    Several(Vec<NewEvent>),
}

/// A CloudEvent 1.0 with JSON data. `source` and `id` give the id of the event; the extensions `schema` and `tags` are
/// what they are of other events, and all other attributes are kept in the metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "specversion": "1.0", "id": "1", "source": "/shop", "type": "OrderPlaced", "data": {"order": 7},
}))]
pub struct CloudEvent {
    pub specversion: String,
    pub id: String,
    pub source: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    #[serde(flatten)]
    pub attributes: BTreeMap<String, Value>,
}

/// Appends to several streams, all or none.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
#[schema(example = json!({
    "appends": [
        {"stream": "order-7", "expected_revision": "no_stream", "events": [{"type": "OrderPlaced", "data": {}}]},
        {"stream": "customer-3", "expected_revision": 12},
    ],
    "condition": {"none_of": [{"types": ["SeatTaken"], "tags": ["seat:12A"]}], "after": 41},
    "claims": {"take": [{"scope": "email", "value": "ann@example.org", "owner": "customer-3"}]},
}))]
pub struct Transaction {
    pub appends: Vec<StreamAppend>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// Values that only one stream may hold; releases go first.
    #[serde(default, skip_serializing_if = "Claims::is_empty")]
    #[schema(required = false)]
    pub claims: Claims,
}

/// What goes to one stream.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct StreamAppend {
    pub stream: String,
    #[serde(default)]
    pub expected_revision: ExpectedRevision,
    /// None: the stream is only checked.
    #[serde(default)]
    pub events: Vec<NewEvent>,
}

/// What a stream has to be at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedRevision {
    /// Anything.
    #[default]
    Any,
    NoStream,
    Exists,
    #[serde(untagged)]
    Exactly(u64),
}

impl ExpectedRevision {
    /// The header that says so, if one has to.
    pub fn header(self) -> Option<(&'static str, String)> {
        match self {
            Self::Any => None,
            Self::NoStream => Some(("if-none-match", "*".to_owned())),
            Self::Exists => Some(("if-match", "*".to_owned())),
            Self::Exactly(revision) => Some(("if-match", format!("\"{revision}\""))),
        }
    }
}

impl PartialSchema for ExpectedRevision {
    fn schema() -> RefOr<Schema> {
        let named = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["any", "no_stream", "exists"]));
        let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
        let number = number.format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
        OneOfBuilder::new()
            .description(Some("What a stream has to be at; a number is its revision."))
            .default(Some(json!("any")))
            .item(named)
            .item(number)
            .into()
    }
}

impl ToSchema for ExpectedRevision {}

/// Refuses if any event that matches one of these items stands after a position.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Condition {
    #[schema(min_items = 1)]
    pub none_of: Vec<Item>,
    /// Without it, no such event may stand anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}

/// Any of the types, and all of the tags.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default, remote = "Self")]
pub struct Item {
    pub types: Vec<String>,
    pub tags: Vec<String>,
}

/// What was appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "first_position": 41, "last_position": 42, "revision": 1, "duplicate": false, "durability": "sync",
}))]
pub struct Appended {
    /// Of what was appended, or of all events of a duplicate.
    pub first_position: u64,
    pub last_position: u64,
    /// Only where one stream was appended to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub revision: Option<u64>,
    /// Only of a transaction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<StreamRevision>,
    /// Whether the log had these events already, all of them.
    pub duplicate: bool,
    /// How many of the request's events the log had already: the first ones, or all of a duplicate. They are not
    /// appended again.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    pub known: u64,
    pub durability: Durability,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamRevision {
    pub stream: String,
    pub revision: u64,
}

/// When an append is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Once it is on the disk.
    #[default]
    Sync,
    /// Once it is written; the disk has it after this many milliseconds at most.
    Interval(u64),
}
