//! Versions of a projection: how they replay, are compared, and follow each other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod diff;
mod gates;
mod replays;
mod switching;
mod versions;
