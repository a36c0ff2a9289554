//! Maintenance: backing a log up, verifying it.

pub(crate) mod backup;
pub(crate) mod verify;
