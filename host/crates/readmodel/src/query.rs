//! Queries: which rows, in which order, and figures over them.

pub(crate) mod filter;
pub(crate) mod list;
pub(crate) mod plan;
pub(crate) mod reader;
pub(crate) mod select;
pub(crate) mod spans;
pub(crate) mod statistics;
pub(crate) mod walk;
