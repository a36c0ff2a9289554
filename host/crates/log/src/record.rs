//! Record layouts: every key, every value, and the words that they are made of.

pub(crate) mod claims;
pub(crate) mod event;
pub(crate) mod keys;
pub(crate) mod requests;
