//! Guests on a host: what they can do, and what they make of events.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod contracts;
mod golden;
mod languages;
mod limits;
mod modules;
mod ontime;
mod partitions;
mod upcasting;
