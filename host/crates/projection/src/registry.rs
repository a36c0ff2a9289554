//! The registry: which versions there are, and what has happened to them.

pub(crate) mod catalog;
pub(crate) mod history;
