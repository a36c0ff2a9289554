//! Replays: windows applied by guests and committed as rows.

pub(crate) mod committer;
pub(crate) mod gauges;
pub(crate) mod guests;
pub(crate) mod partitions;
pub(crate) mod parts;
pub(crate) mod rows;
pub(crate) mod runner;
pub(crate) mod throttle;
pub(crate) mod turns;
