//! The feed: events of the log, routed and upcast, in windows.

pub(crate) mod ahead;
pub(crate) mod modules;
pub(crate) mod routes;
pub(crate) mod source;
pub(crate) mod upcasting;
