//! Plain data about versions.

pub(crate) mod status;
