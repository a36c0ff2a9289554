//! Projections: which version is live, what holds for all versions, and who did what.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::versions::{State, Version};

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Projection {
    pub name: String,
    /// The version that answers queries.
    #[schema(required)]
    pub live: Option<u32>,
    /// The version that a rollback goes to.
    #[schema(required)]
    pub previous: Option<u32>,
    /// How many versions on standby are kept; all of them if it is not set.
    #[schema(required)]
    pub retain: Option<u32>,
    pub on_fault: OnFault,
    pub versions: Vec<Version>,
}

/// What is said to whoever follows a projection.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "event", content = "data", rename_all = "kebab-case")]
pub enum ProjectionMessage {
    Status(Projection),
}

impl Projection {
    pub fn newest(&self) -> Option<&Version> {
        self.versions.iter().max_by_key(|version| version.version)
    }

    /// The newest in this state.
    pub fn newest_that_is(&self, state: &State) -> Option<&Version> {
        self.versions.iter().filter(|version| version.state == *state).max_by_key(|version| version.version)
    }

    /// The newest whose rows are not gone.
    pub fn newest_there(&self) -> Option<&Version> {
        self.versions.iter().filter(|version| !version.state.is_gone()).max_by_key(|version| version.version)
    }

    /// The version that needs somebody's attention: the live one or the newest, if it faulted.
    pub fn faulted(&self) -> Option<&Version> {
        let newest = self.newest().map(|version| version.version);
        self.versions.iter().find(|version| {
            version.state == State::Faulted && (Some(version.version) == self.live || Some(version.version) == newest)
        })
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Projections {
    pub projections: Vec<Projection>,
}

/// How a version answers that stands still: it stopped at a fault, or is paused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFault {
    /// Not at all, unless the query says that old rows are welcome.
    #[default]
    Refuse,
    /// With what it has, and a warning.
    Stale,
}

impl fmt::Display for OnFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Refuse => "refuse",
            Self::Stale => "stale",
        })
    }
}

/// What is to hold for all versions from now on. What is not named stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SettingsChange {
    /// Versions on standby to keep; null for all.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>)]
    pub retain: Option<Option<u32>>,
    /// How a version answers that stands still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_fault: Option<OnFault>,
    /// Only if this version is live now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_live: Option<u32>,
}

/// `null` is something else than nothing.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<u32>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// Which entries of a history.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReadHistory {
    /// A revision: 0 is the first entry
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub from: Option<u64>,
    /// Entries of a page
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<usize>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use kinora_types::Digest;

    use super::*;
    use crate::versions::Promote;
    use crate::versions::Usage;

    fn projection(live: Option<u32>, versions: &[(u32, State)]) -> Projection {
        let digest = Digest::of(b"");
        let version = |(version, state): &(u32, State)| Version {
            projection: "p".into(),
            version: *version,
            state: state.clone(),
            module: digest,
            upcasters: Vec::new(),
            checkpoint: None,
            head: None,
            lag: 0,
            applied: 0,
            stalled_seconds: None,
            events_per_second: 0.0,
            eta_seconds: None,
            replayed_in_ms: None,
            validation: None,
            fault: None,
            determinism: None,
            continued: None,
            skipped: Vec::new(),
            identity: digest,
            promote: Promote::Manual,
            start: 0,
            reviewed: None,
            created_at: jiff::Timestamp::UNIX_EPOCH,
            ready_at: None,
            memory_bytes: 0,
            usage: Usage::default(),
        };
        let versions = versions.iter().map(version).collect();
        Projection { name: "p".into(), live, previous: None, retain: None, on_fault: OnFault::Refuse, versions }
    }

    #[test]
    fn an_old_fault_is_not_the_state_of_the_projection() {
        let faulted = |live, versions: &[_]| projection(live, versions).faulted().map(|version| version.version);
        assert_eq!(faulted(Some(2), &[(1, State::Faulted), (2, State::Live)]), None);
        assert_eq!(faulted(Some(1), &[(1, State::Faulted), (2, State::Ready)]), Some(1));
        assert_eq!(faulted(Some(1), &[(1, State::Live), (2, State::Faulted)]), Some(2));
    }

    #[test]
    fn the_newest_ready_version_is_found() {
        let projection = projection(None, &[(3, State::Replaying), (2, State::Ready), (1, State::Ready)]);
        assert_eq!(projection.newest_that_is(&State::Ready).unwrap().version, 2);
        assert_eq!(projection.newest().unwrap().version, 3);
    }

    #[test]
    fn null_is_something_else_than_nothing() {
        let change = |text: &str| serde_json::from_str::<SettingsChange>(text).unwrap();
        assert_eq!((change("{}").retain, change(r#"{"retain":null}"#).retain), (None, Some(None)));
        for text in ["{}", r#"{"retain":null}"#, r#"{"retain":3,"on_fault":"stale"}"#] {
            assert_eq!(serde_json::to_string(&change(text)).unwrap(), text);
        }
    }
}
