//! Outcomes of commands that are no errors of theirs, but that scripts want to know.

use kinora_client::api::versions::Fault;

use crate::cli::fault::Described;

/// A version stopped at an event that it cannot handle.
#[derive(Debug, thiserror::Error)]
#[error("version {version} of projection {projection} stopped at a fault\n{}", Described(fault))]
pub struct Faulted {
    pub projection: String,
    pub version: u32,
    pub fault: Fault,
}

/// Events that an upcaster cannot take along.
#[derive(Debug, thiserror::Error)]
#[error("{failed} events cannot be upcast: a version with these upcasters would stop at the first of them")]
pub struct NotUpcast {
    pub failed: u64,
}

/// Not an error of the command, but something that a script wants to know.
#[derive(Debug, thiserror::Error)]
#[error("a gate is closed, so the version would not be promoted")]
pub struct GatesClosed;

/// Recorded commands come to something else than they did.
#[derive(Debug, thiserror::Error)]
#[error("{differences} of {commands} recorded commands come to something else than they did")]
pub struct DecidedOtherwise {
    pub differences: u64,
    pub commands: u64,
}
