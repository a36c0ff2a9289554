//! Commits: the way of accepted events to the disk.

pub(crate) mod commit_log;
pub(crate) mod commits;
pub(crate) mod drive;
pub(crate) mod durability;
pub(crate) mod journal;
pub(crate) mod memory;
pub(crate) mod opening;
pub(crate) mod site;
