//! Every key of the log's database.
//!
//! | family    | key                                   | value                                   |
//! |-----------|---------------------------------------|-----------------------------------------|
//! | `events`  | position, u64 big-endian              | record (see `record`)                   |
//! | `streams` | stream                                | position of its first event, u64 big-endian |
//! | `revisions` | position of the stream's first event, revision, both u64 big-endian | position, u64 big-endian |
//! | `types`   | type, NUL, schema, u32 big-endian     | count, first position, u64 big-endian   |
//! | `by_type` | type, NUL, position, u64 big-endian   | positions from there on (see `postings`) |
//! | `by_tag`  | tag, NUL, position, u64 big-endian    | positions from there on (see `postings`) |
//! | `by_category` | category of the stream, NUL, position | positions from there on (see `postings`) |
//! | `ids`     | event id, 16 bytes                    | position, u64 big-endian                |
//! | `claims`  | scope, NUL, value                     | position, u64 big-endian, owner stream  |
//! | `requests` | the client's key                     | what it was answered (see `requests`)   |
//! | `meta`    | `format`                              | format version, u32 big-endian          |
//! | `meta`    | `id`                                  | a UUID that is this log's own, 16 bytes |
//! | `meta`    | `epoch`                               | how often the log has been opened, u64 big-endian |
//! | `meta`    | `closed`                              | the `epoch` that ended with all in tables, u64 big-endian |
//! | `meta`    | `incarnations`                        | those after the first: UUID, position behind what it kept |
//!
//! Names have no control characters, so NUL ends them unambiguously and keeps the order of the names.
//!
//! An event adds an entry to `revisions` and `ids`, and a stream one to `streams`, once. What stands for the stream in
//! `revisions` is short, and grows: new streams come last, so their entries are placed without a search.

use kinora_types::{Position, Revision};

use crate::record::claims::ClaimKey;

pub const EVENTS: &str = "events";
pub const STREAMS: &str = "streams";
pub const REVISIONS: &str = "revisions";
pub const TYPES: &str = "types";
pub const BY_TYPE: &str = "by_type";
pub const BY_TAG: &str = "by_tag";
pub const BY_CATEGORY: &str = "by_category";
pub const IDS: &str = "ids";
pub const CLAIMS: &str = "claims";
pub const REQUESTS: &str = "requests";
pub const META: &str = "meta";

pub const FAMILIES: [&str; 11] =
    [EVENTS, STREAMS, REVISIONS, TYPES, BY_TYPE, BY_TAG, BY_CATEGORY, IDS, CLAIMS, REQUESTS, META];

pub const FORMAT_KEY: &[u8] = b"format";
pub const ID_KEY: &[u8] = b"id";
pub const EPOCH_KEY: &[u8] = b"epoch";
pub const CLOSED_KEY: &[u8] = b"closed";
pub const INCARNATIONS_KEY: &[u8] = b"incarnations";

/// Bytes of an incarnation.
pub const INCARNATION_BYTES: usize = 24;

/// The category of a stream: its name up to the first hyphen, that included, or all of it if there is none.
pub fn category(stream: &str) -> &str {
    stream.split_inclusive('-').next().unwrap_or(stream)
}

pub fn event(position: Position) -> [u8; 8] {
    position.0.to_be_bytes()
}

/// `first` is the position of the stream's first event.
pub fn revision(first: Position, revision: Revision) -> [u8; 16] {
    (u128::from(first.0) << 64 | u128::from(revision.0)).to_be_bytes()
}

pub fn event_type(name: &str, schema: u32) -> Vec<u8> {
    named(name, &schema.to_be_bytes())
}

pub fn posting(name: &str, position: u64) -> Vec<u8> {
    named(name, &position.to_be_bytes())
}

/// What all chunks of a name begin with, out of the key of one. The database builds its filters from it, so it stays
/// as it is.
pub fn posting_name(key: &[u8]) -> &[u8] {
    key.split_last_chunk::<8>().map_or(key, |(name, _)| name)
}

/// Whether a key can be that of a chunk.
pub fn is_posting(key: &[u8]) -> bool {
    key.len() > 8
}

/// The first position of a chunk of postings, if it belongs to this name.
pub fn posted_under(key: &[u8], name: &str) -> Option<u64> {
    number(key.strip_prefix(name.as_bytes())?.strip_prefix(b"\0")?)
}

pub fn claim(key: &ClaimKey) -> Vec<u8> {
    named(&key.scope, key.value.as_bytes())
}

fn named(name: &str, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len() + 1 + rest.len());
    key.extend_from_slice(name.as_bytes());
    key.push(0);
    key.extend_from_slice(rest);
    key
}

/// Splits what [`event_type`] made.
pub fn split_event_type(key: &[u8]) -> Option<(&str, u32)> {
    let (rest, schema) = key.split_last_chunk::<4>()?;
    let name = std::str::from_utf8(rest.strip_suffix(b"\0")?).ok()?;
    Some((name, u32::from_be_bytes(*schema)))
}

/// What all keys of a stream in `revisions` begin with. The database builds its filters from it, so it stays as it is.
pub const REVISIONS_PREFIX_BYTES: usize = 8;

/// Splits what [`revision`] made.
pub fn split_revision(key: &[u8]) -> Option<(Position, Revision)> {
    let (first, revision) = key.split_first_chunk()?;
    Some((Position(u64::from_be_bytes(*first)), Revision(number(revision)?)))
}

pub fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_these_bytes() {
        assert_eq!(event(Position(258)), [0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(revision(Position(258), Revision(3)), *b"\0\0\0\0\0\0\x01\x02\0\0\0\0\0\0\0\x03");
        assert_eq!(event_type("T", 2), b"T\0\0\0\0\x02");
        assert_eq!(posting("a:1", 258), b"a:1\0\0\0\0\0\0\0\x01\x02");
        assert_eq!(posting_name(&posting("a:1", 258)), b"a:1\0");
    }

    #[test]
    fn the_revisions_of_a_stream_stand_together() {
        let key = revision(Position(7), Revision(300));
        assert_eq!(split_revision(&key), Some((Position(7), Revision(300))));
        assert_eq!(split_revision(&key[1..]), None);
        assert!(revision(Position(7), Revision(u64::MAX)) < revision(Position(8), Revision(0)));
    }

    #[test]
    fn an_event_type_survives_the_round_trip() {
        assert_eq!(split_event_type(&event_type("Flight", 0x0001_0000)), Some(("Flight", 0x0001_0000)));
        assert_eq!(split_event_type(b"abc"), None);
    }
}
