//! Differences between two snapshots.

pub(crate) mod fields;
pub(crate) mod first_difference;
pub(crate) mod tables;
