//! From the words of a host to those of its clients, and back: a file for each group of what goes over the wire.

pub mod appends;
pub mod decisions;
pub mod differences;
pub mod limits;
pub mod modules;
pub mod queries;
pub mod rollouts;
pub mod upcasters;
pub mod verifications;
pub mod versions;
