//! Modules, projections and their versions over HTTP.

pub(crate) mod deploy;
pub(crate) mod diff;
pub(crate) mod diff_rows;
pub(crate) mod faults;
pub(crate) mod history;
pub(crate) mod modules;
pub(crate) mod rollouts;
pub(crate) mod upcasters;
pub(crate) mod verify;
