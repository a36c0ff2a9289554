//! Events over HTTP.

pub mod encode;
pub mod events;
pub mod log;
pub mod ndjson;
pub mod page;
pub mod pieces;
pub mod subscribe;
