//! Events over HTTP.

pub(crate) mod encode;
pub(crate) mod events;
pub(crate) mod ndjson;
pub(crate) mod page;
pub(crate) mod stats;
pub(crate) mod subscribe;
