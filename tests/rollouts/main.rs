//! Versions of a projection: how they replay, are compared, and follow each other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod damage;
mod diff;
mod figures;
mod gates;
mod replays;
mod retries;
mod standing_still;
mod switching;
mod versions;
