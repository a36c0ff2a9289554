//! Commits: the way of accepted events to the disk.

pub(crate) mod durability;
pub(crate) mod journal;
pub(crate) mod opening;
