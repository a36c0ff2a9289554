//! What all requests pass: bodies, callers, sessions, problems, probes.

pub(crate) mod actor;
pub(crate) mod around;
pub(crate) mod backups;
pub(crate) mod caller;
pub(crate) mod health;
pub(crate) mod large;
pub(crate) mod problem;
pub(crate) mod session;
pub(crate) mod wire;
