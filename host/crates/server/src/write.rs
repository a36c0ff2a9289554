//! Appends over HTTP.

pub(crate) mod append;
pub(crate) mod claims;
pub(crate) mod cloudevents;
pub(crate) mod direct;
pub(crate) mod reserved;
