//! Modules, projections and their versions: what they are, and what can be done with them.

pub mod deciders;
pub mod differences;
pub mod modules;
pub mod projections;
pub mod rollouts;
pub mod upcasters;
pub mod verifications;
pub mod versions;
