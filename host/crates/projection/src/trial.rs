//! Trials: guests run beside a version, on read models that are thrown away.

pub(crate) mod cast;
pub(crate) mod continuation;
pub(crate) mod events;
pub(crate) mod forecast;
pub(crate) mod proof;
pub(crate) mod rehearsal;
pub(crate) mod sample;
