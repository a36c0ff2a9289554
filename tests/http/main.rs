//! The HTTP interface, of a host in this process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod append;
mod edge;
mod fields;
mod log;
mod pairs;
mod problems;
mod queries;
mod read;
mod unknown;
