//! Differences between two read models: all of them, or the first one.

pub(crate) mod fields;
pub(crate) mod first_difference;
pub(crate) mod tables;
