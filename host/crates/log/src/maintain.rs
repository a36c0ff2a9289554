//! Maintenance: backing a log up, looking at it, verifying it, and saving what can be saved of one that is damaged.

pub(crate) mod backup;
pub(crate) mod inspection;
pub(crate) mod repair;
pub(crate) mod verify;
