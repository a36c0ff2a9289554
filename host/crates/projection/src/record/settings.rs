//! The settings of a projection: what holds for all of its versions.

use serde::{Deserialize, Serialize};

/// They stand beside the versions in the catalog, and in the status of the projection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How many versions on standby are kept; all of them if it is not set. The rest is retired after a switch.
    pub retain: Option<u32>,
    pub on_fault: OnFault,
}

/// How a version answers that stopped at a fault: its rows no longer follow the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFault {
    /// Not at all, unless the query says that old rows are welcome.
    #[default]
    Refuse,
    /// With what it has, and a warning.
    Stale,
}

/// Settings to change; the others stay as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct SettingsChange {
    /// `Some(None)`: keep all.
    pub retain: Option<Option<u32>>,
    pub on_fault: Option<OnFault>,
}
