//! The gates of a rollout, and the checklist of a version: data without the looking.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Events that a version may be behind, unless the rollout says otherwise: what comes in during the pause between two
/// commits of a busy log. Whoever has read newer rows waits for them (see the session token).
const MAX_LAG: u64 = 10_000;

/// The gates of a rollout. That the version is ready and has no fault is always asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gates {
    /// Events that it may be behind.
    pub max_lag: u64,
    /// Whether somebody has to have looked at what differs from the live version.
    pub reviewed: bool,
    /// How much may differ from the live version, by table; `*` stands for the others.
    pub difference: BTreeMap<String, Bounds>,
    /// How long it has to have been ready.
    pub ready_for_seconds: u64,
    /// A named query that has to answer `true`.
    pub check: Option<Check>,
}

impl Default for Gates {
    fn default() -> Self {
        Self { max_lag: MAX_LAG, reviewed: false, difference: BTreeMap::new(), ready_for_seconds: 0, check: None }
    }
}

/// Rows that may differ at most. What is not named may differ as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bounds {
    pub added: Option<u64>,
    pub removed: Option<u64>,
    pub changed: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    pub query: String,
    #[serde(default)]
    pub arguments: Map<String, Value>,
}

/// A gate, whether it is open, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    pub gate: &'static str,
    pub passed: bool,
    pub reason: String,
}

/// All gates of a version, as they are now.
#[derive(Clone, Debug)]
pub struct Checklist {
    pub projection: String,
    pub version: u32,
    /// The version that was live when the gates were looked at: a promotion takes the place of this one only.
    pub live: Option<u32>,
    pub passed: bool,
    pub gates: Vec<Gate>,
}
