//! A host over HTTP: JSON in and out, Server-Sent Events to follow, errors as RFC 9457 problems.
//!
//! This module never touches RocksDB: it parses, calls the log and the projections, and formats.

mod edge;
#[doc(hidden)]
pub mod fuzz;
mod projections;
mod query;
mod read;
pub mod serve;
mod service;
mod write;

pub use query::translation;
pub use service::service;
