//! Queries: which rows, in which order, and figures over them, now and in the past.

pub(crate) mod advice;
pub(crate) mod cursor;
pub(crate) mod fields;
pub(crate) mod figures;
pub(crate) mod filter;
pub(crate) mod list;
pub(crate) mod list_query;
pub(crate) mod noted;
pub(crate) mod past;
pub(crate) mod plan;
pub(crate) mod reader;
pub(crate) mod select;
pub(crate) mod statistics;
pub(crate) mod walk;
