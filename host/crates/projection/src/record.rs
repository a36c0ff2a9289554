//! Plain data about versions.

pub(crate) mod pace;
pub(crate) mod status;
