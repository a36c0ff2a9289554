//! Events and answers as JSON, and their way to and from the words of the log.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::event::{EventType, ExpectedRevision, NewEvent, Revision};
use crate::log::{Appended, Recorded};

use super::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventIn {
    id: Option<Uuid>,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default = "first_schema")]
    schema: u32,
    data: Box<RawValue>,
    metadata: Option<Box<RawValue>>,
    #[serde(default)]
    tags: Vec<String>,
}

fn first_schema() -> u32 {
    1
}

impl TryFrom<EventIn> for NewEvent {
    type Error = Problem;

    fn try_from(event: EventIn) -> Result<Self, Problem> {
        if let Some(metadata) = &event.metadata
            && !metadata.get().starts_with('{')
        {
            return Err(Problem::new(400, "invalid-event", "the metadata of an event must be a JSON object"));
        }
        Ok(Self {
            id: event.id.unwrap_or_else(Uuid::new_v4),
            kind: EventType::new(&event.kind, event.schema)?,
            data: on_one_line(event.data)?,
            metadata: event.metadata.map(on_one_line).transpose()?,
            tags: event.tags.iter().map(|tag| tag.parse()).collect::<Result<_, _>>()?,
        })
    }
}

/// Within JSON text a raw line break can only be white space between tokens, and it would break a line-based format.
fn on_one_line(json: Box<RawValue>) -> Result<Box<RawValue>, Problem> {
    if !json.get().contains(['\n', '\r']) {
        return Ok(json);
    }
    let text = json.get().replace(['\n', '\r'], " ");
    RawValue::from_string(text).map_err(|cause| invalid_json(&cause))
}

pub fn invalid_json(cause: &serde_json::Error) -> Problem {
    let slug = if cause.is_data() { "invalid-event" } else { "invalid-json" };
    Problem::new(400, slug, format!("the body cannot be read: {cause}"))
        .hint(r#"an event looks like {"type": "FlightDeparted", "schema": 1, "data": {...}}, with id, metadata and tags if you like"#)
}

/// One event, or an array of them.
pub fn events(body: &[u8]) -> Result<Vec<NewEvent>, Problem> {
    let events: Vec<EventIn> = if body.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice(body).map_err(|cause| invalid_json(&cause))?
    } else {
        vec![serde_json::from_slice(body).map_err(|cause| invalid_json(&cause))?]
    };
    events.into_iter().map(NewEvent::try_from).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransactionIn {
    pub appends: Vec<StreamAppendIn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamAppendIn {
    pub stream: String,
    #[serde(default)]
    pub expected_revision: ExpectedIn,
    pub events: Vec<EventIn>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedIn {
    #[default]
    Any,
    NoStream,
    Exists,
    #[serde(untagged)]
    Exactly(u64),
}

impl From<ExpectedIn> for ExpectedRevision {
    fn from(expected: ExpectedIn) -> Self {
        match expected {
            ExpectedIn::Any => Self::Any,
            ExpectedIn::NoStream => Self::NoStream,
            ExpectedIn::Exists => Self::Exists,
            ExpectedIn::Exactly(revision) => Self::Exactly(Revision(revision)),
        }
    }
}

#[derive(Serialize)]
pub struct AppendedOut {
    pub first_position: u64,
    pub last_position: u64,
    /// Only where one stream was appended to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<StreamRevision>,
    pub duplicate: bool,
}

#[derive(Serialize)]
pub struct StreamRevision {
    pub stream: String,
    pub revision: u64,
}

impl AppendedOut {
    pub fn to_one_stream(appended: &Appended) -> Self {
        let revision = appended.streams.first().map(|stream| stream.1.0);
        Self { revision, streams: Vec::new(), ..Self::transaction(appended) }
    }

    pub fn transaction(appended: &Appended) -> Self {
        let stream = |(stream, revision): &(crate::event::StreamName, Revision)| StreamRevision {
            stream: stream.to_string(),
            revision: revision.0,
        };
        Self {
            first_position: appended.first.0,
            last_position: appended.last.0,
            revision: None,
            streams: appended.streams.iter().map(stream).collect(),
            duplicate: appended.duplicate,
        }
    }
}

#[derive(Serialize)]
pub struct EventOut {
    pub position: u64,
    pub stream: String,
    pub revision: u64,
    pub time: Timestamp,
    pub id: Uuid,
    #[serde(rename = "type")]
    pub kind: String,
    pub schema: u32,
    pub data: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl TryFrom<Recorded> for EventOut {
    type Error = Problem;

    fn try_from(event: Recorded) -> Result<Self, Problem> {
        // It was JSON when it was appended, and its checksum has held since.
        let json =
            |text| RawValue::from_string(text).map_err(|cause| Problem::new(500, "log-failed", cause.to_string()));
        Ok(Self {
            position: event.position.0,
            revision: event.revision.0,
            time: event.timestamp(),
            id: event.id,
            schema: event.schema,
            stream: event.stream,
            kind: event.kind,
            data: json(event.data)?,
            metadata: event.metadata.map(json).transpose()?,
            tags: event.tags,
        })
    }
}

#[derive(Serialize)]
pub struct PageOut {
    pub events: Vec<EventOut>,
    /// The last durable position, or the last revision of the stream.
    pub head: Option<u64>,
    pub next: Option<String>,
}
