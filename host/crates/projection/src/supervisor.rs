//! Supervision: the threads of versions.

pub(crate) mod stall;
pub(crate) mod version;
