//! Read models over HTTP.

pub mod common;
pub mod follow;
pub mod format;
pub mod list;
pub mod model;
pub mod parameters;
pub mod row_format;
pub mod row_versions;
pub mod translation;
