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

/// How a version answers that stopped at a fault.
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
    /// How a version answers that stopped at a fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_fault: Option<OnFault>,
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
