//! Running instances, each call within limits.

pub(crate) mod access;
pub(crate) mod bindings;
pub(crate) mod decider;
pub(crate) mod explain;
pub(crate) mod instance;
pub(crate) mod reach;
pub(crate) mod slices;
pub(crate) mod usage;
