//! Read models as a library: rows, indexes, queries and commits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod budgets;
mod cache;
mod kills;
mod model;
mod queries;
mod scans;
