//! Events and the words around them, as every part of the host uses them.
//!
//! Not the wire format (see `http`) and not the disk format (see `log::record`): those have types of their own.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::value::RawValue;
use uuid::Uuid;

/// Where an event stands in the log: global, gapless, from 0, in commit order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// Where an event stands in its stream, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// Microseconds since the Unix epoch, by the clock of the host that appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub u64);

impl Micros {
    /// The first one that is not before a time: what lies within a microsecond has passed its beginning. `None` before 1970.
    pub fn not_before(time: Timestamp) -> Option<Self> {
        let begun = u64::from(time.subsec_nanosecond() % 1000 != 0);
        Some(Self(u64::try_from(time.as_microsecond()).ok()? + begun))
    }
}

/// How many events, from the first on, have been applied or made durable: the position of the next one.
///
/// `Progress(0)` is "nothing yet"; the last event that counts is `last()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Progress(pub u64);

impl Progress {
    /// The last position that is included, or `None` before the first event.
    pub fn last(self) -> Option<Position> {
        self.0.checked_sub(1).map(Position)
    }

    /// The position of the next event.
    pub fn next(self) -> Position {
        Position(self.0)
    }

    /// Progress that includes `position`.
    pub fn through(position: Position) -> Self {
        Self(position.0.saturating_add(1))
    }

    pub fn includes(self, position: Position) -> bool {
        position.0 < self.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a name was refused. `what` says which kind of name, so that the sentence stands on its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {name:?} is not valid: {why}")]
pub struct InvalidName {
    pub what: &'static str,
    pub name: String,
    pub why: String,
}

/// Names stand in keys, in URLs and in logs, so control characters are out, and so is the byte that ends a name in
/// a key. Length limits keep keys small enough for every block of the index.
fn check_name(what: &'static str, name: &str, max_bytes: usize) -> Result<(), InvalidName> {
    let refuse = |why: String| InvalidName { what, name: name.chars().take(80).collect(), why };
    if name.is_empty() {
        return Err(refuse("it is empty".into()));
    }
    if name.len() > max_bytes {
        return Err(refuse(format!("it has {} bytes, the limit is {max_bytes}", name.len())));
    }
    let is_control = match name.is_ascii() {
        true => name.bytes().any(|byte| byte.is_ascii_control()),
        false => name.chars().any(char::is_control),
    };
    if is_control {
        return Err(refuse("it has a control character".into()));
    }
    Ok(())
}

/// What the names of the host's own streams and event types begin with. Nobody else may append under such a name, so
/// that what stands there is what the host did; and since they are not the users' events, a projector that does not name
/// them passes over them.
pub const RESERVED: &str = "$kinora";

/// The name of a stream, such as `flight-UA-1545-2013-01-01`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(Arc<str>);

impl StreamName {
    pub const MAX_BYTES: usize = 512;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StreamName {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        check_name("stream name", name, Self::MAX_BYTES)?;
        Ok(Self(name.into()))
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A label of an event that reads can select by, such as `aircraft:N14228`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

impl Tag {
    pub const MAX_BYTES: usize = 256;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        check_name("tag", name, Self::MAX_BYTES)?;
        Ok(Self(name.to_owned()))
    }
}

/// What an event is: the name of its type and the version of its schema, from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct EventType {
    #[serde(rename = "type")]
    pub name: String,
    pub schema: u32,
}

impl EventType {
    pub const MAX_BYTES: usize = 256;

    pub fn new(name: impl Into<String>, schema: u32) -> Result<Self, InvalidName> {
        let name = name.into();
        check_name("event type", &name, Self::MAX_BYTES)?;
        if schema == 0 {
            let why = "its schema is 0, schemas count from 1".to_owned();
            return Err(InvalidName { what: "event type", name, why });
        }
        Ok(Self { name, schema })
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} schema {}", self.name, self.schema)
    }
}

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

/// From the oldest on, or from the newest back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Forwards,
    Backwards,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_time_within_a_microsecond_is_after_what_happened_in_it() {
        let micros = |text: &str| Micros::not_before(text.parse().unwrap());
        assert_eq!(micros("1970-01-01T00:00:01.000002Z"), Some(Micros(1_000_002)));
        assert_eq!(micros("1970-01-01T00:00:01.000002001Z"), Some(Micros(1_000_003)));
        assert_eq!(micros("1969-12-31T00:00:00Z"), None);
    }

    #[test]
    fn names_that_cannot_stand_in_a_key_or_a_url_are_refused_with_the_reason() {
        for (name, why) in [("", "empty"), ("a\nb", "control"), ("a\0", "control"), (&*"x".repeat(513), "513 bytes")] {
            let error = name.parse::<StreamName>().unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        assert!("x".repeat(512).parse::<StreamName>().is_ok());
        assert!("flight/UA 1545 é".parse::<StreamName>().is_ok());
    }

    #[test]
    fn schemas_count_from_one() {
        assert!(EventType::new("FlightDeparted", 0).is_err());
        assert_eq!(EventType::new("FlightDeparted", 2).unwrap().to_string(), "FlightDeparted schema 2");
    }

    #[test]
    fn progress_counts_events_and_positions_count_from_zero() {
        assert_eq!(Progress::default().last(), None);
        let progress = Progress::through(Position(0));
        assert_eq!((progress.last(), progress.next()), (Some(Position(0)), Position(1)));
        assert!(progress.includes(Position(0)) && !progress.includes(Position(1)));
    }
}
