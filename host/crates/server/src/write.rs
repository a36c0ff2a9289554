//! Appends over HTTP.

pub mod append;
pub mod claims;
pub mod cloudevents;
pub mod direct;
pub mod reserved;
