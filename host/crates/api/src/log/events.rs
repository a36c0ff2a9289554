//! Events as they are read.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::claims::Claims;
use crate::problems::Problem;

/// An event of the log.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "position": 7, "stream": "flight-1", "revision": 0, "time": "2026-01-01T12:00:00Z",
    "id": "0198c5a4-0000-7000-8000-000000000000", "type": "FlightDeparted", "schema": 1,
    "data": {"carrier": "UA"}, "tags": ["aircraft:N14228"],
}))]
pub struct Event {
    pub position: u64,
    pub stream: String,
    pub revision: u64,
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    pub id: Uuid,
    #[serde(rename = "type")]
    pub kind: String,
    #[schema(minimum = 1)]
    pub schema: u32,
    /// Any JSON.
    #[schema(value_type = serde_json::Value)]
    pub data: Box<RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    pub metadata: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// What the append took and released, on its first event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Claims>,
}

/// A page of events.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EventPage {
    pub events: Vec<Event>,
    /// The last position of the log, or the last revision of the stream, if it has any.
    #[schema(required)]
    pub head: Option<u64>,
    /// The address of the next page, if there is one.
    #[schema(required)]
    pub next: Option<String>,
}

/// What a subscription says of itself, as `caught-up` and as `fell-behind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubscriptionState {
    #[schema(required)]
    pub head: Option<u64>,
    /// The last position that was looked at.
    #[schema(required)]
    pub position: Option<u64>,
}

/// What is said to whoever follows the log or a stream.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "event", content = "data", rename_all = "kebab-case")]
pub enum LogMessage {
    Event(Event),
    CaughtUp(SubscriptionState),
    FellBehind(SubscriptionState),
    /// Nothing more will come.
    Problem(Problem),
}

/// Which events of the log.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReadLog {
    /// Where to start, included
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub from: Option<u64>,
    /// Where to start, not included; forwards only
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub after: Option<u64>,
    /// Events of a page
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<usize>,
    /// From the oldest on, or from the newest back
    #[serde(default, skip_serializing_if = "Direction::is_forwards")]
    #[param(inline, required = false)]
    pub direction: Direction,
    /// Start with the first event that was appended then or later
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, format = DateTime, nullable = false)]
    pub from_time: Option<Timestamp>,
    /// Start with the event of this id
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, format = Uuid, nullable = false)]
    pub from_id: Option<Uuid>,
    /// Events of any of these types, separated by commas; one with a comma stands in double quotes
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub types: Option<String>,
    /// Events that have all of these tags, separated by commas; one with a comma stands in double quotes
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub tags: Option<String>,
    /// How the names of the streams begin
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub stream_prefix: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(default = "forwards")]
pub enum Direction {
    #[default]
    Forwards,
    Backwards,
}

impl Direction {
    pub fn is_forwards(&self) -> bool {
        *self == Self::Forwards
    }
}

/// Which events of a stream. It is read whole: what [`ReadLog`] selects by is not asked for.
#[derive(Clone, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReadStream {
    /// Where to start, included
    #[param(nullable = false)]
    pub from: Option<u64>,
    /// Where to start, not included; forwards only
    #[param(nullable = false)]
    pub after: Option<u64>,
    /// Events of a page
    #[param(nullable = false, minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<usize>,
    /// From the oldest on, or from the newest back
    #[param(inline, required = false)]
    pub direction: Direction,
    /// Start with the first event that was appended then or later
    #[param(value_type = Option<String>, format = DateTime, nullable = false)]
    pub from_time: Option<Timestamp>,
}
