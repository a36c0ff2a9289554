//! Every limit of a host, by name: `log.event_bytes`, `sandbox.event_fuel`, ... Their defaults and what they are for
//! stand where they are enforced; here is how somebody sets one.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use kinora_decision as decision;
use kinora_log as log;
use kinora_projection as projection;
use kinora_sandbox as sandbox;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    pub log: log::Limits,
    pub sandbox: sandbox::Limits,
    pub queries: projection::QueryLimits,
    pub projections: projection::Limits,
    pub deciders: decision::Limits,
    pub http: HttpLimits,
}

/// What connections may cost. Whoever serves a host enforces it; it stands here because all limits are set in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpLimits {
    /// Connections at once.
    pub connections: usize,
    /// Those of one address, or of one network of version 6.
    pub address_connections: usize,
    /// Seconds that a new connection has for its first request.
    pub head_seconds: u64,
    /// Seconds that a connection is kept on which nothing is asked.
    pub idle_seconds: u64,
    /// Seconds that a client may take nothing of what is sent to it.
    pub send_seconds: u64,
    /// Bytes of a body, if it goes on for long, that have to come...
    pub body_bytes: usize,
    /// ...in so many seconds.
    pub body_seconds: u64,
    /// Bytes of the bodies of one client at once.
    pub client_body_bytes: usize,
    /// Wrong keys that all together may show to the console in a minute, before an address has but one attempt.
    pub wrong_keys: u32,
    /// Those of one address, or of one network of version 6.
    pub address_wrong_keys: u32,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            address_connections: 2_048,
            head_seconds: 10,
            idle_seconds: 75,
            send_seconds: 30,
            body_bytes: 64 << 10,
            body_seconds: 10,
            client_body_bytes: 128 << 20,
            wrong_keys: 300,
            address_wrong_keys: 10,
        }
    }
}

/// `NAME=VALUE`, as in `sandbox.event_fuel=500000000`. A value may end with K, M or G, for multiples of 1024.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    name: String,
    value: u64,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error(
        "{0:?} is not a limit: write NAME=VALUE, such as sandbox.event_fuel=500000000 or sandbox.memory_bytes=256M"
    )]
    Malformed(String),
    #[error("there is no limit {name:?}; there are {}", known.join(", "))]
    Unknown { name: String, known: Vec<String> },
    #[error("limit {name} does not take {value}: {cause}")]
    Invalid { name: String, value: u64, cause: String },
}

impl Setting {
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for Setting {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || Error::Malformed(text.to_owned());
        let (name, value) = text.split_once('=').ok_or_else(malformed)?;
        let (digits, factor) = match value.trim().char_indices().next_back() {
            Some((at, 'K' | 'k')) => (value.trim().get(..at), 1 << 10),
            Some((at, 'M' | 'm')) => (value.trim().get(..at), 1 << 20),
            Some((at, 'G' | 'g')) => (value.trim().get(..at), 1 << 30),
            _ => (Some(value.trim()), 1_u64),
        };
        let digits = digits.unwrap_or_default().replace('_', "");
        let value = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(malformed)?;
        Ok(Self { name: name.trim().to_owned(), value })
    }
}

impl Limits {
    /// The defaults, except for what is set.
    pub fn with(settings: &[Setting]) -> Result<Self, Error> {
        settings.iter().try_fold(Self::default(), |limits, setting| limits.set(setting))
    }

    fn set(&self, Setting { name, value }: &Setting) -> Result<Self, Error> {
        let invalid =
            |cause: serde_json::Error| Error::Invalid { name: name.clone(), value: *value, cause: cause.to_string() };
        let mut groups = self.groups().map_err(invalid)?;
        let known = name.split_once('.').and_then(|(group, limit)| groups.get_mut(group)?.get_mut(limit));
        match known {
            Some(limit) => *limit = (*value).into(),
            None => return Err(Error::Unknown { name: name.clone(), known: self.names() }),
        }
        serde_json::from_value(Value::Object(groups)).map_err(invalid)
    }

    fn groups(&self) -> Result<Map<String, Value>, serde_json::Error> {
        match serde_json::to_value(self)? {
            Value::Object(groups) => Ok(groups),
            _ => Ok(Map::new()),
        }
    }

    /// All limits by their names, in the order of their groups.
    pub fn values(&self) -> Vec<(String, Value)> {
        let groups = self.groups().unwrap_or_default();
        let values = |(group, limits): (String, Value)| {
            let limits = match limits {
                Value::Object(limits) => limits,
                _ => Map::new(),
            };
            limits.into_iter().map(move |(limit, value)| (format!("{group}.{limit}"), value))
        };
        groups.into_iter().flat_map(values).collect()
    }

    /// All names, in the order of their groups.
    pub fn names(&self) -> Vec<String> {
        self.values().into_iter().map(|(name, _)| name).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn with(settings: &[&str]) -> Result<Limits, Error> {
        Limits::with(&settings.iter().map(|text| text.parse()).collect::<Result<Vec<_>, _>>()?)
    }

    #[test]
    fn a_limit_is_set_by_its_name_and_the_others_stay() {
        let limits =
            with(&["sandbox.memory_bytes=64M", "queries.named_waiting=7", "sandbox.event_fuel=1_000"]).unwrap();
        assert_eq!((limits.sandbox.memory_bytes, limits.queries.named_waiting), (64 << 20, 7));
        assert_eq!(
            (limits.sandbox.event_fuel, limits.sandbox.key_bytes),
            (1_000, sandbox::Limits::default().key_bytes)
        );
    }

    #[test]
    fn what_runs_at_once_is_one_at_least() {
        for name in ["queries.named_at_once", "queries.scans_at_once", "log.commit_events"] {
            let error = with(&[&format!("{name}=0")]).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("nonzero"), "{error}");
            assert!(with(&[&format!("{name}=1")]).is_ok());
        }
    }

    #[test]
    fn every_limit_is_documented_with_its_default() {
        let document = include_str!("../../../LIMITS.md");
        let limits = Limits::default();
        for (group, limits) in limits.groups().unwrap() {
            for (name, value) in limits.as_object().unwrap() {
                let row = format!("| `{group}.{name}` | {value} | ");
                assert!(document.contains(&row), "LIMITS.md lacks {row}");
            }
        }
        let documented = document.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(documented, limits.names().len(), "LIMITS.md has limits that there are not");
    }

    #[test]
    fn what_is_no_limit_is_refused_with_those_that_are() {
        for text in
            ["sandbox.event_fuel", "sandbox.event_fuel=", "sandbox.event_fuel=-1", "sandbox.event_fuel=1T", "=1é"]
        {
            assert!(matches!(with(&[text]), Err(Error::Malformed(_))), "{text}");
        }
        for text in ["sandbox.speed=1", "event_fuel=1", "sandbox=1", "sandbox.event_fuel.x=1"] {
            let error = with(&[text]).unwrap_err().to_string();
            assert!(error.contains("sandbox.event_fuel, ") && error.contains("log.event_bytes"), "{error}");
        }
    }
}
