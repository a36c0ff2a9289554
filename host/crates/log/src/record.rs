//! Records: every key, every value, and the words that they are made of.

pub(crate) mod answered;
pub(crate) mod claims;
pub(crate) mod event;
pub(crate) mod keys;
pub(crate) mod rejection;
pub(crate) mod request;
pub(crate) mod selection;
pub(crate) mod stream;
