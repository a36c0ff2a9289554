//! What a host answers, as far as the commands look at it. Fields that are not known here are left alone.

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cli::client::Problem;
use crate::cli::output::clean;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Validating,
    Replaying,
    CatchingUp,
    Ready,
    Live,
    Standby,
    Paused,
    Retired,
    Aborted,
    Faulted,
    /// A newer host may know more.
    #[serde(untagged)]
    Other(String),
}

impl State {
    /// Whether the version still works its way through the log.
    pub fn is_underway(&self) -> bool {
        matches!(self, Self::Validating | Self::Replaying | Self::CatchingUp)
    }

    /// Whether its rows are gone for good.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Retired | Self::Aborted)
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Validating => "validating",
            Self::Replaying => "replaying",
            Self::CatchingUp => "catching up",
            Self::Ready => "ready",
            Self::Live => "live",
            Self::Standby => "standby",
            Self::Paused => "paused",
            Self::Retired => "retired",
            Self::Aborted => "aborted",
            Self::Faulted => "faulted",
            Self::Other(name) => name,
        })
    }
}

#[derive(Debug, Clone, Deserialize)]
pub struct Fault {
    pub category: String,
    pub position: Option<u64>,
    pub event_type: Option<String>,
    pub schema: Option<u32>,
    pub message: String,
    pub stream: Option<String>,
    #[serde(default)]
    pub backtrace: Vec<String>,
    #[serde(default)]
    pub hint: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "  category: {}", self.category)?;
        if let Some(position) = self.position {
            write!(formatter, "\n  position: {position}")?;
        }
        if let Some(kind) = &self.event_type {
            write!(formatter, "\n  event:    {kind}")?;
        }
        if let Some(schema) = self.schema {
            write!(formatter, " schema {schema}")?;
        }
        if let Some(stream) = &self.stream {
            write!(formatter, "\n  stream:   {}", clean(stream))?;
        }
        write!(formatter, "\n  message:  {}", self.message.trim_end().replace('\n', "\n            "))?;
        self.backtrace.iter().try_for_each(|frame| write!(formatter, "\n    at {}", clean(frame)))?;
        if self.hint.is_empty() { Ok(()) } else { write!(formatter, "\n  hint:     {}", clean(&self.hint)) }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub struct VersionStatus {
    pub projection: String,
    pub version: u64,
    pub state: State,
    pub module: String,
    pub checkpoint: Option<u64>,
    pub head: Option<u64>,
    #[serde(default)]
    pub lag: u64,
    #[serde(default)]
    pub applied: u64,
    #[serde(default)]
    pub events_per_second: Option<f64>,
    pub eta_seconds: Option<f64>,
    pub stalled_seconds: Option<f64>,
    pub fault: Option<Fault>,
    /// `manual` or `when_ready`.
    #[serde(default)]
    pub promote: String,
    /// Events that it was told to pass over.
    #[serde(default)]
    pub skipped: Vec<Skipped>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Skipped {
    pub position: u64,
    pub event_type: Option<String>,
    pub reason: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct ProjectionStatus {
    pub name: String,
    pub live: Option<u64>,
    pub retain: Option<u64>,
    pub on_fault: Option<String>,
    pub versions: Vec<VersionStatus>,
}

impl ProjectionStatus {
    pub fn newest(&self) -> Option<&VersionStatus> {
        self.versions.iter().max_by_key(|version| version.version)
    }

    /// The newest in this state.
    pub fn newest_that_is(&self, state: &State) -> Option<&VersionStatus> {
        self.versions.iter().filter(|version| version.state == *state).max_by_key(|version| version.version)
    }

    /// The version that needs somebody's attention: the live one or the newest, if it faulted.
    pub fn faulted(&self) -> Option<&VersionStatus> {
        let newest = self.newest().map(|version| version.version);
        self.versions.iter().find(|version| {
            version.state == State::Faulted && (Some(version.version) == self.live || Some(version.version) == newest)
        })
    }
}

#[derive(Deserialize)]
pub struct Projections {
    pub projections: Vec<ProjectionStatus>,
}

#[derive(Deserialize)]
pub struct ModuleStatus {
    pub digest: String,
    pub state: ModuleState,
    pub kind: Option<String>,
    pub bytes: Option<u64>,
    pub compile_ms: Option<u64>,
    pub error: Option<Problem>,
    pub manifest: Option<Manifest>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModuleState {
    Compiling,
    Ready,
    Refused,
}

impl fmt::Display for ModuleState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Compiling => "compiling",
            Self::Ready => "ready",
            Self::Refused => "refused",
        })
    }
}

