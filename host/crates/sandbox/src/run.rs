//! Running instances, each call within limits.

pub(crate) mod bindings;
pub(crate) mod explain;
pub(crate) mod instance;
pub(crate) mod state;
pub(crate) mod usage;
