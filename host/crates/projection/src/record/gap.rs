//! A gap between a log and the modules of a version.

use serde::Serialize;

/// Events of a type and schema that nobody would handle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    #[serde(rename = "type")]
    pub kind: String,
    pub schema: u32,
    /// In the whole log.
    pub count: u64,
    /// The first one that the version would come to.
    pub first_position: u64,
    /// What is missing, and how to mend it.
    pub why: String,
}
