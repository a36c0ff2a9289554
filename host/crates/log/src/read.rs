//! Reads of the log's database: look-ups, and searches in its lists of positions.

pub(crate) mod lookup;
pub(crate) mod postings;
pub(crate) mod streams;
