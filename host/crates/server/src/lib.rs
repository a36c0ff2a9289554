//! A host over HTTP: JSON in and out, Server-Sent Events to follow, errors as RFC 9457 problems.
//!
//! This crate never touches RocksDB: it parses, calls the log and the projections, and formats. What goes over the wire
//! is defined in `kinora-api`.

mod edge;
#[doc(hidden)]
pub mod fuzz;
mod gate;
mod host;
mod problems;
mod projections;
mod query;
mod read;
mod router;
pub mod serve;
mod upkeep;
mod wire;
mod write;

pub use query::translation::Translation;
pub use router::document;
pub use serve::listen::tls;
