//! The shape of the source, checked: arrows between crates, circles of files, rooms.
//!
//! Nothing is compiled for it. What depends on what is asked of Cargo, and read from the source.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod arrows;
mod circles;
mod features;
mod modules;
mod names;
mod rooms;
mod workspace;
