//! The log as a library: appends, reads, and what it finds out about its own files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod appends;
mod damage;
mod golden;
mod journal;
mod model;
mod poison;
mod repair;
mod selection;
mod verify;
