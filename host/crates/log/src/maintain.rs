//! Maintenance: opening a log, backing it up, verifying it.

pub(crate) mod backup;
pub(crate) mod opening;
pub(crate) mod verify;
