//! Appends over HTTP.

pub mod append;
pub mod claims;
pub mod cloudevents;
pub mod commands;
mod owned;
pub mod reserved;
