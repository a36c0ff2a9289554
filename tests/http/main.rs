//! The HTTP interface, of a host in this process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod access;
mod append;
mod bounds;
mod connections;
mod edge;
mod fields;
mod incarnations;
mod log;
mod pairs;
mod problems;
mod queries;
mod read;
mod unknown;
