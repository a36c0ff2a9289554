//! Events and answers as JSON, and their way to and from the words of the log.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use kinora_log::{
    AppendRequest, Appended, Claim, ClaimKey, Claims, Condition, Durability, Item, Selection, StreamAppend,
};
use kinora_types::{EventType, ExpectedRevision, NewEvent, Position, Revision};

use crate::edge::problem::Problem;

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
            id: event.id.unwrap_or_else(Uuid::now_v7),
            kind: EventType::new(event.kind, event.schema)?,
            data: on_one_line(event.data)?,
            metadata: event.metadata.map(on_one_line).transpose()?,
            tags: event.tags.iter().map(|tag| tag.parse()).collect::<Result<_, _>>()?,
        })
    }
}

/// Within JSON text a raw line break can only be white space between tokens, and it would break a line-based format.
pub fn on_one_line(json: Box<RawValue>) -> Result<Box<RawValue>, Problem> {
    if !json.get().bytes().any(|byte| matches!(byte, b'\n' | b'\r')) {
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

/// One event, or an array of them; and whether all have been given new ids here.
pub fn events(body: &[u8]) -> Result<(Vec<NewEvent>, bool), Problem> {
    let events: Vec<EventIn> = if body.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice(body).map_err(|cause| invalid_json(&cause))?
    } else {
        vec![serde_json::from_slice(body).map_err(|cause| invalid_json(&cause))?]
    };
    let new = events.iter().all(|event| event.id.is_none());
    Ok((events.into_iter().map(NewEvent::try_from).collect::<Result<_, _>>()?, new))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransactionIn {
    pub appends: Vec<StreamAppendIn>,
    pub condition: Option<ConditionIn>,
    #[serde(default)]
    pub claims: ClaimsIn,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionIn {
    none_of: Vec<ItemIn>,
    after: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemIn {
    #[serde(default)]
    types: Vec<String>,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct ClaimsIn {
    release: Vec<ClaimIn>,
    take: Vec<ClaimIn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimIn {
    scope: String,
    value: String,
    owner: String,
}

impl TryFrom<TransactionIn> for AppendRequest {
    type Error = Problem;

    fn try_from(transaction: TransactionIn) -> Result<Self, Problem> {
        let append = |append: StreamAppendIn| -> Result<_, Problem> {
            Ok(StreamAppend {
                stream: append.stream.parse()?,
                expected: append.expected_revision.into(),
                events: append.events.into_iter().map(NewEvent::try_from).collect::<Result<_, _>>()?,
            })
        };
        let has_new_ids = transaction.appends.iter().flat_map(|append| &append.events).all(|event| event.id.is_none());
        Ok(Self {
            appends: transaction.appends.into_iter().map(append).collect::<Result<_, _>>()?,
            condition: transaction.condition.map(Condition::try_from).transpose()?,
            claims: transaction.claims.try_into()?,
            key: None,
            has_new_ids,
        })
    }
}

impl TryFrom<ConditionIn> for Condition {
    type Error = Problem;

    fn try_from(condition: ConditionIn) -> Result<Self, Problem> {
        if condition.none_of.is_empty() {
            return Err(Problem::new(400, "invalid-condition", "the condition's none_of is empty, so it says nothing")
                .hint(r#"such as {"none_of": [{"types": ["SeatTaken"], "tags": ["seat:12A"]}], "after": 41}"#));
        }
        let item =
            |item: &ItemIn| Item::new(item.types.iter().map(String::as_str), item.tags.iter().map(String::as_str));
        let items = condition.none_of.iter().map(item).collect::<Result<_, _>>()?;
        Ok(Self { selection: Selection { items }, after: condition.after.map(Position) })
    }
}

impl TryFrom<ClaimsIn> for Claims {
    type Error = Problem;

    fn try_from(claims: ClaimsIn) -> Result<Self, Problem> {
        let claim = |claim: ClaimIn| -> Result<_, Problem> {
            Ok(Claim { key: ClaimKey::new(&claim.scope, &claim.value)?, owner: claim.owner.parse()? })
        };
        Ok(Self {
            release: claims.release.into_iter().map(claim).collect::<Result<_, _>>()?,
            take: claims.take.into_iter().map(claim).collect::<Result<_, _>>()?,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamAppendIn {
    pub stream: String,
    #[serde(default)]
    pub expected_revision: ExpectedIn,
    /// None: the stream is only checked.
    #[serde(default)]
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
    /// `sync`: it is on the disk; an interval: it will be after so many milliseconds at most.
    pub durability: Durability,
}

#[derive(Serialize)]
pub struct StreamRevision {
    pub stream: String,
    pub revision: u64,
}

impl AppendedOut {
    pub fn to_one_stream(appended: &Appended, durability: Durability) -> Self {
        Self {
            first_position: appended.first.0,
            last_position: appended.last.0,
            revision: appended.streams.first().map(|stream| stream.1.0),
            streams: Vec::new(),
            duplicate: appended.duplicate,
            durability,
        }
    }

    pub fn transaction(appended: &Appended, durability: Durability) -> Self {
        let stream = |(stream, revision): &(kinora_types::StreamName, Revision)| StreamRevision {
            stream: stream.to_string(),
            revision: revision.0,
        };
        let streams = appended.streams.iter().map(stream).collect();
        Self { revision: None, streams, ..Self::to_one_stream(appended, durability) }
    }
}
