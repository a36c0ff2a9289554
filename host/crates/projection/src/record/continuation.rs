//! The continuation of a version: what became of the wish to go on where another one stood.

use serde::{Deserialize, Serialize};

/// Whether a version went on with the rows of another one, and from where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continued {
    /// The other version.
    pub from: u32,
    /// The last event that was taken over, if that was sound.
    pub position: Option<u64>,
    /// Events of the sample for which both gave the same rows.
    pub compared: u64,
    /// Why it replays instead, if it does.
    pub why_not: Option<String>,
}
