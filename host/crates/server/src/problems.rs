//! Problems from a host's errors: the one place that maps them to problems. Which operation can answer which ones is
//! in [`operations`].

mod decisions;
mod log;
mod modules;
pub mod operations;
mod projections;
pub mod read_models;
