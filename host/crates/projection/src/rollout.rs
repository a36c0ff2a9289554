//! Rollouts: how versions come, go live, go back and go.

pub(crate) mod continuation;
pub(crate) mod deploy;
pub(crate) mod gates;
pub(crate) mod lifecycle;
pub(crate) mod preflight;
pub(crate) mod promotion;
pub(crate) mod skipping;
pub(crate) mod upcasters;
