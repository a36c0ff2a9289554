//! Commits: the way of accepted events to the disk.

pub(crate) mod journal;
