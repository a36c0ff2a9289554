//! The commands about projections and their versions.

pub mod bars;
pub mod deciders;
pub mod deploy;
pub mod diff;
pub mod gates;
pub mod history;
pub mod once;
pub mod plan;
pub mod preflight;
pub mod repro;
pub mod rollout;
pub mod status;
pub mod uploads;
pub mod verify;
