//! Backups of a host.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CreateBackup {
    /// How many to keep: older ones are deleted.
    pub keep: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Backup {
    pub bytes: u64,
    pub number: u32,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub time: Option<Timestamp>,
}

/// The oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Backups {
    pub backups: Vec<Backup>,
}
