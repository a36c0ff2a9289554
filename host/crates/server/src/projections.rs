//! Modules, projections and their versions over HTTP.

pub mod changes;
pub mod deciders;
pub mod deploy;
pub mod diff;
pub mod diff_rows;
pub mod faults;
pub mod history;
pub mod modules;
pub mod status;
pub mod upcasters;
pub mod verify;
