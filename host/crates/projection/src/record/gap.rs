//! A gap between a log and the modules of a version.

/// Events of a type and schema that nobody would handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    pub kind: String,
    pub schema: u32,
    /// In the whole log.
    pub count: u64,
    /// The first one that the version would come to.
    pub first_position: u64,
    /// What is missing, and how to mend it.
    pub why: String,
}
