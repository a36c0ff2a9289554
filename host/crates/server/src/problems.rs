//! Problems from a host's errors: the one place that maps them to problems.

mod log;
mod modules;
mod projections;
pub mod read_models;
