//! A line of an exported log: an event as the host writes it, with all that its record has.

use anyhow::Context;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use kinora_log::{AppendRequest, Claim, ClaimKey, Claims, StreamAppend};
use kinora_types::{EventType, ExpectedRevision, Micros, NewEvent, Position, Revision};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    pub position: u64,
    stream: String,
    revision: u64,
    time: Timestamp,
    id: Uuid,
    #[serde(rename = "type")]
    kind: String,
    schema: u32,
    data: Box<RawValue>,
    metadata: Option<Box<RawValue>>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    claims: ClaimsLine,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ClaimsLine {
    release: Vec<ClaimLine>,
    take: Vec<ClaimLine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimLine {
    scope: String,
    value: String,
    owner: String,
}

impl ClaimLine {
    fn parse(&self) -> anyhow::Result<Claim> {
        Ok(Claim { key: ClaimKey::new(&self.scope, &self.value)?, owner: self.owner.parse()? })
    }
}

impl Line {
    /// The position alone, without a look at the rest.
    pub fn position(text: &str) -> anyhow::Result<u64> {
        #[derive(Deserialize)]
        struct Only {
            position: u64,
        }
        Ok(serde_json::from_str::<Only>(text)?.position)
    }

    /// The request that appends this event where it was, and when.
    pub fn into_request(self) -> anyhow::Result<(AppendRequest, Micros)> {
        let time = u64::try_from(self.time.as_microsecond()).context("its time is before 1970")?;
        let expected = match self.revision.checked_sub(1) {
            None => ExpectedRevision::NoStream,
            Some(before) => ExpectedRevision::Exactly(Revision(before)),
        };
        let event = NewEvent {
            id: self.id,
            kind: EventType::new(self.kind.as_str(), self.schema)?,
            data: self.data,
            metadata: self.metadata,
            tags: self.tags.iter().map(|tag| tag.parse()).collect::<Result<_, _>>()?,
        };
        let parse = |claims: &[ClaimLine]| claims.iter().map(ClaimLine::parse).collect::<anyhow::Result<Vec<_>>>();
        let claims = Claims { release: parse(&self.claims.release)?, take: parse(&self.claims.take)? };
        let append = StreamAppend { stream: self.stream.parse()?, expected, events: vec![event] };
        Ok((AppendRequest { claims, ..vec![append].into() }, Micros(time)))
    }

    pub fn is_at(&self, position: Position) -> bool {
        self.position == position.0
    }
}
