//! Replays: windows applied by guests and committed as rows.

pub(crate) mod committer;
pub(crate) mod crew;
pub(crate) mod gauges;
pub(crate) mod instances;
pub(crate) mod pace;
pub(crate) mod parts;
pub(crate) mod row_sink;
pub(crate) mod rows;
pub(crate) mod runner;
pub(crate) mod sink;
pub(crate) mod stepper;
pub(crate) mod trace;
pub(crate) mod turns;
