//! Appends over HTTP.

pub mod append;
pub mod claims;
pub mod cloudevents;
pub mod commands;
pub mod direct;
mod owned;
pub mod reserved;
