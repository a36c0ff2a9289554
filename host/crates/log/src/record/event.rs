//! Records, the bytes of an event on disk: format version (1 byte), body (postcard), CRC-32 of position, version and
//! body (4 bytes, little-endian). The position is in the checksum but not in the bytes: a record under a foreign key
//! fails.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use kinora_types::{Micros, NewEvent, Position, Revision, StreamName};

const VERSION: u8 = 2;
const CHECKSUM_BYTES: usize = 4;

/// The body before the id, whose 16 bytes stand between the two as they are.
#[derive(Serialize, Deserialize)]
struct Head<'a> {
    stream: &'a str,
    revision: u64,
    time: u64,
}

/// The body after the id.
#[derive(Serialize, Deserialize)]
struct Tail<'a> {
    kind: &'a str,
    schema: u32,
    data: &'a str,
    metadata: Option<&'a str>,
    tags: &'a str,
    claims: &'a str,
}

/// An event as it stands in the log, borrowed from the block that it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordRef<'a> {
    pub stream: &'a str,
    pub revision: Revision,
    pub time: Micros,
    pub id: Uuid,
    pub kind: &'a str,
    pub schema: u32,
    /// JSON text.
    pub data: &'a str,
    /// A JSON object as text.
    pub metadata: Option<&'a str>,
    /// Separated by line feeds.
    pub tags: &'a str,
    /// What the append took and released, if this is its first event (see `claims`).
    pub claims: &'a str,
}

/// An event as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub position: Position,
    pub stream: String,
    pub revision: Revision,
    pub time: Micros,
    pub id: Uuid,
    pub kind: String,
    pub schema: u32,
    pub data: String,
    pub metadata: Option<String>,
    pub tags: Vec<String>,
}

impl RecordRef<'_> {
    /// When the event was appended.
    pub fn timestamp(&self) -> Timestamp {
        i64::try_from(self.time.0).ok().and_then(|us| Timestamp::from_microsecond(us).ok()).unwrap_or(Timestamp::MAX)
    }

    pub fn to_owned(&self, position: Position) -> Recorded {
        Recorded {
            position,
            stream: self.stream.to_owned(),
            revision: self.revision,
            time: self.time,
            id: self.id,
            kind: self.kind.to_owned(),
            schema: self.schema,
            data: self.data.to_owned(),
            metadata: self.metadata.map(str::to_owned),
            tags: self.tags.split('\n').filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
        }
    }

    /// Whether a retry of `event` to `stream` would say the same.
    pub fn says_the_same(&self, stream: &StreamName, event: &NewEvent) -> bool {
        self.stream == stream.as_str()
            && self.kind == event.kind.name
            && self.schema == event.kind.schema
            && self.data == event.data.get()
            && self.metadata == event.metadata.as_ref().map(|json| json.get())
            && self.tags == tags(event)
    }
}

fn tags(event: &NewEvent) -> String {
    event.tags.iter().map(kinora_types::Tag::as_str).collect::<Vec<_>>().join("\n")
}

fn checksum(position: Position, bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&position.0.to_be_bytes());
    hasher.update(bytes);
    hasher.finalize().to_le_bytes()
}

/// Why bytes are not a record.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    #[error("the record is too short")]
    Short,
    #[error("the record has format {0}, this program knows format {VERSION}")]
    Version(u8),
    #[error("the checksum does not match")]
    Checksum,
    #[error("the record does not decode: {0}")]
    Body(postcard::Error),
}

pub fn encode(
    position: Position,
    stream: &str,
    revision: Revision,
    time: Micros,
    event: &NewEvent,
    claims: &str,
) -> Result<Vec<u8>, postcard::Error> {
    let head = Head { stream, revision: revision.0, time: time.0 };
    let tail = Tail {
        kind: &event.kind.name,
        schema: event.kind.schema,
        data: event.data.get(),
        metadata: event.metadata.as_ref().map(|json| json.get()),
        tags: &tags(event),
        claims,
    };
    let mut bytes = Vec::with_capacity(event.data.get().len() + 160);
    bytes.push(VERSION);
    let mut bytes = postcard::to_extend(&head, bytes)?;
    bytes.extend_from_slice(event.id.as_bytes());
    let mut bytes = postcard::to_extend(&tail, bytes)?;
    bytes.extend_from_slice(&checksum(position, &bytes));
    Ok(bytes)
}

/// A record with this body, whatever it is: what a fuzzer makes of bytes.
pub fn signed(position: Position, body: &[u8]) -> Vec<u8> {
    let mut bytes = [&[VERSION], body].concat();
    bytes.extend_from_slice(&checksum(position, &bytes));
    bytes
}

pub fn decode(position: Position, bytes: &[u8]) -> Result<RecordRef<'_>, Damage> {
    let (signed, sum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(Damage::Short)?;
    let (version, body) = signed.split_first().ok_or(Damage::Short)?;
    if *version != VERSION {
        return Err(Damage::Version(*version));
    }
    if checksum(position, signed) != *sum {
        return Err(Damage::Checksum);
    }
    let (head, rest) = postcard::take_from_bytes::<Head<'_>>(body).map_err(Damage::Body)?;
    let (id, rest) = rest.split_first_chunk().ok_or(Damage::Short)?;
    let tail: Tail<'_> = postcard::from_bytes(rest).map_err(Damage::Body)?;
    Ok(RecordRef {
        stream: head.stream,
        revision: Revision(head.revision),
        time: Micros(head.time),
        id: Uuid::from_bytes(*id),
        kind: tail.kind,
        schema: tail.schema,
        data: tail.data,
        metadata: tail.metadata,
        tags: tail.tags,
        claims: tail.claims,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use kinora_types::EventType;

    fn event() -> NewEvent {
        NewEvent {
            id: Uuid::from_u128(7),
            kind: EventType::new("T", 2).unwrap(),
            data: serde_json::from_str(r#"{"a":1}"#).unwrap(),
            metadata: None,
            tags: vec!["x:1".parse().unwrap(), "y".parse().unwrap()],
        }
    }

    fn bytes() -> Vec<u8> {
        encode(Position(3), "s", Revision(5), Micros(300), &event(), "+\ts\tv\to").unwrap()
    }

    /// Format 2, for ever: version, stream, revision, time, id, type, schema, data, metadata, tags, claims, checksum.
    const GOLDEN: &str =
        "0201730 5ac02 00000000000000000000000000000007 0154 02 077b2261223a317d 00 05783a310a79 072b097309760 96f";

    #[test]
    fn a_record_of_format_2_is_these_bytes() {
        let golden = hex::decode(GOLDEN.replace(' ', "")).unwrap();
        let bytes = bytes();
        assert_eq!(hex::encode(&bytes[..bytes.len() - CHECKSUM_BYTES]), hex::encode(golden));
    }

    #[test]
    fn a_record_survives_the_round_trip() {
        let bytes = bytes();
        let record = decode(Position(3), &bytes).unwrap();
        assert!(record.says_the_same(&"s".parse().unwrap(), &event()));
        assert_eq!((record.revision, record.time, record.id), (Revision(5), Micros(300), event().id));
        assert_eq!(record.to_owned(Position(3)).tags, ["x:1", "y"]);
    }

    #[test]
    fn any_flipped_bit_and_any_cut_is_found() {
        let good = bytes();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(Position(3), &bad).is_err(), "bit {bit}");
        }
        for length in 0..good.len() {
            assert!(decode(Position(3), &good[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn a_record_under_a_foreign_position_is_found() {
        assert!(matches!(decode(Position(4), &bytes()), Err(Damage::Checksum)));
    }
}
