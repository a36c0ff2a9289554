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
