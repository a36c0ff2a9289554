//! A proof of determinism.

use serde::{Deserialize, Serialize};

/// What the check at a deployment has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Events of the sample, which were all applied in each way.
    pub events: u64,
    /// Those that were left out, because they could not be applied alone.
    pub left_out: u64,
    /// Ways of batching and restarting that gave the same rows.
    pub ways: u64,
    pub took_ms: u64,
}

/// Where the check of a projector against itself is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Validation {
    /// The way of batching that is tried, from 1, of so many.
    pub way: u64,
    pub ways: u64,
    /// Events of the sample that have been applied in this way, of so many.
    pub events: u64,
    pub of: u64,
}
