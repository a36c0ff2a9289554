//! Reads: in order, by stream, by type and by tag, never beyond what is durable.

pub(crate) mod postings;
pub(crate) mod reader;
pub(crate) mod scan_types;
pub(crate) mod selection;
pub(crate) mod streams;