#[derive(Deserialize)]
pub struct Manifest {
    pub name: Option<String>,
    #[serde(default)]
    pub handles: Vec<Handled>,
    #[serde(default)]
    pub tables: Vec<Named>,
    #[serde(default)]
    pub queries: Vec<Named>,
    #[serde(default)]
    pub steps: Vec<Step>,
}

#[derive(Deserialize)]
pub struct Handled {
    #[serde(rename = "type")]
    pub kind: String,
    pub schema: u32,
}

impl fmt::Display for Handled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.kind, self.schema)
    }
}

#[derive(Deserialize)]
pub struct Step {
    pub from: Handled,
    #[serde(default)]
    pub to: Vec<Handled>,
}

#[derive(Deserialize)]
pub struct Named {
    pub name: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub indexes: Vec<Named>,
}

#[derive(Deserialize)]
pub struct Modules {
    pub modules: Vec<ModuleStatus>,
}

#[derive(Deserialize)]
pub struct Rows {
    pub rows: Vec<Box<RawValue>>,
    pub next: Option<String>,
}

#[derive(Deserialize)]
pub struct Row {
    pub key: Box<RawValue>,
    pub row: Box<RawValue>,
}

#[derive(Deserialize)]
pub struct Events {
    pub events: Vec<Box<RawValue>>,
    pub next: Option<String>,
}

#[derive(Deserialize)]
pub struct Event {
    pub position: u64,
    pub stream: String,
    pub revision: u64,
    #[serde(rename = "type")]
    pub kind: String,
    pub schema: u32,
    pub data: Box<RawValue>,
}

#[derive(Deserialize)]
pub struct Appended {
    pub first_position: u64,
    pub last_position: u64,
    pub revision: u64,
    pub duplicate: bool,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn projection(live: &str, versions: &[(u64, &str)]) -> ProjectionStatus {
        let version = |(version, state): &(u64, &str)| {
            format!(r#"{{"projection":"p","version":{version},"state":"{state}","module":"ab","lag":0,"new":1}}"#)
        };
        let versions: Vec<_> = versions.iter().map(version).collect();
        serde_json::from_str(&format!(r#"{{"name":"p","live":{live},"versions":[{}]}}"#, versions.join(","))).unwrap()
    }

    #[test]
    fn states_that_are_not_known_are_kept() {
        let state = |text: &str| serde_json::from_str::<State>(text).unwrap();
        assert_eq!(state(r#""catching_up""#), State::CatchingUp);
        assert_eq!(state(r#""dreaming""#).to_string(), "dreaming");
    }

    #[test]
    fn an_old_fault_is_not_the_state_of_the_projection() {
        assert!(projection("2", &[(1, "faulted"), (2, "live")]).faulted().is_none());
        assert_eq!(projection("1", &[(1, "faulted"), (2, "ready")]).faulted().unwrap().version, 1);
        assert_eq!(projection("1", &[(1, "live"), (2, "faulted")]).faulted().unwrap().version, 2);
    }

    #[test]
    fn the_newest_ready_version_is_found() {
        let projection = projection("null", &[(3, "replaying"), (2, "ready"), (1, "ready")]);
        assert_eq!(projection.newest_that_is(&State::Ready).unwrap().version, 2);
        assert_eq!(projection.newest().unwrap().version, 3);
    }
}
