//! Ranges of keys.

/// Which keys to scan, in byte order: from `start` (included) up to `end` (not included).
#[derive(Clone, Debug, Default)]
pub struct KeyRange {
    pub start: Option<String>,
    pub end: Option<String>,
    pub reverse: bool,
}
