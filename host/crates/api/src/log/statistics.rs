//! The log: what it is and holds.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::appends::Durability;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Log {
    /// Bytes of the log's folder: tables, journal and all.
    pub bytes_on_disk: u64,
    pub durability: Durability,
    pub events: u64,
    pub id: Uuid,
    /// About how many streams there are.
    pub streams_estimated: u64,
    pub types: Vec<TypeCount>,
}

/// How often a type occurs, with one schema, and where first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TypeCount {
    pub events: u64,
    pub first_position: u64,
    pub schema: u32,
    #[serde(rename = "type")]
    pub kind: String,
}
