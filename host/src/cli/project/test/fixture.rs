//! A fixture: given events, and what has to come of them, as a JSON file in the project.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use kinora_client::api::appends::NewEvent;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Rows by table and key.
pub type Rows = BTreeMap<String, BTreeMap<String, Value>>;

pub struct Fixture {
    pub given: Vec<Given>,
    pub expected: Expected,
}

pub enum Expected {
    /// All rows of these tables, after a projector has seen the events.
    Rows(Rows),
    /// What a decider says to a command.
    Decision { when: When, then: Then },
}

/// What a command comes to.
#[derive(PartialEq, Debug)]
pub enum Then {
    Events(Vec<Emitted>),
    /// The code of the rejection.
    Rejected(String),
}

/// An event as a fixture names it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    pub stream: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default = "first_schema")]
    schema: u32,
    #[serde(default = "no_members")]
    data: Value,
    metadata: Option<Box<RawValue>>,
    #[serde(default)]
    pub tags: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    pub aggregate: String,
    pub command: String,
    #[serde(default = "no_members")]
    pub data: Value,
}

#[derive(Deserialize, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct Emitted {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default = "first_schema")]
    pub schema: u32,
    #[serde(default = "no_members")]
    pub data: Value,
}

fn first_schema() -> u32 {
    1
}

/// Data of a command or an event that has none, as `kinora decide` sends it and deciders emit it.
fn no_members() -> Value {
    Value::Object(serde_json::Map::new())
}

/// A file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    given: Vec<Given>,
    rows: Option<Rows>,
    when: Option<When>,
    then: Option<Vec<Emitted>>,
    rejected: Option<String>,
}

impl Given {
    pub fn event(&self) -> anyhow::Result<NewEvent> {
        Ok(NewEvent {
            id: None,
            kind: self.kind.clone(),
            schema: self.schema,
            data: serde_json::value::to_raw_value(&self.data)?,
            metadata: self.metadata.clone(),
            tags: self.tags.clone(),
        })
    }
}

impl Fixture {
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).context("it cannot be read")?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let File { given, rows, when, then, rejected } = serde_json::from_str(text).context("it is not a fixture")?;
        let expected = match (rows, when, then, rejected) {
            (Some(rows), None, None, None) => Expected::Rows(rows),
            (None, Some(when), Some(then), None) => Expected::Decision { when, then: Then::Events(then) },
            (None, Some(when), None, Some(code)) => Expected::Decision { when, then: Then::Rejected(code) },
            _ => bail!(
                "it has to say `rows` (of a projector), or `when` with either `then` or `rejected` (of a decider)"
            ),
        };
        Ok(Self { given, expected })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_fixture_says_one_thing_that_is_expected() {
        let is_one = |text: &str| Fixture::parse(text).is_ok();
        assert!(is_one(r#"{"given":[{"type":"A"}],"rows":{"t":{"k":{"n":1}}}}"#));
        assert!(is_one(r#"{"when":{"aggregate":"1","command":"Ship"},"then":[]}"#));
        assert!(is_one(r#"{"when":{"aggregate":"1","command":"Ship"},"rejected":"unknown"}"#));
        for text in [
            r#"{"given":[]}"#,
            r#"{"rows":{},"when":{"aggregate":"1","command":"Ship"}}"#,
            r#"{"when":{"aggregate":"1","command":"Ship"},"then":[],"rejected":"unknown"}"#,
            r#"{"rows":{},"given":[{"kind":"A"}]}"#,
        ] {
            assert!(!is_one(text), "{text}");
        }
    }

    #[test]
    fn fixtures_of_new_projects_are_read() {
        for text in [
            include_str!("../templates/fixtures/projector.json"),
            include_str!("../templates/fixtures/decider.json"),
            include_str!("../templates/fixtures/decider-rejected.json"),
        ] {
            Fixture::parse(text).unwrap();
        }
    }
}
