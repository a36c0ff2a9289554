//! The log: what is appended to it, what is read from it, and what it holds.

pub mod appends;
pub mod claims;
pub mod commands;
pub mod events;
mod statistics;

pub use statistics::{Incarnation, Log, TypeCount};
