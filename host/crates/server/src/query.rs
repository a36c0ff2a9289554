//! Read models over HTTP.

pub(crate) mod follow;
pub(crate) mod format;
pub(crate) mod history;
pub(crate) mod list;
pub(crate) mod model;
pub(crate) mod statistics;
pub mod translation;
