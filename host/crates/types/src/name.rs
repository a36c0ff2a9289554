//! Names of streams, event types and tags: what may stand in a key, in a URL and in a log.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

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
/// that what stands there is what the host did; and since they are not the users' events, a projector that does not
/// name them passes over them.
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

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
}
