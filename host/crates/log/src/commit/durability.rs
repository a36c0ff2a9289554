//! [`Durability`]: when an append is acknowledged.

use serde::{Deserialize, Serialize};

/// When an append is acknowledged. Either way nobody reads an event that is not synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Once it is on the disk.
    #[default]
    Sync,
    /// Once it is written; it is fsynced every `n` milliseconds. A crash of the machine (not of the host alone) may
    /// lose what was acknowledged since.
    Interval(u64),
}
