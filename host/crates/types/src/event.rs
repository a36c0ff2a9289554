//! Events that are to be appended, and what is expected of their streams.
//!
//! Not the wire format (see `kinora-api`) and not the disk format (see `kinora-log`): those have types of their own.

use std::fmt;

use serde_json::value::RawValue;
use uuid::Uuid;

use crate::name::{EventType, Tag};
use crate::position::Revision;

/// An event that somebody wants to append.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub id: Uuid,
    pub kind: EventType,
    /// JSON text, without line breaks.
    pub data: Box<RawValue>,
    /// A JSON object as text, without line breaks.
    pub metadata: Option<Box<RawValue>>,
    pub tags: Vec<Tag>,
}

/// Which revision a stream must have for an append to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedRevision {
    Any,
    NoStream,
    Exists,
    Exactly(Revision),
}

/// JSON as it stands in an event: within JSON text a raw line break can only be white space between tokens, and it
/// would break a line-based format.
///
/// # Errors
/// None for JSON; what is not is told by the parser.
pub fn on_one_line(json: Box<RawValue>) -> serde_json::Result<Box<RawValue>> {
    if !json.get().bytes().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return Ok(json);
    }
    RawValue::from_string(json.get().replace(['\n', '\r'], " "))
}

impl fmt::Display for ExpectedRevision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::NoStream => f.write_str("no_stream"),
            Self::Exists => f.write_str("exists"),
            Self::Exactly(revision) => revision.fmt(f),
        }
    }
}
